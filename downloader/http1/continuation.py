"""Going on with a body that was cut off for a neighbour's sake.

Its connection was closed because somebody behind it had cancelled. Who reads it did nothing wrong
and notices nothing but time, where the server can be asked for the rest of the same version.
"""

from __future__ import annotations

from typing import Any

from twisted.internet.defer import CancelledError
from twisted.internet.protocol import Protocol, connectionDone
from twisted.python.failure import Failure
from twisted.web.client import ResponseFailed
from twisted.web.iweb import IResponse

from downloader.errors import Interrupted, TruncatedBody
from downloader.http1.exchange import Exchange
from downloader.http1.response import Response
from downloader.sansio.wire import request_head


def continuation(response: Response, exchange: Exchange) -> Exchange | None:
    """The request for what is missing of `response`, which its answer will feed.

    None when the server gave nothing to know the version by (RFC 9110 §13.1.5: a strong ETag), or
    the request was for a part already.
    """
    etag = _strong_etag(response)
    length = response.length
    if etag is None or not isinstance(length, int) or response.code != 200:
        return None
    headers = exchange.headers.copy()
    if exchange.method != b"GET" or headers.hasHeader(b"range"):
        return None
    headers.setRawHeaders(b"range", [b"bytes=%d-" % response.received])
    headers.setRawHeaders(b"if-range", [etag])
    url = exchange.url
    target, host = url.target.encode("ascii"), url.netloc.encode("ascii")
    head = request_head(b"GET", target, host, headers.getAllRawHeaders())
    rest = Exchange(b"GET", url, headers, None, head)
    _Rest(response, etag, length, rest)
    return rest


def _strong_etag(response: IResponse) -> bytes | None:
    etags = response.headers.getRawHeaders(b"etag", [])
    return etags[0] if len(etags) == 1 and etags[0].startswith(b'"') else None


class _Rest(Protocol):
    """Takes the rest to the response that began; to that, it is the source.

    What is not the rest gives it not a byte. While nobody has asked for the body, nobody asks for
    the rest of it either: it waits on its connection, for as long as any body would.
    """

    transport: Any = None

    def __init__(self, response: Response, etag: bytes, length: int, rest: Exchange) -> None:
        self._response = response
        self._length = length
        self._etag = etag
        self._asked = rest.answer
        self._waiting: Any = None  # the answer, a Response, until its body is asked for
        response.continued(self)
        rest.answer.addCallbacks(self._answered, self._failed)

    def _answered(self, answer: Any) -> None:
        if not self._fits(answer):
            answer.abort()
            self._failed(Failure(Interrupted()))
        elif self._response.claimed:
            answer.deliverBody(self)
        else:
            self._waiting = answer

    def _fits(self, answer: IResponse) -> bool:
        """Whether it is the rest of the same version, and all of it."""
        begin, length = self._response.received, self._length
        wanted = b"bytes %d-%d/%d" % (begin, length - 1, length)
        return (
            answer.code == 206
            and answer.length == length - begin
            and answer.headers.getRawHeaders(b"content-range") == [wanted]
            and _strong_etag(answer) == self._etag
        )

    def _failed(self, reason: Failure) -> None:
        if reason.check(CancelledError):
            return  # that was `abort`
        reasons = [*getattr(reason.value, "reasons", [reason]), Failure(TruncatedBody())]
        self._response.body_failed(Failure(ResponseFailed(reasons, self._response)))

    def connectionMade(self) -> None:
        if self._response.paused:
            self.transport.pauseProducing()

    def dataReceived(self, data: bytes) -> None:
        self._response.body_received(data)

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        self._response.body_ended(reason)

    # --- what the response calls ------------------------------------------------------------

    def body_claimed(self) -> None:
        """It will be resumed when all that was held is delivered, or paused before."""

    def pause_body(self) -> None:
        self._take()
        if self.transport is not None:
            self.transport.pauseProducing()

    def resume_body(self) -> None:
        self._take()
        if self.transport is not None:
            self.transport.resumeProducing()

    def _take(self) -> None:
        waiting, self._waiting = self._waiting, None
        if waiting is not None:
            waiting.deliverBody(self)

    def abort(self) -> None:
        if self.transport is not None:
            self.transport.abortConnection()
        elif self._waiting is not None:
            self._waiting.abort()
        else:
            self._asked.cancel()
