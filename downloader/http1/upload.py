"""A request's body on its way out: an IBodyProducer feeding the connection."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from twisted.internet.defer import CancelledError, Deferred, maybeDeferred
from twisted.internet.interfaces import IConsumer
from twisted.logger import Logger
from twisted.python.failure import Failure
from twisted.web.client import RequestGenerationFailed
from twisted.web.iweb import UNKNOWN_LENGTH, IBodyProducer
from zope.interface import implementer

_log = Logger()
# RFC 9110 §8.6: these mean a body, so that there is none has to be said.
_MEANS_BODY = frozenset((b"POST", b"PUT", b"PATCH"))


def framing_header(method: bytes, producer: IBodyProducer | None) -> bytes:
    """The header line that says where the body ends; ValueError for an impossible length."""
    if producer is None:
        return b"Content-Length: 0\r\n" if method in _MEANS_BODY else b""
    length = producer.length
    if length is UNKNOWN_LENGTH:
        return b"Transfer-Encoding: chunked\r\n"
    if not isinstance(length, int) or length < 0:
        raise ValueError(f"not the length of a body: {length!r}")
    return b"Content-Length: %d\r\n" % length


@implementer(IConsumer)
class Upload:
    """Writes what `producer` produces, in chunks when its length is unknown.

    The producer feels the connection's back-pressure. One that writes more or less than it
    announced fails the upload: the server would take the difference for another request.
    `wrote()` is called after each piece.
    """

    def __init__(self, producer: IBodyProducer, transport: Any, wrote: Callable[[], None]) -> None:
        self._producer = producer
        self._transport = transport
        self._wrote = wrote
        self._length = producer.length
        self._written = 0
        self._sending: Deferred[None] | None = None
        self._fail: Callable[[Failure], None] | None = None
        self.finished = False

    def __repr__(self) -> str:
        return f"<Upload {self._written} of {self._length}{' finished' if self.finished else ''}>"

    @property
    def _chunked(self) -> bool:
        return self._length is UNKNOWN_LENGTH

    def start(self, failed: Callable[[Failure], None]) -> None:
        """Let the producer produce; `failed(reason)` when it cannot."""
        self._fail = failed
        self._transport.registerProducer(self._producer, True)
        self._sending = maybeDeferred(self._producer.startProducing, self)
        self._sending.addCallback(self._sent).addErrback(self._failed)

    def stop(self) -> None:
        """Want no more: the answer came early, or the connection is gone."""
        if self.finished:
            return
        self.finished = True
        self._transport.unregisterProducer()
        try:
            self._producer.stopProducing()
        except Exception:
            _log.failure("a request's body producer raised in stopProducing")
        if self._sending is not None:
            self._sending.cancel()

    def registerProducer(self, producer: object, streaming: bool) -> None:
        """Pass the connection's back-pressure on to another than the request's producer."""
        self._transport.unregisterProducer()
        self._transport.registerProducer(producer, streaming)

    def unregisterProducer(self) -> None:
        """That producer is done."""
        self._transport.unregisterProducer()

    def write(self, data: bytes) -> None:
        """Send a piece."""
        if self.finished or not data:
            return
        self._written += len(data)
        if self._chunked:
            self._transport.writeSequence([b"%x\r\n" % len(data), data, b"\r\n"])
        elif self._written > self._length:
            self._refuse("the request's body is longer than it announced")
            return
        else:
            self._transport.write(data)
        self._wrote()

    def _sent(self, ignored: object) -> None:
        if self.finished:
            return
        if not self._chunked and self._written != self._length:
            self._refuse("the request's body is shorter than it announced")
            return
        self.finished = True
        self._transport.unregisterProducer()
        if self._chunked:
            self._transport.write(b"0\r\n\r\n")

    def _refuse(self, detail: str) -> None:
        reason = Failure(ValueError(detail))
        self.stop()
        self._give_up(reason)

    def _failed(self, reason: Failure) -> None:
        if not self.finished:
            self.finished = True
            self._transport.unregisterProducer()
            self._give_up(reason)
        elif not reason.check(CancelledError):
            _log.failure("a request's body producer failed after it was stopped", reason)

    def _give_up(self, reason: Failure) -> None:
        assert self._fail is not None
        self._fail(Failure(RequestGenerationFailed([reason])))
