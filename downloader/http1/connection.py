"""One connection to a server: requests out, and each answer to the one whose turn it is."""

from __future__ import annotations

from collections.abc import Callable

from twisted.internet.error import ConnectionAborted, ConnectionDone
from twisted.internet.protocol import connectionDone
from twisted.python.failure import Failure
from twisted.web.client import ResponseDone, ResponseFailed

from downloader.deadlines import Deadline, Deadlines, Wait
from downloader.errors import FirstByteTimeout, Interrupted, StallTimeout
from downloader.http1.bulk import Buffers
from downloader.http1.continuation import continuation
from downloader.http1.exchange import Exchange, to_resend
from downloader.http1.flow import Flow
from downloader.http1.opening import Opening
from downloader.http1.owner import Owner
from downloader.http1.patience import HEAD, HELD_BODY, SHORT_BODY, Patience
from downloader.http1.reading import AnswerReader
from downloader.http1.response import Response, tell_of_loss
from downloader.http1.sender import Sender
from downloader.sansio.pipeline import Fate, Pipeline, Sending, State
from downloader.sansio.wire import Head

_DONE = Failure(ResponseDone("the whole body was received"))


class Connection(Opening):
    """Serves exchanges in the order in which they were given to it.

    While a read is taken apart nothing is written, so that no byte of it can be taken for the
    answer to a request that was not yet out. Over TLS, where one read may hold several records
    that come one by one, that lasts for the rest of the reactor's turn.
    """

    def __init__(
        self,
        deadlines: Deadlines,
        first_byte_timeout: float,
        owner: Owner[Connection],
        tls: bool,
        soon: Callable[[Callable[[], None]], object],
        buffers: Buffers,
    ) -> None:
        super().__init__(owner, tls)
        self.idle_deadline: Deadline | None = None
        self._first_byte_timeout = first_byte_timeout
        self._soon = soon
        self._flow = Flow(
            deadlines, buffers, skipped=self._skipped, fail=self.fail, abort=self.abort
        )
        self._pipeline: Pipeline[Exchange] = Pipeline()
        self._sender = Sender(
            *(deadlines, self._pipeline, first_byte_timeout),
            wrote=self._await_answer,
            out=self._out,
            failed=self._not_sent,
        )
        self._reader = AnswerReader(self)
        self._unsent: list[Exchange] = []
        self._response: Response | None = None  # of the head of the queue, while its body comes
        self._wait = Wait(deadlines, first_byte_timeout, self._late)
        self._patience = Patience(
            deadlines,
            waiting=lambda: len(self._pipeline) > 1,
            answered=lambda: self._pipeline.answered,
            looks=self._looks,
            move=self._move,
            cut=self._cut,
        )
        self._reading = False
        self._answered_early = False
        self._aborted = False
        self._closing = False

    def __repr__(self) -> str:
        return f"<Connection {self._pipeline!r}{' aborted' if self._aborted else ''}>"

    @property
    def usable(self) -> bool:
        """Whether a request may be given to it now, behind those it has."""
        if self._unsent and self._unsent[-1].alone:
            return False
        return not self._aborted and self._pipeline.open

    @property
    def load(self) -> int:
        """How many exchanges it has."""
        return len(self._pipeline) + len(self._unsent)

    def has_room(self, depth: int) -> bool:
        """Whether it is usable and has fewer exchanges than `depth`."""
        return len(self._pipeline) + len(self._unsent) < depth and self.usable

    @property
    def leaving(self) -> bool:
        """Whether it ends soon: it was closed, or carries what was cancelled."""
        return self._aborted or self._pipeline.has_unwanted

    @property
    def _shared(self) -> bool:
        """Whether the answer that is due is to one of several that were under way at a time."""
        current = self._pipeline.current
        return current is not None and (current.behind or len(self._pipeline) > 1)

    # --- towards the server -----------------------------------------------------------------

    def send(self, exchange: Exchange) -> None:
        """Write a request; its exchange is this connection's until it ends."""
        exchange.holder = self
        self._unsent.append(exchange)
        if not self._reading:
            self._write()

    def withdraw(self, exchange: Exchange) -> None:
        """Its caller cancelled before the answer's head was complete."""
        if exchange in self._unsent:
            self._unsent.remove(exchange)
            self._owner.freed(self)
        elif self._aborted:
            pass  # it was given up here, and goes no further
        elif self._pipeline.cancel(exchange):
            self.abort()
        else:
            self._sender.follow()
            self._patience.cut_later()

    def abort(self) -> None:
        """Close at once: RST, nothing flushed, nothing more delivered.

        The exchange being answered is dropped; those behind it are returned, to be served
        elsewhere.
        """
        if not self._aborted:
            self._aborted = True
            self._release()
            current = self._pipeline.current
            rest = [one for one, _ in self._pipeline.lost() if one is not current]
            if self.transport is not None:
                self.transport.abortConnection()
            self._return(to_resend(rest, ConnectionAborted()))
        elif self._closing:
            self._closing = False
            self.transport.abortConnection()

    def close(self) -> None:
        """Close with nothing under way: with FIN, so that the server logs no reset.

        Over TLS that would wait for the server's close_notify, so it is an abort there.
        """
        if self._tls:
            self.abort()
        elif not self._aborted:
            self._flush_and_close()

    def _flush_and_close(self) -> None:
        self._aborted = self._closing = True
        self._release()
        self.transport.loseConnection()
        self._return([])

    def fail(self, reason: Failure) -> None:
        """Close at once, and tell whoever is being served why."""
        exchange = self._pipeline.current
        response, self._response = self._response, None
        self.abort()
        if response is not None:
            response.body_failed(Failure(ResponseFailed([reason], response)))
        elif exchange is not None:
            exchange.fail(reason)

    def _write(self) -> None:
        """Write the requests that wait, as far as none of them has a body to be sent first."""
        if self._sender.writing:
            return
        self._sender.write(self._unsent, self.transport)
        if len(self._pipeline) > 1:
            self._patience.look_later()
        if self._pipeline.sending is Sending.WHOLE:
            self._return([])  # a long body has begun meanwhile

    def _out(self) -> None:
        """A body is out: others may follow, and an answer that came before it may end."""
        if self._answered_early:
            self.answer_ended()
        elif self._pipeline.open:
            self._owner.freed(self)
        if not self._reading:
            self._read_through()

    def _not_sent(self, exchange: Exchange, reason: Failure) -> None:
        """A body will not be sent to its end."""
        if exchange is self._pipeline.current:
            self.fail(reason)
        else:
            self.withdraw(exchange)
            exchange.fail(reason)

    def _await_answer(self) -> None:
        """Time the answer from now on: its request is sent, or the answer before it has ended."""
        if self._response is None:
            self._wait.begin()

    def _late(self) -> None:
        if self._closing:
            self.abort()
            return
        if self._shared:
            self._owner.doubted()
        error = StallTimeout if self._sender.paused else FirstByteTimeout
        self.fail(Failure(error(f"{self._first_byte_timeout:g} s")))

    # --- for those who are in each other's way ----------------------------------------------

    def _cut(self) -> None:
        """Somebody behind the current exchange has cancelled, and waited long enough."""
        exchange, response = self._pipeline.current, self._response
        self._response = None
        self.abort()
        assert exchange is not None
        if response is None:
            self._return(to_resend([exchange], Interrupted()))
        elif (rest := continuation(response, exchange)) is not None:
            self._owner.returned([rest])
        else:
            reason = Failure(Interrupted())
            response.body_failed(Failure(ResponseFailed([reason], response)))

    def _move(self) -> None:
        """Those behind the current exchange have waited long enough."""
        if self._response is None:
            self._owner.slowed()
        rest = [one for one, _ in self._pipeline.give_up_rest()]
        self._sender.follow()
        self._return(to_resend(rest, ConnectionDone()))

    def _looks(self) -> int | None:
        if self._response is None:
            exchange = self._pipeline.current  # of a body, much may still be on its way
            return HEAD if exchange and exchange.producer is None else None
        return HELD_BODY if self._flow.paused or not self._pipeline.open else SHORT_BODY

    def _return(self, again: list[Exchange]) -> None:
        unsent, self._unsent = self._unsent, []
        if again or unsent:
            self._owner.returned([*again, *unsent])

    # --- from the reactor -------------------------------------------------------------------

    def dataReceived(self, data: bytes) -> None:
        if self._aborted:
            return
        if self._pipeline.current is None and not self._reading:
            self._owner.doubted(surplus=self._pipeline.pipelined)
            self.abort()  # unsolicited: it is not matched with a request not yet written
            return
        more_records, self._reading = self._reading, True
        try:
            self._reader.feed(data)
        except Exception as error:
            self._refuse(error)
        if self._response is not None and not self._aborted:
            self._wait.stop()
            self._flow.hold(self._response)
        if not self._tls:
            self._read_through()
        elif not more_records:
            self._soon(self._read_through)

    def _refuse(self, error: Exception) -> None:
        """The server has sent what is no answer."""
        exchange = self._pipeline.current
        surplus = exchange is None and self._pipeline.pipelined
        if self._aborted and not surplus:  # who had the last answer may have closed it just now
            return
        self._owner.doubted(surplus)
        if exchange is not None and exchange.behind and self._response is None:
            self.abort()  # maybe it was the answer before that did not end where it said
            self._return(to_resend([exchange], error))
        elif exchange is not None:
            self.fail(Failure(error))
        else:
            self.close()  # its answers are good; what came behind them is nobody's

    def _read_through(self) -> None:
        """Everything that came is understood: now requests may be written again."""
        self._reading = False
        if self._aborted:
            return
        if self._response is not None:
            self._flow.hasten(self._response)
        if self._unsent:
            self._write()
        if self._pipeline.state is State.IDLE:
            self._wait.stop()

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        self._wait.stop()
        self._owner.gone(self, [] if self._aborted else self._owed(reason))
        self.never_ready(reason)

    def _owed(self, reason: Failure) -> list[Exchange]:
        """The other side, or the network, has closed it. What is to be sent once more."""
        if self._shared:
            self._owner.doubted()
        self._aborted = True
        self._release()
        fates = self._pipeline.lost()
        if fates and fates[0][1] is not Fate.RESEND:
            exchange, fate = fates.pop(0)
            response, self._response = self._response, None
            tell_of_loss(exchange, response, fate, reason, self._answered_early)
        unsent, self._unsent = self._unsent, []
        return [*to_resend([one for one, _ in fates], reason), *unsent]

    # --- from the reader of answers ---------------------------------------------------------

    def answer_awaited(self) -> bool:
        return self._pipeline.current is not None

    def answer_began(self) -> bytes:
        return self._pipeline.began().method

    def answer_informed(self, status: int) -> None:
        self._pipeline.informed(status)
        self._sender.follow()

    def answer_headed(self, head: Head, phrase: bytes, headers: list[tuple[bytes, bytes]]) -> None:
        exchange = self._pipeline.headed(head.persistent, head.length, head.status)
        self._sender.follow()
        self._response = Response(self._flow, exchange, head, phrase, headers)

    def answer_body(self, data: bytes) -> None:
        if self._response is not None:
            self._response.body_received(data)

    def _skipped(self, rest: bytes, over: bool) -> None:
        """A body was read past the reader, to its end; `rest` came behind it, or the `over`."""
        if over:
            self._pipeline.doubt()
        self._reading = True
        self._reader.skip_body()
        self.answer_ended()
        if rest and not self._aborted:
            self.dataReceived(rest)
        self._read_through()

    def answer_ended(self) -> None:
        """Settle the connection first, then tell whoever asked: they may ask for more."""
        self._answered_early = self._pipeline.early
        if self._answered_early or self._aborted:
            return
        response, self._response = self._response, None
        if response is None:
            return
        exchange = self._pipeline.ended()
        response.released()
        if not self._pipeline.persistent:
            self._end(exchange, response.code >= 400)
        elif self._pipeline.unwanted:
            self.abort()
        else:
            self._go_on(response)
        response.body_ended(_DONE)

    def _go_on(self, response: Response) -> None:
        """The next answer's turn."""
        self._flow.body_ended()
        if response.proven is not None:
            self._owner.answered(response.proven)
        if self._pipeline.current is not None:
            self._await_answer()
        self._owner.freed(self)

    def _end(self, exchange: Exchange, refused: bool) -> None:
        """That was the last answer of this connection, to `exchange`."""
        unsent = self._pipeline.sending is not Sending.WHOLE
        rest = [one for one, _ in self._pipeline.lost()]
        if exchange.producer is None and not unsent:
            self.close()
        elif refused or unsent:
            self.abort()  # what is unsent or unread would be waited for, and nobody wants it
        else:  # a reset might take from the server what it has not read yet
            self._flush_and_close()
            self._wait.begin()
        self._return(to_resend(rest, ConnectionDone()))

    # --- bookkeeping ------------------------------------------------------------------------

    def _release(self) -> None:
        self._wait.stop()
        self._flow.stop()
        self._patience.stop()
        if self.idle_deadline is not None:
            self.idle_deadline.cancel()
            self.idle_deadline = None
        self._sender.stop()
