"""A request's body on its way out: an IBodyProducer feeding the connection."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from twisted.internet.defer import CancelledError, Deferred, maybeDeferred
from twisted.internet.interfaces import IConsumer, IPushProducer
from twisted.logger import Logger
from twisted.python.failure import Failure
from twisted.web.client import RequestGenerationFailed
from twisted.web.iweb import UNKNOWN_LENGTH, IBodyProducer
from zope.interface import implementer

from downloader.deadlines import Deadline, Deadlines
from downloader.errors import StallTimeout

_log = Logger()
# RFC 9110 §8.6: these mean a body, so that there is none has to be said.
_MEANS_BODY = frozenset((b"POST", b"PUT", b"PATCH"))
# A body over this is worth asking first: curl's bound.
EXPECT_ABOVE = 1024 * 1024


# Of a body, in bytes; or UNKNOWN_LENGTH, or None where there is none.
Length = int | object | None


def length_of(producer: IBodyProducer | None) -> Length:
    """Asked for once, so that head and body agree; ValueError for an impossible length."""
    if producer is None:
        return None
    length: Length = producer.length
    if length is not UNKNOWN_LENGTH and (not isinstance(length, int) or length < 0):
        raise ValueError(f"not the length of a body: {length!r}")
    return length


def expects_continue(length: Length) -> bool:
    """Whether the server is asked first if it wants the body (RFC 9110 §10.1.1)."""
    return isinstance(length, int) and length > EXPECT_ABOVE


def framing_header(method: bytes, length: Length, expect: bool = True) -> bytes:
    """The header lines that say where the body ends.

    Without `expect`, the server is not asked first even about a large one.
    """
    if length is None:
        return b"Content-Length: 0\r\n" if method in _MEANS_BODY else b""
    if not isinstance(length, int):
        return b"Transfer-Encoding: chunked\r\n"
    expectation = b"Expect: 100-continue\r\n" if expect and expects_continue(length) else b""
    return b"Content-Length: %d\r\n%b" % (length, expectation)


@implementer(IConsumer, IPushProducer)
class Upload:
    """Writes what `producer` produces, `length` bytes, in chunks when that is unknown.

    The producer feels the connection's back-pressure. One that writes more or less than it
    announced fails the upload: the server would take the difference for another request.
    `wrote()` is called when bytes went out, `out()` when all of them have left for the kernel, up
    to what the transport holds without complaint (64 KiB). `failed(reason)` is called when that
    will not be, because of the producer or since the server read nothing for `patience` seconds.
    """

    def __init__(
        self,
        producer: IBodyProducer,
        length: Length,
        transport: Any,
        stalled_after: tuple[Deadlines, float],
        *,
        wrote: Callable[[], None],
        out: Callable[[], None],
        failed: Callable[[Failure], None],
    ) -> None:
        self._producer = producer
        self._transport = transport
        self._deadlines, self._patience = stalled_after
        self._wrote = wrote
        self._out = out
        self._fail = failed
        self._length: Any = length
        self._written = 0
        self._sending: Deferred[None] | None = None
        self._stall: Deadline | None = None
        self._started = False
        self._produced = False
        self.paused = False
        self.finished = False

    def __repr__(self) -> str:
        return f"<Upload {self._written} of {self._length}{' finished' if self.finished else ''}>"

    @property
    def _chunked(self) -> bool:
        return self._length is UNKNOWN_LENGTH

    def start(self) -> None:
        """Let the producer produce."""
        self._started = True
        self._transport.registerProducer(self, True)
        self._sending = maybeDeferred(self._producer.startProducing, self)
        self._sending.addCallback(self._sent).addErrback(self._failed)

    def stop(self) -> None:
        """Want no more: the answer came early, or the connection is gone."""
        if self.finished:
            return
        self._finish()
        if not self._started or self._produced:
            return
        try:
            self._producer.stopProducing()
        except Exception:
            _log.failure("a request's body producer raised in stopProducing")
        if self._sending is not None:
            self._sending.cancel()

    # --- called by the producer -------------------------------------------------------------

    def registerProducer(self, producer: object, streaming: bool) -> None:
        """Pass the connection's back-pressure on to another than the request's producer."""
        if self.finished:
            return
        self._transport.unregisterProducer()
        self._transport.registerProducer(producer, streaming)

    def unregisterProducer(self) -> None:
        """That producer is done."""
        if not self.finished:
            self._transport.unregisterProducer()
            self._transport.registerProducer(self, True)

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

    # --- called by the transport ------------------------------------------------------------

    def pauseProducing(self) -> None:
        """The server does not read as fast."""
        self.paused = True
        if self._stall is None:
            self._stall = self._deadlines.set(self._patience, self._stalled)
        if not self._produced:
            self._producer.pauseProducing()

    def resumeProducing(self) -> None:
        """All that was written is out."""
        self._go_on()
        self._wrote()
        if self._produced:
            self._end()
        else:
            self._producer.resumeProducing()

    def stopProducing(self) -> None:
        """The connection is gone; whoever keeps it hears of that too, and calls `stop`."""

    # --- the end ----------------------------------------------------------------------------

    def _sent(self, ignored: object) -> None:
        if self.finished:
            return
        if not self._chunked and self._written != self._length:
            self._refuse("the request's body is shorter than it announced")
            return
        self._produced = True
        if self._chunked:
            self._transport.write(b"0\r\n\r\n")
        if not self.paused:
            self._end()

    def _end(self) -> None:
        self._finish()
        self._out()

    def _finish(self) -> None:
        self.finished = True
        self._go_on()
        if self._started:
            self._transport.unregisterProducer()

    def _go_on(self) -> None:
        self.paused = False
        if self._stall is not None:
            self._stall.cancel()
            self._stall = None

    def _stalled(self) -> None:
        self._stall = None
        reason = Failure(StallTimeout(f"the server read nothing for {self._patience:g} s"))
        self.stop()
        self._fail(reason)

    def _refuse(self, detail: str) -> None:
        reason = Failure(ValueError(detail))
        self.stop()
        self._give_up(reason)

    def _failed(self, reason: Failure) -> None:
        if not self.finished:
            self._finish()
            self._give_up(reason)
        elif not reason.check(CancelledError):
            _log.failure("a request's body producer failed after it was stopped", reason)

    def _give_up(self, reason: Failure) -> None:
        self._fail(Failure(RequestGenerationFailed([reason])))
