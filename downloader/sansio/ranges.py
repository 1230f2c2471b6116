"""Which bytes of a file are there: half-open ranges [start, stop), and what HTTP says of them.

RFC 9110 §14 counts the last byte in; here that is done at the edge, in the two functions below.
"""

from __future__ import annotations

import re
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

Range = tuple[int, int]
# The second is None for the end of a file, whatever its length.
Gap = tuple[int, int | None]

# 19 digits, as for a Content-Length: more than any file offset holds.
_CONTENT_RANGE = re.compile(r"bytes[ \t]+(?:([0-9]{1,19})-([0-9]{1,19})|\*)/([0-9]{1,19}|\*)", re.I)


class Ranges:
    """A set of bytes, as ranges in order that neither overlap nor touch."""

    __slots__ = ("_starts", "_stops")

    def __init__(self, ranges: Iterable[Range] = ()) -> None:
        self._starts: list[int] = []
        self._stops: list[int] = []
        for start, stop in ranges:
            self.add(start, stop)

    def __repr__(self) -> str:
        return f"<Ranges {list(self)}>"

    def __iter__(self) -> Iterator[Range]:
        return zip(self._starts, self._stops, strict=True)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Ranges) and list(self) == list(other)

    __hash__ = None  # type: ignore[assignment]  # it changes

    @property
    def size(self) -> int:
        """How many bytes there are."""
        return sum(self._stops) - sum(self._starts)

    @property
    def prefix(self) -> int:
        """How many bytes there are from the first one on, without a gap."""
        return self._stops[0] if self._starts and not self._starts[0] else 0

    def add(self, start: int, stop: int) -> None:
        """These bytes are there."""
        if start >= stop:
            return
        first = bisect_left(self._stops, start)
        last = bisect_right(self._starts, stop)
        if first < last:
            start = min(start, self._starts[first])
            stop = max(stop, self._stops[last - 1])
        self._starts[first:last] = [start]
        self._stops[first:last] = [stop]

    def remove(self, start: int, stop: int) -> None:
        """These bytes are not there."""
        kept = [
            piece
            for begin, end in self
            for piece in ((begin, min(end, start)), (max(begin, stop), end))
            if piece[0] < piece[1]
        ]
        if start < stop:
            self._starts = [begin for begin, _ in kept]
            self._stops = [end for _, end in kept]

    def covers(self, start: int, stop: int) -> bool:
        """Whether all of these bytes are there."""
        found = bisect_right(self._starts, start) - 1
        return start >= stop or (found >= 0 and self._stops[found] >= stop)

    def missing(self, total: int) -> list[Range]:
        """What is not there of the first `total` bytes."""
        gaps = zip([0, *self._stops], [*self._starts, total], strict=True)
        return [(start, min(stop, total)) for start, stop in gaps if start < min(stop, total)]

    def gap(self, total: int | None) -> Gap | None:
        """What is missing first of `total` bytes; up to the end where the second is None."""
        if total is None:
            return self.prefix, None
        missing = self.missing(total)
        if not missing:
            return None
        start, stop = missing[0]
        return start, None if stop == total else stop


class ContentRange(NamedTuple):
    """A Content-Range: `start` and `stop` are None where the range could not be satisfied, and
    `total` where the server does not know it."""

    start: int | None
    stop: int | None
    total: int | None


def content_range(values: Sequence[str]) -> ContentRange | None:
    """What the Content-Range headers of an answer say; None for nothing that can be relied on."""
    match = _CONTENT_RANGE.fullmatch(values[0].strip()) if len(values) == 1 else None
    if match is None:
        return None
    total = None if match[3] == "*" else int(match[3])
    if match[1] is None:
        return None if total is None else ContentRange(None, None, total)
    start, stop = int(match[1]), int(match[2]) + 1
    if start >= stop or (total is not None and stop > total):
        return None  # RFC 9110 §14.4 calls these invalid
    return ContentRange(start, stop, total)


def range_header(start: int, stop: int | None = None) -> str:
    """The Range header that asks for the bytes from `start` on, up to `stop` if that is known."""
    return f"bytes={start}-" if stop is None else f"bytes={start}-{stop - 1}"
