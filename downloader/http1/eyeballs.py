"""Connecting to a host by its name: each of its addresses, until one lets us in.

Twisted's HostnameEndpoint would do, but for its timer, which is made of the program's one global
reactor before it is given ours: it would install one in a program that runs none, or another. It
also refuses names that IDNA does not know, such as those with an underscore, which exist.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from twisted.internet.address import IPv6Address
from twisted.internet.defer import Deferred
from twisted.internet.endpoints import TCP4ClientEndpoint, TCP6ClientEndpoint
from twisted.internet.interfaces import (
    IDelayedCall,
    IHostnameResolver,
    IProtocol,
    IProtocolFactory,
    IStreamClientEndpoint,
)
from twisted.python.failure import Failure
from zope.interface import implementer

from downloader.errors import PrivateAddress
from downloader.http1.resolve import look_up
from downloader.sansio.addresses import is_private

# RFC 8305 §5 recommends 250 ms between attempts; a failed one is followed at once.
ATTEMPT_DELAY = 0.25
# The pool's deadline bounds name, TCP and TLS together; two would race for the error's class.
_NO_TIMEOUT: Any = None
Bind = tuple[str, int]


def to_address(
    reactor: Any, version: int, host: str, port: int, bind: Bind | None
) -> IStreamClientEndpoint:
    """The endpoint of an address of this IP version; `bind` is the local address and port."""
    endpoint = TCP6ClientEndpoint if version == 6 else TCP4ClientEndpoint
    return endpoint(reactor, host, port, _NO_TIMEOUT, bind)


@implementer(IStreamClientEndpoint)
class NameEndpoint:
    """Happy Eyeballs (RFC 8305) in the order that `resolver` gives.

    Its sorting and its wait for the other family's addresses are left to the system's resolver,
    which gives all at once. `ip_version` 4 or 6 takes addresses of that kind only; `bind` is the
    local address and port. Without `private`, addresses that are so are passed over.
    """

    def __init__(
        self,
        reactor: Any,
        resolver: IHostnameResolver,
        host: str,
        port: int,
        ip_version: int | None = None,
        bind: Bind | None = None,
        private: bool = True,
    ) -> None:
        self._reactor = reactor
        self._resolver = resolver
        self._host = host
        self._port = port
        self._ip_version = ip_version
        self._bind = bind
        self._private = private

    def connect(self, protocolFactory: IProtocolFactory) -> Deferred[IProtocol]:
        """Connect.

        **Fires with** the protocol of the first connection there is. **Fails with** ResolveError
        without any address, PrivateAddress without any other, else as the last attempt.
        **Cancelling** it cancels the lookup, and every attempt.
        """
        return Deferred.fromCoroutine(self._connect(protocolFactory))

    async def _connect(self, factory: IProtocolFactory) -> IProtocol:
        addresses = await look_up(self._resolver, self._host, self._port, self._ip_version)
        if not self._private:
            addresses = public(addresses)
        return await _Race(self._reactor, map(self._to, addresses), factory).winner

    def _to(self, address: Any) -> IStreamClientEndpoint:
        version = 6 if isinstance(address, IPv6Address) else 4
        return to_address(self._reactor, version, address.host, address.port, self._bind)


def public(addresses: list[Any]) -> list[Any]:
    """Those of `addresses` that are on the public Internet. Raises PrivateAddress without any.

    It is these very addresses that are connected to: no name is looked up twice, so that none can
    lead elsewhere meanwhile (DNS rebinding).
    """
    found = [address for address in addresses if not is_private(address.host)]
    if not found:
        raise PrivateAddress(addresses[0].host)
    return found


class _Race:
    """Attempts to connect, of which `winner` is the first that succeeds."""

    def __init__(
        self, reactor: Any, endpoints: Iterator[IStreamClientEndpoint], factory: IProtocolFactory
    ) -> None:
        self.winner: Deferred[IProtocol] = Deferred(lambda _: self._end())
        self._reactor = reactor
        self._endpoints = endpoints
        self._factory = factory
        self._pending: list[Deferred[Any]] = []
        self._failure: Failure | None = None
        self._timer: IDelayedCall | None = None
        self._over = False
        self._next()

    def _next(self) -> None:
        """Begin an attempt; without any that is left or under way, the race is lost."""
        self._stop_timer()
        endpoint = next(self._endpoints, None)
        if endpoint is not None:
            # Set first, since the attempt may fail, and the next begin, within the call.
            self._timer = self._reactor.callLater(ATTEMPT_DELAY, self._late)
            attempt: Deferred[Any] = endpoint.connect(self._factory)
            self._pending.append(attempt)
            attempt.addCallbacks(self._won, self._lost, (attempt,), {}, (attempt,))
        elif not self._pending:
            self._over = True
            self.winner.errback(self._failure)

    def _late(self) -> None:
        self._timer = None
        self._next()

    def _won(self, protocol: IProtocol, attempt: Deferred[Any]) -> None:
        self._pending.remove(attempt)
        self._end()
        self.winner.callback(protocol)

    def _lost(self, reason: Failure, attempt: Deferred[Any]) -> None:
        self._pending.remove(attempt)
        if not self._over:
            self._failure = reason
            self._next()

    def _end(self) -> None:
        self._over = True
        self._stop_timer()
        for attempt in list(self._pending):
            attempt.cancel()

    def _stop_timer(self) -> None:
        timer, self._timer = self._timer, None
        if timer is not None:
            timer.cancel()
