"""One request and what will answer it: the object that pool and connection pass on."""

from __future__ import annotations

from typing import Protocol as Shape

from twisted.internet.defer import CancelledError, Deferred
from twisted.python.failure import Failure
from twisted.web.client import ResponseNeverReceived
from twisted.web.http_headers import Headers
from twisted.web.iweb import UNKNOWN_LENGTH, IBodyProducer, IClientRequest, IResponse
from zope.interface import implementer

from downloader.http1.upload import Length, expects_continue
from downloader.replay import replayable
from downloader.sansio.pipeline import Sending
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
    `length` is that of its body, None without one.
    `alone` says that nothing is to be sent before or behind it on a connection: it may not be
    asked twice, it has a body, or its answer has none where the parser expects one.
    `expects` says that its body waits for the server's 100; not when made without `expect`.
    `begun` says that its body was, so that another try is another use of its producer.
    `behind` says that it was sent behind others, `resent` that it was sent a second time.
    """

    __slots__ = (
        *("alone", "answer", "begun", "behind", "expects", "head", "headers", "holder"),
        *("length", "method", "producer", "resent", "url"),
    )

    def __init__(
        self,
        method: bytes,
        url: HttpUrl,
        headers: Headers,
        producer: IBodyProducer | None,
        head: bytes,
        length: Length = None,
        expect: bool = True,
    ) -> None:
        self.method = method
        self.url = url
        self.headers = headers
        self.producer = producer
        self.head = head
        self.length = length
        self.expects = expect and expects_continue(length)
        self.alone = producer is not None or method not in _IN_COMPANY
        self.begun = False
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
        """Whether it may be sent a second time (RFC 9112 §9.3.1): once, with its body."""
        return not self.resent and self.method in IDEMPOTENT and self.can_send_body

    @property
    def can_send_body(self) -> bool:
        """Whether all of its body, where it wants one, can be sent now."""
        return not self.begun or replayable(self.producer)

    @property
    def sending(self) -> Sending:
        """What is still to be sent behind its head."""
        if self.producer is None:
            return Sending.WHOLE
        return Sending.EXPECTING if self.expects else Sending.BODY

    def keep_company(self) -> None:
        """Let others be sent before and behind it, if its body is short and can be sent again."""
        if self.method in _IN_COMPANY and replayable(self.producer):
            self.alone = self.length is UNKNOWN_LENGTH or expects_continue(self.length)

    def succeed(self, response: IResponse) -> None:
        """Hand the answer to the caller."""
        self.holder = None
        self.answer.callback(response)

    def claim_resend(self) -> bool:
        """Use up its second sending; True if it had one."""
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


def to_resend(exchanges: list[Exchange], reason: Failure | BaseException) -> list[Exchange]:
    """Those of them that may be sent again; the others fail."""
    again = []
    for exchange in exchanges:
        if exchange.claim_resend():
            again.append(exchange)
        else:
            why = reason if isinstance(reason, Failure) else Failure(reason)
            exchange.fail(Failure(ResponseNeverReceived([why])))
    return again
