"""What the kit's servers share: a port on loopback, and how each of its connections ended.

The end is read from TCP, below TLS: OpenSSL reports a FIN without close_notify and a RST as one
and the same error, and the difference is what tests of cancelling are about.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from enum import StrEnum
from typing import Any

from twisted.internet.defer import Deferred, gatherResults, maybeDeferred
from twisted.internet.error import ConnectionAborted, ConnectionDone
from twisted.internet.interfaces import IAddress, IOpenSSLServerConnectionCreator
from twisted.internet.protocol import Factory, Protocol, connectionDone
from twisted.protocols.tls import BufferingTLSTransport, TLSMemoryBIOFactory
from twisted.python.failure import Failure

HOST = "127.0.0.1"


class End(StrEnum):
    """How a connection ended, as its server saw it.

    `FIN`: the client closed. `RST`: the client reset it. `OURS`: this server ended it.
    """

    FIN = "fin"
    RST = "rst"
    OURS = "ours"


class Peer(Protocol):
    """One accepted connection.

    `number` counts from 0 in the order of arrival. `end` is None while the connection is up, then
    how it ended, at `ended_at` on the reactor's clock.
    """

    transport: Any

    def __init__(self, server: LoopbackServer, number: int) -> None:
        self.server = server
        self.number = number
        self.end: End | None = None
        self.ended_at: float | None = None
        self._closing = False
        self._tcp_reason: Failure | None = None
        self._waiting: list[Deferred[End]] = []

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.number} {self.end or 'open'}>"

    def ended(self) -> Deferred[End]:
        """Wait for the end; a new Deferred each time.

        **Fires with** how it ended, at once when it has. **Fails** never.
        **Cancelling** stops waiting; the connection goes on.
        """
        waiting: Deferred[End] = Deferred(self._forget)
        self._waiting.append(waiting)
        if self.end is not None:
            self._tell(self.end)
        return waiting

    def close(self) -> None:
        """Send what is written, then FIN; over TLS a close_notify too."""
        self._closing = True
        self.transport.loseConnection()

    def reset(self) -> None:
        """Send RST now, and none of what is still unsent."""
        self._closing = True
        self.transport.abortConnection()

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        self.end = self._how(self._tcp_reason or reason)
        self.ended_at = self.server.reactor.seconds()
        self.server.open.discard(self)
        self.clean_up(self.end)
        self._tell(self.end)
        self.server.tell_closed()

    def clean_up(self, end: End) -> None:
        """End what this connection still has under way, before anybody is told of its end."""

    def _how(self, reason: Failure) -> End:
        if reason.check(ConnectionAborted):
            return End.OURS
        if reason.check(ConnectionDone):
            return End.OURS if self._closing else End.FIN
        return End.RST

    def _tell(self, end: End) -> None:
        waiting, self._waiting = self._waiting, []
        for one in waiting:
            one.callback(end)

    def _forget(self, waiting: Deferred[End]) -> None:
        self._waiting.remove(waiting)


class _TlsTransport(BufferingTLSTransport):
    """Tells a `Peer` why TCP ended before OpenSSL makes its own error of it."""

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        peer = self.wrappedProtocol
        assert isinstance(peer, Peer)
        peer._tcp_reason = reason
        super().connectionLost(reason)


class LoopbackServer(Factory, ABC):
    """Listens on a free port of 127.0.0.1 from its making until `stop`.

    `reactor` is an IReactorTCP and IReactorTime. With `tls`, such as `CertificateOptions`,
    every connection is TLS. `connections` are all that came, `open` those still up.
    """

    noisy = False

    def __init__(self, reactor: Any, *, tls: IOpenSSLServerConnectionCreator | None = None) -> None:
        self.reactor = reactor
        self.connections: list[Peer] = []
        self.open: set[Peer] = set()
        self._waiting: list[Deferred[None]] = []
        self._scheme = "https" if tls else "http"
        factory = _over_tls(reactor, tls, self) if tls else self
        self._port = reactor.listenTCP(0, factory, interface=HOST)
        self.port: int = self._port.getHost().port

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.url('/')} {len(self.open)} open>"

    def url(self, path: str = "/", host: str = HOST) -> str:
        """The URL of `path` here; `host` may be another name of this machine."""
        return f"{self._scheme}://{host}:{self.port}{path}"

    @abstractmethod
    def make_peer(self, number: int) -> Peer:
        """The protocol of the connection `number`; each kind of server has its own."""

    def buildProtocol(self, addr: IAddress | None) -> Peer:
        peer = self.make_peer(len(self.connections))
        self.connections.append(peer)
        self.open.add(peer)
        return peer

    def closed_all(self) -> Deferred[None]:
        """Wait until every connection that came so far, or comes meanwhile, has ended.

        **Fires with** None, at once when none is open. **Fails** never.
        **Cancelling** stops waiting.
        """
        waiting: Deferred[None] = Deferred(self._waiting.remove)
        self._waiting.append(waiting)
        self.tell_closed()
        return waiting

    def tell_closed(self) -> None:
        """Fire what waits in `closed_all` if no connection is open."""
        if not self.open:
            waiting, self._waiting = self._waiting, []
            for one in waiting:
                one.callback(None)

    def stop(self) -> Deferred[None]:
        """Close the port and reset what is open; may be called again.

        **Fires with** None when the port and all connections are closed. **Fails** never.
        **Cancelling** stops waiting; the closing goes on.
        """
        closed = maybeDeferred(self._port.stopListening)
        for peer in list(self.open):
            peer.reset()
        both = gatherResults([closed, self.closed_all()], consumeErrors=True)
        return both.addCallback(lambda _: None)


def _over_tls(
    reactor: Any, tls: IOpenSSLServerConnectionCreator, server: LoopbackServer
) -> TLSMemoryBIOFactory:
    factory = TLSMemoryBIOFactory(tls, False, server, reactor)
    factory.protocol = _TlsTransport
    return factory
