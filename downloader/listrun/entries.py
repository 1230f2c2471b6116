"""Pieces of a list's text in, jobs out, one at a time; and how many entries are left behind."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from time import monotonic
from typing import Any

from downloader.errors import BadLine
from downloader.jobs import Job, PutJob
from downloader.listrun.forms import Form
from downloader.sansio.urllist import LineSplitter, Note

# Bytes of lines from one None to the next, each line counting as its length and LINE_COST. The
# costliest lines, options, take 5 us each then, the longest URLs 40 us a KiB: 200 steps, which are
# a turn of `fetch_all`, last some 10 ms.
BETWEEN_TURNS = 1024
LINE_COST = 20
_JOBS = (Job, PutJob)
_NOT_COUNTED = "what is left of the list is too long to count; more may be pending than is told"


class Entries:
    """Reads entries from pieces of text, no faster than they are asked for.

    Between the jobs it yields None, which says that others may have their turn now: after each
    piece, and more often where much is read that gives no job.

    `taken` counts the jobs that were handed out, `refused` the bad lines. Those go to `refuse`
    and notes, as sentences, to `warn`, before the job that was read with them.
    """

    def __init__(
        self,
        form: Form,
        refuse: Callable[[BadLine], None],
        warn: Callable[[str], None],
    ) -> None:
        self.taken = 0
        self.refused = 0
        self._refuse = refuse
        self._warn = warn
        self._form = form
        self._parser = form.parser()
        self._splitter = LineSplitter()
        self._pieces: Iterator[bytes] = iter(())
        self._lines: Iterator[bytes] = iter(())
        self._passed = 0  # since the last None

    def __repr__(self) -> str:
        return f"<Entries line={self._parser.line} taken={self.taken}>"

    def read(self, pieces: Iterator[bytes]) -> Iterator[Any]:
        """Yield the jobs that are complete in `pieces`; the last one waits for its options."""
        self._pieces = pieces
        for piece in pieces:
            yield from self._parsed(self._splitter.feed(piece))
            yield None

    def end(self) -> Iterator[Any]:
        """Yield what is left at the end of the list."""
        yield from self._parsed(self._splitter.close())
        yield from self._jobs(self._parser.close())

    def rest(self, seconds: float) -> int:
        """How many entries were read, or can be read now, but not handed out.

        After so many `seconds` the counting ends where it is, with a warning.
        """
        deadline = monotonic() + seconds
        waiting = len(self._parser.close()) + self._form.count(self._lines)
        for piece in self._pieces:
            if monotonic() >= deadline:
                self._warn(_NOT_COUNTED)
                break
            waiting += self._form.count(self._splitter.feed(piece))
        return waiting + self._form.count(self._splitter.close())

    def _parsed(self, lines: list[bytes]) -> Iterator[Any]:
        self._lines = iter(lines)
        for line in self._lines:
            items = self._parser.feed(line)
            if len(items) == 1 and isinstance(items[0], _JOBS):  # as nearly always
                self.taken += 1
                yield items[0]
            elif items:
                yield from self._jobs(items)
            self._passed += LINE_COST + len(line)
            while self._passed >= BETWEEN_TURNS:
                self._passed -= BETWEEN_TURNS
                yield None

    def _jobs(self, items: Sequence[Any]) -> Iterator[Any]:
        jobs = []
        for item in items:
            if isinstance(item, BadLine):
                self.refused += 1
                self._refuse(item)
            elif isinstance(item, Note):
                self._warn(f"line {item.line}: {item.message}")
            else:
                self.taken += 1  # now: who hears of a bad line may ask whether a job came before
                jobs.append(item)
        if items and not jobs:
            yield None  # to tell of a line takes as long as to start a job
        yield from jobs
