"""A request's body on its way out: an IBodyProducer feeding the connection."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.interfaces import IConsumer
from twisted.python.failure import Failure
from twisted.web.client import RequestGenerationFailed
from twisted.web.iweb import UNKNOWN_LENGTH, IBodyProducer
from zope.interface import implementer


@implementer(IConsumer)
class Upload:
    """Writes what `producer` produces, in chunks when its length is unknown.

    A producer that writes more or less than it announced fails the upload: the server would
    take the difference for another request.
    """

    def __init__(self, producer: IBodyProducer, transport: Any) -> None:
        self._producer = producer
        self._transport = transport
        self._length = producer.length
        self._written = 0
        self._sending: Deferred[None] | None = None
        self.finished = False

    def __repr__(self) -> str:
        return f"<Upload {self._written} of {self._length}{' finished' if self.finished else ''}>"

    @property
    def _chunked(self) -> bool:
        return self._length is UNKNOWN_LENGTH

    def framing_header(self) -> bytes:
        """The header line that says where the body ends."""
        if self._chunked:
            return b"Transfer-Encoding: chunked\r\n"
        return b"Content-Length: %d\r\n" % self._length

    def start(self, failed: Callable[[Failure], None]) -> None:
        """Let the producer produce; `failed(reason)` when it cannot."""
        self._sending = self._producer.startProducing(self)
        self._sending.addCallback(self._sent)
        self._sending.addErrback(self._failed, failed)

    def stop(self) -> None:
        """Want no more: the answer came early, or the connection is gone."""
        if not self.finished and self._sending is not None:
            self.finished = True
            self._producer.stopProducing()
            self._sending.cancel()

    def registerProducer(self, producer: object, streaming: bool) -> None:
        """Pass the connection's back-pressure on to the producer."""
        self._transport.registerProducer(producer, streaming)

    def unregisterProducer(self) -> None:
        """The producer is done."""
        self._transport.unregisterProducer()

    def write(self, data: bytes) -> None:
        """Send a piece."""
        if self.finished or not data:
            return
        self._written += len(data)
        if self._chunked:
            self._transport.writeSequence([b"%x\r\n" % len(data), data, b"\r\n"])
        elif self._written > self._length:
            raise ValueError("the request's body is longer than it announced")
        else:
            self._transport.write(data)

    def _sent(self, ignored: None) -> None:
        if not self._chunked and self._written != self._length:
            raise ValueError("the request's body is shorter than it announced")
        if self._chunked and not self.finished:
            self._transport.write(b"0\r\n\r\n")
        self.finished = True

    def _failed(self, reason: Failure, failed: Callable[[Failure], None]) -> None:
        if self.finished and reason.check(CancelledError):
            return
        self.finished = True
        failed(Failure(RequestGenerationFailed([reason])))
