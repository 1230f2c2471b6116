"""One connection to a server: bytes in through llhttp, events out to its exchanges."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from typing import Protocol as Shape

import httptools
from twisted.internet.defer import Deferred
from twisted.internet.error import ConnectionDone
from twisted.internet.interfaces import IHandshakeListener
from twisted.internet.protocol import Protocol, connectionDone
from twisted.python.failure import Failure
from twisted.web.client import ResponseDone, ResponseFailed, ResponseNeverReceived
from twisted.web.http import PotentialDataLoss
from zope.interface import implementer

from downloader.deadlines import Deadline, Deadlines
from downloader.errors import BadResponse, FirstByteTimeout, StallTimeout, TruncatedBody
from downloader.http1.exchange import Exchange
from downloader.http1.response import Response
from downloader.http1.upload import Upload
from downloader.sansio import wire
from downloader.sansio.pipeline import Fate, Pipeline, State

# How long an answer's body may wait for somebody to ask for it before its connection is closed,
# in seconds: a caller that dropped the response would otherwise keep a paused socket for ever.
UNCLAIMED = 60.0

_DONE = Failure(ResponseDone("the whole body was received"))


class Owner(Shape):
    """Whoever keeps a connection and hears what becomes of it."""

    def made(self, connection: Connection) -> None:
        """The transport is open."""

    def freed(self, connection: Connection) -> None:
        """An exchange has ended and another may follow."""

    def gone(self, connection: Connection, again: list[Exchange]) -> None:
        """The transport is closed; the exchanges in `again` are to be sent once more."""


@implementer(IHandshakeListener)
class Connection(Protocol):
    """Serves one exchange at a time.

    `ready` fires with the connection when a request may be written: connected, and over TLS
    with the server's certificate accepted.
    """

    transport: Any

    def __init__(
        self,
        deadlines: Deadlines,
        first_byte_timeout: float,
        owner: Owner,
        tls: bool,
        soon: Callable[[Callable[[], None]], object],
    ) -> None:
        self.ready: Deferred[Connection] = Deferred(lambda _: self.abort())
        self.idle_deadline: Deadline | None = None
        self._deadlines = deadlines
        self._first_byte_timeout = first_byte_timeout
        self._owner = owner
        self._tls = tls
        self._soon = soon
        self._pipeline: Pipeline[Exchange] = Pipeline()
        self._parser = httptools.HttpResponseParser(self)
        self._response: Response | None = None
        self._upload: Upload | None = None
        self._deadline: Deadline | None = None
        self._complete = False
        self._aborted = False
        self._closing = False
        self._paused = False
        self._fresh_head()

    def __repr__(self) -> str:
        return f"<Connection {self._pipeline!r}{' aborted' if self._aborted else ''}>"

    @property
    def usable(self) -> bool:
        """Whether a request may be written now."""
        return not self._aborted and self._pipeline.reusable

    # --- towards the server -----------------------------------------------------------------

    def send(self, exchange: Exchange) -> None:
        """Write a request; its exchange is this connection's until it ends."""
        exchange.holder = self
        self._pipeline.sent(exchange)
        self._await_answer()
        self.transport.write(exchange.head)
        if exchange.producer is not None:
            self._upload = Upload(exchange.producer, self.transport, self._await_answer)
            self._upload.start(self.fail)

    def withdraw(self, exchange: Exchange) -> None:
        """Its caller cancelled before the answer's head was complete."""
        self.abort()

    def abort(self) -> None:
        """Close at once: RST, nothing flushed, nothing more delivered."""
        if not self._aborted:
            self._aborted = True
            self._release()
            self._pipeline.lost()
        elif not self._closing:
            return
        self._closing = False
        if self.transport is not None:
            self.transport.abortConnection()

    def close(self) -> None:
        """Close with nothing under way: with FIN, so that the server logs no reset.

        Over TLS that would wait for the server's close_notify, so it is an abort there.
        """
        if self._tls:
            self.abort()
        elif not self._aborted:
            self._aborted = self._closing = True
            self._release()
            self.transport.loseConnection()

    def pause_body(self) -> None:
        """Stop reading."""
        if not self._aborted:
            self._paused = True
            self.transport.pauseProducing()

    def body_claimed(self) -> None:
        """Somebody reads the body now."""
        self._cancel_deadline()

    def resume_body(self) -> None:
        """Read on."""
        if self._paused and not self._aborted:
            self._paused = False
            self.transport.resumeProducing()

    def _await_answer(self) -> None:
        """Time the answer from now on: from the last bytes that were sent of the request."""
        if self._pipeline.state in (State.SENT, State.HEAD):
            self._cancel_deadline()
            self._deadline = self._deadlines.set(self._first_byte_timeout, self._late)

    def _late(self) -> None:
        self.fail(Failure(FirstByteTimeout(f"{self._first_byte_timeout:g} s")))

    def _unclaimed(self) -> None:
        self.fail(Failure(StallTimeout(f"nobody read the body for {UNCLAIMED:g} s")))

    # --- from the reactor -------------------------------------------------------------------

    def connectionMade(self) -> None:
        self._owner.made(self)
        if not self._tls:
            self._become_ready()

    def handshakeCompleted(self) -> None:
        """The server's certificate was accepted."""
        self._become_ready()

    def _become_ready(self) -> None:
        if not self.ready.called:
            self.ready.callback(self)

    def dataReceived(self, data: bytes) -> None:
        if self._aborted:
            return
        if self._pipeline.current is None:
            self.abort()  # unsolicited: it is not matched with a request not yet written
            return
        body_bytes = self._body_bytes
        in_body = self._pipeline.state is State.BODY
        try:
            self._parser.feed_data(data)
            if in_body:
                self._weigh_chunks(len(data), len(data) - (self._body_bytes - body_bytes))
            elif self._pipeline.state is not State.BODY:
                self._weigh_head(len(data))
        except BadResponse as error:
            self._refuse(error)
        except httptools.HttpParserUpgrade:
            self._refuse(BadResponse("it switches protocols"))
        except httptools.HttpParserCallbackError as error:
            self._refuse(error.__context__ or error)
        except httptools.HttpParserError as error:
            self._refuse(BadResponse(str(error)))
        if self._complete and not self._aborted:
            self._finish()
        self._hold_unclaimed()

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        self._aborted = True
        self._release()
        again = []
        for exchange, fate in self._pipeline.lost():
            if fate is Fate.RESEND and exchange.may_resend:
                exchange.resent = True
                again.append(exchange)
            else:
                self._tell(exchange, fate, reason)
        self._owner.gone(self, again)
        if not self.ready.called:
            self.ready.errback(reason)

    def _tell(self, exchange: Exchange, fate: Fate, reason: Failure) -> None:
        if fate is Fate.PARTIAL_BODY:
            self._end_body(self._how_it_ended(reason))
        elif fate is Fate.PARTIAL_HEAD:
            exchange.fail(Failure(ResponseFailed([reason])))
        else:
            exchange.fail(Failure(ResponseNeverReceived([reason])))

    def _how_it_ended(self, reason: Failure) -> Failure:
        if self._close_delimited and reason.check(ConnectionDone):
            return Failure(PotentialDataLoss())
        return Failure(ResponseFailed([reason, Failure(TruncatedBody())], self._response))

    # --- from the parser; an exception here comes out of feed_data --------------------------

    def on_message_begin(self) -> None:
        if self._complete:
            self._pipeline.doubt()
            raise BadResponse("bytes behind the end of the answer")
        self._pipeline.began()

    def on_status(self, phrase: bytes) -> None:
        self._phrase += phrase

    def on_header(self, name: bytes, value: bytes) -> None:
        if self._response is None:
            self._headers.append((name, value.rstrip(b" \t")))  # white space that llhttp leaves

    def on_headers_complete(self) -> None:
        status = self._parser.get_status_code()
        if 100 <= status < 200:
            self._pipeline.informed()
            return
        self._weigh_head(0)
        exchange = self._pipeline.current
        assert exchange is not None
        head = wire.judge_head(
            exchange.method,
            status,
            self._parser.get_http_version(),
            self._headers,
            self._parser.should_keep_alive(),
        )
        self._close_delimited = head.close_delimited
        self._cancel_deadline()
        self._pipeline.headed(head.persistent)
        response = Response(self, exchange, head, self._phrase, self._headers)
        self._response = response
        if exchange.method == b"HEAD":
            # llhttp cannot be told that no body follows; the next answer gets a new parser.
            self._complete = True
            self._parser = httptools.HttpResponseParser(self)
        exchange.succeed(response)

    def on_body(self, data: bytes) -> None:
        if self._complete:
            self._pipeline.doubt()
        elif self._response is not None and not self._aborted:
            self._body_bytes += len(data)
            self._response.body_received(data)

    def on_message_complete(self) -> None:
        if self._response is None:
            self._fresh_head()  # that was informational
        elif not self._complete:
            self._complete = True

    # --- bookkeeping ------------------------------------------------------------------------

    def _fresh_head(self) -> None:
        self._headers: list[tuple[bytes, bytes]] = []
        self._phrase = b""
        self._head_fed = 0
        self._body_bytes = 0
        self._overhead = 0
        self._dry = 0
        self._close_delimited = False

    def _weigh_head(self, fed: int) -> None:
        """Once for each read, so a head may be over by one read before it is refused."""
        self._head_fed += fed
        if self._head_fed > wire.MAX_HEAD_BYTES or len(self._headers) > wire.MAX_HEADERS:
            raise BadResponse("its header is too large")

    def _weigh_chunks(self, fed: int, overhead: int) -> None:
        # Trailers are buffered whole by the parser, so they are bounded whatever the body weighs.
        self._overhead += overhead
        self._dry = self._dry + overhead if overhead == fed else 0
        allowed = wire.CHUNK_OVERHEAD + wire.CHUNK_OVERHEAD_RATIO * self._body_bytes
        if self._overhead > allowed or self._dry > wire.CHUNK_OVERHEAD:
            raise BadResponse("its chunks weigh more than their content")

    def _hold_unclaimed(self) -> None:
        response = self._response
        if response is not None and not response.claimed and not self._aborted:
            self.pause_body()
            if self._deadline is None:
                self._deadline = self._deadlines.set(UNCLAIMED, self._unclaimed)

    def _finish(self) -> None:
        """The answer is complete: free the connection first, then tell the body's protocol."""
        response, self._response = self._response, None
        assert response is not None
        response.released()
        self._complete = False
        self._fresh_head()
        self._pipeline.ended()
        self._cancel_deadline()
        if self._upload is not None and (response.code >= 400 or not self._upload.finished):
            self.abort()  # a refusal may come early, and what is unsent would be in the way
        elif self._pipeline.reusable:
            self._upload = None
            self._read_on()
            self._hand_over(response)
            return
        elif self._upload is not None:
            self.abort()  # a close would wait for what is still to be sent
        else:
            self.close()
        response.body_ended(_DONE)

    def _hand_over(self, response: Response) -> None:
        """Free the connection, tell the reader. Over TLS one read may hold several records, which
        come one by one: both wait a turn, lest the rest be taken for the next answer."""

        def hand_over() -> None:
            if not self._aborted:
                self._owner.freed(self)
            response.body_ended(_DONE)

        if self._tls:
            self._soon(hand_over)
        else:
            hand_over()

    def _read_on(self) -> None:
        """The end came while its reader had paused: the next answer must not wait for that."""
        if self._paused:
            self._paused = False
            self.transport.resumeProducing()

    def _refuse(self, error: BaseException) -> None:
        if self._complete:
            self._pipeline.doubt()  # this answer is whole; what came behind it is not
        else:
            self.fail(Failure(error))

    def fail(self, reason: Failure) -> None:
        """Close at once, and tell whoever is being served why."""
        exchange = self._pipeline.current
        response, self._response = self._response, None
        self.abort()
        if response is not None:
            response.body_failed(Failure(ResponseFailed([reason], response)))
        elif exchange is not None:
            exchange.fail(reason)

    def _end_body(self, reason: Failure) -> None:
        response, self._response = self._response, None
        if response is not None:
            response.body_ended(reason)

    def _cancel_deadline(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    def _release(self) -> None:
        self._cancel_deadline()
        if self.idle_deadline is not None:
            self.idle_deadline.cancel()
            self.idle_deadline = None
        self._release_upload()

    def _release_upload(self) -> None:
        upload, self._upload = self._upload, None
        if upload is not None:
            upload.stop()
