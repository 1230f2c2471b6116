"""Connecting to a host by its name: each of its addresses, until one lets us in.

Twisted's HostnameEndpoint would do, but for its timer, which is made of the program's one global
reactor before it is given ours: it would install one in a program that runs none, or another.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from twisted.internet.address import IPv4Address, IPv6Address
from twisted.internet.defer import Deferred
from twisted.internet.endpoints import TCP4ClientEndpoint, TCP6ClientEndpoint
from twisted.internet.error import DNSLookupError
from twisted.internet.interfaces import (
    IAddress,
    IDelayedCall,
    IHostResolution,
    IProtocol,
    IProtocolFactory,
    IResolutionReceiver,
    IStreamClientEndpoint,
)
from twisted.python.failure import Failure
from zope.interface import implementer

# RFC 8305 §5 recommends 250 ms between attempts; a failed one is followed at once.
ATTEMPT_DELAY = 0.25
# The caller's deadline bounds all attempts together.
_NO_TIMEOUT: Any = None


@implementer(IStreamClientEndpoint)
class NameEndpoint:
    """Happy Eyeballs (RFC 8305) in the order that the resolver of `reactor` gives.

    Its sorting and its wait for the other family's addresses are left to the system's resolver,
    which gives all at once.
    """

    def __init__(self, reactor: Any, host: str, port: int) -> None:
        self._reactor = reactor
        self._host = host
        self._port = port

    def connect(self, protocolFactory: IProtocolFactory) -> Deferred[IProtocol]:
        """Connect.

        **Fires with** the protocol of the first connection there is. **Fails with**
        DNSLookupError without any address, else as the last attempt. **Cancelling** it ends all
        attempts; the lookup is its resolver's.
        """
        return Deferred.fromCoroutine(self._connect(protocolFactory))

    async def _connect(self, factory: IProtocolFactory) -> IProtocol:
        receiver = _Receiver()
        self._reactor.nameResolver.resolveHostName(receiver, self._host, portNumber=self._port)
        addresses = await receiver.done
        return await _Race(self._reactor, self._endpoints(addresses), factory).winner

    def _endpoints(self, addresses: Iterable[IAddress]) -> Iterator[IStreamClientEndpoint]:
        for one in addresses:
            if isinstance(one, IPv6Address):
                yield TCP6ClientEndpoint(self._reactor, one.host, one.port, _NO_TIMEOUT)
            elif isinstance(one, IPv4Address):
                yield TCP4ClientEndpoint(self._reactor, one.host, one.port, _NO_TIMEOUT)


@implementer(IResolutionReceiver)
class _Receiver:
    """The addresses that a lookup tells; `done` fires with all of them."""

    def __init__(self) -> None:
        self.done: Deferred[list[IAddress]] = Deferred()
        self._addresses: list[IAddress] = []

    def resolutionBegan(self, resolutionInProgress: IHostResolution) -> None:
        """Nothing to do: whoever gave the resolver also cancels it."""

    def addressResolved(self, address: IAddress) -> None:
        self._addresses.append(address)

    def resolutionComplete(self) -> None:
        self.done.callback(self._addresses)


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
        self._failure = Failure(DNSLookupError("no address"))
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
