"""Checksum files, as sha256sum and its like write them, and which of their entries a file has.

    9f86d081...  a.iso                  GNU: text or, with * in place of the second blank, binary
    \\9f86d081...  a\\\\b.iso              the same, with \\n, \\r and \\\\ in the name escaped
    SHA256 (a.iso) = 9f86d081...        BSD, and `openssl dgst`

Lines of both forms may be mixed. The kind is told by a BSD line's tag, and else by the number of
digits: each kind known here has its own. BLAKE2 (b2sum), SHA-3 and others are not known; a GNU line
of one is taken for the SHA-2 of as many digits, which no file has.

Comments (#) and blank lines say nothing. Of a clear-signed text (RFC 9580 §7) only what was signed
counts, and nothing around it; the signature itself is NOT checked. Any other line is counted.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from enum import Enum, auto

from downloader.errors import NoChecksum
from downloader.sansio.checksum import DIGITS
from downloader.sansio.names import MAX_DEPTH, MAX_PATH, safe_name
from downloader.sansio.printable import printable
from downloader.sansio.urllist import MAX_ENTRY, LineSplitter

# More than any distribution lists (Debian's archive: some 100,000 in one file). Each takes some 200
# bytes of memory beside its name.
MAX_ENTRIES = 1_000_000
MAX_SIZE = 256 * 1024 * 1024

_KINDS = {digits // 2: kind for kind, digits in DIGITS.items()}
# sha256sum --tag says SHA256, openssl SHA2-256.
_TAGS = {
    tag.encode(): kind
    for kind in DIGITS
    for tag in (kind.upper(), kind.upper().replace("-", ""), kind.upper().replace("-", "2-"))
}
_GNU = re.compile(rb"[ \t]*(\\?)([0-9A-Fa-f]+)[ \t][ *]?+(.+)", re.DOTALL)
_BSD = re.compile(rb"[ \t]*(\\?)([A-Za-z0-9/-]+) ?\((.+)\)[ \t]*=[ \t]*([0-9A-Fa-f]+)", re.DOTALL)
_ESCAPED = re.compile(rb"(?:[^\\]|\\[\\nr])*", re.DOTALL)
_ESCAPE = re.compile(rb"\\(.)")
_MEANT = {b"\\": b"\\", b"n": b"\n", b"r": b"\r"}

_BOM = b"\xef\xbb\xbf"
_SIGNED = b"-----BEGIN PGP SIGNED MESSAGE-----"
_SIGNATURE = b"-----BEGIN PGP SIGNATURE-----"
_END = b"-----END PGP SIGNATURE-----"
# What an alias stands for that two names have.
_SEVERAL = ""


class _At(Enum):
    """Where a line is: in a plain text, or in which part of a clear-signed one."""

    PLAIN = auto()
    HASHES = auto()  # the headers up to the blank line
    SIGNED = auto()
    SIGNATURE = auto()
    BEHIND = auto()


class Checksums:
    """The checksums that the text in `pieces`, an iterable of bytes, tells of names.

    A name is a path with "/" between its components, as the text has it but for "." and double
    slashes; what is no UTF-8 is as `os.fsdecode` has it. Of several kinds for one name the longest
    counts; two different ones of that kind contradict each other, which `find` tells of.

    `odd` lines are no checksum, the first of them is the line `first_odd`, from 1. ValueError, with
    a reason, for a text without any checksum or with too much of them.
    """

    def __init__(
        self,
        pieces: Iterable[bytes],
        max_entries: int = MAX_ENTRIES,
        max_size: int = MAX_SIZE,
    ) -> None:
        self.odd = 0
        self.first_odd: int | None = None
        self._max_entries = max_entries
        self._digests: dict[str, bytes] = {}
        self._contradicted: set[str] = set()
        # Other paths that lead to a name: its last component, and itself as it is made safe.
        self._aliases: dict[str, str] = {}
        self._line = 0
        self._at = _At.PLAIN
        self._read(pieces, max_size)
        if not self._digests:
            raise ValueError("there is no checksum in it")

    def __repr__(self) -> str:
        return f"<Checksums of {len(self)} names>"

    def __len__(self) -> int:
        return len(self._digests)

    def __iter__(self) -> Iterator[tuple[str, str | None]]:
        """Each name with its checksum, `TYPE=HEX`, or None where the text contradicts itself."""
        for name, digest in self._digests.items():
            yield name, None if name in self._contradicted else _written(digest)

    def find(self, path: str) -> str:
        """The checksum, `TYPE=HEX`, of the file that is to have this safe path.

        It is that of the name which is the path or the longest end of it; else of the one name
        whose last component is the path's. A name counts as it would be made safe, too. Raises
        `NoChecksum` when there is none, or several come into question.
        """
        name = self._name_of(path)
        if name is None:
            raise NoChecksum(f"{printable(path)} is not in it")
        if name == _SEVERAL:
            last = path.rpartition("/")[2]
            raise NoChecksum(f"several names in it end in {printable(last)}, none as the file's")
        if name in self._contradicted:
            raise NoChecksum(f"there are different ones in it for {printable(name)}")
        return _written(self._digests[name])

    def _name_of(self, path: str) -> str | None:
        end, slash = path, "/"
        while slash:
            if end in self._digests:
                return end
            if end in self._aliases:
                return self._aliases[end]
            _, slash, end = end.partition("/")
        return None

    # --- reading ------------------------------------------------------------------------------

    def _read(self, pieces: Iterable[bytes], max_size: int) -> None:
        splitter = LineSplitter()
        size = 0
        for piece in pieces:
            size += len(piece)
            if size > max_size:
                raise ValueError(f"it is longer than {max_size:,} bytes")
            self._take(splitter.feed(piece))
        self._take(splitter.close())

    def _take(self, lines: list[bytes]) -> None:
        for line in lines:
            self._line += 1
            if self._line == 1:
                line = line.removeprefix(_BOM)
            line = line.removesuffix(b"\r")
            if line.startswith(b"-----") or self._at is not _At.PLAIN:
                self._step(line)
            else:
                self._text(line)

    def _step(self, line: bytes) -> None:
        """A line of a clear-signed text, or one that may begin it."""
        said = line.rstrip()
        if said == _SIGNED and self._at is _At.PLAIN:
            self._forget()
            self._at = _At.HASHES
        elif said == _SIGNATURE and self._at is _At.SIGNED:
            self._at = _At.SIGNATURE
        elif said == _END and self._at is _At.SIGNATURE:
            self._at = _At.BEHIND
        elif self._at is _At.HASHES:
            self._at = self._at if said else _At.SIGNED
        elif self._at in (_At.PLAIN, _At.SIGNED):
            self._text(line.removeprefix(b"- "))  # RFC 9580 §7.2: dash-escaped

    def _forget(self) -> None:
        """What came before was not signed."""
        for known in (self._digests, self._contradicted, self._aliases):
            known.clear()

    def _text(self, line: bytes) -> None:
        entry = parse_line(line)
        if entry is not None:
            self._add(*entry)
        elif line.strip() and not line.lstrip().startswith(b"#"):
            self.odd += 1
            self.first_odd = self.first_odd or self._line

    def _add(self, name: str, digest: bytes) -> None:
        before = self._digests.get(name, b"")
        if len(digest) > len(before):
            self._digests[name] = digest
            self._contradicted.discard(name)
        elif len(digest) == len(before) and digest != before:
            self._contradicted.add(name)
        if not before:
            self._add_aliases(name)
            if len(self._digests) > self._max_entries:
                raise ValueError(f"there are more than {self._max_entries:,} names in it")

    def _add_aliases(self, name: str) -> None:
        if len(name) > MAX_PATH or name.count("/") >= MAX_DEPTH:
            return  # no file of ours has such a path
        safe = "/".join(map(safe_name, name.split("/")))
        for alias in {safe, safe.rpartition("/")[2]} - {name}:
            self._aliases[alias] = _SEVERAL if alias in self._aliases else name


def parse_line(line: bytes) -> tuple[str, bytes] | None:
    """The name and the digest that a line without its line end tells; None if it is none."""
    if len(line) > MAX_ENTRY:  # as far as it was kept
        return None
    if match := _GNU.fullmatch(line):
        escaped, digits, name = match.groups()
        tag = None
    elif match := _BSD.fullmatch(line):
        escaped, tag, name, digits = match.groups()
    else:
        return None
    kind = _KINDS.get(len(digits) // 2) if len(digits) % 2 == 0 else None
    if kind is None or (tag is not None and _TAGS.get(tag.upper()) != kind):
        return None
    if escaped:
        if not _ESCAPED.fullmatch(name):
            return None
        name = _ESCAPE.sub(lambda found: _MEANT[found[1]], name)
    path = _plain(name.decode("utf-8", "surrogateescape"))
    return (path, bytes.fromhex(digits.decode("ascii"))) if path else None


def _plain(name: str) -> str:
    """`name` without components that lead nowhere: `./a//b` is `a/b`."""
    if "./" not in name and "//" not in name:
        return name
    root = "/" if name.startswith("/") else ""
    return root + "/".join(part for part in name.split("/") if part not in ("", "."))


def _written(digest: bytes) -> str:
    return f"{_KINDS[len(digest)]}={digest.hex()}"
