"""The files that nginx serves, and the check that the same files came out.

Bytes are random, from a seed, so that no tool gains by their being alike and every run has the
same.
"""

from __future__ import annotations

import hashlib
import os
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.measure import ToolFailed

# The folder below nginx's root. nginx is told to ignore what follows a dot in its names.
SERVED = "files"
_BLOCK = 4 * 1024 * 1024
_PAGE = 4096


@dataclass(frozen=True)
class Source:
    """A file as it is served."""

    name: str
    size: int
    sha256: bytes


@dataclass(frozen=True)
class Wanted:
    """A line of the list: the last segment of its URL, which is its file's name, and its bytes."""

    name: str
    source: Source


class Data:
    """Files of the `sizes` in `folder`, and a list of them.

    With more `lines` than files, files are asked for again under other names.
    """

    def __init__(self, folder: Path, sizes: Sequence[int], lines: int | None = None) -> None:
        self._again = lines is not None
        self.lines = len(sizes) if lines is None else lines
        draw = random.Random(1)
        self._sources = [_make(folder, n, size, draw) for n, size in enumerate(sizes)]

    def wanted(self) -> Iterator[Wanted]:
        """Line by line: a list may be too long to have in memory."""
        for n in range(self.lines):
            source = self._sources[n % len(self._sources)]
            yield Wanted(f"{source.name}.{n:07}" if self._again else source.name, source)

    @property
    def bytes(self) -> int:
        """How many bytes the whole list is."""
        return sum(one.source.size for one in self.wanted())

    def check(self, out: Path, contents: bool) -> None:
        """Raise ToolFailed unless `out` has every file and no other; `contents` reads them too."""
        found = {one.name: one.stat().st_size for one in os.scandir(out) if one.is_file()}
        missing = sum(one.name not in found for one in self.wanted())
        if missing:
            raise ToolFailed(f"{missing} of {self.lines} files are missing")
        if len(found) > self.lines:
            raise ToolFailed(f"{len(found) - self.lines} files that nobody asked for")
        for one in self.wanted():
            if found[one.name] != one.source.size:
                raise ToolFailed(f"{one.name} has {found[one.name]} bytes, not {one.source.size}")
            if contents and _sha256(out / one.name) != one.source.sha256:
                raise ToolFailed(f"{one.name} has not the bytes that were served")


def room(sizes: Sequence[int], lines: int | None) -> int:
    """How many bytes the files and the results take, with a page and an inode for each."""
    served = sum(-(-size // _PAGE) * _PAGE + 1024 for size in sizes)
    return served + served * (len(sizes) if lines is None else lines) // len(sizes)


def _make(folder: Path, number: int, size: int, draw: random.Random) -> Source:
    """Write a file of `size` random bytes."""
    name = f"{number:05}"
    digest = hashlib.sha256()
    with (folder / name).open("wb") as file:
        for start in range(0, size, _BLOCK):
            block = draw.randbytes(min(_BLOCK, size - start))
            digest.update(block)
            file.write(block)
    return Source(name, size, digest.digest())


def _sha256(path: Path) -> bytes:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").digest()
