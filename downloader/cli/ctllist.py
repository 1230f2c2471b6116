"""A list on its way to a service: in requests that each hold whole entries, read as they go out."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from downloader.errors import ListError

# Of one request; a service takes ten times as many jobs, and four times as much.
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
        size += len(line) + 1
        entries += begins
        if size > 3 * MAX_TEXT:
            raise ListError(f"line {before + len(held)} is too long, or its entry")
    if held:
        yield Part(before, "\n".join(held))


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
