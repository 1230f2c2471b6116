"""Connections that cannot be made, or that nobody needs any more, and the requests that wait."""

from __future__ import annotations

import socket
from typing import Any

import pytest
from support.asking import HELLO, get, hello
from support.resolving import SilentResolver
from support.wired import Asked, Net
from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.error import ConnectionRefusedError as Refused
from twisted.python.failure import Failure
from twisted.web.client import ResponseDone

from downloader.errors import ConnectTimeout

TIMEOUT = 30.0


@pytest.mark.parametrize("connections", [1, 2, 6])
async def test_each_request_hears_its_own_refusal(make_agent: Any, connections: int) -> None:
    """However many connections are tried at a time, each is the try of one request."""
    agent = make_agent(connections_per_host=connections)
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        url = b"http://127.0.0.1:%d/" % unused.getsockname()[1]
        asked = [agent.request(b"GET", url) for _ in range(3)]
        reasons = []
        for one in asked:
            with pytest.raises(Refused) as caught:
                await one
            reasons.append(caught.value)
    assert len({id(reason) for reason in reasons}) == 3


@pytest.mark.parametrize("cancelled", [0, 1])
async def test_a_connection_that_is_given_up_fails_nobody(
    scripted: Any, make_agent: Any, cancelled: int
) -> None:
    """Of two that were begun, it is that of the request which is cancelled; it says nothing to who
    still waits."""
    server, resolver = scripted(hello), SilentResolver()
    agent = make_agent(connections_per_host=2, resolver=resolver)
    url = server.url(host="h.test")
    asked = [Deferred.fromCoroutine(get(agent, url)) for _ in range(2)]
    asked[cancelled].cancel()
    with pytest.raises(CancelledError):
        await asked[cancelled]
    given_up = [number for number, one in enumerate(resolver.lookups) if one.cancelled]
    assert (len(resolver.lookups), given_up) == (2, [cancelled])
    resolver.lookups[1 - cancelled].answer()
    assert (await asked[1 - cancelled])[1] == b"hello"
    assert len(server.connections) == 1


# --- a server that lets only one connection in ----------------------------------------------


class OneWay(Net):
    """Of the connections that are tried, only the first succeeds, until `let_in`."""

    allowed = 1

    def __init__(self, connections_per_host: int = 2) -> None:
        super().__init__(connections_per_host, connect_timeout=TIMEOUT)

    def accept(self) -> None:
        if len(self.wires) < self.allowed:
            super().accept()

    def answer(self) -> None:
        """The one connection's request is answered."""
        self.wires[0].feed(HELLO)

    def refuse(self) -> None:
        """The last try fails."""
        connect = self.reactor.tcpClients[-1]
        connect[2].clientConnectionFailed(None, Failure(Refused()))
        self.turn()


def served_meanwhile() -> tuple[OneWay, Asked]:
    """A net on which the request is served that the second connection is tried for."""
    net = OneWay()
    first, second = net.ask(b"POST"), net.ask(b"POST")
    assert len(net.reactor.tcpClients) == 2
    net.advance(TIMEOUT - 0.4)
    net.answer()
    assert (first.end, second.end) == (ResponseDone, None)
    return net, second


@pytest.mark.parametrize("end", ["timeout", "refusal"])
def test_a_try_fails_nobody_but_who_it_was_for(end: str) -> None:
    """Whom it was for is served; the request that came 0.4 s ago has its own time to connect."""
    net, second = served_meanwhile()
    third = net.ask(b"POST")
    if end == "timeout":
        net.advance(0.5)
    else:
        net.refuse()
    assert (second.end, third.end, len(net.reactor.tcpClients)) == (None, None, 3)
    net.answer()
    net.answer()
    assert (second.end, third.end) == (ResponseDone, ResponseDone)
    assert net.close() == []


@pytest.mark.parametrize("end", ["timeout", "refusal"])
def test_who_comes_later_hears_of_their_own_try(end: str) -> None:
    """If no connection comes free they do not wait for ever."""
    net, second = served_meanwhile()
    third = net.ask(b"POST")
    net.advance(0.5)
    assert third.end is None
    if end == "timeout":
        net.advance(TIMEOUT - 0.2)
        assert third.end is None
        net.advance(0.3)
        assert third.end is ConnectTimeout
    else:
        net.refuse()
        assert third.end is Refused
    assert second.end is None and len(net.reactor.tcpClients) == 3
    assert net.close() == []


def test_a_try_that_was_for_another_serves_whoever_waits() -> None:
    """It is not wasted."""
    net, second = served_meanwhile()
    third = net.ask(b"POST")
    net.allowed = 2
    net.accept()
    net.wires[1].feed(HELLO)
    assert (second.end, third.end) == (None, ResponseDone)
    assert net.close() == []


def test_the_try_of_who_is_served_is_the_first_to_be_given_up() -> None:
    """When one of those that wait cancels, and not that of another who still waits."""
    net = OneWay(3)
    first, second, third = (net.ask(b"POST") for _ in range(3))
    net.answer()  # the second is served on that connection, and the third still waits
    late = net.ask(b"POST")
    late.cancel()
    assert [one.stoppedConnecting for one in net.reactor.connectors] == [False, True, False]
    net.allowed = 2
    net.accept()
    net.wires[1].feed(HELLO)
    assert [one.end for one in (first, second, third)] == [ResponseDone, None, ResponseDone]
    assert net.close() == []
