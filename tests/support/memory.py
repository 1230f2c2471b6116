"""One connection of ours on a transport in memory, under a clock that the test advances."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from twisted.internet.error import ConnectionDone
from twisted.internet.protocol import Protocol, connectionDone
from twisted.internet.task import Clock
from twisted.internet.testing import StringTransport
from twisted.python.failure import Failure
from twisted.web.http_headers import Headers
from twisted.web.iweb import IBodyProducer, IResponse

from downloader.deadlines import Deadlines
from downloader.http1.bulk import Buffers
from downloader.http1.connection import Connection
from downloader.http1.exchange import Exchange
from downloader.http1.heads import Heads
from downloader.http1.upload import length_of
from downloader.sansio.url import parse_url

FIRST_BYTE_TIMEOUT = 30.0


class Body(Protocol):
    """Receives a body; `ends` are the reasons it was given, of which there must be one."""

    transport: Any

    def __init__(self) -> None:
        self.pieces: list[bytes] = []
        self.ends: list[Failure] = []

    @property
    def data(self) -> bytes:
        """All that came."""
        return b"".join(self.pieces)

    @property
    def end(self) -> type[BaseException] | None:
        """The class of the only reason, None before it came."""
        assert len(self.ends) <= 1
        return self.ends[0].type if self.ends else None

    def dataReceived(self, data: bytes) -> None:
        self.pieces.append(data)

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        self.ends.append(reason)


class MemoryTransport(StringTransport):
    """Notes how it was closed, and tells nobody: the test says when the loss arrives."""

    closed: str | None = None

    def abortConnection(self) -> None:
        self.closed = self.closed or "abort"

    def loseConnection(self) -> None:
        self.closed = self.closed or "close"


class Link:
    """A `Connection`, its owner, and what came of the request it was given last.

    With `claims` the body is asked for in the answer's own callback, as downloads do.
    """

    def __init__(self, *, tls: bool = False, claims: bool = True, body: Any = None) -> None:
        self.clock = Clock()
        self.freed_times = 0
        self.answered_lengths: list[int] = []
        self.doubts = 0
        self.returned_ones: list[Exchange] = []
        self.again: list[Exchange] | None = None
        self.response: IResponse | None = None
        self.failure: Failure | None = None
        self.body: Any = body or Body()
        self._claims = claims
        self.connection = Connection(
            Deadlines(self.clock), FIRST_BYTE_TIMEOUT, self, tls, self._soon, Buffers()
        )
        self.transport = MemoryTransport()
        self.connection.makeConnection(self.transport)

    def ask(
        self, method: bytes = b"GET", producer: IBodyProducer | None = None, body: Any = None
    ) -> Exchange:
        """Send a request, and note its answer in `response` or `failure`."""
        self.body = body or self.body
        url = parse_url("http://h/")
        length = length_of(producer)
        head = Heads().make(method, url, Headers(), length)
        exchange = Exchange(method, url, Headers(), producer, head, length)
        exchange.answer.addCallbacks(self._answered, self._failed)
        self.connection.send(exchange)
        return exchange

    def feed(self, *pieces: bytes) -> Link:
        """The server's bytes arrive, each piece in a read of its own."""
        for piece in pieces:
            self.connection.dataReceived(piece)
            self.clock.advance(0)
        return self

    def _soon(self, call: Callable[[], None]) -> None:
        self.clock.callLater(0, call)

    def lose(self, error: BaseException | None = None) -> Link:
        """The transport's end arrives; None is a clean one."""
        self.connection.connectionLost(Failure(error or ConnectionDone()))
        return self

    @property
    def outcome(self) -> tuple[Any, ...]:
        """All that a caller and a pool can tell of it."""
        response = self.response
        return (
            response and (response.version, response.code, response.phrase, response.length),
            response and sorted(response.headers.getAllRawHeaders()),
            self.body.data,
            self.body.end,
            self.failure and self.failure.type,
            self.freed_times,
            self.transport.closed,
        )

    def _answered(self, response: IResponse) -> None:
        self.response = response
        if self._claims:
            response.deliverBody(self.body)

    def _failed(self, reason: Failure) -> None:
        self.failure = reason

    # --- the connection's owner -------------------------------------------------------------

    def made(self, connection: Connection) -> None:
        """The transport is open."""

    def freed(self, connection: Connection) -> None:
        """Another may follow."""
        self.freed_times += 1

    def answered(self, length: int) -> None:
        """Several requests at once would do."""
        self.answered_lengths.append(length)

    def slowed(self) -> None:
        """One was slow."""

    def doubted(self, surplus: bool = False) -> None:
        """They would not."""
        self.doubts += 1

    def returned(self, exchanges: list[Exchange]) -> None:
        """These are to be sent elsewhere."""
        self.returned_ones += exchanges

    def gone(self, connection: Connection, again: list[Exchange]) -> None:
        """The transport is closed."""
        self.again = again


def cut(data: bytes, sizes: Iterable[int]) -> list[bytes]:
    """`data` in pieces of these sizes, and the rest."""
    pieces = []
    for size in sizes:
        pieces.append(data[:size])
        data = data[size:]
    return [piece for piece in (*pieces, data) if piece]
