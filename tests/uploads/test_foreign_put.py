"""Uploads over an agent of somebody else, which may have no deadlines and know of no second try."""

from __future__ import annotations

from collections.abc import Generator
from io import BytesIO
from typing import Any

import pytest
from support.asking import HELLO
from support.spied import Time, downloaders
from twisted.internet.defer import CancelledError, Deferred
from twisted.python.failure import Failure
from twisted.web.client import Agent as TwistedAgent
from twisted.web.client import FileBodyProducer, RequestGenerationFailed, ResponseFailed

from downloader import PutJob, Result, Retries, Timeouts
from downloader.errors import FileChanged, FirstByteTimeout, HttpError, InternalError
from downloader.testing import AgentSpy, Connection
from downloader.transfer.door import translate

URL = "http://h.example/x"
TIMEOUTS = Timeouts(connect=3.0, first_byte=4.0, stall=100.0)


class Slow(BytesIO):
    """A consumer that pauses its producer after each piece."""

    producer: Any

    def write(self, data: Any) -> int:
        self.producer.pauseProducing()
        return super().write(data)


@pytest.fixture
def spy() -> AgentSpy:
    return AgentSpy()


@pytest.fixture
def clock() -> Time:
    return Time()


@pytest.fixture
def sending(spy: AgentSpy, clock: Time, file: Any) -> Generator[Any, None, None]:
    """Begin to send a file of so many bytes: its Deferred, its request, and a consumer."""

    def send(size: int) -> tuple[Deferred[Result], Any, Slow]:
        downloader = make(timeouts=TIMEOUTS, retries=Retries(tries=1))
        done = downloader.upload(PutJob(file(size), URL))
        consumer = Slow()
        consumer.producer = spy.requests[-1].body_producer
        return done, spy.requests[-1], consumer

    with downloaders(clock, spy) as make:
        yield send


def error_of(done: Deferred[Any]) -> Any:
    found: list[Any] = []
    done.addErrback(found.append)
    return found[0].type if found else None


def test_an_agent_that_does_not_begin(sending: Any, clock: Time) -> None:
    """Its time is that of a request without a body."""
    done, request, _ = sending(10)
    clock.advance(6.9)
    assert not done.called
    clock.advance(0.2)
    assert request.cancelled and error_of(done) is FirstByteTimeout


def test_a_body_takes_its_time(sending: Any, clock: Time) -> None:
    """And only then the answer has to come."""
    done, request, consumer = sending(400_000)
    request.body_producer.startProducing(consumer)
    for _ in range(4):
        clock.advance(6)
        request.body_producer.resumeProducing()
    clock.advance(6.9)
    assert not done.called and len(consumer.getvalue()) == 400_000
    clock.advance(0.2)
    assert request.cancelled and error_of(done) is FirstByteTimeout


def test_an_answer(sending: Any) -> None:
    """What is sent before it is complete with it."""
    done, request, consumer = sending(10)
    request.body_producer.startProducing(consumer)
    request.body_producer.resumeProducing()
    request.answer(201, length=0).finish()
    found: list[Result] = []
    done.addCallback(found.append)
    assert (found[0].bytes, found[0].http_status) == (10, 201)


def test_a_refusal(sending: Any) -> None:
    done, request, _ = sending(10)
    request.answer(413, length=0).finish()
    assert error_of(done) is HttpError


def test_a_cancel(sending: Any) -> None:
    done, request, consumer = sending(400_000)
    request.body_producer.startProducing(consumer)
    done.cancel()
    assert request.cancelled and error_of(done) is CancelledError


@pytest.mark.parametrize("wrapped", [False, True])
@pytest.mark.parametrize(
    ("cause", "ours"), [(FileChanged(), FileChanged), (ValueError(), InternalError)]
)
def test_what_a_body_failed_with(cause: Exception, ours: Any, wrapped: bool) -> None:
    """Is what the request failed with, also when its answer had begun."""
    error: Exception = RequestGenerationFailed([Failure(cause)])
    if wrapped:
        error = ResponseFailed([Failure(error)], object())  # type: ignore[arg-type]
    assert type(translate(error)) is ours


async def test_twisteds_own_agent(scripted: Any, sender: Any, file: Any, reactor: Any) -> None:
    """Over sockets: it is sent whole, with its length."""
    took: list[bytes] = []

    async def script(connection: Connection) -> None:
        await connection.head()
        took.append(await connection.take(3_000_000))
        connection.send(HELLO)

    server = scripted(script)
    result = await sender(agent=TwistedAgent(reactor)).upload(PutJob(file(3_000_000), server.url()))
    assert result.bytes == 3_000_000 and len(took) == 1
    assert b"Content-Length: 3000000\r\n" in server.connections[0].heads[0]
    server.connections[0].reset()


def test_a_producer_of_twisteds_is_sent_once() -> None:
    """It is not one of ours, so nobody takes it for one that can be begun again."""
    from downloader.replay import replayable

    assert not replayable(FileBodyProducer(BytesIO(b"x"))) and replayable(None)
