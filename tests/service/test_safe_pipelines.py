"""Requests behind one another on a connection: who does not read is not answered on and on."""

from __future__ import annotations

from typing import Any

from support.rawhttp import connect, replies, request
from twisted.internet.task import Clock
from twisted.internet.testing import StringTransport

from downloader.service.answers import Answer
from downloader.service.door import Door
from downloader.service.routes import Asked, Route, Routes
from downloader.service.site import DoorSite

BODY = b"x" * 64 * 1024
COUNT = 200


class Taking:
    """A route that anybody may ask, whose answers are long: which were asked."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.routes = Routes([Route("/long", {"GET": self._take}, is_open=True)])

    async def _take(self, asked: Asked) -> Answer:
        self.asked.append(asked.query["n"])
        return Answer(200, self.asked[-1].encode() + BODY)


class Full(StringTransport):
    """Its buffer is full with each answer."""

    def write(self, data: bytes) -> None:
        super().write(data)
        producer: Any = self.producer
        if len(data) > len(BODY):
            producer.pauseProducing()


def sent(n: object, **headers: str | None) -> bytes:
    return request("GET", f"/long?n={n}", None, **headers)


async def test_who_does_not_read_is_answered_no_more(served: Any) -> None:
    """All come in one packet, without the token. What is asked waits, and not the answers; each is
    answered, in its turn, when it is read again."""
    s, taking = await served(), Taking()
    s.service.door.routes = taking.routes
    raw = await connect(s.reactor, s.port)
    raw.transport.pauseProducing()
    numbers = [str(n) for n in range(COUNT)]
    asked = [sent(n, Connection=None) for n in numbers[:-1]]
    raw.transport.write(b"".join([*asked, sent(numbers[-1])]))
    await s.until(lambda: taking.asked)
    assert len(taking.asked) < COUNT / 2
    raw.transport.resumeProducing()
    await raw.ended
    assert taking.asked == numbers
    assert [reply.body for reply in replies(raw.came)] == [n.encode() + BODY for n in numbers]


def test_what_comes_meanwhile_waits_behind() -> None:
    """In its order; no more of it is read."""
    taking, clock, transport = Taking(), Clock(), Full()
    door = Door(clock)
    door.routes = taking.routes
    channel: Any = DoorSite(clock, door).buildProtocol(None)
    channel.makeConnection(transport)
    channel.dataReceived(sent(0, Connection=None) + sent(1, Connection=None)[:9])
    assert taking.asked == ["0"] and transport.producerState == "paused"
    channel.dataReceived(sent(1, Connection=None)[9:] + sent(2, Connection=None))
    assert taking.asked == ["0"]
    for n in (1, 2):
        channel.resumeProducing()
        assert taking.asked == [str(one) for one in range(n + 1)]
        assert transport.producerState == "paused"
    channel.resumeProducing()
    assert transport.producerState == "producing"
    channel.connectionLost()
    assert clock.getDelayedCalls() == []
