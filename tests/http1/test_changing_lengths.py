"""A body whose length is another by the time it is sent: never more bytes than were announced."""

from __future__ import annotations

from typing import Any

import pytest
from support.asking import HELLO
from support.wired import URL, Asked, Net, Wire
from twisted.internet.defer import Deferred, succeed
from twisted.internet.error import ConnectionLost
from twisted.web.client import RequestGenerationFailed, ResponseDone
from twisted.web.iweb import UNKNOWN_LENGTH, IBodyProducer
from zope.interface import implementer

from downloader.http1.upload import EXPECT_ABOVE
from downloader.replay import IReplayable

TEN = b"0123456789"
SMUGGLED = b"GET /smuggled HTTP/1.1\r\nHost: x\r\n\r\n"
NO_EXPECTATIONS = b"HTTP/1.1 417 No\r\nContent-Length: 0\r\n\r\n"


@implementer(IReplayable, IBodyProducer)
class Changing:
    """Sends `data`, whatever that is when it is asked; `announces` is a length to tell instead."""

    def __init__(self, data: bytes = TEN) -> None:
        self.data = data
        self.announces: Any = None

    @property
    def length(self) -> Any:
        if isinstance(self.announces, Exception):
            raise self.announces
        return len(self.data) if self.announces is None else self.announces

    def startProducing(self, consumer: Any) -> Deferred[None]:
        consumer.write(self.data)
        return succeed(None)

    def pauseProducing(self) -> None:
        """It has produced all at once."""

    resumeProducing = stopProducing = pauseProducing


def put(net: Net, producer: Any) -> Asked:
    asked = Asked(net.agent.request(b"PUT", URL.encode("ascii"), None, producer))
    net.accept()
    return asked


def sent(wire: Wire) -> tuple[bytes, bytes]:
    """Of the last PUT on `wire`, its head and all that was written behind it."""
    head, blank, body = wire.sent[wire.sent.rindex(b"PUT / ") :].partition(b"\r\n\r\n")
    return head + blank, body


def is_refused(asked: Asked, wire: Wire, announced: int) -> bool:
    """Whether it failed as the producer's fault, with no more bytes sent than were announced."""
    head, body = sent(wire)
    assert b"Content-Length: %d\r\n" % announced in head and len(body) <= announced
    return asked.end is RequestGenerationFailed and wire.transport.closed == "abort"


@pytest.mark.parametrize("data", [TEN + SMUGGLED, TEN + b"x", TEN[:-1], b""])
def test_while_it_waits_for_a_connection(data: bytes) -> None:
    """The request fails, and its connection is not used again."""
    net, producer = Net(), Changing()
    before, asked = net.ask(), put(net, producer)
    producer.data = data
    net.wires[0].feed(HELLO)
    assert before.end is ResponseDone and b"smuggled" not in net.wires[0].sent
    assert is_refused(asked, net.wires[0], announced=10)
    assert net.close() == []


@pytest.mark.parametrize("data", [TEN + SMUGGLED, TEN[:-1]])
def test_while_its_connection_is_made(data: bytes) -> None:
    net, producer = Net(), Changing()
    asked = Asked(net.agent.request(b"PUT", URL.encode("ascii"), None, producer))
    producer.data = data
    net.accept()
    assert is_refused(asked, net.wires[0], announced=10)
    assert net.close() == []


@pytest.mark.parametrize("data", [TEN + SMUGGLED, TEN[:-1]])
@pytest.mark.parametrize("company", [False, True])
def test_before_it_is_sent_again(data: bytes, company: bool) -> None:
    """On the connection that replaces one that was lost, it is held to what it said at first."""
    net, producer = Net(pipeline_uploads=company), Changing()
    net.ask()
    net.wires[0].feed(HELLO)
    asked = put(net, producer)
    assert sent(net.wires[0])[1] == TEN
    producer.data = data
    net.wires[0].lose(ConnectionLost())
    net.turn()
    assert is_refused(asked, net.wires[1], announced=10)
    assert net.close() == []


def test_before_it_is_sent_without_an_expectation() -> None:
    """The server that knows of none is asked anew: then head and body are both of that moment."""
    net, producer = Net(), Changing(b"x" * (EXPECT_ABOVE + 1))
    asked = put(net, producer)
    producer.data = TEN
    net.wires[0].feed(NO_EXPECTATIONS)
    net.turn()
    head, body = sent(net.wires[-1])
    assert b"\r\nContent-Length: 10\r\n" in head and body == TEN
    net.wires[-1].feed(HELLO)
    assert asked.end is ResponseDone
    assert net.close() == []


@pytest.mark.parametrize("announces", [UNKNOWN_LENGTH, 0, -1, "10", None, OSError("closed")])
def test_what_it_announces_later_is_not_asked(announces: Any) -> None:
    """All it says then is too late; what it sends is what it had announced."""
    net, producer = Net(), Changing()
    before, asked = net.ask(), put(net, producer)
    producer.announces = announces
    net.wires[0].feed(HELLO)
    head, body = sent(net.wires[0])
    assert before.end is ResponseDone
    assert b"\r\nContent-Length: 10\r\n" in head and body == TEN
    net.wires[0].feed(HELLO)
    assert asked.end is ResponseDone and net.wires[0].open
    assert net.close() == []


def test_a_length_that_was_not_known_stays_unknown() -> None:
    """What was announced as chunks is sent in chunks, whatever is known by then."""
    net, producer = Net(), Changing()
    producer.announces = UNKNOWN_LENGTH
    before, asked = net.ask(), put(net, producer)
    producer.announces = None
    net.wires[0].feed(HELLO)
    head, body = sent(net.wires[0])
    assert before.end is ResponseDone and b"Content-Length" not in head
    assert body == b"a\r\n0123456789\r\n0\r\n\r\n"
    net.wires[0].feed(HELLO)
    assert asked.end is ResponseDone
    assert net.close() == []
