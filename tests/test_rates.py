"""Rates and pauses over real sockets: the server feels them, and a cancel ends them at once.

A rate of a byte a second is a pause that lasts until the test lifts it.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from support.bench import Bench
from support.phases import BODY, PHASES, Phase, Served
from twisted.internet.interfaces import IPullProducer
from zope.interface import implementer

from downloader import Job, Limits
from downloader.jobs import Status
from downloader.sansio.throttle import BURST_BYTES
from downloader.testing import Connection, Origin, content, head

CHUNK = 64 * 1024
LENGTH = 64 * 1024 * 1024
# What loopback's two buffers, and a TLS layer, may have taken from a server that was not read from.
IN_FLIGHT = 24 * 1024 * 1024
ALL = Limits(bytes_per_second=1)
EACH = Limits(bytes_per_second_per_file=1)


@pytest.fixture(params=["plain", "tls"])
def tls(request: pytest.FixtureRequest, ca: Any) -> Any:
    """How servers do TLS, or None."""
    return ca.server() if request.param == "tls" else None


@implementer(IPullProducer)
class Sender:
    """Sends LENGTH bytes as fast as they are taken; `sent` is how many were."""

    def __init__(self) -> None:
        self.sent = 0

    async def script(self, connection: Connection) -> None:
        await connection.head()
        connection.send(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % LENGTH)
        self._transport = connection.transport
        self._transport.registerProducer(self, False)

    def resumeProducing(self) -> None:
        if self.sent == LENGTH:
            self._transport.unregisterProducer()
        else:
            self.sent += CHUNK
            self._transport.write(bytes(CHUNK))

    def stopProducing(self) -> None:
        """The client is gone."""


async def quiet(b: Bench, sender: Sender) -> None:
    """Wait until the server can write no more."""
    await b.until(lambda: sender.sent)
    sent = -1
    while sent != sender.sent:
        sent = sender.sent
        await b.turns(100)


@pytest.mark.parametrize("limits", [ALL, EACH], ids=["all", "each"])
async def test_the_servers_writes_stop_and_go_on(
    limits: Limits, tls: Any, scripted: Any, bench: Any
) -> None:
    """What is in flight is bounded by the buffers between; without the limit the rest comes."""
    sender = Sender()
    server = scripted(sender.script, tls=tls)
    b: Bench = bench(limits=limits)
    asked = b.fetch(server.url("/file"))
    await quiet(b, sender)
    assert sender.sent < IN_FLIGHT
    await b.written()
    assert BURST_BYTES < len(b.part()) < BURST_BYTES + 4 * CHUNK
    assert not asked.called
    b.downloader.throttle.set(None)
    assert (await asked).bytes == LENGTH
    assert (b.out / "file").read_bytes() == bytes(LENGTH)


async def test_a_limit_that_is_set_later_stops_what_comes(scripted: Any, bench: Any) -> None:
    """A long body that is read in large pieces, too."""
    sender = Sender()
    b: Bench = bench()
    asked = b.fetch(scripted(sender.script).url("/file"))
    await b.until(lambda: sender.sent)
    b.downloader.throttle.set(1)
    await quiet(b, sender)
    assert sender.sent < LENGTH and not asked.called
    b.downloader.throttle.set(None)
    assert (await asked).bytes == LENGTH


@pytest.mark.parametrize("limits", [ALL, EACH], ids=["all", "each"])
async def test_cancel_paused_for_its_debt(
    limits: Limits, tls: Any, scripted: Any, bench: Any
) -> None:
    """RST at once; the part file is kept, and no delayed call."""
    served = Served(scripted, PHASES["body, flowing"], tls)
    b: Bench = bench(limits=limits)
    b.remember()
    asked = b.fetch(served.url())
    connection = await served.reached
    await b.until(lambda: "1 paused" in repr(b.downloader.throttle))
    await b.turns()
    await b.cancel(asked, connection)
    await b.is_clean()
    assert "0 paused" in repr(b.downloader.throttle)
    b.kept(BODY, BURST_BYTES)
    b.downloader.throttle.set(None)
    await b.gets(served.url("/small"), b"small")


async def test_cancel_waiting_for_its_turn(tls: Any, scripted: Any, bench: Any) -> None:
    """Behind another file's debt; that one goes on."""
    served = Served(scripted, PHASES["body, flowing"], tls)
    other = Served(scripted, PHASES["body, flowing"], tls)
    b: Bench = bench(limits=ALL)
    b.remember()
    first = b.fetch(served.url(), "first")
    one = await served.reached
    await b.until(lambda: "1 paused" in repr(b.downloader.throttle))
    second = b.fetch(other.url())
    two = await other.reached
    await b.until(lambda: "2 paused" in repr(b.downloader.throttle))
    await b.cancel(second, two)
    assert one.end is None and "1 paused" in repr(b.downloader.throttle)
    await b.cancel(first, one)
    await b.is_clean()
    b.kept(BODY, 0)


async def test_cancel_a_small_file_that_is_there_and_waits(origin: Origin, bench: Any) -> None:
    """It has not even a part file, and its connection is free for others already."""
    b: Bench = bench(limits=ALL)
    first = b.fetch(origin.add("/big", 10_000_000), "first")
    await b.until(lambda: "1 paused" in repr(b.downloader.throttle))
    second = b.fetch(origin.add("/small", 5))
    await b.until(lambda: "2 paused" in repr(b.downloader.throttle))
    await b.cancel(second)
    assert not list(b.out.glob("file*"))
    await b.cancel(first)
    await b.written()
    assert b.downloader.limiter.idle and "0 paused" in repr(b.downloader.throttle)
    b.downloader.throttle.set(None)
    await b.gets(origin.url("/small"), b"".join(content("/small", 5)))
    assert len(origin.connections) == 2


@pytest.mark.parametrize(
    "limits", [Limits(rate=0.001), Limits(per_host_delay=1000.0)], ids=["rate", "delay"]
)
async def test_cancel_waiting_for_its_start(limits: Limits, scripted: Any, bench: Any) -> None:
    """The server has not heard of it, and the first request goes on."""
    served = Served(scripted, Phase((head,)))
    b: Bench = bench(limits=limits)
    b.remember()
    first = b.fetch(served.url(), "first")
    connection = await served.reached
    second = b.fetch(served.url())
    assert [one.status for one in b.downloader.active()] == [Status.ACTIVE, Status.WAITING]
    await b.cancel(second)
    await b.turns()
    assert connection.end is None
    assert [len(one.heads) for one in served.server.connections] == [1]
    await b.cancel(first, connection)
    await b.is_clean()
    b.kept(BODY, 0)


async def test_neither_of_two_files_starves(origin: Origin, bench: Any) -> None:
    """When the first is whole, the other has come a good part of the way."""
    size = 8 * CHUNK
    b: Bench = bench(limits=Limits(bytes_per_second=2 * size))
    for name in "ab":
        origin.add(f"/{name}", size)
    least: list[int] = []
    asked = [b.fetch(origin.url(f"/{name}"), name) for name in "ab"]
    for one in asked:
        one.addCallback(note_least, b, least)
    for one in asked:
        await one
    assert least[0] >= size // 4
    for name in "ab":
        assert (b.out / name).read_bytes() == b"".join(content(f"/{name}", size))


def note_least(result: Any, b: Bench, least: list[int]) -> Any:
    least.append(min((one.progress().received for one in b.downloader.active()), default=0))
    return result


@pytest.mark.parametrize("pipeline", [1, 16])
async def test_a_list_of_all_sizes(
    pipeline: int, origin: Origin, bench: Any, tmp_path: Path
) -> None:
    """Pipelined, paused, in turn: every file is right."""
    sizes = {f"/{n}": size for n, size in enumerate([0, 1, 5000, 70_000, 200_000, 400_000] * 8)}
    jobs = [Job(origin.add(path, size), str(tmp_path)) for path, size in sizes.items()]
    limits = Limits(
        connections_per_host=3,
        pipeline=pipeline,
        bytes_per_second=20_000_000,
        bytes_per_second_per_file=2_000_000,
    )
    b: Bench = bench(limits=limits)
    report = await b.downloader.fetch_all(jobs)
    assert (report.complete, report.failed) == (len(sizes), 0)
    assert report.bytes == sum(sizes.values())
    for path, size in sizes.items():
        assert (tmp_path / path[1:]).read_bytes() == b"".join(content(path, size))
