"""Reading entries of a list, all at once."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from downloader.errors import BadLine
from downloader.jobs import Job
from downloader.sansio.urllist import Item, ListParser


def parse_lines(lines: Iterable[bytes | str], *, directory: str = ".") -> Iterator[Item]:
    """The items of a whole list, as its lines come."""
    parser = ListParser(directory)
    for line in lines:
        yield from parser.feed(line)
    yield from parser.close()


def parse(text: bytes | str, directory: str = ".") -> list[Item]:
    """The items of `text`."""
    data = text.encode() if isinstance(text, str) else text
    return list(parse_lines(data.split(b"\n"), directory=directory))


def job(text: bytes | str, directory: str = ".") -> Job:
    """The only item of `text`, a job."""
    (item,) = parse(text, directory)
    assert isinstance(item, Job)
    return item


def bad_line(text: bytes | str, directory: str = ".") -> BadLine:
    """The only item of `text`, a bad line."""
    (item,) = parse(text, directory)
    assert isinstance(item, BadLine)
    return item
