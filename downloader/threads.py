"""Threads for calls that cannot be interrupted: looking up a name, writing to a disk that hangs.

The reactor's pool has ten threads that other work shares, and a process waits for them when it
ends. These are daemons: what hangs in one of them holds up neither others nor the end.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable


class Threads:
    """At most `most` threads for one kind of work, made as they are needed. One that has nothing
    to do ends after `linger` seconds."""

    def __init__(self, name: str, most: int, linger: float = 0.0) -> None:
        self._name = name
        self._most = most
        self._linger = linger
        self._waiting: deque[Callable[[], None]] = deque()
        self._changed = threading.Condition()
        self._running = 0
        self._idle = 0

    def __repr__(self) -> str:
        return f"<Threads {self._name!r} {self._running} running, {len(self._waiting)} waiting>"

    @property
    def wanted(self) -> bool:
        """Whether something waits for one of them."""
        return bool(self._waiting)

    def run(self, work: Callable[[], None]) -> None:
        """Call `work()`, which raises nothing, in one of them; first come, first served.

        RuntimeError when that would need another thread and the system allows none.
        """
        with self._changed:
            self._waiting.append(work)
            if self._idle >= len(self._waiting):
                self._changed.notify()
                return
            if self._running == self._most:
                return
            self._running += 1
        try:
            threading.Thread(target=self._work, name=self._name, daemon=True).start()
        except RuntimeError:
            self._not_started(work)

    def _not_started(self, work: Callable[[], None]) -> None:
        """Called while handling why. Those that run may do it in its turn."""
        with self._changed:
            self._running -= 1
            if not self._running and work in self._waiting:
                self._waiting.remove(work)
                raise

    def _work(self) -> None:
        while (work := self._next()) is not None:
            work()

    def _next(self) -> Callable[[], None] | None:
        with self._changed:
            if not self._waiting and self._linger:
                self._idle += 1
                self._changed.wait_for(lambda: self._waiting, self._linger)
                self._idle -= 1
            if self._waiting:
                return self._waiting.popleft()
            self._running -= 1
            return None
