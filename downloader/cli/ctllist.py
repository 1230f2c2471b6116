"""What is added to a service, in requests that it takes: whole entries, of a list as it is read."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

from downloader.errors import ListError

# Of one request, in jobs and in bytes of JSON: a service takes an array of as many, and a body of
# 4 MiB, which is more than an entry that is begun below this comes to.
MAX_ENTRIES = 1000
MAX_TEXT = 512 * 1024


class Part(NamedTuple):
    """Some lines of a list; `before` is how many lines are in front of them."""

    before: int
    text: str


class Parts:
    """A list that is fed as it is read, in parts that a service takes. Raises ListError for what is
    no UTF-8, and for an entry that is too long."""

    def __init__(self) -> None:
        self._rest = b""
        self._before = 0
        self._held: list[str] = []
        self._size = self._entries = 0

    def __repr__(self) -> str:
        return f"<Parts {self._entries} entries from line {self._before + 1} on>"

    def feed(self, data: bytes) -> Iterator[Part]:
        """Take the next bytes; what is whole with them, and followed by another entry."""
        *lines, self._rest = (self._rest + data).split(b"\n")
        for line in lines:
            yield from self._take(line)
        if len(self._rest) > MAX_TEXT:
            raise ListError(f"line {self._next} is too long")

    def end(self) -> Iterator[Part]:
        """What is left."""
        if self._rest:
            yield from self._take(self._rest)
        if self._held:
            yield self._cut()

    @property
    def _next(self) -> int:
        return self._before + len(self._held) + 1

    def _take(self, data: bytes) -> Iterator[Part]:
        line = _text(data, self._next)
        begins = bool(line.strip()) and line[0] not in " \t#"
        if begins and (self._entries >= MAX_ENTRIES or self._size >= MAX_TEXT):
            yield self._cut()
        self._held.append(line)
        self._size += len(json.dumps(line))
        self._entries += begins
        if self._size > 3 * MAX_TEXT:
            raise ListError(f"line {self._next - 1} is too long, or its entry")

    def _cut(self) -> Part:
        part = Part(self._before, "\n".join(self._held))
        self._before += len(self._held)
        self._held, self._size, self._entries = [], 0, 0
        return part


def portions(jobs: Iterable[Any]) -> Iterator[list[Any]]:
    """`jobs`, so many at a time as a service takes."""
    held, size = list[Any](), 0
    for job in jobs:
        if held and (len(held) >= MAX_ENTRIES or size >= MAX_TEXT):
            yield held
            held, size = [], 0
        held.append(job)
        size += len(json.dumps(job))
    if held:
        yield held


def _text(line: bytes, number: int) -> str:
    try:
        return line.decode("utf-8")
    except UnicodeDecodeError as error:
        raise ListError(f"line {number} is no UTF-8") from error
