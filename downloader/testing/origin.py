"""A small well-behaved HTTP/1.1 origin: files of any size, slow ones, missing and silent ones.

It speaks enough of RFC 9112 for a downloader: GET and HEAD, keep-alive, pipelined requests
answered in order, bodies with a Content-Length streamed in constant memory. Of a file that has an
ETag it sends parts (RFC 9110 §14), one range at a time.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import shake_128
from itertools import chain
from typing import Any

from twisted.internet.interfaces import IPullProducer
from zope.interface import implementer

from downloader.testing.loopback import End, LoopbackServer, Peer

CHUNK = 64 * 1024
_RANGE = re.compile(r"bytes=([0-9]+)-([0-9]*)")


def content(path: str, size: int, start: int = 0, stop: int | None = None) -> Iterator[bytes]:
    """The bytes of the file `path`, in chunks of 64 KiB and a rest; no two chunks are alike. Those
    from `start` up to `stop`, if that is given.

    The server and the checker both compute them, so nobody holds a large file in memory.
    """
    end = size if stop is None else stop
    for begin in range(start - start % CHUNK, end, CHUNK):
        seed = f"{path}:{begin}".encode()
        chunk = shake_128(seed).digest(min(CHUNK, size - begin))
        yield chunk[max(0, start - begin) : end - begin]


@dataclass(frozen=True, slots=True)
class _File:
    """`size` bytes; `pause` seconds pass after half of the first chunk, if there is one. With an
    `etag` it comes in parts too, with a `rate` no faster than so many bytes a second."""

    size: int
    pause: float
    etag: str | None
    rate: float | None


class Origin(LoopbackServer):
    """Listens on loopback and serves what `add` and `add_silent` were told; all else is 404.

    `requests` counts what was asked, by path. `silent_ends` counts how the connections ended
    that wait for an answer which never comes, `silent` is how many still wait.
    """

    def __init__(self, reactor: Any) -> None:
        super().__init__(reactor)
        self._files: dict[str, _File | None] = {}
        self.requests: Counter[str] = Counter()
        self.silent = 0
        self.silent_ends: Counter[End] = Counter()

    def add(
        self,
        path: str,
        size: int,
        pause: float = 0.0,
        *,
        etag: str | None = None,
        rate: float | None = None,
    ) -> str:
        """Serve `size` bytes of `content` at `path`; `pause` seconds make it slow, and so does a
        `rate` of bytes a second for each connection. Parts of it come with an `etag`, such as
        `'"1"'`. Its URL."""
        self._files[path] = _File(size, pause, etag, rate)
        return self.url(path)

    def add_silent(self, path: str) -> str:
        """Never answer a request for `path`. Its URL."""
        self._files[path] = None
        return self.url(path)

    def make_peer(self, number: int) -> _HttpPeer:
        return _HttpPeer(self, number)

    def find(self, path: str) -> _File | None:
        """Count a request for `path` and look its file up: None for a silent one.

        Raises KeyError when there is none.
        """
        self.requests[path] += 1
        return self._files[path]


@implementer(IPullProducer)
class _HttpPeer(Peer):
    """One client. `_busy` while an answer is under way; requests behind it wait in `_unread`."""

    server: Origin

    def __init__(self, server: Origin, number: int) -> None:
        super().__init__(server, number)
        self._unread = b""
        self._busy = False
        self._silent = False
        self._last = False
        self._chunks: Iterator[bytes] = iter(())
        self._pause: Any = None
        self._rate: float | None = None

    def connectionMade(self) -> None:
        self.transport.setTcpNoDelay(True)

    def dataReceived(self, data: bytes) -> None:
        self._unread += data
        self._next()

    def clean_up(self, end: End) -> None:
        if self._pause is not None and self._pause.active():
            self._pause.cancel()
        if self._silent:
            self.server.silent -= 1
            self.server.silent_ends[end] += 1

    # --- requests

    def _next(self) -> None:
        while not (self._busy or self._closing):
            head, blank, rest = self._unread.partition(b"\r\n\r\n")
            if not blank:
                return
            self._unread = rest
            self._answer(head)

    def _answer(self, head: bytes) -> None:
        request, _, fields = head.partition(b"\r\n")
        try:
            method, target, version = request.decode("ascii").split(" ")
        except ValueError:
            self._last = True
            return self._refuse(b"400 Bad Request")
        self._last = version != "HTTP/1.1" or b"connection: close" in fields.lower()
        if method not in ("GET", "HEAD"):
            return self._refuse(b"405 Method Not Allowed")
        return self._serve(target.partition("?")[0], method == "HEAD", _fields(fields))

    def _serve(self, path: str, only_head: bool, fields: dict[str, str]) -> None:
        try:
            file = self.server.find(path)
        except KeyError:
            return self._refuse(b"404 Not Found", only_head)
        if file is None:
            self._busy = self._silent = True
            self.server.silent += 1
        elif only_head:
            self._start(b"200 OK", file.size, _told(file))
            self._finish()
        else:
            self._send(file, path, *_asked(file, fields))
        return None

    def _refuse(self, status: bytes, only_head: bool = False) -> None:
        body = status + b"\n"
        self._start(status, len(body))
        if not only_head:
            self.transport.write(body)
        self._finish()

    # --- answers

    def _start(self, status: bytes, length: int, more: bytes = b"") -> None:
        close = b"Connection: close\r\n" if self._last else b""
        self.transport.write(
            b"HTTP/1.1 %b\r\nServer: origin\r\nContent-Length: %d\r\n%b%b\r\n"
            % (status, length, more, close)
        )

    def _send(self, file: _File, path: str, start: int, stop: int | None) -> None:
        """All of it when `stop` is None."""
        told, end = _told(file), file.size if stop is None else stop
        if start >= end and stop is not None:
            self._start(b"416 Range Not Satisfiable", 0, _content_range("*", file.size))
            return self._finish()
        if stop is None:
            self._start(b"200 OK", file.size, told)
        else:
            span = _content_range(f"{start}-{stop - 1}", file.size)
            self._start(b"206 Partial Content", stop - start, told + span)
        self._busy = True
        self._rate = file.rate
        chunks = self._chunks = content(path, file.size, start, end)
        if file.pause and file.size:
            first = next(chunks, b"")
            half = len(first) // 2
            self.transport.write(first[:half])
            self._chunks = chain([first[half:]], chunks)
            self._pause = self.server.reactor.callLater(file.pause, self._stream)
        elif end - start <= CHUNK:
            self.transport.write(b"".join(chunks))
            self._finish()
        else:
            self._stream()
        return None

    def _stream(self) -> None:
        self.transport.registerProducer(self, False)

    def resumeProducing(self) -> None:
        chunk = next(self._chunks, None)
        if chunk is None:
            self.transport.unregisterProducer()
            self._finish()
            self._next()
            return
        self.transport.write(chunk)
        if self._rate is not None:
            self.transport.unregisterProducer()
            wait = len(chunk) / self._rate
            self._pause = self.server.reactor.callLater(wait, self._stream)

    def stopProducing(self) -> None:
        """The transport's word that the client is gone; `connectionLost` says it too."""

    def _finish(self) -> None:
        self._busy = False
        if self._last:
            self.close()


def _fields(lines: bytes) -> dict[str, str]:
    """The header fields by their names in lower case, the last one of each."""
    pairs = (line.partition(":") for line in lines.decode("latin-1").split("\r\n"))
    return {name.lower(): value.strip() for name, _, value in pairs}


def _told(file: _File) -> bytes:
    """What the head of its answer says of it."""
    return b"" if file.etag is None else f"ETag: {file.etag}\r\nAccept-Ranges: bytes\r\n".encode()


def _content_range(span: str, size: int) -> bytes:
    return f"Content-Range: bytes {span}/{size}\r\n".encode()


def _asked(file: _File, fields: dict[str, str]) -> tuple[int, int | None]:
    """From where to where; None for the whole file, if it was not asked for one range of it."""
    match = _RANGE.fullmatch(fields.get("range", ""))
    if file.etag is None or match is None or fields.get("if-range", file.etag) != file.etag:
        return 0, None
    start = int(match[1])
    stop = min(int(match[2]) + 1, file.size) if match[2] else file.size
    return start, stop
