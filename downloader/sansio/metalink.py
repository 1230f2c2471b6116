"""Metalink documents: files, where they are, and what their bytes have to be.

Version 4 (RFC 5854) and version 3 (metalinker.org), known by their namespaces. What is of another
namespace, or in an unusual place, is not looked at; `signature` and `metaurl` are left aside.

A document is somebody else's. It is read without a DTD, so without entities and without anything
from elsewhere. Nothing is kept of it but its files, so the memory and time that it takes are in
proportion to its length, which is bounded.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from downloader.errors import BadLine, BadName, ListError
from downloader.sansio.metalinkfile import Draft, MetalinkFile, PiecesDraft
from downloader.sansio.printable import printable

# Bytes. Those that distributions publish have some hundred KiB; this takes seconds to read.
MAX_DOCUMENT = 16 * 1024 * 1024
# Characters of the name of an element or attribute, with its namespace.
MAX_NAME = 1_000
MAX_FILES = 100_000
_LONGEST_SHOWN = 200


@dataclass(frozen=True, slots=True)
class Metalink:
    """A document: its files in their order, a `BadLine` for each that cannot be used, and remarks
    on what was left out, each a sentence."""

    files: tuple[MetalinkFile | BadLine, ...]
    remarks: tuple[str, ...]


def parse_metalink(data: bytes, locations: Sequence[str] = ()) -> Metalink:
    """Read a document. Of mirrors of equal priority, those in `locations` come first, and of those
    the first one's; they are as `checked_location` gives them.

    Raises ListError for what is no Metalink document, or one over a bound.
    """
    from defusedxml import DefusedXmlException  # late: few runs need them
    from defusedxml.ElementTree import ParseError, XMLParser

    if len(data) > MAX_DOCUMENT:
        raise ListError(f"it is longer than {MAX_DOCUMENT:,} bytes")
    reader = _Reader(locations, lambda: parser.parser.CurrentLineNumber)
    parser: Any = XMLParser(target=reader, forbid_dtd=True)
    try:
        parser.feed(data)  # at once: old expats read a long token anew with each piece of it
        parser.close()
    except DefusedXmlException as error:
        raise ListError("it has a DTD or entities, which are not read") from error
    except (ParseError, ValueError, LookupError) as error:  # the last two: of an unusual encoding
        raise ListError(f"it is not well-formed XML: {printable(str(error))}") from error
    if not reader.files:
        raise ListError("it is a Metalink document without a file")
    return Metalink(tuple(reader.files), tuple(map(_remark, reader.left_out.items())))


def _remark(left_out: tuple[str, int]) -> str:
    why, count = left_out
    return f"{count:,} URL{' is' if count == 1 else 's are'} left out: {why}"


@dataclass(frozen=True)
class _Element:
    """What an element is to us, and the elements that count within it, by their names."""

    role: str = ""
    inside: Mapping[str, _Element] = field(default_factory=dict)


_OTHER, _HASH, _SIZE, _URL = _Element(), _Element("hash"), _Element("size"), _Element("url")
_PIECES = _Element("pieces", {"hash": _Element("piece")})
_VERIFICATION = _Element("", {"hash": _HASH, "pieces": _PIECES})
_RESOURCES = _Element("", {"url": _URL})
_FILE_4 = _Element("file", {"size": _SIZE, "hash": _HASH, "pieces": _PIECES, "url": _URL})
_FILE_3 = _Element("file", {"size": _SIZE, "verification": _VERIFICATION, "resources": _RESOURCES})
# By namespace and name.
_ROOTS = {
    ("urn:ietf:params:xml:ns:metalink", "metalink"): _Element("", {"file": _FILE_4}),
    ("http://www.metalinker.org/", "metalink"): _Element(
        "", {"files": _Element("", {"file": _FILE_3})}
    ),
}


class _Reader:
    """Is told of each element by the parser, by the names of ElementTree's targets.

    `files` are those that have ended; `left_out` counts the URLs that were, by the reason. `line()`
    is the line where the parser is.
    """

    def __init__(self, locations: Sequence[str], line: Callable[[], int]) -> None:
        self.files: list[MetalinkFile | BadLine] = []
        self.left_out: dict[str, int] = {}
        self._locations = locations
        self._line = line
        self._namespace = ""
        self._around: list[_Element] = []
        self._attributes: Mapping[str, str] = {}
        self._text: list[str] = []
        self._file = Draft()

    def __repr__(self) -> str:
        return f"<_Reader {len(self.files)} files, {len(self._around)} deep>"

    def start(self, tag: str, attributes: Mapping[str, str]) -> None:
        # Each is copied for each element.
        if len(tag) > MAX_NAME or any(len(name) > MAX_NAME for name in attributes):
            raise ListError("a name in it is too long")
        namespace, _, name = tag.removeprefix("{").rpartition("}")
        element = self._element(namespace, name)
        self._around.append(element)
        self._attributes, self._text = attributes, []
        if element.role == "file":
            if len(self.files) == MAX_FILES:
                raise ListError(f"it has more than {MAX_FILES:,} files")
            self._file = Draft(attributes.get("name", ""), self._line())
        elif element.role == "pieces":
            kind, length = attributes.get("type", ""), attributes.get("length", "")
            self._file.pieces.append(PiecesDraft(kind, length))

    def data(self, text: str) -> None:
        if self._around[-1].role:
            self._text.append(text)

    def end(self, tag: str) -> None:
        role, text = self._around.pop().role, "".join(self._text).strip()
        file, attributes = self._file, self._attributes
        if role == "size":
            file.sizes.append(text)
        elif role == "hash":
            file.hashes.append((attributes.get("type", ""), text))
        elif role == "piece":
            file.pieces[-1].sums.append((attributes.get("piece"), text))
        elif role == "url":
            file.urls.append((text, attributes))
        elif role == "file":
            self.files.append(self._made(file))

    def close(self) -> None:
        """The document is over."""

    def _element(self, namespace: str, name: str) -> _Element:
        if self._around:
            ours = namespace == self._namespace
            return self._around[-1].inside.get(name, _OTHER) if ours else _OTHER
        if (namespace, name) not in _ROOTS:
            raise ListError("it is XML, but no Metalink document")
        self._namespace = namespace
        return _ROOTS[namespace, name]

    def _made(self, draft: Draft) -> MetalinkFile | BadLine:
        try:
            return draft.file(self._locations, self._leave_out)
        except (ValueError, BadName) as error:
            return BadLine(draft.line, f"'{printable(draft.name[:_LONGEST_SHOWN])}': {error}")

    def _leave_out(self, why: str, count: int) -> None:
        self.left_out[why] = self.left_out.get(why, 0) + count
