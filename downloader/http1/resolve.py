"""Name lookups in threads of their own.

The reactor's pool has ten threads that other work shares, and a process waits for them when it
ends. A lookup cannot be interrupted, so it must not hold either up: these threads are daemons, at
most `LOOKUPS` of them, and they end when nothing is left to look up.
"""

from __future__ import annotations

import socket
import threading
from collections import deque
from collections.abc import Sequence
from typing import Any

from twisted.internet.address import IPv4Address, IPv6Address
from twisted.internet.interfaces import (
    IAddress,
    IHostnameResolver,
    IHostResolution,
    IReactorPluggableNameResolver,
    IResolutionReceiver,
)
from zope.interface import implementer

LOOKUPS = 8


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

    def ask(self) -> list[IAddress]:
        """Ask the system, in a thread; no address is an empty list."""
        if self.cancelled:
            return []
        try:
            found = socket.getaddrinfo(self.name, self.port, type=socket.SOCK_STREAM)
        except (OSError, UnicodeError):
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

    def __init__(self, reactor: Any) -> None:
        self._reactor = reactor
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
        threading.Thread(target=self._work, name="lookup", daemon=True).start()
        return lookup

    def _work(self) -> None:
        while True:
            with self._lock:
                if not self._waiting:
                    self._running -= 1
                    return
                lookup = self._waiting.popleft()
            self._reactor.callFromThread(lookup.tell, lookup.ask())


@implementer(IReactorPluggableNameResolver)
class ResolvingReactor:
    """A reactor with another name resolver, for HostnameEndpoint."""

    def __init__(self, reactor: Any, resolver: IHostnameResolver) -> None:
        self._reactor = reactor
        self.nameResolver = resolver

    def installNameResolver(self, resolver: IHostnameResolver) -> IHostnameResolver:
        """Use `resolver` from now on; returns the one before."""
        before, self.nameResolver = self.nameResolver, resolver
        return before

    def __getattr__(self, name: str) -> Any:
        return getattr(self._reactor, name)
