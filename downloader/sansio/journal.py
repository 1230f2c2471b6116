"""The journal beside a part file: which bytes it holds, of which version of what.

Records are lines, each with the CRC-32 of what follows it::

    1f2e3d4c {"of":"9f86d081","etag":"\"abc\"","modified":null,"dated":false,"total":2097152}
    5a6b7c8d {"held":[[0,1048576,3735928559]]}

The first says what the bytes are of; the others tell what is held by then, all of it, so the last
good one counts. `of` is a digest of the URL that was asked for first: the URL itself may hold a
secret. Each range has the CRC-32 of its last bytes, `TAIL` at most, by which a file that is not the
one, or has lost its end, is known.

A record is written when the bytes that it tells of are on the disk, and its line may be cut off
then: those above it still hold. When the bytes are to be of another version, the journal is emptied
first, and that is on the disk before any of them is: there is never a second head.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any
from zlib import crc32

from downloader.sansio.ranges import Ranges
from downloader.sansio.version import Version

TAIL = 64 * 1024
# One that would be longer is begun anew: at one record a second, that is some hours.
MAX_JOURNAL = 1024 * 1024

Mark = tuple[int, int, int]
_BEGINNING = re.compile(rb'[0-9a-f]{8} \{"of":"')


@dataclass(frozen=True, slots=True)
class Held:
    """What a journal says: `marks` are ranges, each with the CRC-32 of its tail."""

    of: str
    version: Version
    marks: Sequence[Mark]

    @property
    def ranges(self) -> Ranges:
        """The bytes."""
        return Ranges((start, stop) for start, stop, _ in self.marks)


def identity_of(url: str) -> str:
    """What stands in a journal for the URL that was asked for first."""
    return blake2b(url.encode("utf-8", "surrogateescape"), digest_size=16).hexdigest()


def is_journal(data: bytes) -> bool:
    """Whether a file that begins so is a journal, a damaged one too, or may become one. One that
    lost its bytes with the power, and not its length, begins with zeros."""
    return not data.strip(b"\0") or _BEGINNING.match(data) is not None


def tail_of(start: int, stop: int) -> int:
    """Where the tail of a range begins."""
    return max(start, stop - TAIL)


def head_record(of: str, version: Version) -> bytes:
    """The record that says what the bytes are of."""
    return _record(
        {
            "of": of,
            "etag": version.etag,
            "modified": version.last_modified,
            "dated": version.dated,
            "total": version.total,
            "checksum": version.checksum,
        }
    )


def held_record(marks: Iterable[Mark]) -> bytes:
    """The record of what is held by now."""
    return _record({"held": list(marks)})


def read_journal(data: bytes) -> Held | None:
    """What the records in `data` come to; None when they tell of no byte."""
    first, _, rest = data.partition(b"\n")
    head = _head(_read(first))
    # From the end: each record tells all.
    for line in reversed(rest.split(b"\n")) if head else ():
        marks = _marks(_read(line))
        if marks is not None:
            return Held(*head, marks) if head and marks else None
    return None


def _record(content: dict[str, Any]) -> bytes:
    text = json.dumps(content, separators=(",", ":")).encode("ascii")
    return b"%08x %b\n" % (crc32(text), text)


def _read(line: bytes) -> dict[str, Any]:
    """A line's content; empty when it is not good."""
    digits, _, text = line.partition(b" ")
    if digits != b"%08x" % crc32(text):
        return {}
    try:
        record = json.loads(text)
    except (ValueError, RecursionError):
        return {}
    return record if isinstance(record, dict) else {}


def _head(record: dict[str, Any]) -> tuple[str, Version] | None:
    of, total = record.get("of"), record.get("total")
    etag, modified = record.get("etag"), record.get("modified")
    checksum = record.get("checksum")
    if not isinstance(of, str) or not all(
        value is None or isinstance(value, str) for value in (etag, modified, checksum)
    ):
        return None
    if total is not None and not _is_offset(total):
        return None
    return of, Version(etag, modified, total, record.get("dated") is True, checksum)


def _marks(record: dict[str, Any]) -> list[Mark] | None:
    held = record.get("held")
    if not isinstance(held, list):
        return None
    marks = [
        (mark[0], mark[1], mark[2])
        for mark in held
        if isinstance(mark, list) and len(mark) == 3 and all(map(_is_offset, mark))
    ]
    good = len(marks) == len(held) and all(start < stop for start, stop, _ in marks)
    return marks if good else None


def _is_offset(value: object) -> bool:
    return type(value) is int and 0 <= value < 1 << 63
