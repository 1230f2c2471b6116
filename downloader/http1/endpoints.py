"""From a route to the endpoint that goes it: TCP, through a proxy where there is one, then TLS."""

from __future__ import annotations

from ipaddress import ip_address
from typing import Any

from twisted.internet.defer import Deferred, fail, succeed
from twisted.internet.interfaces import (
    IHostnameResolver,
    IOpenSSLClientConnectionCreator,
    IProtocol,
    IProtocolFactory,
    IStreamClientEndpoint,
)
from twisted.protocols.tls import TLSMemoryBIOFactory
from twisted.python.failure import Failure
from zope.interface import implementer

from downloader.errors import PrivateAddress, WrongRequest
from downloader.http1.eyeballs import NameEndpoint, public, to_address
from downloader.http1.proxy import ProxyEndpoint, TunnelEndpoint, Tunnels
from downloader.http1.resolve import look_up
from downloader.http1.route import Route
from downloader.sansio.addresses import is_private


class Endpoints:
    """Makes endpoints over `reactor`; `resolver` finds the addresses of names."""

    def __init__(self, reactor: Any, resolver: IHostnameResolver) -> None:
        self._reactor = reactor
        self._resolver = resolver
        self._tunnels = Tunnels()

    def to(self, route: Route) -> IStreamClientEndpoint:
        """The endpoint of `route`. WrongRequest for an address of the other kind than it wants,
        PrivateAddress for one that it may not lead to."""
        endpoint = self._to_server(route)
        if route.scheme == "https":
            return TlsEndpoint(self._reactor, route.tls.creator(route.host), endpoint)
        return endpoint

    def closed(self) -> Deferred[None]:
        """Wait for the transports that no connection has yet.

        **Fires with** None once they are closed. **Fails** never. **Cancelling** stops waiting.
        """
        return self._tunnels.closed()

    def _to_server(self, route: Route) -> IStreamClientEndpoint:
        proxy = route.proxy
        if not route.private and _version(route.host) is not None:
            _check_public(route.host)
        if proxy is None:
            return self._tcp(route, route.host, route.port, route.private)
        endpoint = ProxyEndpoint(self._tcp(route, proxy.host, proxy.port, True), proxy)
        if route.via is not None:
            return endpoint

        def find(name: str) -> Deferred[str]:
            return self._find(route, name)

        return TunnelEndpoint(endpoint, proxy, route.host, route.port, self._tunnels, find)

    def _tcp(self, route: Route, host: str, port: int, private: bool) -> IStreamClientEndpoint:
        """Happy eyeballs for a name; for an address no resolver is asked."""
        bind = None if route.local_address is None else (route.local_address, 0)
        version = _version(host)
        if version is None:
            wanted = route.ip_version
            resolver = self._resolver
            return NameEndpoint(self._reactor, resolver, host, port, wanted, bind, private)
        _check_version(route, host)
        return to_address(self._reactor, version, host, port, bind)

    def _find(self, route: Route, name: str) -> Deferred[str]:
        """An address for a proxy that is given no names."""
        if _version(name) is None:
            found = look_up(self._resolver, name, route.port, route.ip_version)
            if not route.private:
                found.addCallback(public)
            return found.addCallback(_first_host)
        try:
            _check_version(route, name)
        except WrongRequest:
            return fail(Failure())
        return succeed(name)


@implementer(IStreamClientEndpoint)
class TlsEndpoint:
    """TLS over `endpoint`. Twisted's wrapClientTLS would have the global reactor time its writes,
    and install one in a program that runs none, or another."""

    def __init__(
        self,
        reactor: Any,
        creator: IOpenSSLClientConnectionCreator,
        endpoint: IStreamClientEndpoint,
    ) -> None:
        self._reactor = reactor
        self._creator = creator
        self._endpoint = endpoint

    def connect(self, protocolFactory: IProtocolFactory) -> Deferred[IProtocol]:
        """As IStreamClientEndpoint; the handshake is the protocol's to wait for.

        **Fires with** the protocol above TLS. **Fails with** what the endpoint below failed with.
        **Cancelling** cancels the attempt.
        """
        wrapper: Any = TLSMemoryBIOFactory(self._creator, True, protocolFactory, self._reactor)
        connecting: Deferred[Any] = self._endpoint.connect(wrapper)
        return connecting.addCallback(lambda tls: tls.wrappedProtocol)


def _first_host(addresses: list[Any]) -> str:
    host: str = addresses[0].host
    return host


def _version(host: str) -> int | None:
    """4 or 6 for an address, None for a name."""
    try:
        return ip_address(host).version
    except ValueError:
        return None


def _check_public(address: str) -> None:
    if is_private(address):
        raise PrivateAddress(address)


def _check_version(route: Route, address: str) -> None:
    if route.ip_version not in (None, _version(address)):
        raise WrongRequest(f"{address} is no IPv{route.ip_version} address")
