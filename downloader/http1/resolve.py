"""Name lookups, each in a thread of its own while it lasts, at most `LOOKUPS` at a time."""

from __future__ import annotations

import errno
import os
import socket
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial
from typing import Any

from twisted.internet.address import IPv4Address, IPv6Address
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import (
    IAddress,
    IHostnameResolver,
    IHostResolution,
    IResolutionReceiver,
)
from twisted.python.failure import Failure
from zope.interface import implementer

from downloader.errors import ResolveError, TooManyOpenFiles
from downloader.threads import Threads

# As many as jobs run at once by default: slow names then keep nobody else's waiting.
LOOKUPS = 32
# Descriptors that a lookup may need at a time: files of the system, and a socket.
_NEEDED = 4
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
        self.starved = False  # it could open nothing to ask with
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
            self.starved = _no_descriptors()
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
        self._threads = Threads("lookup", LOOKUPS)

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
        self._threads.run(partial(self._look_up, lookup))
        return lookup

    def _look_up(self, lookup: Lookup) -> None:
        self._reactor.callFromThread(lookup.tell, lookup.ask(self._getaddrinfo))


@implementer(IResolutionReceiver)
class _Addresses:
    """Hears of a lookup; `found` fires with the addresses of `types`."""

    def __init__(self, name: str, types: tuple[type[IAddress], ...]) -> None:
        self.found: Deferred[list[Any]] = Deferred(self._cancel)
        self._name = name
        self._types = types
        self._addresses: list[Any] = []
        self._lookup: IHostResolution | None = None

    def resolutionBegan(self, resolutionInProgress: IHostResolution) -> None:
        self._lookup = resolutionInProgress

    def addressResolved(self, address: IAddress) -> None:
        if isinstance(address, self._types):
            self._addresses.append(address)

    def resolutionComplete(self) -> None:
        if self.found.called:
            return  # cancelled
        if self._addresses:
            self.found.callback(self._addresses)
        else:
            starved = getattr(self._lookup, "starved", False)
            error = TooManyOpenFiles if starved else ResolveError
            self.found.errback(Failure(error(self._name)))

    def _cancel(self, found: Deferred[list[Any]]) -> None:
        if self._lookup is not None:
            with suppress(NotImplementedError):  # Twisted's own has no cancel
                self._lookup.cancel()


def _no_descriptors() -> bool:
    """Whether this process can open next to nothing: the resolver needs some descriptors, and only
    says that there is no such name."""
    opened: list[int] = []
    try:
        while len(opened) < _NEEDED:
            opened.append(os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC))
    except OSError as error:
        return error.errno in (errno.EMFILE, errno.ENFILE)
    finally:
        for fd in opened:
            os.close(fd)
    return False


def look_up(
    resolver: IHostnameResolver, name: str, port: int, ip_version: int | None = None
) -> Deferred[list[Any]]:
    """Find the addresses of `name`; with `ip_version` 4 or 6, those of that kind.

    **Fires with** them, IPv4Addresses and IPv6Addresses, at least one. **Fails with** ResolveError
    when there is none. **Cancelling** cancels the lookup.
    """
    types = _TYPES[ip_version]
    receiver = _Addresses(name, types)
    resolver.resolveHostName(receiver, name, port, types)
    return receiver.found
