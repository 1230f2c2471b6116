"""The answer to a request, and the transport its body's protocol sees.

Twisted's own hands the body protocol a transport without abortConnection, which is why cancelling
a body there leaves the transfer running. This one has it, on TLS and while paused too.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from typing import Any
from typing import Protocol as Shape

from twisted.internet.defer import CancelledError
from twisted.internet.error import ConnectionDone
from twisted.internet.interfaces import IProtocol, IPushProducer
from twisted.internet.protocol import Protocol
from twisted.logger import Logger
from twisted.python.failure import Failure
from twisted.web.client import ResponseFailed, ResponseNeverReceived
from twisted.web.http import PotentialDataLoss
from twisted.web.http_headers import Headers
from twisted.web.iweb import UNKNOWN_LENGTH, IClientRequest, IResponse
from zope.interface import implementer

from downloader.errors import DownloadError, InternalError, TruncatedBody, UploadCut
from downloader.http1.exchange import Exchange
from downloader.sansio.pipeline import Fate
from downloader.sansio.wire import Head

_log = Logger()
_NOBODY = Protocol()


class Source(Shape):
    """The connection, as far as a body needs it."""

    def body_claimed(self) -> None:
        """Somebody has asked for the body."""

    def pause_body(self) -> None:
        """Read no more until told to."""

    def resume_body(self) -> None:
        """Read on."""

    def abort(self) -> None:
        """Close at once, whatever is under way."""


@implementer(IResponse)
class Response:
    """An answer whose head is complete.

    The body waits, with the connection paused, until `deliverBody` names a protocol for it. That
    protocol gets `dataReceived` and then one `connectionLost` with ResponseDone,
    PotentialDataLoss (the end of the connection was the end of the body) or ResponseFailed.
    """

    __slots__ = (
        *("_exchange", "_finished", "_flushing", "_head", "_headers", "_held", "_protocol"),
        *(
            "_fields",
            "_raw_headers",
            "_reason",
            "_source",
            "announced",
            "code",
            "length",
            "paused",
        ),
        *("phrase", "previousResponse", "received", "request", "version"),
    )

    def __init__(
        self,
        source: Source,
        exchange: Exchange,
        head: Head,
        phrase: bytes,
        raw_headers: Sequence[tuple[bytes, bytes]],
    ) -> None:
        self.request: IClientRequest = exchange
        self.code = head.status
        self.phrase = phrase
        self.version = (b"HTTP", *head.version)
        self.length: int | object = UNKNOWN_LENGTH if head.length is None else head.length
        self.previousResponse: IResponse | None = None
        self.announced = False
        self.paused = False
        self.received = 0
        self._exchange = exchange
        self._head = head
        self._raw_headers = raw_headers
        self._fields: dict[bytes, bytes] | None = None
        self._headers: Headers | None = None
        self._source: Source | None = source
        self._protocol: IProtocol | None = None
        self._held: deque[bytes] = deque()
        self._reason: Failure | None = None
        self._flushing = False
        self._finished = False

    def __repr__(self) -> str:
        state = "finished" if self._finished else "delivering" if self.claimed else "unclaimed"
        return f"<Response {self.code} {state}, {len(self._held)} held>"

    @property
    def headers(self) -> Headers:
        """The header fields; made when first asked for, since a plain download needs none."""
        if self._headers is None:
            self._headers = Headers()
            for name, value in self._raw_headers:
                self._headers.addRawHeader(name, value.rstrip(b" \t"))  # llhttp leaves them
        return self._headers

    def has_any(self, names: frozenset[bytes]) -> bool:
        """Whether it has a header of these names, in lower case; without making `headers`."""
        return not names.isdisjoint(self._last_fields())

    def validators(self) -> tuple[bytes | None, bytes | None]:
        """The ETag and the Last-Modified, the last of several; without making `headers`."""
        fields = self._last_fields()
        etag, modified = fields.get(b"etag"), fields.get(b"last-modified")
        return etag and etag.rstrip(b" \t"), modified and modified.rstrip(b" \t")

    def _last_fields(self) -> dict[bytes, bytes]:
        """Its headers, names in lower case; of several of one name the last."""
        if self._fields is None:
            self._fields = {name.lower(): value for name, value in self._raw_headers}
        return self._fields

    @property
    def claimed(self) -> bool:
        """Whether somebody has asked for the body."""
        return self._protocol is not None

    @property
    def proven(self) -> int | None:
        """The body's length, if this answer shows that others may follow without a doubt.

        One to HEAD has no body, and so shows nothing of where bodies end.
        """
        head = self._head
        if not head.persistent or head.version != (1, 1) or self._exchange.method == b"HEAD":
            return None
        return head.length

    def setPreviousResponse(self, response: IResponse) -> None:
        """Set the redirect that led here."""
        self.previousResponse = response

    def deliverBody(self, protocol: IProtocol) -> None:
        """Hand the body to `protocol`, once."""
        if self._protocol is not None:
            raise RuntimeError("the body of this response was delivered already")
        self._protocol = protocol
        if self._source is not None:
            self._source.body_claimed()
        protocol.makeConnection(BodyTransport(self))  # type: ignore[arg-type]
        self._flush()

    # --- called by the connection -----------------------------------------------------------

    def announce(self) -> None:
        """Hand it to whoever asked. An answer that is whole by then is handed over whole."""
        self.announced = True
        self._exchange.succeed(self)

    def body_received(self, data: bytes) -> None:
        """A piece of the body came."""
        if self._finished:
            return
        self.received += len(data)
        if self._protocol is None or self.paused or self._held:
            self._held.append(data)
        else:
            self._deliver(data)

    def view_received(self, view: memoryview) -> None:
        """A piece of the body came, in a buffer that will be used again."""
        if self._finished:
            return
        if self._protocol is None or self.paused or self._held:
            self.body_received(bytes(view))
        else:
            self.received += len(view)
            self._hand_over(self._protocol.viewReceived, view)  # type: ignore[attr-defined]

    @property
    def takes_views(self) -> bool:
        """Whether the body's protocol has `viewReceived(memoryview)`, which keeps nothing of it;
        with None there it asks for small pieces."""
        return getattr(self._protocol, "viewReceived", None) is not None

    @property
    def left(self) -> int:
        """How many bytes of the body are still to come, 0 while that is not known."""
        return 0 if self._head.length is None else self._head.length - self.received

    def released(self) -> None:
        """The connection serves others from now on: nothing done here reaches it any more."""
        self._source = None

    def body_ended(self, reason: Failure) -> None:
        """No more will come. The protocol is told after what is held for it."""
        self._source = None
        self._reason = self._reason or reason
        if not self.announced:
            self.announce()
        else:
            self._flush()

    def body_lost(self, reason: Failure, ours: DownloadError) -> None:
        """The connection was closed by the other side, or by the network; `ours` says what that
        cost."""
        if self._head.close_delimited and reason.check(ConnectionDone):
            self.body_ended(Failure(PotentialDataLoss()))
        else:
            self.body_ended(Failure(ResponseFailed([reason, Failure(ours)], self)))

    def continued(self, source: Source) -> None:
        """The rest comes from elsewhere."""
        self._source = source

    def body_failed(self, reason: Failure) -> None:
        """The connection was closed on purpose. The protocol is told at once, paused or not."""
        self._source = None
        if not self.announced:
            self.announce()
        self._reason = self._reason or reason
        if self._protocol is not None:
            self._finish(reason)

    # --- called by the body's protocol through its transport --------------------------------

    def pause(self) -> None:
        """Deliver nothing until `resume`; what still arrives is held."""
        self.paused = True
        if self._source is not None:
            self._source.pause_body()

    def resume(self) -> None:
        """Deliver again."""
        self.paused = False
        self._flush()

    def abort(self) -> None:
        """Close the connection under the body. The protocol hears CancelledError, at once."""
        self._abort(Failure(CancelledError()))

    def _abort(self, reason: Failure) -> None:
        if self._finished:
            return
        source, self._source = self._source, None
        self._held.clear()
        self._reason = reason  # before its source tells another
        if source is not None:
            source.abort()
        self.body_failed(reason)

    def _flush(self) -> None:
        # A protocol may pause and resume inside dataReceived: it is not called inside itself.
        if self._protocol is None or self._flushing:
            return
        self._flushing = True
        while self._held and not self.paused and not self._finished:
            self._deliver(self._held.popleft())
        self._flushing = False
        if self.paused or self._finished:
            return
        if self._reason is not None:
            self._finish(self._reason)
        elif self._source is not None:
            self._source.resume_body()

    def _deliver(self, data: bytes) -> None:
        assert self._protocol is not None
        self._hand_over(self._protocol.dataReceived, data)

    def _hand_over(self, receive: Callable[[Any], None], data: Any) -> None:
        """Whatever the protocol raises ends its body and is told to it, and goes no further."""
        try:
            receive(data)
        except BaseException as error:
            ours = InternalError(f"a body's protocol raised {type(error).__name__}")
            self._abort(Failure(ResponseFailed([Failure(), Failure(ours)], self)))

    def _finish(self, reason: Failure) -> None:
        if self._finished:
            return
        self._finished = True
        self._held.clear()
        assert self._protocol is not None
        # From now on it is not held, so that both go without the help of the cycle collector.
        protocol, self._protocol = self._protocol, _NOBODY
        try:
            protocol.connectionLost(reason)
        except BaseException:
            _log.failure("a body's protocol raised in connectionLost")


def tell_of_loss(
    exchange: Exchange, response: Response | None, fate: Fate, reason: Failure, early: bool
) -> None:
    """The connection is gone on which `exchange` was being answered, by `response` if its head had
    come. `early` says that the answer was whole, and the request was not."""
    if response is not None:
        response.body_lost(reason, UploadCut() if early else TruncatedBody())
    elif fate is Fate.PARTIAL_HEAD:
        exchange.fail(Failure(ResponseFailed([reason])))
    else:
        exchange.fail(Failure(ResponseNeverReceived([reason])))


@implementer(IPushProducer)
class BodyTransport:
    """What a body's protocol knows as its transport: it can be paused and aborted."""

    __slots__ = ("_response", "disconnecting")

    def __init__(self, response: Response) -> None:
        self._response = response
        self.disconnecting = False

    def pauseProducing(self) -> None:
        """Stop the flow; the server feels it through TCP."""
        self._response.pause()

    def resumeProducing(self) -> None:
        """Let it flow again."""
        self._response.resume()

    def abortConnection(self) -> None:
        """Close the connection at once, with RST; the rest of the body is not wanted."""
        self.disconnecting = True
        self._response.abort()

    # A half-read body leaves nothing to close politely: over TLS a mere close would go on
    # receiving until the server is done.
    stopProducing = abortConnection
    loseConnection = abortConnection
