"""What is true of an agent's pool after every event, whatever happened."""

from __future__ import annotations

from typing import Any

from downloader.http1.agent import Agent


def check(agent: Agent, per_host: int, depth: int) -> None:
    """Raise AssertionError for the first thing that is not as it should be."""
    pool: Any = agent._pool
    owners = {one: host for host in pool._hosts.values() for one in host.idle}
    assert dict(pool._idle) == owners, "idle connections are in both books"
    held: list[Any] = []
    for host in pool._hosts.values():
        assert not host.unused, "a host of which nothing is left is forgotten"
        assert host.connections <= per_host
        assert 1 <= host.depth.now <= depth
        _check_connections(host, depth)
        _check_waiting(host)
        held += host.waiting
        for connection in (*host.idle, *host.busy):
            held += [*connection._pipeline._queue, *connection._unsent]
    assert len(held) == len(set(held)), "an exchange is in one place"


def _check_connections(host: Any, depth: int) -> None:
    places = [*host.idle, *host.busy, *host.unready]
    assert len(places) == len(set(places)), "a connection is in one place"
    assert set(host.roomy) <= {*host.idle, *host.busy}
    for connection in host.idle:
        assert connection.load == 0
        assert connection._aborted or connection.idle_deadline is not None
    for connection in host.busy:
        assert connection.idle_deadline is None
        assert connection._aborted or connection.load, "one that has nothing to do is idle"
        assert connection.load <= depth
        if connection._aborted:
            assert connection.load == 0 and not connection._wait._deadline
            assert not (connection._patience._look_deadline or connection._patience._cut_deadline)
        _check_exchanges(connection)


def _check_exchanges(connection: Any) -> None:
    """Only the first one may be answered already, or alone, or be there for a second time."""
    queue = [*connection._pipeline._queue, *connection._unsent]
    first = set(queue[:1])
    assert not first & connection._pipeline._unwanted, "it is aborted when its turn comes"
    if connection._pipeline._unwanted.intersection(queue):
        cut = connection._patience._cut_deadline
        assert cut in connection._patience._deadlines._live, "and in time"
    for place, exchange in enumerate(queue):
        unwanted = exchange in connection._pipeline._unwanted
        assert place == 0 or not (exchange.alone or exchange.resent)
        assert place == 0 or not queue[0].alone
        assert exchange.over == (unwanted or exchange.holder is None)
        assert not exchange.over or unwanted or place == 0
        assert exchange.over or exchange.holder is connection


def _check_waiting(host: Any) -> None:
    for exchange in host.waiting:
        assert exchange.holder is host and not exchange.over
    if host.waiting:
        assert host.connecting or host.busy, "somebody will serve them"
        assert not host.idle
