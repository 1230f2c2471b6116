"""Endpoints that lead through a proxy.

The transport is the proxy's until it has said yes; then it is handed to the protocol that is
wanted, which begins as if it had just connected, TLS included.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from twisted.internet import error as net
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IAddress, IProtocol, IProtocolFactory, IStreamClientEndpoint
from twisted.internet.protocol import Factory, Protocol, connectionDone
from twisted.python.failure import Failure
from zope.interface import implementer

from downloader.errors import ProxyFailed, ResolveError
from downloader.sansio.proxies import Proxy
from downloader.sansio.socks import Socks5Handshake
from downloader.sansio.tunnel import ConnectHandshake, Handshake


@implementer(IStreamClientEndpoint)
class ProxyEndpoint:
    """Connects to the proxy itself, over `endpoint`."""

    def __init__(self, endpoint: IStreamClientEndpoint, proxy: Proxy) -> None:
        self._endpoint = endpoint
        self._proxy = proxy

    def connect(self, protocolFactory: IProtocolFactory) -> Deferred[IProtocol]:
        """As IStreamClientEndpoint.

        **Fires with** the protocol. **Fails with** ProxyFailed when the proxy cannot be reached,
        or as the endpoint below. **Cancelling** cancels the attempt.
        """
        connecting: Deferred[IProtocol] = self._endpoint.connect(protocolFactory)
        return connecting.addErrback(self._failed)

    def _failed(self, reason: Failure) -> Failure:
        if not reason.check(net.ConnectError, ResolveError):
            return reason
        error = ProxyFailed(f"{self._proxy} cannot be reached")
        error.__cause__ = reason.value
        return Failure(error)


class Tunnels:
    """The transports that are still a proxy's, so that closing can wait for them."""

    def __init__(self) -> None:
        self._open: set[Protocol] = set()
        self._waiting: list[Deferred[None]] = []

    def __repr__(self) -> str:
        return f"<Tunnels {len(self._open)} under way>"

    def began(self, tunnel: Protocol) -> None:
        """Its transport is open."""
        self._open.add(tunnel)

    def ended(self, tunnel: Protocol) -> None:
        """Its transport is closed, or somebody else's."""
        self._open.discard(tunnel)
        self._tell()

    def closed(self) -> Deferred[None]:
        """Wait until none is open.

        **Fires with** None, at once when none is. **Fails** never. **Cancelling** stops waiting.
        """
        waiting: Deferred[None] = Deferred(self._waiting.remove)
        self._waiting.append(waiting)
        self._tell()
        return waiting

    def _tell(self) -> None:
        if not self._open:
            waiting, self._waiting = self._waiting, []
            for one in waiting:
                one.callback(None)


@implementer(IStreamClientEndpoint)
class TunnelEndpoint:
    """Connects to `host`:`port` through `proxy`, which `endpoint` leads to.

    `look_up` finds an address for a name, for a proxy that is to be given none.
    """

    def __init__(
        self,
        endpoint: IStreamClientEndpoint,
        proxy: Proxy,
        host: str,
        port: int,
        tunnels: Tunnels,
        look_up: Callable[[str], Deferred[str]],
    ) -> None:
        self._endpoint = endpoint
        self._proxy = proxy
        self._host = host
        self._port = port
        self._tunnels = tunnels
        self._look_up = look_up

    def connect(self, protocolFactory: IProtocolFactory) -> Deferred[IProtocol]:
        """As IStreamClientEndpoint.

        **Fires with** the protocol, connected to the server. **Fails with** ResolveError, a
        ProxyError, or as the endpoint below. **Cancelling** cancels the lookup or the attempt, or
        aborts the transport.
        """
        return Deferred.fromCoroutine(self._connect(protocolFactory))

    async def _connect(self, factory: IProtocolFactory) -> IProtocol:
        host = self._host
        if self._proxy.scheme == "socks5":
            host = await self._look_up(host)
        begun = await self._endpoint.connect(
            _TunnelFactory(lambda: _Tunnel(self._handshake(host), factory, self._tunnels))
        )
        assert isinstance(begun, _Tunnel)
        return await begun.ready

    def _handshake(self, host: str) -> Handshake:
        proxy = self._proxy
        if proxy.scheme == "http":
            return ConnectHandshake(host, self._port, proxy.authorization)
        return Socks5Handshake(host, self._port, proxy.user, proxy.password)


class _TunnelFactory(Factory):
    noisy = False  # it would log each connection

    def __init__(self, make: Callable[[], _Tunnel]) -> None:
        self._make = make

    def buildProtocol(self, addr: IAddress | None) -> _Tunnel:
        return self._make()


class _Tunnel(Protocol):
    """Carries out `handshake`; `ready` fires with the protocol that then has the transport."""

    transport: Any

    def __init__(self, handshake: Handshake, factory: IProtocolFactory, tunnels: Tunnels) -> None:
        self.ready: Deferred[IProtocol] = Deferred(lambda _: self.transport.abortConnection())
        self._handshake = handshake
        self._factory = factory
        self._tunnels = tunnels

    def connectionMade(self) -> None:
        self._tunnels.began(self)
        self.transport.write(self._handshake.begin())

    def dataReceived(self, data: bytes) -> None:
        try:
            self.transport.write(self._handshake.receive(data))
            if self._handshake.complete:
                self._hand_over()
        except Exception:
            self.ready.errback(Failure())
            self.transport.abortConnection()

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        self._tunnels.ended(self)
        if not self.ready.called:
            error = ProxyFailed("it closed the connection")
            error.__cause__ = reason.value
            self.ready.errback(Failure(error))

    def _hand_over(self) -> None:
        protocol = self._factory.buildProtocol(self.transport.getPeer())
        assert protocol is not None
        self._tunnels.ended(self)
        self.transport.protocol = protocol
        protocol.makeConnection(self.transport)
        self.ready.callback(protocol)
