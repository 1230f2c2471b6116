"""Stop means stop: one test for each place where a request can wait.

Every row is run twice over plain TCP and twice over TLS: for `Downloader.fetch`, and for a call
of treq on our agent. Each shows that after `cancel()`

* the Deferred has failed, at once, with CancelledError and nothing else,
* the server sees the connection end, with a RST, within 50 ms,
* no slot, delayed call, socket, thread, open file or half-used connection is left,
* the part file is a true prefix of the body and no file has the final name,
* a second cancel and an answer that comes too late change nothing, and nothing is logged,
* the same downloader still gets the right bytes from the same server.

The table of what servers do is `support.phases`; `support.bench` asks and checks. Places where
a request waits for something else than a server's next byte have a test of their own.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import pytest
from support.bench import Bench
from support.pausing import PausingAgent
from support.phases import BODY, PHASES, Phase, Served
from support.resolving import HeldLookups, SilentResolver
from twisted.internet.defer import Deferred

from downloader import Limits, Retries
from downloader.http1.resolve import LOOKUPS, ThreadedResolver
from downloader.jobs import Status
from downloader.testing import FullListener, head, mute, stop_reading

Ask = Callable[[Bench, str], Deferred[Any]]


@pytest.fixture(params=["plain", "tls"])
def tls(request: pytest.FixtureRequest, ca: Any) -> Any:
    """How servers do TLS, or None."""
    return ca.server() if request.param == "tls" else None


@pytest.fixture(params=[Bench.fetch, Bench.treq], ids=["fetch", "treq"])
def ask(request: pytest.FixtureRequest) -> Any:
    """One of the two ways to ask."""
    return request.param


@pytest.mark.parametrize("phase", PHASES.values(), ids=PHASES.keys())
async def test_cancel(phase: Phase, ask: Ask, tls: Any, scripted: Any, bench: Any) -> None:
    """What the head of this module lists, in every phase."""
    served = Served(scripted, phase, tls)
    b: Bench = bench(wrap=PausingAgent if phase.pauses else None)
    b.remember()
    if phase.warm:
        await b.gets(served.url("/small"), b"small", "warm")
    asked = ask(b, served.url())
    connection = await served.reached
    if phase.arrives is not None:
        await b.until(lambda: b.answered or len(b.part()) >= phase.arrives)
    await b.until(lambda: not phase.pauses or b.downloader.agent.paused)
    await b.turns()
    await b.written()
    part = b.part()
    await b.cancel(asked, connection, phase.reads)
    await b.is_clean()
    assert [one for one in served.server.connections if one.end is None] == []
    assert b.part() == part
    b.kept(BODY, phase.arrives or 0 if ask is Bench.fetch else 0)
    await b.gets(served.url("/small"), b"small")


@pytest.mark.parametrize("same_host", [True, False], ids=["of the host", "of the total"])
async def test_cancel_waiting_for_a_slot(same_host: bool, scripted: Any, bench: Any) -> None:
    """A job that waits leaves the queue, and the one it waited for goes on."""
    served = Served(scripted, PHASES["sent, not a byte back"])
    other = Served(scripted, PHASES["sent, not a byte back"])
    b: Bench = bench(limits=Limits(total=1))
    b.remember()
    first = b.fetch(served.url(), "first")
    connection = await served.reached
    second = b.fetch(served.url() if same_host else other.url())
    assert [one.status for one in b.downloader.active()] == [Status.ACTIVE, Status.WAITING]
    await b.cancel(second)
    await b.turns()
    assert connection.end is None
    assert len(served.server.connections + other.server.connections) == 1
    await b.cancel(first, connection)
    await b.is_clean()
    b.kept(BODY, 0)
    await b.gets(served.url("/small"), b"small")


async def test_cancel_in_a_retrys_sleep(tls: Any, scripted: Any, bench: Any) -> None:
    """The sleep's timer goes."""
    busy = b"HTTP/1.1 503 Busy\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"
    served = Served(scripted, Phase((head, busy)), tls)
    b: Bench = bench(retries=Retries(wait=60.0))
    b.remember()
    asked = b.fetch(served.url())
    await (await served.reached).ended()
    (transfer,) = b.downloader.active()
    assert transfer.status is Status.WAITING and transfer.progress().attempts == 1
    await b.cancel(asked)
    await b.is_clean()
    b.kept(BODY, 0)
    await b.gets(served.url("/small"), b"small")


async def test_cancel_resolving(ask: Ask, scripted: Any, bench: Any) -> None:
    """The lookup is cancelled; addresses that come all the same are of no interest."""
    served = Served(scripted, Phase(()))
    resolver = SilentResolver()
    b: Bench = bench(resolver=resolver)
    b.remember()
    url = served.server.url("/small", "downloads.example")
    asked = ask(b, url)
    (lookup,) = resolver.lookups
    await b.cancel(asked)
    assert lookup.cancelled
    lookup.answer()
    await b.is_clean()
    assert not served.server.connections
    resolver.silent = False
    await b.gets(url, b"small")


async def test_cancel_resolving_in_a_thread(
    ask: Ask, scripted: Any, bench: Any, reactor: Any
) -> None:
    """A lookup that a thread is at ends unheard, and one that waits for a thread never begins."""
    served = Served(scripted, Phase(()))
    held = HeldLookups()
    b: Bench = bench(resolver=ThreadedResolver(reactor, held))
    b.remember()
    asked = [ask(b, served.server.url("/small", f"host{n}.example")) for n in range(LOOKUPS + 1)]
    await b.until(lambda: len(held.names) == LOOKUPS)
    for one in asked:
        await b.cancel(one)
    held.release()
    await b.until(lambda: not [t for t in threading.enumerate() if t.name == "lookup"])
    await b.is_clean()
    assert len(held.names) == LOOKUPS and not served.server.connections


@pytest.mark.parametrize("scheme", ["http", "https"])
async def test_cancel_connecting(
    scheme: str, ask: Ask, full_listener: FullListener, bench: Any
) -> None:
    """The socket that was in SYN_SENT is gone."""
    b: Bench = bench()
    b.remember()
    asked = ask(b, full_listener.url("/file", scheme))
    await b.until(full_listener.connecting)
    await b.cancel(asked)
    await b.is_clean()
    assert full_listener.connecting() == 0


async def test_cancel_connecting_to_several_addresses(
    ask: Ask, full_listener: FullListener, bench: Any
) -> None:
    """With several addresses tried at once, all of those sockets are gone."""
    b: Bench = bench(resolver=SilentResolver(silent=False, times=3))
    b.remember()
    asked = ask(b, full_listener.url("/file").replace("127.0.0.1", "downloads.example"))
    await b.until(lambda: full_listener.connecting() == 2)
    await b.cancel(asked)
    await b.is_clean()
    assert full_listener.connecting() == 0


async def test_cancel_in_a_mute_handshake(ask: Ask, scripted: Any, bench: Any) -> None:
    """The server took the ClientHello and says nothing."""
    served = Served(scripted, Phase((mute,)))
    b: Bench = bench()
    b.remember()
    asked = ask(b, served.url().replace("http:", "https:"))
    connection = await served.server.arrived()
    await b.until(lambda: connection.received)
    await b.cancel(asked, connection)
    await b.is_clean()
    await b.gets(served.url("/small"), b"small")


async def test_cancel_waiting_for_a_connection(
    ask: Ask, tls: Any, scripted: Any, bench: Any
) -> None:
    """With as many connections as a host may have, one request more leaves no trace."""
    served = Served(scripted, PHASES["body with a length"], tls)
    b: Bench = bench(limits=Limits(connections_per_host=1))
    b.remember()
    first = b.fetch(served.url(), "first")
    connection = await served.reached
    second = ask(b, served.url())
    await b.turns()
    await b.cancel(second)
    assert len(served.server.connections) == 1 and connection.end is None
    assert len(connection.heads) == 1
    await b.cancel(first, connection)
    await b.is_clean()
    b.kept(BODY, 0)
    await b.gets(served.url("/small"), b"small")


async def test_cancel_an_upload(tls: Any, scripted: Any, bench: Any) -> None:
    """The server has stopped reading while most of the request's body is still to be sent."""
    served = Served(scripted, Phase((head, stop_reading)), tls)
    b: Bench = bench()
    b.remember()
    asked = b.upload(served.url(), BODY)
    connection = await served.reached
    await b.turns()
    await b.cancel(asked, connection, reads=False)
    await b.is_clean()
    assert len(connection.received) < len(BODY)
    await b.gets(served.url("/small"), b"small")
