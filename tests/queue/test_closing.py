"""A queue is closed while the disk with its state hangs."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from support.held import HeldStore
from twisted.internet.defer import Deferred
from twisted.internet.task import Clock, deferLater

from downloader import Downloader, Job, Limits
from downloader.queue import Queue, Wanted
from downloader.queue.schedule import PATIENCE
from downloader.store import QueueStore
from downloader.testing import Origin

LIMITS = Limits(total=4)


class Hung:
    """A queue whose time the test gives; its store can hang, its downloads are real."""

    def __init__(self, reactor: Any, path: Path) -> None:
        self.clock = Clock()
        self.store = HeldStore(reactor, str(path / "state"))
        downloader = Downloader(reactor, limits=LIMITS)
        self.queue = Queue(self.clock, self.store, downloader, LIMITS, time.time)
        self.out = path / "out"
        self._reactor = reactor

    async def add(self, *urls: str) -> list[Any]:
        return await self.queue.add([Wanted(Job(url, str(self.out))) for url in urls])

    async def until(self, true: Callable[[], object], seconds: float = 0.0) -> None:
        """Wait for it; `seconds` pass with each turn of the reactor."""
        while not true():
            self.clock.advance(seconds)
            await deferLater(self._reactor, 0)

    async def closed(self) -> float:
        """Close it. How many seconds that took."""
        began, closing = self.clock.seconds(), self.queue.close()
        await self.until(lambda: closing.called, seconds=0.5)
        return self.clock.seconds() - began


async def rows(reactor: Any, path: Path) -> dict[str, str]:
    """What the next process finds: the status of each URL."""
    store = QueueStore(reactor, str(path / "state"))
    found = {row.wanted: row.status for row in await store.load()}
    store.close()
    return {url.split('"')[3].rpartition("/")[2]: status for url, status in found.items()}


async def test_the_end_comes_all_the_same(reactor: Any, origin: Origin, tmp_path: Path) -> None:
    """Its connections are closed; what was answered is kept, and what was not is still being."""
    hung = Hung(reactor, tmp_path)
    await hung.queue.start()
    await hung.add(origin.add_silent("/running"), origin.add_silent("/other"))
    await hung.until(lambda: origin.silent == 2)
    hung.store.hold()
    pausing = hung.queue.pause(hung.queue.active[1])
    adding = hung.add(origin.url("/late"))
    late: Deferred[Any] = Deferred.fromCoroutine(adding)
    assert await hung.closed() <= 4 * PATIENCE
    assert not origin.silent and not pausing.called and not late.called
    hung.store.release.set()
    await pausing
    await late
    found = await rows(reactor, tmp_path)
    assert found == {"running": "waiting", "other": "paused", "late": "waiting"}


async def test_nothing_that_was_answered_is_lost(
    reactor: Any, origin: Origin, tmp_path: Path
) -> None:
    """A disk that is slow, and no slower than is waited for, has all of it when the end is told."""
    hung = Hung(reactor, tmp_path)
    await hung.queue.start()
    (entry,) = await hung.add(origin.add_silent("/a"))
    await hung.until(lambda: origin.silent)
    hung.store.hold()
    pausing, closing = hung.queue.pause(entry), hung.queue.close()
    await hung.until(lambda: not origin.silent)
    assert not closing.called
    hung.store.release.set()
    await hung.until(lambda: closing.called)
    assert pausing.called and await rows(reactor, tmp_path) == {"a": "paused"}
