"""Name lookups in threads of their own.

The reactor's pool has ten threads that other work shares, and a process waits for them when it
ends. A lookup cannot be interrupted, so it must not hold either up: these threads are daemons, at
most `LOOKUPS` of them, and they end when nothing is left to look up.
"""

from __future__ import annotations

import socket
import threading
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any

from twisted.internet.address import IPv4Address, IPv6Address
from twisted.internet.defer import Deferred
from twisted.internet.endpoints import HostnameEndpoint
from twisted.internet.error import DNSLookupError
from twisted.internet.interfaces import (
    IAddress,
    IHostnameResolver,
    IHostResolution,
    IProtocol,
    IProtocolFactory,
    IReactorPluggableNameResolver,
    IResolutionReceiver,
    IStreamClientEndpoint,
)
from twisted.python.failure import Failure
from zope.interface import implementer

from downloader.errors import ResolveError

# As many as jobs run at once by default: slow names then keep nobody else's waiting.
LOOKUPS = 32
# As socket.getaddrinfo.
GetAddrInfo = Callable[..., list[Any]]
# What IHostnameResolver calls each IP version, and what sockets do; None is both.
_TYPES: dict[int | None, tuple[type[IAddress], ...]] = {
    None: (IPv4Address, IPv6Address),
    4: (IPv4Address,),
    6: (IPv6Address,),
}
_FAMILIES: dict[tuple[type[IAddress], ...], int] = {
    (IPv4Address,): socket.AF_INET,
    (IPv6Address,): socket.AF_INET6,
}
# The pool's deadline bounds name, TCP and TLS together; two would race for the error's class.
NO_TIMEOUT: Any = None


@implementer(IHostResolution)
class Lookup:
    """One lookup under way. Cancelled, its answer is dropped; the thread cannot be stopped."""

    def __init__(
        self, receiver: IResolutionReceiver, name: str, port: int, family: int = socket.AF_UNSPEC
    ) -> None:
        self.name = name
        self.port = port
        self.family = family
        self.cancelled = False
        self._receiver = receiver
        receiver.resolutionBegan(self)

    def cancel(self) -> None:
        """Tell the receiver nothing more."""
        self.cancelled = True

    def ask(self, getaddrinfo: GetAddrInfo) -> list[IAddress]:
        """Ask the system, in a thread; no address is an empty list."""
        if self.cancelled:
            return []
        try:
            found = getaddrinfo(self.name, self.port, family=self.family, type=socket.SOCK_STREAM)
        except (OSError, ValueError):
            return []
        return [_address(family, where) for family, _, _, _, where in found]

    def tell(self, addresses: list[IAddress]) -> None:
        """Hand the addresses over, in the reactor's thread."""
        if not self.cancelled:
            for address in addresses:
                self._receiver.addressResolved(address)
            self._receiver.resolutionComplete()


def _address(family: int, where: Any) -> IAddress:
    if family == socket.AF_INET6:
        return IPv6Address("TCP", where[0], where[1], *where[2:])
    return IPv4Address("TCP", where[0], where[1])


@implementer(IHostnameResolver)
class ThreadedResolver:
    """The system's resolver (`getaddrinfo`: hosts file, search domains and all)."""

    def __init__(self, reactor: Any, getaddrinfo: GetAddrInfo = socket.getaddrinfo) -> None:
        self._reactor = reactor
        self._getaddrinfo = getaddrinfo
        self._lock = threading.Lock()
        self._waiting: deque[Lookup] = deque()
        self._running = 0

    def resolveHostName(
        self,
        resolutionReceiver: IResolutionReceiver,
        hostName: str,
        portNumber: int = 0,
        addressTypes: Sequence[type[IAddress]] | None = None,
        transportSemantics: str = "TCP",
    ) -> IHostResolution:
        """Begin a lookup (IHostnameResolver)."""
        family = _FAMILIES.get(tuple(addressTypes or ()), socket.AF_UNSPEC)
        lookup = Lookup(resolutionReceiver, hostName, portNumber, family)
        with self._lock:
            self._waiting.append(lookup)
            if self._running == LOOKUPS:
                return lookup
            self._running += 1
        try:
            threading.Thread(target=self._work, name="lookup", daemon=True).start()
        except RuntimeError:  # no more threads may be made
            with self._lock:
                self._running -= 1
                self._waiting.remove(lookup)
            raise
        return lookup

    def _work(self) -> None:
        while True:
            with self._lock:
                if not self._waiting:
                    self._running -= 1
                    return
                lookup = self._waiting.popleft()
            self._reactor.callFromThread(lookup.tell, lookup.ask(self._getaddrinfo))


# What HostnameEndpoint is told to connect to; `Resolving` knows better.
STAND_IN = b"host.invalid"


@implementer(IReactorPluggableNameResolver, IHostnameResolver)
class Resolving:
    """A reactor for one HostnameEndpoint, which resolves `host` whatever name it is asked for.

    The endpoint refuses names that IDNA does not know, such as those with an underscore, which
    exist; it lets a lookup go on when it is cancelled; of an unknown name it says too little; and
    it has no word for the one IP version that is wanted.
    """

    def __init__(
        self, reactor: Any, resolver: IHostnameResolver, host: str, ip_version: int | None = None
    ) -> None:
        self._reactor = reactor
        self._resolver = resolver
        self._host = host
        self._types = _TYPES[ip_version]
        self._lookup: IHostResolution | None = None

    @property
    def nameResolver(self) -> IHostnameResolver:
        """This object (IReactorPluggableNameResolver)."""
        return self

    def installNameResolver(self, resolver: IHostnameResolver) -> IHostnameResolver:
        """Use `resolver` from now on; returns the one before."""
        before, self._resolver = self._resolver, resolver
        return before

    def resolveHostName(
        self,
        resolutionReceiver: IResolutionReceiver,
        hostName: str,
        portNumber: int = 0,
        addressTypes: Sequence[type[IAddress]] | None = None,
        transportSemantics: str = "TCP",
    ) -> IHostResolution:
        """Begin the lookup of `host` (IHostnameResolver)."""
        types = self._types if addressTypes is None else addressTypes
        lookup = self._resolver.resolveHostName(
            resolutionReceiver, self._host, portNumber, types, transportSemantics
        )
        self._lookup = lookup
        return lookup

    def failed(self, reason: Failure) -> Failure:
        """No connection: the lookup, if it still runs, is not waited for."""
        if self._lookup is not None:
            with suppress(NotImplementedError):  # Twisted's own has no cancel
                self._lookup.cancel()
        if reason.check(DNSLookupError):
            return Failure(ResolveError(self._host))
        return reason

    def __getattr__(self, name: str) -> Any:
        return getattr(self._reactor, name)


@implementer(IStreamClientEndpoint)
class NameEndpoint:
    """Connects to one of the addresses of `host`, several tried at once (RFC 8305).

    `ip_version` 4 or 6 takes addresses of that kind only; `bind` is the local address and port.
    """

    def __init__(
        self,
        reactor: Any,
        resolver: IHostnameResolver,
        host: str,
        port: int,
        ip_version: int | None,
        bind: tuple[str, int] | None,
    ) -> None:
        self._reactor = reactor
        self._resolver = resolver
        self._host = host
        self._port = port
        self._ip_version = ip_version
        self._bind = bind

    def connect(self, protocolFactory: IProtocolFactory) -> Deferred[IProtocol]:
        """As IStreamClientEndpoint.

        **Fires with** the protocol. **Fails with** ResolveError, or what the last address failed
        with. **Cancelling** cancels the lookup and every attempt.
        """
        resolving = Resolving(self._reactor, self._resolver, self._host, self._ip_version)
        endpoint = HostnameEndpoint(resolving, STAND_IN, self._port, NO_TIMEOUT, self._bind)
        return endpoint.connect(protocolFactory).addErrback(resolving.failed)


@implementer(IResolutionReceiver)
class _FirstAddress:
    """Hears of a lookup; `found` fires with the first address."""

    def __init__(self, name: str) -> None:
        self.found: Deferred[str] = Deferred(self._cancel)
        self._name = name
        self._addresses: list[Any] = []
        self._lookup: IHostResolution | None = None

    def resolutionBegan(self, resolutionInProgress: IHostResolution) -> None:
        self._lookup = resolutionInProgress

    def addressResolved(self, address: IAddress) -> None:
        self._addresses.append(address)

    def resolutionComplete(self) -> None:
        if self.found.called:
            return  # cancelled
        if self._addresses:
            self.found.callback(self._addresses[0].host)
        else:
            self.found.errback(Failure(ResolveError(self._name)))

    def _cancel(self, found: Deferred[str]) -> None:
        if self._lookup is not None:
            with suppress(NotImplementedError):  # Twisted's own has no cancel
                self._lookup.cancel()


def look_up(
    resolver: IHostnameResolver, name: str, port: int, ip_version: int | None = None
) -> Deferred[str]:
    """Find an address of `name`.

    **Fires with** the first. **Fails with** ResolveError when there is none. **Cancelling**
    cancels the lookup.
    """
    receiver = _FirstAddress(name)
    resolver.resolveHostName(receiver, name, port, _TYPES[ip_version])
    return receiver.found
