"""The system calls on files, on a disk that is full while a test says so."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

from downloader.transfer.system import SYSTEM

WRITES = frozenset(("write", "pwrite"))


class Filling:
    """`system` is for `Disks`; `failed` are the calls that did.

    `fill` lets the calls of these names fail with `number` from now on, `empty` makes space.
    """

    def __init__(self) -> None:
        self.failed: list[str] = []
        self._full: frozenset[str] = frozenset()
        self._number = 0
        self.system: Any = SimpleNamespace(
            **{name: self._watched(name, call) for name, call in vars(SYSTEM).items()}
        )

    def fill(self, number: int, names: frozenset[str] = WRITES) -> None:
        self._full, self._number = names, number

    def empty(self) -> None:
        self._full = frozenset()

    def _watched(self, name: str, call: Callable[..., Any]) -> Callable[..., Any]:
        def watched(*arguments: Any, **keywords: Any) -> Any:
            if name in self._full:
                self.failed.append(name)
                raise OSError(self._number, os.strerror(self._number))
            return call(*arguments, **keywords)

        return watched


class Small(Filling):
    """A disk with `room` bytes, which writes use up and `ftruncate` gives back; so does the end of
    a file without a name. What does not fit is written as far as it does."""

    def __init__(self, room: int) -> None:
        super().__init__()
        self.room = room
        self.system.write = lambda fd, data: self._put(fd, data, os.fstat(fd).st_size)
        self.system.pwrite = self._put
        self.system.ftruncate = self._cut
        self.system.close = self._close

    def _put(self, fd: int, data: Any, at: int) -> int:
        size = os.fstat(fd).st_size
        fits = size + self.room - at
        if fits <= 0:
            self.failed.append("write")
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        written = os.pwrite(fd, memoryview(data)[:fits], at)
        self.room -= max(0, at + written - size)
        return written

    def _cut(self, fd: int, size: int) -> None:
        self.room += os.fstat(fd).st_size - size
        os.ftruncate(fd, size)

    def _close(self, fd: int) -> None:
        found = os.fstat(fd)
        os.close(fd)
        if not found.st_nlink:
            self.room += found.st_size
