"""Requests on their way out of a connection: heads, and one body at a time behind its head."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from twisted.python.failure import Failure
from twisted.web.iweb import IBodyProducer

from downloader.deadlines import Deadline, Deadlines
from downloader.http1.exchange import Exchange
from downloader.http1.upload import Upload
from downloader.sansio.pipeline import Pipeline, Sending, State

# Seconds that a body waits for the server's 100: curl's. A server may know nothing of it, and then
# waits for the body itself (RFC 9110 §10.1.1).
CONTINUE_WAIT = 1.0


class Sender:
    """Sends what `pipeline` allows; after each of its events, `follow` is to be called.

    `patience` is how many seconds the server may read nothing. `wrote()` is called when bytes of
    the request went out whose answer is the next; `out()` when all of a body has,
    `failed(exchange, reason)` when it will not. `writing` tells that `write` is being called.
    """

    def __init__(
        self,
        deadlines: Deadlines,
        pipeline: Pipeline[Exchange],
        patience: float,
        *,
        wrote: Callable[[], None],
        out: Callable[[], None],
        failed: Callable[[Exchange, Failure], None],
    ) -> None:
        self._deadlines = deadlines
        self._pipeline = pipeline
        self._patience = patience
        self._progress = wrote
        self._out = out
        self._failed = failed
        self.writing = False
        self._upload: Upload | None = None
        self._exchange: Exchange
        self._started = False
        self._wait: Deadline | None = None

    def __repr__(self) -> str:
        return f"<Sender {self._upload}>"

    @property
    def paused(self) -> bool:
        """Whether it is the server that does not read on."""
        return self._upload is not None and self._upload.paused

    def write(self, unsent: list[Exchange], transport: Any) -> None:
        """Take from `unsent` what may be written. More may be added to it meanwhile."""
        self.writing = True
        while unsent and self._pipeline.open:
            self._write_heads(unsent, transport)
        self.writing = False

    def _write_heads(self, unsent: list[Exchange], transport: Any) -> None:
        """In one piece, those up to the first that has a body."""
        heads, was_idle = [], self._pipeline.state is State.IDLE
        while unsent and self._pipeline.open:
            exchange = unsent.pop(0)
            exchange.behind = len(self._pipeline) > 0
            self._pipeline.sent(exchange, exchange.alone, exchange.sending)
            heads.append(exchange.head)
        transport.write(b"".join(heads))
        if was_idle:
            self._progress()
        if exchange.producer is not None:
            self._begin(exchange, exchange.producer, transport)

    def _begin(self, exchange: Exchange, producer: IBodyProducer, transport: Any) -> None:
        self._exchange = exchange
        self._started = False
        self._upload = Upload(
            producer,
            exchange.length,
            transport,
            (self._deadlines, self._patience),
            wrote=lambda: self._wrote(exchange),
            out=self._is_out,
            failed=lambda reason: self._failed(exchange, reason),
        )
        if self._pipeline.sending is Sending.EXPECTING:
            wait = min(CONTINUE_WAIT, self._patience / 2)
            self._wait = self._deadlines.set(wait, self._waited)
        self.follow()

    def follow(self) -> None:
        """Begin or stop, if it is time to."""
        if self._upload is None:
            return
        if self._pipeline.sending is Sending.STOPPED:
            self.stop()
        elif self._pipeline.sending is Sending.BODY and not self._started:
            self._started = self._exchange.begun = True
            self._wait_no_more()
            self._upload.start()

    def _wrote(self, exchange: Exchange) -> None:
        if exchange is self._pipeline.current:
            self._progress()

    def stop(self) -> None:
        """Send no more; the connection is of no use to another request then."""
        self._wait_no_more()
        upload, self._upload = self._upload, None
        if upload is not None:
            upload.stop()

    def _waited(self) -> None:
        self._wait = None
        self._pipeline.body_began()
        self.follow()

    def _wait_no_more(self) -> None:
        if self._wait is not None:
            self._wait.cancel()
            self._wait = None

    def _is_out(self) -> None:
        self._upload = None
        self._pipeline.body_sent()
        self._out()
