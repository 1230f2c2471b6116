"""An agent of ours on a network in memory: a test reads what it writes and is its servers.

Only what is public is used: the agent, and the reactor it was given. The transports behave as
Twisted's TCP does: paused, they hold what comes; told to close, they deliver nothing more and
tell of the loss in the reactor's next turn.
"""

from __future__ import annotations

from collections.abc import Iterable
from itertools import pairwise
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.error import ConnectionAborted, ConnectionDone
from twisted.internet.testing import MemoryReactorClock
from twisted.python.failure import Failure
from twisted.web.iweb import UNKNOWN_LENGTH, IResponse

from downloader.http1.agent import Agent
from support.memory import Body, MemoryTransport

HOST = "192.0.2.1"
URL = f"http://{HOST}/"


class Wire:
    """The server's end of the connection that `connect` is, one of MemoryReactor's tuples."""

    def __init__(self, reactor: Any, connect: Any) -> None:
        self._reactor = reactor
        self._held: list[bytes] = []
        self._lost = False
        self.transport = MemoryTransport()
        self.protocol: Any = connect[2].buildProtocol(None)
        self.protocol.makeConnection(self.transport)
        reactor.advance(0)

    @property
    def sent(self) -> bytes:
        """Everything the client has written."""
        return bytes(self.transport.value())

    @property
    def open(self) -> bool:
        """Whether neither side has ended it."""
        return not self._lost and self.transport.closed is None

    def feed(self, *pieces: bytes) -> None:
        """Bytes arrive, each piece in a read and a turn of its own."""
        for piece in pieces:
            self._held.append(piece)
            self.turn()

    def lose(self, error: BaseException | None = None) -> None:
        """The server ends the connection; None is a clean end."""
        self._end(error or ConnectionDone())

    def turn(self) -> None:
        """One turn of the reactor."""
        while self._held and self.open and self.transport.producerState == "producing":
            self.protocol.dataReceived(self._held.pop(0))
        self._reactor.advance(0)
        if self.transport.closed is not None:
            aborted = self.transport.closed == "abort"
            self._end(ConnectionAborted() if aborted else ConnectionDone())

    def _end(self, error: BaseException) -> None:
        if not self._lost:
            self._lost = True
            self.protocol.connectionLost(Failure(error))
            self._reactor.advance(0)


class Asked:
    """One request: what its caller has got of it until now.

    With `claims` off the body is asked for by `claim`, later than usual.
    """

    def __init__(self, answer: Deferred[IResponse], claims: bool = True) -> None:
        self.response: IResponse | None = None
        self.failure: Failure | None = None
        self.body = Body()
        self._answer = answer
        self._claims = claims
        answer.addCallbacks(self._answered, self._failed)

    def claim(self) -> None:
        """Ask for the body."""
        assert self.response is not None
        self.response.deliverBody(self.body)

    def cancel(self) -> None:
        """Want it no more: the answer, or what is to come of its body."""
        if self.body.transport is None:
            self._answer.cancel()
        else:
            self.body.transport.abortConnection()

    @property
    def end(self) -> type[BaseException] | None:
        """The class of the failure or of the body's end; None while neither has come."""
        return self.failure.type if self.failure is not None else self.body.end

    @property
    def announced(self) -> int | None:
        """The length of the body as its head has it, None when it has none."""
        length = None if self.response is None else self.response.length
        return None if length is UNKNOWN_LENGTH else length

    @property
    def head(self) -> tuple[Any, ...] | None:
        """All that the head of the answer says."""
        response = self.response
        if response is None:
            return None
        fields = sorted(response.headers.getAllRawHeaders())
        return (response.version, response.code, response.phrase, response.length, fields)

    def _answered(self, response: IResponse) -> None:
        self.response = response
        if self._claims:
            self.claim()

    def _failed(self, reason: Failure) -> None:
        self.failure = reason


class Net:
    """An agent with one connection for each host, and the wires it made, in their order."""

    def __init__(self, connections_per_host: int = 1, **options: Any) -> None:
        self.reactor = MemoryReactorClock()
        self.wires: list[Wire] = []
        self.agent = Agent(self.reactor, connections_per_host=connections_per_host, **options)
        self._connects = 0

    def ask(self, method: bytes = b"GET", url: str = URL, claims: bool = True) -> Asked:
        """Send a request, over a new wire if the agent wants one."""
        asked = Asked(self.agent.request(method, url.encode("ascii")), claims)
        self.accept()
        return asked

    def accept(self) -> None:
        """Let the connections that are being made succeed, but for those that were given up."""
        while self._connects < len(self.reactor.tcpClients):
            number, self._connects = self._connects, self._connects + 1
            if not self.reactor.connectors[number].stoppedConnecting:
                self.wires.append(Wire(self.reactor, self.reactor.tcpClients[number]))

    def advance(self, seconds: float) -> None:
        """Time passes; what is closed then is gone, and what is made instead is connected."""
        self.reactor.advance(seconds)
        self.turn()

    def turn(self) -> None:
        """One turn of the reactor for each wire."""
        for wire in self.wires:
            wire.turn()
        self.accept()

    def close(self) -> list[Any]:
        """Close the agent. Returns the delayed calls that are left, of which there must be none."""
        closed = self.agent.close()
        for wire in self.wires:
            wire.turn()
        assert closed.called
        return list(self.reactor.getDelayedCalls())


def pieces_of(data: bytes, cuts: Iterable[int]) -> list[bytes]:
    """`data`, cut at these places, in whatever order they come."""
    places = sorted({0, len(data), *(cut % (len(data) + 1) for cut in cuts)})
    return [data[a:b] for a, b in pairwise(places)]
