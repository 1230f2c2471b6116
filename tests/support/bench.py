"""A pytest plugin: a downloader, what asks through it, and what is true once that was cancelled."""

from __future__ import annotations

from collections.abc import Callable, Generator
from pathlib import Path
from typing import Any

import pytest
import pytest_twisted
from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.task import deferLater
from twisted.python.failure import Failure

from downloader import Downloader, Job
from downloader.deadlines import Deadlines
from downloader.http1.agent import Agent
from downloader.http1.redirect import RedirectAgent
from downloader.http1.tls import TlsOptions
from downloader.testing import Connection, End
from support.clean import leftovers, snapshot

# The promise. On a machine too busy to keep it, so few turns of the reactor must do.
SECONDS = 0.05
TURNS = 10
NAME = "file"
LATE = b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nlate"


class Bench:
    """One test's downloader, which writes to the directory `out`.

    `answered` counts the answers whose head treq's callers have. The downloader asks `agent`,
    or, when `wrap` is given, what that makes of it.
    """

    def __init__(
        self,
        reactor: Any,
        out: Path,
        note: Callable[[float], None],
        wrap: Callable[[Any], Any] | None = None,
        trust_root: Any = None,
        **options: Any,
    ) -> None:
        self.reactor = reactor
        if wrap is not None:
            self.agent = Agent(reactor, tls=TlsOptions(trust_root=trust_root))
            wrapped = wrap(RedirectAgent(self.agent, Deadlines(reactor)))
            self.downloader = Downloader(reactor, agent=wrapped, **options)
        else:
            self.downloader = Downloader(reactor, trust_root=trust_root, **options)
            assert self.downloader._own_agent is not None
            self.agent = self.downloader._own_agent
        self.out = out
        self.answered = 0
        self._note = note
        self._before = snapshot(reactor)

    async def close(self) -> None:
        """End everything."""
        await self.downloader.close()
        await self.agent.close()

    # --- two ways to ask --------------------------------------------------------------------

    def fetch(self, url: str, name: str = NAME) -> Deferred[Any]:
        """`Downloader.fetch`."""
        return self.downloader.fetch(Job(url, directory=str(self.out), name=name))

    def treq(self, url: str) -> Deferred[Any]:
        """`Downloader.http.get` and then `content`."""
        return Deferred.fromCoroutine(self._read(self.downloader.http.get(url)))

    def upload(self, url: str, data: bytes) -> Deferred[Any]:
        """`Downloader.http.post` and then `content`."""
        return Deferred.fromCoroutine(self._read(self.downloader.http.post(url, data=data)))

    async def _read(self, request: Deferred[Any]) -> bytes:
        response = await request
        self.answered += 1
        body: bytes = await response.content()
        return body

    # --- before -----------------------------------------------------------------------------

    def remember(self) -> None:
        """What is there now, such as the test's servers, is nothing that a request left."""
        self._before = snapshot(self.reactor)

    def part(self, name: str = NAME) -> bytes:
        """What has come of the file so far."""
        path = self.out / f"{name}.part"
        return path.read_bytes() if path.exists() else b""

    async def written(self) -> None:
        """Wait until the disk's threads are done with what came."""
        await self.downloader._disks.settled()

    async def turns(self, count: int = 20) -> None:
        """Let what is under way on loopback arrive."""
        for _ in range(count):
            await deferLater(self.reactor, 0)

    async def until(self, true: Callable[[], object]) -> None:
        """Wait for something that nobody tells."""
        while not true():
            await deferLater(self.reactor, 0)

    # --- cancel, and after ------------------------------------------------------------------

    async def cancel(
        self, asked: Deferred[Any], connection: Connection | None = None, reads: bool = True
    ) -> None:
        """Cancel `asked`: it fails at once, and the server of `connection` sees a RST in time.

        With `reads` off the server has stopped reading, and begins again only now, since a
        server that does not read learns of nothing. A second cancel and an answer that comes
        too late change nothing.
        """
        before = self.reactor.seconds()
        asked.cancel()
        assert cancelled(asked)
        asked.cancel()
        if connection is not None:
            assert connection.end is None
            if not reads:
                connection.resume_reading()
            connection.send(LATE)
            assert await self._end_of(connection, before) is End.RST

    async def _end_of(self, connection: Connection, before: float) -> End:
        turns = 0
        while connection.end is None:
            await self.turns(1)
            turns += 1
        assert connection.ended_at is not None
        latency = connection.ended_at - before
        self._note(latency)
        assert latency <= SECONDS or turns <= TURNS
        return connection.end

    async def is_clean(self) -> None:
        """Nothing of any request is left: no slot, timer, socket, thread, file or connection."""
        await self.written()
        assert self.downloader.limiter.idle, self.downloader.limiter
        assert not list(self.downloader.active())
        assert repr(self.agent) == "<Agent <Pool []>>"
        await self.turns()
        assert frozenset(self.reactor.getDelayedCalls()) <= self._before.delayed
        left = leftovers(self.reactor, self._before)
        # The directory itself stays open from one job to the next, and a thread is there a while.
        ends = (str(self.out), "thread: disk")
        assert [one for one in left if not one.endswith(ends)] == []

    def kept(self, body: bytes, least: int) -> None:
        """At least `least` bytes of `body` are in the part file, and no file has the name."""
        part = self.part()
        assert len(part) >= least and part == body[: len(part)]
        assert not (self.out / NAME).exists()
        assert (self.out / f"{NAME}.part").exists() == bool(part)

    async def gets(self, url: str, body: bytes, name: str = "after") -> None:
        """The same downloader still gets the right bytes from there."""
        result = await self.fetch(url, name)
        assert (self.out / name).read_bytes() == body and result.bytes == len(body)


def cancelled(asked: Deferred[Any]) -> bool:
    """Whether `asked` has failed, with CancelledError itself; takes the failure."""
    failures: list[Failure] = []
    asked.addErrback(failures.append)
    return [type(failure.value) for failure in failures] == [CancelledError]


@pytest.fixture
def bench(
    reactor: Any, ca: Any, tmp_path: Path, note_latency: Callable[[float], None]
) -> Generator[Callable[..., Bench], None, None]:
    """Make a Bench: `bench(**options)`, with the options of Downloader."""
    made: list[Bench] = []

    def make(**options: Any) -> Bench:
        made.append(Bench(reactor, tmp_path, note_latency, trust_root=ca.trust_root, **options))
        return made[-1]

    yield make
    for one in made:
        pytest_twisted.blockon(Deferred.fromCoroutine(one.close()))
