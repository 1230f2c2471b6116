"""A list of any size in shards: ranges of bytes, each with the entries that begin in it.

Nobody reads the list to cut it. The cuts fall where they fall; an entry belongs to the range that
its first byte is in, with the options and comments below it, so each belongs to exactly one.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from hashlib import sha256
from posixpath import basename, splitext
from typing import Any

from downloader.sansio.urllist import MAX_ENTRY, begins_entry, count_entries

# Bytes of a list that its lines' length is estimated from.
SAMPLE = 256 * 1024
# Lines of a shard are some such bytes, where the sample says nothing.
_SOME_LINE = 80
_GZIP = b"\x1f\x8b"
_KEPT = MAX_ENTRY + 1


@dataclass(frozen=True, slots=True)
class Part:
    """One file of a list: its URL, its bytes, and whether it can be read from the middle."""

    url: str
    size: int
    is_plain: bool = True


@dataclass(frozen=True, slots=True)
class Shard:
    """The entries of a list's part that begin at its bytes `start` to `end`, without the last. Of
    a part that is packed there is one. `size` bytes are in the part."""

    number: int
    url: str
    start: int
    end: int
    size: int
    is_plain: bool = True

    @property
    def name(self) -> str:
        """What its folder, tar and manifest are called by."""
        return f"{self.number:06}"

    def identity(self, run: str) -> str:
        """The same for the same entries in the `run` of this identity, and for no others."""
        return identity(run, self.url, self.start, self.end)


def identity(*what: object) -> str:
    """32 hexadecimal digits that stand for `what`, which JSON can say."""
    text = json.dumps(what, sort_keys=True, ensure_ascii=True, separators=(",", ":"))
    return sha256(text.encode("ascii")).hexdigest()[:32]


def run_identity(parts: Iterable[tuple[str, str]], size: int, options: Mapping[str, Any]) -> str:
    """Of a run: `parts` are the list's, each with what tells its versions apart; shards of `size`
    bytes; `options` are those that the files depend on."""
    return identity(list(parts), size, dict(options))


def shard_size(sample: bytes, lines: int) -> int:
    """Bytes that hold about so many `lines`, by the `sample` of their list. At least 1."""
    whole = sample[: sample.rfind(b"\n") + 1] or sample
    entries = count_entries(whole.split(b"\n"))
    each = len(whole) / entries if entries else _SOME_LINE
    return max(1, round(each * lines))


def is_gzip(sample: bytes) -> bool:
    """Whether a part that begins so has to be read from its beginning."""
    return sample.startswith(_GZIP)


def cut(parts: Iterable[Part], size: int) -> Iterator[Shard]:
    """The shards of `parts`, of about `size` bytes, in their order; an empty part has none."""
    number = 0
    for part in parts:
        count = max(1, round(part.size / size)) if part.is_plain and part.size else bool(part.size)
        for n in range(count):
            start, end = (part.size * k // count for k in (n, n + 1))
            yield Shard(number, part.url, start, end, part.size, part.is_plain)
            number += 1


def shard_count(parts: Iterable[Part], size: int) -> int:
    """How many `cut` gives."""
    return sum(1 for _ in cut(parts, size))


class EntryRange:
    """Takes the bytes of a part from the one before `start` on (from the first, if that is 0), and
    gives the lines of the entries that begin at `start` or later, and before `end`.

    `is_over` tells that no more bytes are needed. What comes before the first entry of a part is
    the first range's. Of a line that is longer than an entry may be, its beginning is kept, by
    which it is refused.
    """

    def __init__(self, start: int, end: int) -> None:
        self.is_over = start >= end
        self._start = start
        self._end = end
        self._at = max(0, start - 1)  # where the line begins that has not ended
        self._length = 0  # of it so far
        self._line = bytearray()  # as much of it as is kept
        self._ours = start == 0  # it, or what is above it

    def feed(self, chunk: bytes) -> list[bytes]:
        """The lines that end in `chunk`, with their LF."""
        given: list[bytes] = []
        first, *others = chunk.split(b"\n")
        self._grow(first)
        for line in others:
            given += self._ended(b"\n")
            self._grow(line)
            if self.is_over:
                break
        self.is_over = self.is_over or self._is_past()
        return given

    def close(self) -> list[bytes]:
        """The last line of the part, when no LF ended it."""
        return self._ended(b"") if self._length else []

    def _grow(self, more: bytes) -> None:
        self._line += more[: _KEPT - len(self._line)]
        self._length += len(more)

    def _is_past(self) -> bool:
        """Whether the line that has not ended says so: it may be endless."""
        if self._at < self._start:
            return self._at + self._length >= self._end
        return (
            self._at >= self._end and len(self._line) == _KEPT and begins_entry(bytes(self._line))
        )

    def _ended(self, end: bytes) -> list[bytes]:
        line, at = bytes(self._line), self._at
        self._at += self._length + 1
        self._length = 0
        self._line.clear()
        if self.is_over or at < self._start:
            return []
        if begins_entry(line):
            self._ours = at < self._end
            self.is_over = not self._ours
        elif at >= self._end and not self._ours:
            self.is_over = True  # options of an entry before us, which another range has
        return [line + end] if self._ours else []


def shared(name: str, limit: float | int, running: int) -> float | int:
    """What one of so many `running` shards has of a limit of all; `name` is that of its option. Of
    what is counted it has 1 at least."""
    if name == "per_host_delay":
        return limit * running
    return max(1, limit // running) if isinstance(limit, int) else limit / running


def member_name(shard: str, line: int, path: str) -> str:
    """What the file `path` of a `line` is called in the tar of `shard`, as WebDataset has it: a key
    without dots, and all that belongs to the key has another ending.

    The ending ``json`` is that of what is told about it.
    """
    stem, ending = splitext(basename(path))
    plain = ending[1:].lower()
    if not (plain.isascii() and plain.isalnum() and stem):
        plain = "bin"
    return f"{shard}-{line:09}.{'data.json' if plain == 'json' else plain}"
