"""A KeyboardInterrupt wherever Python lets one come: where a function begins, and where a call of C
is over. One that is caught raises nothing more."""

from __future__ import annotations

import sys
from collections.abc import Generator
from contextlib import contextmanager
from types import CodeType, FrameType
from typing import Any

_PLACES = frozenset(("call", "c_return"))


class Interrupt:
    """Raises KeyboardInterrupt at the place `number`, counted while `going`, in what this thread
    calls `within` these files or functions. `place` is where that was, None while it has not been.
    """

    def __init__(self, number: int, *within: str | CodeType) -> None:
        self.place: str | None = None
        self._left = number
        self._within = frozenset(within)

    @contextmanager
    def going(self) -> Generator[None, None, None]:
        """Count meanwhile."""
        before = sys.getprofile()
        sys.setprofile(self._look)
        try:
            yield
        finally:
            sys.setprofile(before)

    def _look(self, frame: FrameType, event: str, argument: Any) -> None:
        code = frame.f_code
        if self.place is not None or event not in _PLACES:
            return
        if not {code, code.co_filename} & self._within:
            return
        if not self._left:
            self.place = f"{event} at {code.co_name}:{frame.f_lineno}"
            raise KeyboardInterrupt
        self._left -= 1
