"""Checksums of a file's pieces: which are there to be read, and who brought what is wrong."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

from downloader.errors import WrongRequest
from downloader.jobs import Pieces
from downloader.sansio.checksum import Checksum, checked_checksum
from downloader.sansio.ranges import Range, Ranges

FromT = TypeVar("FromT", bound=Hashable)


def checked_pieces(pieces: Pieces) -> Pieces:
    """`pieces` in lower case; WrongRequest says in one sentence what is wrong."""
    if pieces.length < 1 or not pieces.sums:
        raise WrongRequest("there is at least one piece, and a byte in it")
    try:
        checked = [checked_checksum(f"{pieces.kind}={one}").partition("=") for one in pieces.sums]
    except ValueError as error:
        raise WrongRequest(str(error)) from error
    return Pieces(checked[0][0], pieces.length, tuple(digits for _, _, digits in checked))


def has_pieces(total: int, pieces: Pieces) -> bool:
    """Whether a file of `total` bytes has so many."""
    return -(-total // pieces.length) == len(pieces.sums)


class PieceChecks(Generic[FromT]):
    """Which pieces of a file of `total` bytes are to be read, now that they are there."""

    def __init__(self, pieces: Pieces, total: int) -> None:
        self._pieces = pieces
        self._total = total
        self._held = Ranges()
        self._from: dict[int, set[FromT]] = {}  # those of which something came
        self._left = set(range(len(pieces.sums)))  # those that are not known to be right
        self._asked: set[int] = set()

    def __repr__(self) -> str:
        return f"<PieceChecks {len(self._left)} of {len(self._pieces.sums)} left>"

    @property
    def done(self) -> bool:
        """Whether every piece is right."""
        return not self._left

    def span(self, number: int) -> Range:
        """Where the piece is."""
        start = number * self._pieces.length
        return start, min(start + self._pieces.length, self._total)

    def checksum(self, number: int) -> Checksum:
        """What the piece is to be read with."""
        return Checksum(f"{self._pieces.kind}={self._pieces.sums[number]}")

    def arrived(self, start: int, stop: int, source: FromT, alone: bool = False) -> list[int]:
        """These bytes came from `source`. The pieces that are whole by that, to be read. `alone`
        says that it began anew with the piece, and whatever others brought is written over."""
        if start >= stop:
            return []
        self._held.add(start, stop)
        size = self._pieces.length
        touched = self._left.intersection(range(start // size, (stop - 1) // size + 1))
        for number in touched:
            self._from[number] = {source} if alone else self._from.get(number, set()) | {source}
        whole = [one for one in touched - self._asked if self._held.covers(*self.span(one))]
        self._asked.update(whole)
        return sorted(whole)

    def right(self, number: int) -> None:
        """It is what it should be."""
        self._left.discard(number)
        self._asked.discard(number)
        self._from.pop(number, None)

    def wrong(self, number: int) -> set[FromT]:
        """It is not, and is not there any more. Who brought it."""
        self._held.remove(*self.span(number))
        self._asked.discard(number)
        return self._from.pop(number, set())


class PieceSums:
    """The sums of bytes that come in order, of a file whose length need not be known. What it is
    fed goes to `digest` too."""

    def __init__(
        self, pieces: Pieces, digest: Callable[[bytes | memoryview], object] | None = None
    ) -> None:
        self._digest = digest
        self._pieces = pieces
        self._found: list[str] = []
        self._left = 0  # bytes until the next piece begins
        self._checksum = Checksum(f"{pieces.kind}=")

    def update(self, data: bytes | memoryview) -> None:
        """These are the next bytes."""
        if self._digest is not None:
            self._digest(data)
        view = memoryview(data)
        while view:
            if not self._left:
                self._checksum = Checksum(f"{self._pieces.kind}=")
                self._found.append("")
                self._left = self._pieces.length
            size = min(self._left, len(view))
            self._checksum.update(view[:size])
            self._left -= size
            view = view[size:]
            if not self._left:
                self._found[-1] = self._checksum.found

    @property
    def matches(self) -> bool:
        """Whether each piece is what it should be, now that all have come."""
        if self._left:
            self._found[-1] = self._checksum.found
        return tuple(self._found) == self._pieces.sums
