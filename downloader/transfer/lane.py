"""What is done to one file in threads: in order, and one thing at a time."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from typing import Any

from downloader.transfer.disks import Disk


class Lane:
    """A queue of calls, made by one thread of `disk` at a time. They raise nothing."""

    def __init__(self, disk: Disk) -> None:
        self._disk = disk
        self._lock = threading.Lock()
        self._waiting: deque[tuple[Callable[..., None], tuple[Any, ...]]] = deque()
        self._busy = False

    def __repr__(self) -> str:
        return f"<Lane {len(self._waiting)} waiting{', busy' if self._busy else ''}>"

    @property
    def idle(self) -> bool:
        """Whether nothing waits and nothing is under way: said in the thread that calls `put`."""
        return not self._busy

    def put(self, call: Callable[..., None], *arguments: Any) -> None:
        """Make this call, after those before it."""
        with self._lock:
            self._waiting.append((call, arguments))
            if self._busy:
                return
            self._busy = True
        self._disk.disks.began()
        self._go_on()

    def _go_on(self) -> None:
        try:
            self._disk.threads.run(self._work)
        except RuntimeError:  # no more threads may be made: better slowly than not at all
            self._work()

    def _work(self) -> None:
        """Make the calls that wait, and those that come meanwhile; but not while others wait for a
        thread: a body that never ends must not keep them from the disk."""
        while self._work_off():
            if self._disk.threads.wanted:
                self._go_on()
                return
        self._disk.disks.ended()

    def _work_off(self) -> bool:
        """Make the calls that wait now; False when none came meanwhile."""
        for _ in range(len(self._waiting)):
            call, arguments = self._waiting.popleft()
            self._disk.under_way[self] = self._disk.disks.seconds()
            call(*arguments)
            del self._disk.under_way[self]
        with self._lock:
            self._busy = bool(self._waiting)
            return self._busy
