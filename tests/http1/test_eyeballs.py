"""Connecting by name: one address after the other, and nothing of the others once one is there."""

from __future__ import annotations

from typing import Any

import pytest
from support.resolving import Resolution
from twisted.internet.address import IPv4Address, IPv6Address
from twisted.internet.defer import CancelledError
from twisted.internet.error import ConnectError
from twisted.internet.interfaces import IStreamClientEndpoint
from twisted.internet.protocol import Factory, Protocol
from twisted.internet.testing import MemoryReactorClock, StringTransport
from twisted.python.failure import Failure
from zope.interface.verify import verifyObject

from downloader.errors import ResolveError
from downloader.http1.eyeballs import ATTEMPT_DELAY, NameEndpoint


class Addresses(MemoryReactorClock):  # type: ignore[misc]
    """A reactor in memory, and a resolver that knows `addresses`; `asked` are the lookups."""

    def __init__(self, *addresses: Any) -> None:
        super().__init__()
        self.addresses = addresses
        self.asked: list[Resolution] = []

    def resolveHostName(self, receiver: Any, name: str, port: int, types: Any) -> Resolution:
        lookup = Resolution(receiver, name, port, 0)
        lookup._addresses = list(self.addresses)
        self.asked.append(lookup)
        receiver.resolutionBegan(lookup)
        return lookup

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


def start(reactor: Addresses, **options: Any) -> tuple[list[Any], Any]:
    endpoint = NameEndpoint(reactor, reactor, "host.test", 80, **options)
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
    assert outcome[0].check(ResolveError) and "host.test" in str(outcome[0].value)
    assert not reactor.getDelayedCalls()


@pytest.mark.parametrize(("version", "hosts"), [(4, ["127.0.0.2", "127.0.0.3"]), (6, ["::1"])])
def test_one_ip_version(version: int, hosts: list[str]) -> None:
    """Addresses of the other kind are not tried, whatever the resolver tells."""
    reactor = Addresses(*THREE)
    outcome, _ = start(reactor, ip_version=version)
    reactor.asked[0].answer()
    for number, _host in enumerate(hosts):
        reactor.refuse(number, "no")
    assert reactor.tried() == hosts and outcome[0].check(ConnectError)


@pytest.mark.parametrize("bind", [None, ("127.0.0.9", 0)])
def test_each_attempt_leaves_from_the_local_address(bind: Any) -> None:
    reactor = Addresses(*THREE)
    start(reactor, ip_version=4, bind=bind)
    reactor.asked[0].answer()
    reactor.refuse(0, "no")
    assert [client[4] for client in reactor.tcpClients] == [bind, bind]


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
    """The lookup is cancelled too; addresses that come all the same are not tried."""
    reactor = Addresses(*THREE)
    outcome, asked = start(reactor)
    asked.cancel()
    assert outcome[0].check(CancelledError) and reactor.asked[0].cancelled
    reactor.asked[0].answer()
    assert reactor.tried() == [] and not reactor.getDelayedCalls()
