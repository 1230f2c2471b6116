"""One request and what will answer it: the object that pool and connection pass on."""

from __future__ import annotations

from typing import Protocol as Shape

from twisted.internet.defer import CancelledError, Deferred
from twisted.python.failure import Failure
from twisted.web.http_headers import Headers
from twisted.web.iweb import IBodyProducer, IClientRequest, IResponse
from zope.interface import implementer

from downloader.sansio.url import HttpUrl
from downloader.sansio.wire import IDEMPOTENT

_IN_COMPANY = IDEMPOTENT - {b"HEAD"}


class Holder(Shape):
    """Whoever has the exchange now: the pool while it waits, then a connection."""

    def withdraw(self, exchange: Exchange) -> None:
        """Stop working for `exchange`: its caller has cancelled."""


@implementer(IClientRequest)
class Exchange:
    """A request on its way to its answer.

    `answer` fires with an IResponse once the final head is complete. Cancelling it takes the
    exchange from whoever holds it: out of the pool's queue, or by aborting its connection.
    `head` is its head as sent, made before anything else: what would break the wire costs no
    connection, and headers that the caller changes later are not sent.
    `alone` says that nothing is to be sent before or behind it on a connection: it may not be
    asked twice, or its answer has no body where the parser expects one.
    `behind` says that it was sent behind others, `resent` that it was sent a second time.
    """

    __slots__ = (
        *("alone", "answer", "behind", "head", "headers", "holder", "method", "producer"),
        *("resent", "url"),
    )

    def __init__(
        self,
        method: bytes,
        url: HttpUrl,
        headers: Headers,
        producer: IBodyProducer | None,
        head: bytes,
    ) -> None:
        self.method = method
        self.url = url
        self.headers = headers
        self.producer = producer
        self.head = head
        self.alone = producer is not None or method not in _IN_COMPANY
        self.behind = False
        self.resent = False
        self.holder: Holder | None = None
        self.answer: Deferred[IResponse] = Deferred(self._cancelled)

    def __repr__(self) -> str:
        where = type(self.holder).__name__ if self.holder else "nobody"
        return f"<Exchange {self.method.decode('ascii', 'replace')} held by {where}>"

    @property
    def absoluteURI(self) -> bytes:
        """The URL that was asked, without user or password."""
        return str(self.url).encode("ascii")

    @property
    def over(self) -> bool:
        """Whether its caller has heard already: the answer, a failure, or of their own cancel."""
        return bool(self.answer.called)

    @property
    def may_resend(self) -> bool:
        """Whether it may be sent a second time (RFC 9112 §9.3.1): once, and only without a body."""
        return not self.resent and self.producer is None and self.method in IDEMPOTENT

    def succeed(self, response: IResponse) -> None:
        """Hand the answer to the caller."""
        self.holder = None
        self.answer.callback(response)

    def may_go_again(self) -> bool:
        """Whether it is to be sent once more now. It is then no more than that."""
        may = self.may_resend
        self.resent = True
        return may

    def fail(self, reason: Failure) -> None:
        """Tell the caller that there will be no answer."""
        self.holder = None
        if not self.answer.called:
            self.answer.errback(reason)

    def _cancelled(self, answer: Deferred[IResponse]) -> None:
        holder, self.holder = self.holder, None
        if holder is not None:
            holder.withdraw(self)
        if not answer.called:
            answer.errback(Failure(CancelledError()))
