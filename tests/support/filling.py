"""The system calls on files, on a disk that is full while a test says so."""

from __future__ import annotations

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
