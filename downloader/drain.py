"""Reading to its end, for nobody, a body that is in the way of its connection's next use."""

from __future__ import annotations

from typing import Any

from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.protocol import Protocol, connectionDone
from twisted.python.failure import Failure
from twisted.web.iweb import UNKNOWN_LENGTH, IResponse

from downloader.deadlines import Deadlines

# What a connection is worth: a body over either is aborted, and the next request connects anew.
DRAIN_BYTES = 64 * 1024
DRAIN_SECONDS = 2.0


def abort_body(transport: Any) -> None:
    """Close the connection under a body, with any agent's body transport.

    Twisted's own has no abortConnection; its stopProducing closes on TLS too, which its
    loseConnection does not.
    """
    abort = getattr(transport, "abortConnection", None) or transport.stopProducing
    abort()


def abort_unread(response: IResponse) -> None:
    """Close the connection under the body of `response`, of any agent, which nobody has read."""
    response.deliverBody(_Unread())


class _Unread(Protocol):
    def connectionMade(self) -> None:
        abort_body(self.transport)


class _Drain(Protocol):
    transport: Any

    def __init__(self) -> None:
        self.done: Deferred[None] = Deferred(self._cancelled)
        self._left = DRAIN_BYTES

    def dataReceived(self, data: bytes) -> None:
        self._left -= len(data)
        if self._left < 0:
            self.abort()

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        self._over()

    def abort(self) -> None:
        abort_body(self.transport)
        self._over()

    def _cancelled(self, done: Deferred[None]) -> None:
        done.errback(CancelledError())
        abort_body(self.transport)

    def _over(self) -> None:
        if not self.done.called:
            self.done.callback(None)


async def drain(response: IResponse, deadlines: Deadlines) -> None:
    """Read the rest of `response`, or abort its connection when that is long or slow."""
    body = _Drain()
    response.deliverBody(body)
    if response.length is not UNKNOWN_LENGTH and response.length > DRAIN_BYTES:
        body.abort()
    if body.done.called:
        return
    deadline = deadlines.set(DRAIN_SECONDS, body.abort)
    try:
        await body.done
    finally:
        deadline.cancel()
