"""Pieces of a list's text in, jobs out, one at a time; and how many entries are left behind."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import takewhile

from downloader.errors import BadLine
from downloader.jobs import Job
from downloader.sansio.urllist import (
    Item,
    LineSplitter,
    ListParser,
    Note,
    begins_entry,
    count_entries,
    says_nothing,
)


class Entries:
    """Reads entries from pieces of text, no faster than they are asked for.

    `taken` counts the jobs that were handed out, `refused` the bad lines. Those go to `refuse`
    and notes, as sentences, to `warn`, before the job that was read with them. `at_line_end` says
    whether the text so far ends with a whole line.
    """

    def __init__(
        self,
        directory: str,
        refuse: Callable[[BadLine], None],
        warn: Callable[[str], None],
        headers: Sequence[tuple[str, str]] = (),
    ) -> None:
        self.taken = 0
        self.refused = 0
        self.at_line_end = True
        self._refuse = refuse
        self._warn = warn
        self._parser = ListParser(directory, headers)
        self._splitter = LineSplitter()
        self._pieces: Iterator[bytes] = iter(())
        self._lines: Iterator[bytes] = iter(())

    def __repr__(self) -> str:
        return f"<Entries line={self._parser.line} taken={self.taken}>"

    def read(self, pieces: Iterator[bytes]) -> Iterator[Job]:
        """Yield the jobs that are complete in `pieces`; the last one waits for its options."""
        self._pieces = pieces
        for piece in pieces:
            self.at_line_end = piece.endswith(b"\n")
            yield from self._parsed(self._splitter.feed(piece))

    def flush(self) -> Iterator[Job]:
        """Yield the entry that waits for its options: none are to come."""
        yield from self._jobs(self._parser.close())

    def end(self) -> Iterator[Job]:
        """Yield what is left at the end of the list."""
        yield from self._parsed(self._splitter.close())
        yield from self.flush()

    def rest(self) -> int:
        """How many entries were read, or can be read now, but not handed out."""
        waiting = len(self._parser.close())
        waiting += count_entries(self._lines)
        for piece in self._pieces:
            waiting += count_entries(self._splitter.feed(piece))
        return waiting + count_entries(self._splitter.close())

    def _parsed(self, lines: list[bytes]) -> Iterator[Job]:
        self._lines = iter(lines)
        for line in self._lines:
            if items := self._parser.feed(line):
                yield from self._jobs(items)

    def _jobs(self, items: list[Item]) -> Iterator[Job]:
        jobs = [item for item in items if isinstance(item, Job)]
        for item in items:
            if isinstance(item, BadLine):
                self.refused += 1
                self._refuse(item)
            elif isinstance(item, Note):
                self._warn(f"line {item.line}: {item.message}")
        for job in jobs:
            self.taken += 1
            yield job


class EntryCounter:
    """Counts, without parsing, the lines that become a job or are refused.

    Those that begin an entry, and options above the first: each of them is refused on its own.
    """

    def __init__(self) -> None:
        self.entries = 0
        self._begun = False
        self._splitter = LineSplitter()

    def feed(self, piece: bytes) -> None:
        """Count the lines that end in `piece`."""
        self._add(self._splitter.feed(piece))

    def close(self) -> None:
        """Count the last line."""
        self._add(self._splitter.close())

    def _add(self, lines: list[bytes]) -> None:
        if not self._begun:
            above = list(takewhile(lambda line: not begins_entry(line), lines))
            self.entries += sum(not says_nothing(line) for line in above)
            self._begun = len(above) < len(lines)
        self.entries += count_entries(lines)
