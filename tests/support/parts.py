"""A mirror of one file, played on a real socket: whole or in parts, and wrong where it is told."""

from __future__ import annotations

import re
from collections.abc import Callable
from hashlib import sha1
from typing import Any

from downloader import Pieces
from downloader.testing import Connection

_RANGE = re.compile(rb"\r\nrange: bytes=(\d+)-(\d*)\r\n", re.I)
Span = tuple[int, int]


def pieces_of(data: bytes, length: int) -> Pieces:
    """The checksums of its pieces."""
    cuts = range(0, len(data), length)
    return Pieces("sha-1", length, tuple(sha1(data[n : n + length]).hexdigest() for n in cuts))


class Mirror:
    """Serves `data` to any number of connections of a ScriptedServer.

    `asked` are the ranges it was asked for, None for the whole. Bytes at the places in `wrong` are
    others: `spoils(span)` says whether in this answer. `halves(span)` says whether only the first
    half comes. With `parts` off every request gets the whole, with `length` off in chunks. Each
    answer has `headers`.
    """

    def __init__(
        self,
        data: bytes,
        *,
        etag: str = '"1"',
        wrong: tuple[int, ...] = (),
        spoils: Callable[[Span], bool] = lambda span: True,
        halves: Callable[[Span], bool] = lambda span: False,
        parts: bool = True,
        length: bool = True,
        headers: dict[str, str] | None = None,
    ) -> None:
        self.asked: list[Span | None] = []
        self._data = data
        self._etag = etag
        self._wrong = wrong
        self._spoils = spoils
        self._halves = halves
        self._parts = parts
        self._length = length
        self._headers = headers or {}

    async def __call__(self, connection: Connection) -> None:
        while True:
            head = await connection.head()
            connection.send(self._answer(head))

    def _answer(self, head: bytes) -> bytes:
        match, size = _RANGE.search(head), len(self._data)
        span = (0, size)
        if match is not None:
            span = (int(match[1]), int(match[2]) + 1 if match[2] else size)
        self.asked.append(None if match is None else span)
        if match is None or not self._parts:
            return self._head(b"200 OK", size) + self._body((0, size))
        if self._halves(span):
            span = (span[0], sum(span) // 2)
        told = b"Content-Range: bytes %d-%d/%d\r\n" % (span[0], span[1] - 1, size)
        return self._head(b"206 Part", span[1] - span[0], told) + self._body(span)

    def _head(self, status: bytes, length: int, told: bytes = b"") -> bytes:
        framing = b"Content-Length: %d" % length
        if not self._length:
            framing = b"Transfer-Encoding: chunked"
        told += b"".join(f"{name}: {value}\r\n".encode() for name, value in self._headers.items())
        etag = self._etag.encode()
        return b"HTTP/1.1 %b\r\nETag: %b\r\n%b%b\r\n\r\n" % (status, etag, told, framing)

    def _body(self, span: Span) -> bytes:
        body = bytearray(self._data[slice(*span)])
        for place in self._wrong if self._spoils(span) else ():
            if span[0] <= place < span[1]:
                body[place - span[0]] ^= 0xFF
        if self._length:
            return bytes(body)
        return b"%x\r\n%b\r\n0\r\n\r\n" % (len(body), body)


def once() -> Callable[[Any], bool]:
    """True the first time, and no more."""
    answers = iter([True])
    return lambda _: next(answers, False)
