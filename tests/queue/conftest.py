"""A queue on a real database, and a downloader of its own."""

from __future__ import annotations

import time
from collections.abc import Callable, Generator
from pathlib import Path
from typing import Any

import pytest
import pytest_twisted
from twisted.internet.task import deferLater

from downloader import Downloader, Job, Limits, Retries
from downloader.jobs import Status
from downloader.queue import Entry, Queue, Wanted
from downloader.store import QueueStore


class Kept:
    """A queue in the directory `state`, started again as often as the test wants; its files go to
    `out`. `changes` are what it told: gid, before, after."""

    def __init__(self, reactor: Any, path: Path, **options: Any) -> None:
        self.reactor = reactor
        self.state = path / "state"
        self.out = path / "out"
        self.changes: list[tuple[str, str, str]] = []
        self.options = options
        self.queue = self.again()

    def again(self) -> Queue:
        """A process that begins."""
        limits = self.options.get("limits", Limits(total=4))
        retries = self.options.get("retries", Retries())
        downloader = Downloader(self.reactor, limits=limits, retries=retries)
        store = self.options.get("store", QueueStore)(self.reactor, str(self.state))
        own = ("limits", "retries", "store")
        more = {name: self.options[name] for name in self.options if name not in own}
        self.queue = Queue(self.reactor, store, downloader, limits, time.time, **more)
        self.queue.watch(self._tell)
        return self.queue

    def _tell(self, entry: Entry, before: Status) -> None:
        self.changes.append((entry.gid, str(before), str(entry.status)))

    def wanted(self, url: str, **more: Any) -> Wanted:
        fields = {name: more.pop(name) for name in list(more) if name in Job.__slots__}
        return Wanted(Job(url, **{"directory": str(self.out), **fields}), **more)

    async def add(self, *urls: str, **more: Any) -> list[Entry]:
        return await self.queue.add([self.wanted(url, **more) for url in urls])

    async def until(self, true: Callable[[], object]) -> None:
        """Wait for something that nobody tells."""
        while not true():
            await deferLater(self.reactor, 0)

    async def ended(self, *entries: Entry) -> None:
        await self.until(lambda: all(entry.is_over for entry in entries))


@pytest.fixture
def kept(reactor: Any, tmp_path: Path) -> Generator[Callable[..., Kept], None, None]:
    """Make a `Kept`, which is closed with the test."""
    made: list[Kept] = []

    def make(**options: Any) -> Kept:
        made.append(Kept(reactor, tmp_path, **options))
        return made[-1]

    yield make
    for one in made:
        pytest_twisted.blockon(one.queue.close())
