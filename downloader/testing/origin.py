"""A small well-behaved HTTP/1.1 origin: files of any size, slow ones, missing and silent ones.

It speaks enough of RFC 9112 for a downloader: GET and HEAD, keep-alive, pipelined requests
answered in order, bodies with a Content-Length streamed in constant memory.
"""

from __future__ import annotations

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


def content(path: str, size: int) -> Iterator[bytes]:
    """The bytes of the file `path`, in chunks of 64 KiB and a rest; no two chunks are alike.

    The server and the checker both compute them, so nobody holds a large file in memory.
    """
    for start in range(0, size, CHUNK):
        seed = f"{path}:{start}".encode()
        yield shake_128(seed).digest(min(CHUNK, size - start))


@dataclass(frozen=True, slots=True)
class _File:
    """`size` bytes; `pause` seconds pass after half of the first chunk, if there is one."""

    size: int
    pause: float


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

    def add(self, path: str, size: int, pause: float = 0.0) -> str:
        """Serve `size` bytes of `content` at `path`; `pause` seconds make it slow. Its URL."""
        self._files[path] = _File(size, pause)
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
        return self._serve(target.partition("?")[0], method == "HEAD")

    def _serve(self, path: str, only_head: bool) -> None:
        try:
            file = self.server.find(path)
        except KeyError:
            return self._refuse(b"404 Not Found", only_head)
        if file is None:
            self._busy = self._silent = True
            self.server.silent += 1
        elif only_head:
            self._start(b"200 OK", file.size)
            self._finish()
        else:
            self._send(file, content(path, file.size))
        return None

    def _refuse(self, status: bytes, only_head: bool = False) -> None:
        body = status + b"\n"
        self._start(status, len(body))
        if not only_head:
            self.transport.write(body)
        self._finish()

    # --- answers

    def _start(self, status: bytes, length: int) -> None:
        close = b"Connection: close\r\n" if self._last else b""
        self.transport.write(
            b"HTTP/1.1 %b\r\nServer: origin\r\nContent-Length: %d\r\n%b\r\n"
            % (status, length, close)
        )

    def _send(self, file: _File, chunks: Iterator[bytes]) -> None:
        self._start(b"200 OK", file.size)
        self._busy = True
        self._chunks = chunks
        if file.pause and file.size:
            first = next(chunks, b"")
            half = len(first) // 2
            self.transport.write(first[:half])
            self._chunks = chain([first[half:]], chunks)
            self._pause = self.server.reactor.callLater(file.pause, self._stream)
        elif file.size <= CHUNK:
            self.transport.write(b"".join(chunks))
            self._finish()
        else:
            self._stream()

    def _stream(self) -> None:
        self.transport.registerProducer(self, False)

    def resumeProducing(self) -> None:
        chunk = next(self._chunks, None)
        if chunk is not None:
            self.transport.write(chunk)
            return
        self.transport.unregisterProducer()
        self._finish()
        self._next()

    def stopProducing(self) -> None:
        """The transport's word that the client is gone; `connectionLost` says it too."""

    def _finish(self) -> None:
        self._busy = False
        if self._last:
            self.close()
