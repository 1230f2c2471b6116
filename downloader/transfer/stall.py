"""Whether enough moves: of a body that comes, or of one that goes out."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

from downloader.deadlines import Deadline, Deadlines
from downloader.errors import StallTimeout
from downloader.jobs import Timeouts

# A stall window is looked at this often, so a stall is seen at most a quarter late.
_QUARTERS = 4


class StallWatch:
    """Calls `stalled(error)` once, when too little moved in the last window. `moved()` is how many
    bytes did so far. It stands still before `go_on` and after `stop`; that time is not counted.
    """

    __slots__ = ("_deadline", "_deadlines", "_left", "_marks", "_moved", "_stalled", "_timeouts")

    def __init__(
        self,
        deadlines: Deadlines,
        timeouts: Timeouts,
        moved: Callable[[], int],
        stalled: Callable[[StallTimeout], None],
    ) -> None:
        self._deadlines = deadlines
        self._timeouts = timeouts
        self._moved = moved
        self._stalled = stalled
        self._marks = deque([0], _QUARTERS)
        self._left = timeouts.stall / _QUARTERS
        self._deadline: Deadline | None = None

    def __repr__(self) -> str:
        return f"<StallWatch {'live' if self._deadline else 'idle'}>"

    def go_on(self) -> None:
        """Watch on from where it stopped, or begin."""
        if self._deadline is None:
            self._deadline = self._deadlines.set(self._left, self._look)

    def stop(self) -> None:
        """Stand still."""
        if self._deadline is not None:
            self._left = self._deadline.left
            self._deadline.cancel()
            self._deadline = None

    def _look(self) -> None:
        """Compare with what had moved one window ago."""
        self._deadline = None
        seconds, now = self._timeouts.stall, self._moved()
        moved = now - self._marks[0]
        least = max(1.0, self._timeouts.lowest_speed * seconds)
        if len(self._marks) == _QUARTERS and moved < least:
            self._stalled(StallTimeout(f"{moved} bytes in {seconds:g} s"))
            return
        self._marks.append(now)
        self._left = seconds / _QUARTERS
        self.go_on()
