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
from twisted.internet.error import DNSLookupError
from twisted.internet.interfaces import (
    IAddress,
    IHostnameResolver,
    IHostResolution,
    IReactorPluggableNameResolver,
    IResolutionReceiver,
)
from twisted.python.failure import Failure
from zope.interface import implementer

from downloader.errors import ResolveError

# As many as jobs run at once by default: slow names then keep nobody else's waiting.
LOOKUPS = 32
# As socket.getaddrinfo.
GetAddrInfo = Callable[..., list[Any]]


@implementer(IHostResolution)
class Lookup:
    """One lookup under way. Cancelled, its answer is dropped; the thread cannot be stopped."""

    def __init__(self, receiver: IResolutionReceiver, name: str, port: int) -> None:
        self.name = name
        self.port = port
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
            found = getaddrinfo(self.name, self.port, type=socket.SOCK_STREAM)
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
        lookup = Lookup(resolutionReceiver, hostName, portNumber)
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


# What the endpoint is told to connect to; `Resolving` knows better.
STAND_IN = "host.invalid"


@implementer(IReactorPluggableNameResolver, IHostnameResolver)
class Resolving:
    """A reactor for one endpoint, which resolves `host` whatever name it is asked for.

    Twisted's endpoints refuse names that IDNA does not know, such as those with an underscore,
    which exist. An endpoint lets a lookup go on when it is cancelled, and says too little of an
    unknown name.
    """

    def __init__(self, reactor: Any, resolver: IHostnameResolver, host: str) -> None:
        self._reactor = reactor
        self._resolver = resolver
        self._host = host
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
        self, resolutionReceiver: IResolutionReceiver, hostName: str, *args: Any, **kwargs: Any
    ) -> IHostResolution:
        """Begin the lookup of `host` (IHostnameResolver)."""
        lookup = self._resolver.resolveHostName(resolutionReceiver, self._host, *args, **kwargs)
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
