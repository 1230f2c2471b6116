"""An honest server for the wires of `Net`: it answers each request on a wire, in their order.

What it serves at `/N` are the bytes `content(N, size)`, which no other path has.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from support.wired import Wire

_RANGE = re.compile(rb"\r\nRange: bytes=(\d+)-\r\n", re.IGNORECASE)


def content(number: int, size: int) -> bytes:
    """So many bytes that tell which request they are for."""
    return (b"<%d>" % number * (size // 3 + 1))[:size]


@dataclass(frozen=True)
class Shape:
    """How an answer is written: `length` or `chunked`, with an `etag`, and whether it `closes`."""

    chunked: bool = False
    etag: bool = True
    closes: bool = False
    informs: bool = False


class Served:
    """The server's end of one wire. `due` are the bytes that it has yet to send."""

    def __init__(self, wire: Wire, sizes: dict[int, int]) -> None:
        self.wire = wire
        self.due = b""
        self.closing = False
        self._sizes = sizes
        self._answered = 0

    @property
    def requests(self) -> list[bytes]:
        """The heads that came, oldest first."""
        return self.wire.sent.split(b"\r\n\r\n")[:-1]

    @property
    def waiting(self) -> int:
        """How many of them are still to be answered."""
        return 0 if self.closing else len(self.requests) - self._answered

    def answer(self, shape: Shape) -> None:
        """Answer the oldest one."""
        request = self.requests[self._answered] + b"\r\n"
        self._answered += 1
        self.closing = shape.closes
        self.due += _answer(request, self._sizes, shape)

    def deliver(self, size: int) -> None:
        """Send so many bytes of what is due, in one read; after the last answer comes the end."""
        piece, self.due = self.due[:size], self.due[size:]
        if piece:
            self.wire.feed(piece)
        if self.closing and not self.due and self.wire.open and not self.wire._held:
            self.wire.lose()


def number_of(request: bytes) -> int:
    """The number in the path of a request."""
    return int(request.split(b" ")[1].lstrip(b"/"))


def _answer(request: bytes, sizes: dict[int, int], shape: Shape) -> bytes:
    number = number_of(request)
    body = content(number, sizes[number])
    status, fields = b"200 OK", [b'ETag: "%d"' % number] if shape.etag else []
    wanted = _RANGE.search(request)
    if wanted is not None and shape.etag:
        start = int(wanted[1])
        fields.append(b"Content-Range: bytes %d-%d/%d" % (start, len(body) - 1, len(body)))
        status, body = b"206 Partial", body[start:]
    if shape.closes:
        fields.append(b"Connection: close")
    if shape.chunked and not wanted:
        fields.append(b"Transfer-Encoding: chunked")
        framed = b"%x\r\n%b\r\n0\r\n\r\n" % (len(body), body) if body else b"0\r\n\r\n"
    else:
        fields.append(b"Content-Length: %d" % len(body))
        framed = body
    head = b"\r\n".join([b"HTTP/1.1 " + status, *fields, b"", b""])
    early = b"HTTP/1.1 103 Early\r\n\r\n" if shape.informs else b""
    return early + head + (b"" if request.startswith(b"HEAD") else framed)


def paths_asked(served: list[Any]) -> list[tuple[bytes, int]]:
    """Method and number of each request that asked for the whole, on all wires."""
    return [
        (head.split(b" ")[0], number_of(head))
        for one in served
        for head in one.requests
        if _RANGE.search(head + b"\r\n") is None
    ]
