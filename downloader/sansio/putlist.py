"""Lists of files to be sent, read one line at a time: FILE, TAB, URL.

    # a comment
    build/a.iso<TAB>https://example.org/files/a.iso
    build/b.iso<TAB>https://example.org/files/

A FILE is written as it is, blanks and bytes that are no UTF-8 included; one that looks like a
comment is written with "./" before it, and one with a TAB or a line break cannot be listed. A URL
that ends with a slash gets the file's name, as in `curl -T`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from posixpath import basename
from urllib.parse import quote_from_bytes

from downloader.errors import BadLine, BadUrl
from downloader.jobs import PutJob
from downloader.sansio.printable import printable
from downloader.sansio.url import parse_url, redacted_invalid
from downloader.sansio.urllist import MAX_ENTRY, says_nothing

_BOM = b"\xef\xbb\xbf"
_CANNOT_BE_LISTED = re.compile(r"[\t\n\r\0]")
_LONGEST_TOLD = 600


def put_url(file: str, url: str) -> str:
    """Where `file` goes that is sent to `url`: below it, if that ends with a slash or has no path.

    Raises BadUrl, and ValueError where a name is wanted of a file that has none.
    """
    target = parse_url(url).target
    if "?" in target or not target.endswith("/"):
        return url
    name = basename(file)
    if name in ("", ".", ".."):
        raise ValueError(f"{printable(file)!r} is no name of a file")
    before = url.partition("#")[0].rstrip("/")
    return f"{before}/{quote_from_bytes(name.encode('utf-8', 'surrogateescape'), safe='')}"


def count_puts(lines: Iterable[bytes]) -> int:
    """How many of `lines` give a job or are refused."""
    return sum(not says_nothing(line) for line in lines)


class PutParser:
    """Takes lines and gives jobs, each at once. `headers` are every job's."""

    def __init__(self, headers: Sequence[tuple[str, str]] = ()) -> None:
        self.line = 0
        self._headers = tuple(headers)

    def feed(self, line: bytes) -> list[PutJob | BadLine]:
        """What `line`, with or without its line end, says."""
        self.line += 1
        if says_nothing(line):
            return []
        try:
            file, url = _parsed(line.removeprefix(_BOM))
        except (ValueError, BadUrl) as error:
            return [BadLine(self.line, str(error)[:_LONGEST_TOLD])]
        return [PutJob(file, url, self._headers, self.line)]

    def close(self) -> list[PutJob | BadLine]:
        """Nothing: no line waits for another."""
        return []


def format_put(job: PutJob) -> str:
    """`job` as a line of a list, without its headers; nothing for a file that cannot be listed."""
    if _CANNOT_BE_LISTED.search(job.file):
        return ""
    hidden = says_nothing(job.file.encode("utf-8", "surrogateescape"))
    before = "./" if hidden or job.file.startswith("\ufeff") else ""
    return f"{before}{job.file}\t{job.url}\n"


def _parsed(line: bytes) -> tuple[str, str]:
    if len(line) - line.endswith(b"\n") > MAX_ENTRY:
        raise ValueError(f"the line is longer than {MAX_ENTRY} bytes")
    text = line.rstrip(b"\r\n").decode("utf-8", "surrogateescape")
    file, tab, url = text.partition("\t")
    url = url.strip()
    if not (file and tab and url) or "\0" in file:
        raise ValueError("a line is a file, a TAB, and the URL it goes to")
    try:
        return file, put_url(file, url)
    except BadUrl as error:
        shown = printable(redacted_invalid(url)[:200])
        raise ValueError(f"'{shown}': {printable(error.detail)}") from error
