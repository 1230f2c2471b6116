"""The system calls on files, written down as they are made; a test may let some of them fail."""

from __future__ import annotations

import os
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

from downloader.transfer.system import SYSTEM


class Recorded:
    """`system` is for `Disks`; `calls` are those that were made, as `name what`, in order.

    `what` is the file's name as far as a call tells it, else that of its descriptor. `fail` says
    which calls fail, with an errno; `meet` what is done before one.
    """

    def __init__(self) -> None:
        self.calls: list[str] = []
        self._faults: dict[str, int] = {}
        self._meetings: dict[str, Callable[[], object]] = {}
        self.system: Any = SimpleNamespace(
            **{name: self._recorded(name, call) for name, call in vars(SYSTEM).items()}
        )

    def fail(self, call: str, number: int) -> None:
        """Let `call`, as it would be written down, fail from now on."""
        self._faults[call] = number

    def meet(self, call: str, what: Callable[[], object]) -> None:
        """Do `what` before the next such call."""
        self._meetings[call] = what

    def of(self, *names: str) -> list[str]:
        """The calls with these names."""
        return [call for call in self.calls if call.partition(" ")[0] in names]

    def _recorded(self, name: str, call: Callable[..., Any]) -> Callable[..., Any]:
        def recorded(*arguments: Any, **keywords: Any) -> Any:
            made = f"{name} {_what(name, arguments)}"
            self.calls.append(made)
            self._meetings.pop(made, _nothing)()
            if made in self._faults:
                raise OSError(self._faults[made], os.strerror(self._faults[made]))
            return call(*arguments, **keywords)

        return recorded


def _what(name: str, arguments: tuple[Any, ...]) -> str:
    first = arguments[0] if name not in ("link", "rename", "replace") else arguments[1]
    if isinstance(first, int):
        first = os.readlink(f"/proc/self/fd/{first}")
        first = "nameless" if first.endswith(" (deleted)") else first
    return os.path.basename(str(first))


def _nothing() -> None:
    """Nothing is met."""
