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


def parts(chunks: Iterable[bytes]) -> Iterator[Part]:
    """The list in `chunks`, in parts that a service takes. Raises ListError for what is no UTF-8,
    and for an entry that is too long."""
    before, held, size, entries = 0, list[str](), 0, 0
    for line in _lines(chunks):
        begins = bool(line.strip()) and line[0] not in " \t#"
        if begins and (entries >= MAX_ENTRIES or size >= MAX_TEXT):
            yield Part(before, "\n".join(held))
            before, held, size, entries = before + len(held), [], 0, 0
        held.append(line)
        size += len(json.dumps(line))
        entries += begins
        if size > 3 * MAX_TEXT:
            raise ListError(f"line {before + len(held)} is too long, or its entry")
    if held:
        yield Part(before, "\n".join(held))


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


def _lines(chunks: Iterable[bytes]) -> Iterator[str]:
    rest, number = b"", 0
    for chunk in chunks:
        *lines, rest = (rest + chunk).split(b"\n")
        for line in lines:
            number += 1
            yield _text(line, number)
        if len(rest) > MAX_TEXT:
            raise ListError(f"line {number + 1} is too long")
    if rest:
        yield _text(rest, number + 1)


def _text(line: bytes, number: int) -> str:
    try:
        return line.decode("utf-8")
    except UnicodeDecodeError as error:
        raise ListError(f"line {number} is no UTF-8") from error
