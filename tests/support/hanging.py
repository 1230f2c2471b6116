"""A layer of files that can hang: the real operations, each held where a test wants it held."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Generator
from typing import Any

import pytest

MAIN = threading.main_thread()


class Files:
    """What `Disks` performs operations with. Those that `hang` names wait until `release`.

    `asked` and `done` are the operations, as `name path`, in order; `here` those that were done
    in the reactor's thread. Each takes `cost` seconds of the clock `now`.
    """

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.done: list[str] = []
        self.here: list[str] = []
        self.cost = 0.0
        self.time = 0.0
        self._hanging: set[str] = set()
        self._full: set[str] = set()
        self._gate = threading.Event()

    def now(self) -> float:
        """The seconds that passed."""
        return self.time

    def hang(self, *operations: str) -> None:
        """Hold these, from now on. In the reactor's thread that would be for ever."""
        self._hanging = set(operations)
        self._gate.clear()

    def fill(self, *operations: str) -> None:
        """The disk is full when these are done."""
        self._full = set(operations)

    def release(self) -> None:
        """Let go what hangs, and hold nothing more."""
        self._hanging = set()
        self._gate.set()

    @property
    def held(self) -> list[str]:
        """The operations that are being held, or under way."""
        return [one for one in self.asked if one not in self.done]

    def __call__(self, operation: Callable[..., Any], *arguments: Any) -> Any:
        name = _name(operation, arguments)
        self.asked.append(name)
        if threading.current_thread() is MAIN:
            self.here.append(name)
            assert name not in self._hanging, f"{name} would stall the reactor"
        elif name in self._hanging:
            self._gate.wait(60)
        if name in self._full:
            full = os.open("/dev/full", os.O_WRONLY)
            os.dup2(full, operation.__self__._fd)  # type: ignore[attr-defined]
            os.close(full)
        try:
            return operation(*arguments)
        finally:
            self.time += self.cost
            self.done.append(name)


def _name(operation: Any, arguments: tuple[Any, ...]) -> str:
    """PartFile and write_whole have the path as their second argument, methods a part file."""
    owner = getattr(operation, "__self__", None) or arguments[0]
    path = getattr(owner, "path", "")
    if operation.__name__ in ("PartFile", "write_whole"):
        path = arguments[1]
    return f"{operation.__name__} {path}"


@pytest.fixture
def hanging() -> Generator[Files, None, None]:
    """Files that hang no longer than their test."""
    made = Files()
    yield made
    made.release()
