"""Waiting in one thread for what the reactor's thread does, without becoming deaf meanwhile."""

from __future__ import annotations

from collections.abc import Callable
from queue import Empty, SimpleQueue
from time import monotonic
from typing import Any, Generic, TypeVar

from twisted.internet.defer import CancelledError, Deferred, maybeDeferred
from twisted.python.failure import Failure

from downloader.blocking.loop import Loop, hold_at_exit
from downloader.errors import Closed, DownloadError

T = TypeVar("T")
# How often `interrupt` is called, in seconds: twice within what people call at once.
POLL = 0.1


class Patience:
    """How a caller waits: it calls `interrupt()` every `poll` seconds, which may raise."""

    def __init__(self, loop: Loop, interrupt: Callable[[], object] | None, poll: float) -> None:
        if poll <= 0:
            raise ValueError("poll is above 0")
        self.loop = loop
        self._interrupt = interrupt
        self._poll = poll
        self._next = 0.0

    def ask(self) -> None:
        """Call `interrupt` if it is time."""
        if self._interrupt is not None and monotonic() >= self._next:
            self._interrupt()
            self._next = monotonic() + self._poll

    def get(
        self, source: SimpleQueue[T], seconds: float | None, late: Callable[[], DownloadError]
    ) -> T:
        """The next item of `source`. After `seconds` without one, `late()` is raised."""
        end = None if seconds is None else monotonic() + seconds
        while True:
            self.ask()
            left = self._poll if end is None else min(self._poll, end - monotonic())
            try:
                item = source.get(timeout=max(0.0, left))
            except Empty:
                hold_at_exit()
                self.loop.check()
                if end is not None and monotonic() >= end:
                    raise late() from None
            else:
                hold_at_exit()
                return item


class Call(Generic[T]):
    """One thing that a thread asks for. All but `wait` happens in the reactor's thread.

    `start` returns a Deferred. `drop` is called with its result when nobody waits any more.
    """

    def __init__(self, start: Callable[[], Deferred[T]], drop: Callable[[T], object]) -> None:
        self._start = start
        self._drop = drop
        self._asked: Deferred[None] | None = None
        self._outcome: SimpleQueue[T | Failure] = SimpleQueue()
        self._cancelled = False

    def wait(
        self, patience: Patience, seconds: float | None, late: Callable[[], DownloadError]
    ) -> T:
        """Its result or its error. Whatever is raised while it waits cancels it."""
        patience.ask()
        try:
            patience.loop.post(self._begin)
            outcome = patience.get(self._outcome, seconds, late)
        except BaseException:
            patience.loop.post(self._cancel)
            raise
        if isinstance(outcome, Failure):
            if outcome.check(CancelledError):  # not by us
                raise Closed()
            outcome.raiseException()
        return outcome

    def _begin(self) -> None:
        asked: Deferred[Any] = maybeDeferred(self._start)
        self._asked = asked.addBoth(self._settle)

    def _cancel(self) -> None:
        self._cancelled = True
        if self._asked is not None:
            self._asked.cancel()
        if not self._outcome.empty():
            self._settle(self._outcome.get())

    def _settle(self, outcome: Any) -> None:
        if not self._cancelled:
            self._outcome.put(outcome)
        elif not isinstance(outcome, Failure):
            self._drop(outcome)
