"""One file of a Metalink document: from the texts in its elements to what they come to.

What contradicts itself, or is no size, digest or name, is an error of the file: nobody knows what
was meant then. URLs that cannot be used are left out, as long as there is another.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from downloader.errors import BadUrl
from downloader.jobs import Job, Pieces
from downloader.sansio.checksum import DIGITS, checked_checksum, strongest
from downloader.sansio.mirrors import Mirror, checked_location, checked_priority, in_order
from downloader.sansio.names import checked_name
from downloader.sansio.printable import printable
from downloader.sansio.url import PORTS, parse_url
from downloader.sansio.urllist import MAX_ENTRY, MAX_MIRRORS

# Why a URL is left out, told of all of a document together.
NOT_HTTP = "neither http nor https (FTP and torrents are not fetched)"
NOT_VALID = "not valid"
# Characters of a file's URLs: half an entry of a list, so that it can be written as one.
_MAX_URLS = MAX_ENTRY // 2
TOO_MANY = f"beyond what a file has room for ({1 + MAX_MIRRORS} URLs, {_MAX_URLS // 1024} KiB)"

_MAX_BYTES = 2**63 - 1  # of a file, on every file system
_SHA = re.compile(r"sha-?([0-9]+)")
_PREFERENCE = re.compile(r"100|[0-9]{1,2}")

LeaveOut = Callable[[str, int], None]


@dataclass(frozen=True, slots=True)
class MetalinkFile:
    """One file of a document.

    `name` is what the document says, a path that may lead anywhere: it is for `sansio.names` to
    make it safe. `mirrors` are in the order they are to be asked, one at least. `size` is in bytes,
    `checksum` the strongest one, `TYPE=HEX`; they and `pieces` are None where nothing is told.
    `line` is the line where it begins, from 1.
    """

    name: str
    mirrors: tuple[Mirror, ...]
    size: int | None = None
    checksum: str | None = None
    pieces: Pieces | None = None
    line: int | None = None

    def job(self, directory: str = ".", headers: Sequence[tuple[str, str]] = ()) -> Job:
        """The job that brings it below `directory`; `headers` are for the first mirror's origin."""
        first, *others = (mirror.url for mirror in self.mirrors)
        return Job(
            first,
            directory,
            self.name,
            tuple(others),
            tuple(headers),
            self.checksum,
            self.line,
            size=self.size,
            pieces=self.pieces,
        )


@dataclass(slots=True)
class PiecesDraft:
    """A `pieces` element as it is read: its attributes, and of each `hash` in it the attribute
    `piece`, if it has one, and the text."""

    kind: str
    length: str
    sums: list[tuple[str | None, str]] = field(default_factory=list)

    def pieces(self, kind: str, size: int | None) -> Pieces:
        """What it comes to for a file of `size` bytes."""
        length = _number_of_bytes(self.length, "length of pieces")
        if length == 0:
            raise ValueError("pieces of 0 bytes")
        count = max(1, len(self.sums)) if size is None else -(-size // length)
        if len(self.sums) != count:
            raise ValueError(f"{len(self.sums)} digests of pieces do not make up the file")
        if any(at not in (None, str(number)) for number, (at, _) in enumerate(self.sums)):
            raise ValueError("the pieces are not in their order")
        return Pieces(kind, length, tuple(_checked_digest(kind, text) for _, text in self.sums))


@dataclass(slots=True)
class Draft:
    """A file as it is read: the texts in its elements, and the attributes they came with."""

    name: str = ""
    line: int = 0
    sizes: list[str] = field(default_factory=list)
    hashes: list[tuple[str, str]] = field(default_factory=list)
    pieces: list[PiecesDraft] = field(default_factory=list)
    urls: list[tuple[str, Mapping[str, str]]] = field(default_factory=list)

    def file(self, locations: Sequence[str], leave_out: LeaveOut) -> MetalinkFile:
        """What it comes to. `leave_out(why, count)` is told of URLs that are left out.

        Raises ValueError or BadName, which say in one sentence what is wrong.
        """
        checked_name(self.name)
        size = _size(self.sizes)
        checksum, pieces = _checksum(self.hashes), _pieces(self.pieces, size)
        mirrors = _mirrors(self.urls, locations, leave_out)
        return MetalinkFile(self.name, mirrors, size, checksum, pieces, self.line)


def _size(texts: Iterable[str]) -> int | None:
    sizes = {_number_of_bytes(text, "size") for text in texts}
    if len(sizes) > 1:
        raise ValueError("two different sizes")
    return sizes.pop() if sizes else None


def _number_of_bytes(text: str, what: str) -> int:
    known = text.isascii() and text.isdigit() and len(text) <= len(str(_MAX_BYTES))
    if not known or int(text) > _MAX_BYTES:
        raise ValueError(f"the {what} '{printable(text[:40])}' is no number of bytes")
    return int(text)


def _checksum(hashes: Iterable[tuple[str, str]]) -> str | None:
    found: dict[str, str] = {}
    for named, text in hashes:
        if (kind := _kind(named)) is not None:
            digest = _checked_digest(kind, text)
            if found.setdefault(kind, digest) != digest:
                raise ValueError(f"two different {kind} checksums")
    best = strongest(found)
    return None if best is None else f"{best}={found[best]}"


def _pieces(drafts: Iterable[PiecesDraft], size: int | None) -> Pieces | None:
    found: dict[str, Pieces] = {}
    for draft in drafts:
        if (kind := _kind(draft.kind)) is not None:
            pieces = draft.pieces(kind, size)
            if found.setdefault(kind, pieces) != pieces:
                raise ValueError(f"two different {kind} checksums of pieces")
    best = strongest(found)
    if best is None or not found[best].sums:  # an empty file has none
        return None
    return found[best]


def _kind(text: str) -> str | None:
    """The type of a checksum by its name in either version, `sha-256` and `sha256`; None for one
    that is not known here."""
    name = text.strip().lower()
    if not name:
        raise ValueError("a checksum without a type")
    name = _SHA.sub(r"sha-\1", name)
    return name if name in DIGITS else None


def _checked_digest(kind: str, text: str) -> str:
    return checked_checksum(f"{kind}={text}").partition("=")[2]


def _mirrors(
    urls: Iterable[tuple[str, Mapping[str, str]]], locations: Sequence[str], leave_out: LeaveOut
) -> tuple[Mirror, ...]:
    found = []
    for text, attributes in urls:
        why = _why_not(text, attributes)
        if why is None:
            location = checked_location(attributes.get("location", ""))
            found.append(Mirror(text, _priority(attributes), location))
        else:
            leave_out(why, 1)
    ordered = in_order(found, locations)
    if not ordered:
        raise ValueError("no http or https URL to fetch it from")
    kept = tuple(_with_room(ordered))
    if len(kept) < len(ordered):
        leave_out(TOO_MANY, len(ordered) - len(kept))
    return kept


def _why_not(text: str, attributes: Mapping[str, str]) -> str | None:
    """Why a URL cannot be used, or None. Version 3 says `type` where one is of a torrent."""
    scheme, colon, _ = text.lower().partition(":")
    kind = attributes.get("type", "http").strip().lower()
    if kind not in PORTS or (colon and scheme not in PORTS):
        return NOT_HTTP
    try:
        parse_url(text)
    except BadUrl:
        return NOT_VALID
    return None


def _priority(attributes: Mapping[str, str]) -> int:
    """Version 3 has a preference instead: 100 is asked first, 0 last."""
    preference = attributes.get("preference", "")
    if _PREFERENCE.fullmatch(preference):
        return 101 - int(preference)
    return checked_priority(attributes.get("priority", ""))


def _with_room(mirrors: Iterable[Mirror]) -> Iterable[Mirror]:
    """The first of them, and as many more as there is room for."""
    taken = 0
    for number, mirror in enumerate(mirrors):
        taken += len(mirror.url)
        if number and (number > MAX_MIRRORS or taken > _MAX_URLS):
            return
        yield mirror
