"""Lists of URLs in aria2's input-file format, read one line at a time.

    # a comment, wherever it stands
    https://example.org/a.iso<TAB>https://mirror.example.net/a.iso
      out=sub/a.iso
      checksum=sha-256=9f86d0...

A line that begins with a URL begins an entry; the URLs on it are mirrors of one file, parted by
TAB. Indented lines are its options. An entry gives one `Job`, or one `BadLine` that tells the first
thing wrong with it; it never stops the list. What can be left aside is told as a `Note`.

One difference from aria2: an indented URL begins an entry too. aria2 takes it for an unknown
option, and the file is never fetched.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from posixpath import normpath

from downloader.errors import BadLine, BadName, BadUrl
from downloader.jobs import Job
from downloader.sansio.checksum import checked_checksum
from downloader.sansio.names import checked_directory, checked_name
from downloader.sansio.printable import printable
from downloader.sansio.url import parse_url, redacted_invalid

# Bytes of an entry: its line and those of its options. As many as one URL may have, so that many
# entries that wait do not fill the memory, nor a list that is one endless line.
MAX_ENTRY = 64 * 1024
# More than any file has; each is asked in turn when those before it have failed.
MAX_MIRRORS = 100
# As many as servers take (Apache: 100 header fields by default).
MAX_HEADERS = 100

# What the agent writes itself: a second one would change where the message ends (RFC 9112 §6),
# or which bytes come (RFC 9110 §14), and so break the promise of right bytes.
_AGENTS_OWN = frozenset(
    (
        *("connection", "content-length", "expect", "host", "keep-alive", "proxy-connection"),
        *("te", "trailer", "transfer-encoding", "upgrade", "accept-encoding", "if-range", "range"),
    )
)
_TOKEN = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")  # RFC 9110 §5.6.2
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_NOT_IN_URLS = re.compile(r"[\x00-\x20\x7f]|^#")
# Left out at the beginning of any line: lists are joined with cat.
_BOM = b"\xef\xbb\xbf"
# The beginning of a line that begins an entry. Such a line starts with anything but a blank, or is
# indented and has a "://" before the first "="; comments and empty lines are neither.
_ENTRY = re.compile(
    rb"""^(?:\xef\xbb\xbf)?+
    (?: (?![ \t]) [ \t\r\v\f]*+ [^#\n]
      | [ \t] [ \t\r\v\f]*+ (?!\#) [^=\n]*? :// )""",
    re.MULTILINE | re.VERBOSE,
)
_ONE_URL = re.compile(rb"https?://[!-~]+")
_SPACE = " \t\r\v\f"
_LONGEST_SHOWN = 200
# What is wrong with a line may quote it twice.
_LONGEST_TOLD = 600


@dataclass(frozen=True, slots=True)
class Note:
    """Something in a list that was left aside, and does no harm to the job."""

    line: int
    message: str


Item = Job | BadLine | Note


def begins_entry(line: bytes) -> bool:
    """Whether `line` begins an entry: it gives a job or is refused, options below it or not."""
    return _ENTRY.match(line) is not None


def says_nothing(line: bytes) -> bool:
    """Whether `line` is blank or a comment."""
    text = line.removeprefix(_BOM).strip()
    # Blank as far as it was kept is not blank: see `LineSplitter`.
    return text.startswith(b"#") or (not text and len(line) <= MAX_ENTRY)


def count_entries(lines: Iterable[bytes]) -> int:
    """How many of `lines` begin an entry, at a small part of the parser's cost."""
    return len(_ENTRY.findall(b"\n".join(lines)))


class LineSplitter:
    """Cuts chunks of bytes into lines, without their LF.

    An overlong line comes as its first `longest` + 1 bytes, by which it is known; the rest of
    it is dropped as it arrives.
    """

    def __init__(self, longest: int = MAX_ENTRY) -> None:
        self._most = longest + 1
        self._rest = bytearray()

    def feed(self, chunk: bytes) -> list[bytes]:
        """The lines that end in `chunk`."""
        first, *others = chunk.split(b"\n")
        self._rest += first[: self._most - len(self._rest)]
        if not others:
            return []
        lines = [bytes(self._rest), *(line[: self._most] for line in others)]
        self._rest = bytearray(lines.pop())
        return lines

    def close(self) -> list[bytes]:
        """The last line, when no LF ended it."""
        lines = [bytes(self._rest)] if self._rest else []
        self._rest.clear()
        return lines


class ListParser:
    """Takes lines and gives jobs, each when the next entry begins: its options may still come.

    `close` gives the last one, at the end of the list.
    `directory` is the run's own and every job's; `dir` options stay below it. `headers` are for
    each job that has none of the same name itself.
    """

    def __init__(self, directory: str = ".", headers: Sequence[tuple[str, str]] = ()) -> None:
        self.line = 0
        self._directory = directory
        self._headers = headers
        self._job: Job | None = None
        self._in_bad_entry = False
        self._size = 0  # of the entry so far, in bytes

    def feed(self, line: bytes | str) -> list[Item]:
        """What is known now that `line`, with or without its line end, has come."""
        self.line += 1
        raw = line.encode("utf-8", "surrogateescape") if isinstance(line, str) else line
        if _ONE_URL.fullmatch(raw) and len(raw) <= MAX_ENTRY:
            return self._one_url(raw.decode("ascii"))
        if begins_entry(raw):
            return self._entry(raw.removeprefix(_BOM))
        return [] if says_nothing(raw) else self._option(raw.removeprefix(_BOM))

    def close(self) -> list[Item]:
        """The job whose options were awaited."""
        items: list[Item] = [] if self._job is None else [_with_headers(self._job, self._headers)]
        self._job = None
        return items

    def _one_url(self, url: str) -> list[Item]:
        """An entry that is one URL without any blank: what most lines are."""
        items = self.close()
        self._size = len(url)
        try:
            parse_url(url)
        except BadUrl as error:
            self._in_bad_entry = True
            return [*items, self._refused(_wrong_url(url, error))]
        self._in_bad_entry = False
        self._job = Job(url, self._directory, line=self.line)
        return items

    def _entry(self, raw: bytes) -> list[Item]:
        items = self.close()
        self._size = len(raw)
        try:
            url, *mirrors = map(_checked_url, _fields(_decoded(raw)))
        except ValueError as error:
            self._in_bad_entry = True
            return [*items, self._refused(error)]
        self._in_bad_entry = False
        self._job = Job(url, self._directory, mirrors=tuple(mirrors), line=self.line)
        return items

    def _option(self, raw: bytes) -> list[Item]:
        if self._in_bad_entry:
            return []
        if self._job is None:
            return [BadLine(self.line, "an option with no URL above it")]
        try:
            name, equals, value = _decoded(raw).partition("=")
            self._grow(len(raw))
            name = name.rstrip(_SPACE)
            changed = _with_option(self._job, name, value.lstrip(_SPACE)) if equals else None
        except (ValueError, BadName) as error:
            self._job, self._in_bad_entry = None, True
            return [self._refused(error)]
        if changed is None:
            return [Note(self.line, f"the option {_shown(name)} is not known here")]
        self._job = changed
        return []

    def _refused(self, error: Exception) -> BadLine:
        return BadLine(self.line, str(error)[:_LONGEST_TOLD])

    def _grow(self, size: int) -> None:
        self._size += size
        if self._size > MAX_ENTRY:
            raise ValueError(f"the entry is longer than {MAX_ENTRY} bytes")


def checked_header(text: str) -> tuple[str, str]:
    """`Name: value` as its two parts; a `ValueError` says in one sentence what is wrong."""
    name, colon, value = text.partition(":")
    if not colon or not _TOKEN.fullmatch(name):
        raise ValueError("a header is written 'Name: value'")
    if name.lower() in _AGENTS_OWN:
        raise ValueError(f"the header {name} is set by this program")
    value = value.strip(" \t")
    if not value.isprintable():
        raise ValueError(f"the header {name} holds a character that cannot be printed")
    return name, value


def format_entry(job: Job, name: str | None) -> str:
    """`job` as an entry of a list, which gives the same job when it is parsed, but for a size and
    pieces: a list has no options for them.

    `name`, when it is not None, is written in place of the job's own. Nothing in the job can
    begin another line: control characters are encoded in URLs and replaced elsewhere. The headers
    are written as they are, secrets and all.
    """
    urls = "\t".join(_NOT_IN_URLS.sub(_percent, url) for url in job.urls if url)
    if not urls:
        return ""
    options = [("out", job.name if name is None else name), ("dir", job.subdirectory)]
    options += [("header", f"{header}: {value}") for header, value in job.headers]
    options.append(("checksum", job.checksum))
    lines = [f" {key}={_CONTROL.sub('_', value)}\n" for key, value in options if value]
    return "".join([urls, "\n", *lines]).encode("utf-8", "replace").decode()


def _percent(match: re.Match[str]) -> str:
    return f"%{ord(match.group()):02X}"


def _decoded(raw: bytes) -> str:
    if len(raw) - raw.endswith(b"\n") > MAX_ENTRY:
        raise ValueError(f"the line is longer than {MAX_ENTRY} bytes")
    try:
        return raw.strip().decode()
    except UnicodeDecodeError:
        raise ValueError("the line is not UTF-8") from None


def _fields(text: str) -> list[str]:
    fields = [stripped for field in text.split("\t") if (stripped := field.strip(_SPACE))]
    if len(fields) > 1 + MAX_MIRRORS:
        raise ValueError(f"more than {MAX_MIRRORS} mirrors")
    return fields


def _checked_url(text: str) -> str:
    try:
        parse_url(text)
    except BadUrl as error:
        raise _wrong_url(text, error) from error
    return text


def _wrong_url(text: str, error: BadUrl) -> ValueError:
    shown = _shown(redacted_invalid(text))
    return ValueError(f"{shown}: {printable(error.detail)}{_hint(text)}")


def _hint(text: str) -> str:
    """What to write in place of a space, if there is one in `text`."""
    _, space, rest = text.partition(" ")
    if not space:
        return ""
    return "; mirrors are parted by TAB" if "://" in rest else "; a space in a URL is written %20"


def _with_headers(job: Job, headers: Sequence[tuple[str, str]]) -> Job:
    if not headers:
        return job
    own = {name.lower() for name, _ in job.headers}
    others = tuple(header for header in headers if header[0].lower() not in own)
    return replace(job, headers=job.headers + others) if others else job


def _with_option(job: Job, name: str, value: str) -> Job | None:
    """`job` with the option, or None when there is no such option."""
    if name == "out":
        checked_name(value)
        return replace(job, name=value)
    if name == "dir":
        return replace(job, subdirectory=below(job.directory, value))
    if name == "header":
        if len(job.headers) == MAX_HEADERS:
            raise ValueError(f"more than {MAX_HEADERS} headers")
        return replace(job, headers=(*job.headers, checked_header(value)))
    if name == "checksum":
        return replace(job, checksum=checked_checksum(value))
    return None


def below(directory: str, text: str) -> str:
    """`text` as a path below `directory`; raises `BadName` when it leads elsewhere."""
    if not text:
        raise BadName("an empty dir")
    root = normpath(directory).rstrip("/") + "/"
    # Only names are compared: links on the way are met when the directories are opened.
    inside = text.startswith("/") and f"{text}/".startswith(root)
    below = text[len(root) :].lstrip("/") if inside else text
    checked_directory(below)
    return below


def _shown(text: str) -> str:
    return f"'{printable(text[:_LONGEST_SHOWN])}'"
