"""How far the jobs of a queue are, and how fast."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from twisted.internet.task import LoopingCall
from twisted.logger import Logger

from downloader.client import Downloader
from downloader.jobs import Job
from downloader.queue.entry import Entry

# Seconds between two looks, and what the latest of them weighs in a rate.
EVERY = 1.0
_LATEST = 0.4
_log = Logger()


class Meter:
    """Looks at the jobs that `active()` gives, each second, and writes what it sees in them.

    `rate` is of all together, in bytes a second. `watchers` are called after each look.
    """

    def __init__(
        self, reactor: Any, downloader: Downloader, active: Callable[[], list[Entry]]
    ) -> None:
        self.rate = 0.0
        self.watchers: list[Callable[[], None]] = []
        self._clock = reactor
        self._downloader = downloader
        self._active = active
        self._last: dict[int, int] = {}  # what each that runs had received
        self._came = 0  # since the last look, of those that have ended too
        self._at = 0.0
        self._calls = LoopingCall(self._tick)
        self._calls.clock = reactor

    def __repr__(self) -> str:
        return f"<Meter {self.rate:.0f} bytes a second>"

    def start(self) -> None:
        """Look from now on."""
        self._at = self._clock.seconds()
        looking: Any = self._calls.start(EVERY, now=False)
        looking.addErrback(lambda failure: _log.failure("a bug in the queue's meter", failure))

    def stop(self) -> None:
        """Look no more."""
        if self._calls.running:
            self._calls.stop()

    def look(self) -> list[Entry]:
        """The jobs that run, as far as they are at this moment."""
        ways = {way.job.record.number: way for way in self._downloader.active()
                if isinstance(way.job, Job) and way.job.record is not None}  # fmt: skip
        active = self._active()
        for entry in active:
            way = ways.get(entry.number)
            if way is not None:
                progress = way.progress()
                entry.received, entry.length = progress.received, progress.length
        return active

    def ended(self, entry: Entry) -> None:
        """It runs no more: what came of it since the last look counts too."""
        self._count(entry)
        self._last.pop(entry.number, None)

    def _count(self, entry: Entry) -> int:
        """What came of it since it was counted before. Of one that goes on, what was there does not
        count."""
        first = entry.received if entry.goes_on else 0
        came = max(0, entry.received - self._last.get(entry.number, first))
        self._last[entry.number] = entry.received
        self._came += came
        return came

    def _tick(self) -> None:
        now = self._clock.seconds()
        seconds, self._at = max(now - self._at, 0.001), now
        for entry in self.look():
            entry.rate += _LATEST * (self._count(entry) / seconds - entry.rate)
        came, self._came = self._came, 0
        self.rate += _LATEST * (came / seconds - self.rate)
        for watcher in list(self.watchers):
            watcher()
