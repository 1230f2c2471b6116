"""What a file should be, as somebody wrote it down: a line of a report, a row of a database."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from downloader.sansio.checksum import checked_checksum

# Bytes of a report's line. The longest that is written has two URLs of 64 KiB, each character of
# which may take six.
MAX_LINE = 1024 * 1024
_NO_LINE = "it is no line of a report"


@dataclass(frozen=True, slots=True)
class Expected:
    """A file: its `path`, its `length` in bytes and its `checksum`, `TYPE=HEX`, as far as they are
    known. `objection` says why no file can be as it should, where that is known."""

    path: str
    length: int | None = None
    checksum: str | None = None
    objection: str | None = None


def expected_in(line: bytes) -> Expected | None:
    """The file that a line of a report says is complete; None for one that says it of none.

    A ValueError says in one sentence why it is no such line.
    """
    try:
        said: Any = json.loads(line) if len(line) <= MAX_LINE else None
    except (ValueError, RecursionError):
        said = None
    if not isinstance(said, dict) or not {"status", "summary"} & said.keys():
        raise ValueError(_NO_LINE)
    if said.get("status") != "complete":
        return None
    return checked_expected(said.get("path"), said.get("bytes"), said.get("checksum"))


def checked_expected(path: Any, length: Any, checksum: Any) -> Expected:
    """A file that should be so. A ValueError says in one sentence what is none of these."""
    if not isinstance(path, str) or not path:
        raise ValueError("it names no path")
    if not isinstance(length, int) or isinstance(length, bool) or length < 0:
        raise ValueError("it tells no length in bytes")
    if checksum is None:
        return Expected(path, length)
    if not isinstance(checksum, str):
        raise ValueError("its checksum is no text")
    return Expected(path, length, checked_checksum(checksum))
