"""Connecting by name: one address after the other, and nothing of the others once one is there."""

from __future__ import annotations

from typing import Any

import pytest
from support.resolving import Resolution
from twisted.internet.address import IPv4Address, IPv6Address
from twisted.internet.defer import CancelledError
from twisted.internet.error import ConnectError, DNSLookupError
from twisted.internet.interfaces import IStreamClientEndpoint
from twisted.internet.protocol import Factory, Protocol
from twisted.internet.testing import MemoryReactorClock, StringTransport
from twisted.python.failure import Failure
from zope.interface.verify import verifyObject

from downloader.http1.eyeballs import ATTEMPT_DELAY, NameEndpoint


class Addresses(MemoryReactorClock):  # type: ignore[misc]
    """A reactor in memory whose resolver knows `addresses`; `asked` are the lookups."""

    def __init__(self, *addresses: Any) -> None:
        super().__init__()
        self.addresses = addresses
        self.asked: list[Resolution] = []
        self.nameResolver: Any = self

    def resolveHostName(self, receiver: Any, name: str, portNumber: int) -> Resolution:
        self.asked.append(Resolution(receiver, name, portNumber, 0))
        self.asked[0]._addresses = list(self.addresses)
        return self.asked[-1]

    def tried(self) -> list[str]:
        return [client[0] for client in self.tcpClients]

    def succeed(self, number: int) -> Any:
        protocol = self.tcpClients[number][2].buildProtocol(None)
        protocol.makeConnection(StringTransport())
        return protocol

    def refuse(self, number: int, text: str) -> None:
        error = Failure(ConnectError(string=text))
        self.tcpClients[number][2].clientConnectionFailed(self.connectors[number], error)


THREE = (
    IPv6Address("TCP", "::1", 80),
    IPv4Address("TCP", "127.0.0.2", 80),
    IPv4Address("TCP", "127.0.0.3", 80),
)


def start(reactor: Addresses) -> tuple[list[Any], Any]:
    endpoint = NameEndpoint(reactor, "host.test", 80)
    assert verifyObject(IStreamClientEndpoint, endpoint)
    outcome: list[Any] = []
    asked = endpoint.connect(Factory.forProtocol(Protocol))
    asked.addBoth(outcome.append)
    assert [one.name for one in reactor.asked] == ["host.test"]
    return outcome, asked


def test_the_first_answer_wins() -> None:
    """A silent address is not waited for, and is given up once another is there."""
    reactor = Addresses(*THREE)
    outcome, _ = start(reactor)
    reactor.asked[0].answer()
    assert reactor.tried() == ["::1"]
    reactor.advance(ATTEMPT_DELAY)
    assert reactor.tried() == ["::1", "127.0.0.2"] and not outcome
    protocol = reactor.succeed(1)
    (wrapped,) = outcome
    assert protocol._wrappedProtocol is wrapped
    assert [one.stoppedConnecting for one in reactor.connectors] == [True, False]
    assert not reactor.getDelayedCalls()


def test_a_refusal_is_followed_at_once() -> None:
    """And the last one is what the caller hears."""
    reactor = Addresses(*THREE)
    outcome, _ = start(reactor)
    reactor.asked[0].answer()
    for number, text in enumerate(("one", "two", "three")):
        assert len(reactor.tried()) == number + 1 and not outcome
        reactor.refuse(number, text)
    assert outcome[0].check(ConnectError) and "three" in str(outcome[0].value)
    assert not reactor.getDelayedCalls()


def test_no_address() -> None:
    """Such a name cannot be reached."""
    reactor = Addresses()
    outcome, _ = start(reactor)
    reactor.asked[0].answer()
    assert outcome[0].check(DNSLookupError)
    assert not reactor.getDelayedCalls()


@pytest.mark.parametrize("advances", [0, 1, 2, 3])
def test_cancel_while_connecting(advances: int) -> None:
    """Every attempt ends."""
    reactor = Addresses(*THREE)
    outcome, asked = start(reactor)
    reactor.asked[0].answer()
    for _ in range(advances):
        reactor.advance(ATTEMPT_DELAY)
    asked.cancel()
    assert outcome[0].check(CancelledError)
    assert len(reactor.tried()) == min(advances + 1, 3)
    assert all(one.stoppedConnecting for one in reactor.connectors)
    assert not reactor.getDelayedCalls()


def test_cancel_while_looking_up() -> None:
    """Addresses that come all the same are not tried."""
    reactor = Addresses(*THREE)
    outcome, asked = start(reactor)
    asked.cancel()
    assert outcome[0].check(CancelledError)
    reactor.asked[0].answer()
    assert reactor.tried() == [] and not reactor.getDelayedCalls()
