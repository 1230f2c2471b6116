"""A response as a file: its body crosses from the reactor's thread to a reader's.

Each counter is written by one thread only, and nothing is locked: a finalizer, or a signal's
handler, may run here at any moment.
"""

from __future__ import annotations

import io
import warnings
from collections.abc import Callable
from functools import wraps
from http.client import HTTPMessage
from queue import SimpleQueue
from typing import Any, TypeVar

from twisted.internet.defer import CancelledError
from twisted.internet.protocol import Protocol, connectionDone
from twisted.python.failure import Failure
from twisted.web.client import ResponseDone
from twisted.web.http import PotentialDataLoss
from twisted.web.iweb import UNKNOWN_LENGTH, IResponse

from downloader.blocking.waiting import Patience
from downloader.errors import Closed, DownloadError, StallTimeout
from downloader.sansio.url import redacted

T = TypeVar("T")
# How many bytes may wait for a reader, and one read of the connection on top: enough that neither
# thread waits for the other at each piece.
AHEAD = 1024 * 1024
# What a small read takes from the body at once.
BUFFER = 64 * 1024


class Body(Protocol):
    """Puts a body's pieces where a reader takes them; pauses it when `AHEAD` bytes wait.

    The last item of `pieces` is None, or the error the body ended with.
    """

    transport: Any

    def __init__(self, explain: Callable[[BaseException], DownloadError], url: str) -> None:
        self.pieces: SimpleQueue[bytes | DownloadError | None] = SimpleQueue()
        self.url = url
        self._explain = explain
        self._arrived = 0
        self._taken = 0
        self._paused = False

    # --- in the reactor's thread --------------------------------------------------------------

    def dataReceived(self, data: bytes) -> None:
        self._arrived += len(data)
        self.pieces.put(data)
        if not self._paused and self._arrived - self._taken >= AHEAD:
            self._paused = True
            self.transport.pauseProducing()
            self.resume()  # the reader may just have taken all of it, and seen no pause

    def resume(self) -> None:
        """Read on, if enough was taken."""
        if self._paused and self._arrived - self._taken <= AHEAD // 2:
            self._paused = False
            self.transport.resumeProducing()

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        self.pieces.put(self._how(reason))

    def abort(self) -> None:
        """Close the connection at once, unless the body has come to its end."""
        self.transport.abortConnection()

    def _how(self, reason: Failure) -> DownloadError | None:
        if reason.check(ResponseDone, PotentialDataLoss):
            return None
        assert reason.value is not None
        error = Closed() if reason.check(CancelledError) else self._explain(reason.value)
        error.url = self.url
        return error

    # --- in the reader's ----------------------------------------------------------------------

    def took(self, count: int) -> bool:
        """Note that a reader has so many bytes more; whether `resume` is to be called."""
        self._taken += count
        return self._paused and self._arrived - self._taken <= AHEAD // 2


class RawBody(io.RawIOBase):
    """A `Body` as a raw file, `over` once it was read to its end.

    `seconds` bounds each wait for its next piece.
    """

    def __init__(self, body: Body, patience: Patience, seconds: float) -> None:
        self._body = body
        self._patience = patience
        self._seconds = seconds
        self._piece = memoryview(b"")
        self.over = False

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        """Fill `buffer` from one piece; 0 is the end."""
        try:
            piece = self._piece or self._next()
            target = memoryview(buffer).cast("B")
            count = min(len(target), len(piece))
            target[:count] = piece[:count]
            self._piece = piece[count:]
            return count
        except BaseException:
            self.close()
            raise

    def readall(self) -> bytes:
        """All that is left."""
        try:
            pieces = [self._piece]
            self._piece = memoryview(b"")
            while piece := self._next():
                pieces.append(piece)
            return b"".join(pieces)
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Abort the connection, unless the body has come to its end. Nothing waits."""
        if not self.closed:
            # First: closed already, nobody would do it after an interrupt.
            self._patience.loop.post(self._body.abort)
            super().close()

    def _next(self) -> memoryview:
        """The next piece, empty at the end. Whatever is raised closes it."""
        if self.over:
            return memoryview(b"")
        try:
            item = self._patience.get(self._body.pieces, self._seconds, self._late)
            if isinstance(item, DownloadError):
                raise item
        except BaseException:
            self.close()
            raise
        self.over = item is None
        if item and self._body.took(len(item)):
            self._patience.loop.post(self._body.resume)
        return memoryview(item or b"")

    def _late(self) -> DownloadError:
        return StallTimeout(f"nothing came for {self._seconds:g} s", url=self._body.url)


def _closing(read: Callable[..., T]) -> Callable[..., T]:
    """`read`, which closes the response when it raises: what it had taken by then is lost.

    An interrupt may come out of `RawBody` before that can catch it.
    """

    @wraps(read)
    def reading(self: Response, *arguments: Any) -> T:
        try:
            return read(self, *arguments)
        except BaseException:
            self._body.close()
            raise

    return reading


class Response(io.BufferedReader):
    """An answer: a binary file of its body, as urllib's.

    `status` and `reason` are from its status line, `headers` is an `http.client.HTTPMessage`,
    `url` is where the last redirect led, and `length` what Content-Length said of the whole
    body, or None. A body that ended too early, and whatever `interrupt` raises, comes out of the
    read that meets it. `close` it, or use it in a `with`: before the end that closes the connection
    at once.
    """

    def __init__(self, response: IResponse, raw: RawBody) -> None:
        super().__init__(raw, BUFFER)
        self._body = raw
        self.status: int = response.code
        self.reason = response.phrase.decode("latin-1")
        self.headers = _message(response)
        self.url = response.request.absoluteURI.decode("ascii", "replace")
        self.length: int | None = None if response.length is UNKNOWN_LENGTH else response.length

    def __repr__(self) -> str:
        return f"<Response {self.status} {redacted(self.url)}{' closed' if self.closed else ''}>"

    read = _closing(io.BufferedReader.read)
    read1 = _closing(io.BufferedReader.read1)
    readinto = _closing(io.BufferedReader.readinto)
    readinto1 = _closing(io.BufferedReader.readinto1)
    readline = _closing(io.BufferedReader.readline)
    peek = _closing(io.BufferedReader.peek)

    def close(self) -> None:
        """Close it, from another thread than the reader's too, which hears Closed then."""
        self._body.close()  # first, since the reader keeps the buffer's lock
        super().close()

    def __del__(self) -> None:
        if not self.closed and not self._body.over:
            said = f"unclosed {self!r}"
            self._body.close()
            warnings.warn(said, ResourceWarning, stacklevel=2, source=self)


def _message(response: IResponse) -> HTTPMessage:
    message = HTTPMessage()
    for name, values in response.headers.getAllRawHeaders():
        for value in values:
            message[name.decode("latin-1")] = value.decode("latin-1")
    return message
