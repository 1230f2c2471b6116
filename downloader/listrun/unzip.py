"""A list's bytes as plain text bytes: gzip is known by its first two bytes (RFC 1952 §2.3.1).

Output comes in steps of bounded size, so that a small file which unpacks to gigabytes is read
as lazily as any other.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator

from downloader.errors import ListError

MAGIC = b"\x1f\x8b"
# Big enough that a step's cost is in the bytes, small enough to parse between two events.
STEP = 64 * 1024
_WITH_HEADER = 16 + zlib.MAX_WBITS


class Unzip:
    """Feed it bytes as they come; it yields plain bytes, at most `STEP` of unpacked ones at once.

    Pieces may be empty: however little there is in gzip, its reader gets a turn at each step.

    Several gzip members in a row are one text, and zeros behind the last are padding, as for
    gzip(1). Broken gzip raises `ListError`.
    """

    def __init__(self) -> None:
        self._head = b""
        self._known = False
        self._zipped = False
        self._member: zlib._Decompress | None = None

    def feed(self, data: bytes) -> Iterator[bytes]:
        """Yield what `data` unpacks to."""
        if not self._known:
            data = self._head = self._head + data
            if len(data) < len(MAGIC) and MAGIC.startswith(data):
                return
            self._known, self._zipped = True, data.startswith(MAGIC)
        if self._zipped:
            yield from self._unpacked(data)
        elif data:
            yield data

    def end(self) -> Iterator[bytes]:
        """Yield what was held back; a gzip file that stops in the middle raises `ListError`."""
        if self._member is not None:
            raise ListError("the gzip data ends too early")
        if not self._known and self._head:
            yield self._head

    def _unpacked(self, data: bytes) -> Iterator[bytes]:
        while True:
            if self._member is None:
                data = data.lstrip(b"\0")
                if not data:
                    yield b""
                    return
                self._member = zlib.decompressobj(_WITH_HEADER)
            piece = self._step(self._member, data)
            yield piece
            if self._member.eof:
                data, self._member = self._member.unused_data, None
                continue
            data = self._member.unconsumed_tail
            # A full step may leave output inside zlib although all input is consumed.
            if not data and len(piece) < STEP:
                return

    def _step(self, member: zlib._Decompress, data: bytes) -> bytes:
        try:
            return member.decompress(data, STEP)
        except zlib.error as error:
            raise ListError(f"the gzip data is broken ({error})") from error
