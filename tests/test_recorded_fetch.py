"""One job whose path is kept first, and what is over once it was cancelled."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from support.asking import HELLO
from support.bench import Bench, cancelled
from twisted.internet.defer import Deferred, succeed

from downloader import Job, Limits, Retries
from downloader.errors import DownloadError
from downloader.jobs import AnyJob
from downloader.testing import Connection, End, Origin


class Recorder:
    """Keeps a path when it is told to."""

    def __init__(self) -> None:
        self.planned: list[str] = []
        self.keeping: Deferred[None] = Deferred()
        self.troubles: list[str] = []

    def plan(self, jobs: Sequence[tuple[AnyJob, str]]) -> Deferred[None]:
        self.planned += [path for _, path in jobs]
        return self.keeping

    def intend(self, job: Job, path: str, inode: int, size: int) -> Deferred[None]:
        return succeed(None)

    def troubled(self, job: Job, error: DownloadError) -> None:
        self.troubles.append(type(error).__name__)


async def test_nothing_is_asked_before_its_path_is_kept(bench: Any, origin: Origin) -> None:
    b: Bench = bench(limits=Limits(total=1))
    recorder = Recorder()
    fetching = b.downloader.fetch(Job(origin.add("/a", 5), str(b.out)), recorder)
    await b.turns()
    assert recorder.planned == ["a"] and not b.downloader.limiter.free
    assert not origin.requests
    recorder.keeping.callback(None)
    result = await fetching
    assert (result.status, recorder.troubles) == ("complete", [])


async def test_a_cancel_while_its_path_is_being_kept(bench: Any, origin: Origin) -> None:
    b: Bench = bench()
    b.remember()
    fetching = b.downloader.fetch(Job(origin.add("/a", 5), str(b.out)), Recorder())
    await b.turns()
    fetching.cancel()
    assert cancelled(fetching)
    assert b.downloader.limiter.idle and not origin.requests
    await b.is_clean()


async def test_each_try_that_failed_is_told(bench: Any, scripted: Any) -> None:
    """Those that are made again too."""
    busy = b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n"
    server = scripted([lambda c: c.head(), busy, lambda c: c.head(), HELLO])
    b: Bench = bench(retries=Retries(tries=3, wait=0.01))
    recorder = Recorder()
    recorder.keeping.callback(None)
    result = await b.downloader.fetch(Job(server.url("/a"), str(b.out)), recorder)
    assert (result.attempts, recorder.troubles) == (2, ["ServerBusy"])
    assert recorder.planned == ["a"]


async def test_quiet_is_when_the_connection_is_closed(bench: Any, scripted: Any) -> None:
    """Not before; and others that go on are not waited for."""

    async def silent(connection: Connection) -> None:
        await connection.head()

    server = scripted(silent)
    b: Bench = bench(limits=Limits(connections_per_host=2))
    first, second = b.fetch(server.url("/1"), "1"), b.fetch(server.url("/2"), "2")
    await b.until(lambda: len(server.connections) == 2 and server.connections[1].heads)
    await b.downloader.quiet()  # there is nothing to wait for
    first.cancel()
    assert cancelled(first)
    quiet = b.downloader.quiet()
    assert not quiet.called
    await quiet
    await b.until(lambda: [one.end for one in server.connections].count(End.RST) == 1)
    assert not second.called
    waiting = b.downloader.quiet()
    assert waiting.called
    second.cancel()
    assert cancelled(second)
    waiting = b.downloader.quiet()
    waiting.cancel()
    assert cancelled(waiting)


async def test_quiet_waits_for_what_others_are_in_front_of(bench: Any, scripted: Any) -> None:
    """The connection goes when they are answered, or after a quarter second."""

    async def answers_once(connection: Connection) -> None:
        await connection.head()
        connection.send(HELLO)
        for _ in range(2):
            await connection.head()

    server = scripted(answers_once)
    b: Bench = bench(limits=Limits(connections_per_host=1))
    await b.fetch(server.url("/0"), "0")
    first, second = b.fetch(server.url("/1"), "1"), b.fetch(server.url("/2"), "2")
    await b.until(lambda: len(server.connections[0].heads) == 3)
    second.cancel()
    assert cancelled(second)
    await b.downloader.quiet()
    await b.until(lambda: server.connections[0].end is End.RST)
    assert not first.called  # it is asked again, on another
    first.cancel()
    assert cancelled(first)
