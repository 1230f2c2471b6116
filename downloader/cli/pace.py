"""How far a run is and how fast it goes, in numbers that every display shows alike."""

from __future__ import annotations

from collections import deque

# Rates are means over this many seconds: steady enough to read, quick enough to show a stall.
PACE_WINDOW = 10.0


class Pace:
    """Files and bytes a second, over the last `PACE_WINDOW` seconds."""

    def __init__(self) -> None:
        self._marks: deque[tuple[float, int, int]] = deque()

    def __repr__(self) -> str:
        return f"<Pace {self.files_rate:.1f} files/s, {self.bytes_rate:.0f} B/s>"

    def add(self, now: float, files: int, size: int) -> None:
        """Note that so many files and bytes had come by `now`."""
        self._marks.append((now, files, size))
        while len(self._marks) > 2 and self._marks[0][0] < now - PACE_WINDOW:
            self._marks.popleft()

    @property
    def files_rate(self) -> float:
        """Files a second."""
        return self._rate(1)

    @property
    def bytes_rate(self) -> float:
        """Bytes a second; never below 0, though a failed transfer takes its bytes away again."""
        return self._rate(2)

    def seconds_left(self, files: int | None) -> float | None:
        """How long `files` more take at this rate, or None when there is no telling."""
        rate = self.files_rate
        return files / rate if files is not None and rate > 0 else None

    def _rate(self, field: int) -> float:
        if len(self._marks) < 2:
            return 0.0
        first, last = self._marks[0], self._marks[-1]
        seconds = last[0] - first[0]
        return max(0.0, (last[field] - first[field]) / seconds) if seconds > 0 else 0.0


def files_text(finished: int, total: int | None) -> str:
    """`17 of 500 files`, or `17 files` while the list's end is not known."""
    return f"{finished:,} files" if total is None else f"{finished:,} of {total:,} files"
