"""What a list is made of: how its lines become jobs, and how they are counted without that."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import takewhile
from typing import Any, Protocol

from downloader.sansio.putlist import PutParser, count_puts
from downloader.sansio.urllist import (
    LineSplitter,
    ListParser,
    begins_entry,
    count_entries,
    says_nothing,
)


class Parser(Protocol):
    """Takes lines and gives jobs, bad lines and notes."""

    line: int

    def feed(self, line: bytes) -> Sequence[Any]:
        """What is known now that `line` has come."""

    def close(self) -> Sequence[Any]:
        """What is known at the end."""


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


class PutCounter(EntryCounter):
    """The same for files to be sent, where each line is on its own."""

    def _add(self, lines: list[bytes]) -> None:
        self.entries += count_puts(lines)


class Form(Protocol):
    """The form of a list."""

    def parser(self) -> Parser:
        """For its lines, from the first on."""

    def counter(self) -> EntryCounter:
        """For its bytes, from the first on."""

    def count(self, lines: Iterable[bytes]) -> int:
        """How many of `lines`, which are not the first, begin an entry."""


class FetchForm:
    """URLs to fetch, in aria2's format. Jobs go to `directory`; `headers` are for each to which the
    list gives none of the same name."""

    def __init__(self, directory: str, headers: Sequence[tuple[str, str]] = ()) -> None:
        self._directory = directory
        self._headers = headers

    def parser(self) -> ListParser:
        return ListParser(self._directory, self._headers)

    def counter(self) -> EntryCounter:
        return EntryCounter()

    def count(self, lines: Iterable[bytes]) -> int:
        return count_entries(lines)


class PutForm:
    """Files to send, each with the URL it goes to; `headers` are for each."""

    def __init__(self, headers: Sequence[tuple[str, str]] = ()) -> None:
        self._headers = headers

    def parser(self) -> PutParser:
        return PutParser(self._headers)

    def counter(self) -> EntryCounter:
        return PutCounter()

    def count(self, lines: Iterable[bytes]) -> int:
        return count_puts(lines)
