"""Bodies on their way out: framed, held to their announced length, paused, and stopped in time."""

from __future__ import annotations

from io import BytesIO
from typing import Any

import pytest
from support.asking import HELLO, OK, get, hello, until
from support.bodies import AtOnce, Producer
from support.memory import FIRST_BYTE_TIMEOUT, Link
from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.interfaces import IConsumer
from twisted.web.client import FileBodyProducer, RequestGenerationFailed, ResponseDone, readBody
from twisted.web.iweb import UNKNOWN_LENGTH
from zope.interface.verify import verifyObject

from downloader.errors import FirstByteTimeout, WrongRequest
from downloader.http1.upload import Upload
from downloader.testing import End

LENGTH = OK + b"Content-Length: 5\r\n\r\nhello"


def sent(link: Link) -> bytes:
    """What was written behind the request line and Host."""
    return link.transport.value().split(b"\r\n", 2)[2]


def uploading(length: Any) -> tuple[Link, Producer]:
    """A POST under way."""
    link, producer = Link(), Producer(length)
    link.ask(b"POST", producer)
    return link, producer


def test_a_known_length() -> None:
    """Content-Length, the bytes, and the connection is free after the answer."""
    link, producer = uploading(6)
    assert verifyObject(IConsumer, producer.consumer)
    link.transport.producer.pauseProducing()
    link.transport.producer.resumeProducing()
    producer.consumer.write(b"abc")
    producer.consumer.write(b"def")
    producer.done.callback(None)
    assert link.transport.producer is None
    assert sent(link) == b"Content-Length: 6\r\n\r\nabcdef"
    link.feed(LENGTH)
    assert (link.body.end, link.freed_times) == (ResponseDone, 1)
    assert producer.calls == ["start", "pause", "resume"]


def test_an_unknown_length() -> None:
    """Chunks; an empty piece is none, since that would be the end."""
    link, producer = uploading(UNKNOWN_LENGTH)
    for piece in (b"abc", b"", b"x" * 20):
        producer.consumer.write(piece)
    producer.done.callback(None)
    body = b"3\r\nabc\r\n14\r\n" + b"x" * 20 + b"\r\n0\r\n\r\n"
    assert sent(link) == b"Transfer-Encoding: chunked\r\n\r\n" + body


@pytest.mark.parametrize("method", [b"POST", b"PUT", b"PATCH", b"GET", b"DELETE"])
def test_no_body(method: bytes) -> None:
    """Where a method means one, its absence is said (RFC 9110 §8.6)."""
    link = Link()
    link.ask(method)
    means_body = method in (b"POST", b"PUT", b"PATCH")
    assert sent(link) == (b"Content-Length: 0\r\n\r\n" if means_body else b"\r\n")


@pytest.mark.parametrize("length", [-1, None, "5", 1.5])
async def test_an_impossible_length(agent: Any, length: Any) -> None:
    """It is told before anything is sent."""
    with pytest.raises(WrongRequest, match="length"):
        await agent.request(b"POST", b"http://127.0.0.1:1/", None, Producer(length))


@pytest.mark.parametrize("finish", [True, False], ids=["in the end", "never"])
def test_a_producer_that_writes_too_much(finish: bool) -> None:
    """The rest would be another request to the server: it is not sent, and the request fails."""
    link, producer = uploading(4)
    producer.consumer.write(b"abc")
    producer.consumer.write(b"def")
    assert sent(link) == b"Content-Length: 4\r\n\r\nabc"
    assert link.failure is not None and link.failure.type is RequestGenerationFailed
    assert link.transport.closed == "abort" and producer.calls == ["start", "stop"]
    if finish:
        link, producer = uploading(4)
        producer.consumer.write(b"abc")
        producer.done.callback(None)
        assert link.failure is not None and link.failure.type is RequestGenerationFailed


def test_a_producer_that_writes_too_little() -> None:
    """The server would wait for the rest, or take the next request for it."""
    link, producer = uploading(4)
    producer.consumer.write(b"abc")
    producer.done.callback(None)
    assert link.failure is not None and link.failure.type is RequestGenerationFailed
    assert link.transport.closed == "abort"


@pytest.mark.parametrize("when", ["at once", "later"])
def test_a_producer_that_fails(when: str) -> None:
    """Its error is the cause, and the connection is gone."""

    class Failing(Producer):
        def startProducing(self, consumer: Any) -> Deferred[None]:
            if when == "at once":
                raise ZeroDivisionError
            return super().startProducing(consumer)

    link, producer = Link(), Failing(4)
    link.ask(b"POST", producer)
    if when == "later":
        producer.done.errback(ZeroDivisionError())
    assert link.failure is not None and link.failure.type is RequestGenerationFailed
    assert link.failure.value.reasons[0].type is ZeroDivisionError
    assert link.transport.closed == "abort" and link.transport.producer is None
    assert link.lose().again == []


def test_an_early_answer() -> None:
    """The producer is stopped, the answer delivered, the connection not used again."""
    link, producer = uploading(1000)
    producer.consumer.write(b"abc")
    link.feed(b"HTTP/1.1 413 Too Large\r\nContent-Length: 5\r\n\r\nhello")
    assert link.response is not None and link.response.code == 413
    assert (link.body.data, link.body.end) == (b"hello", ResponseDone)
    assert producer.calls == ["start", "stop"] and link.transport.producer is None
    assert link.transport.closed == "abort" and link.freed_times == 0
    producer.consumer.write(b"late")
    assert sent(link).endswith(b"abc")


def test_a_cancel() -> None:
    """The producer is stopped and its Deferred cancelled; the connection is aborted."""
    link, producer = Link(), Producer(1000)
    seen: list[Any] = []
    producer.done.addErrback(lambda failure: seen.append(failure.type))
    exchange = link.ask(b"POST", producer)
    exchange.answer.cancel()
    assert link.failure is not None and link.failure.type is CancelledError
    assert link.transport.closed == "abort" and producer.calls == ["start", "stop"]
    assert seen == [CancelledError]


def test_a_producer_that_raises_when_stopped(logged_failures: Any) -> None:
    """It is logged, and the pool still hears that the connection is gone."""

    class Raising(Producer):
        def stopProducing(self) -> None:
            raise ZeroDivisionError

    link = Link()
    link.ask(b"POST", Raising(1000))
    link.lose()
    assert link.again == [] and link.failure is not None
    assert len(logged_failures.flush(ZeroDivisionError)) == 1


def test_the_first_byte_is_awaited_from_the_last_piece() -> None:
    """A body may take longer to send than an answer may take to come."""
    link, producer = uploading(1000)
    for _ in range(5):
        link.clock.advance(FIRST_BYTE_TIMEOUT - 1)
        producer.consumer.write(b"abc")
    assert link.failure is None
    link.clock.advance(FIRST_BYTE_TIMEOUT + 0.1)
    assert link.failure is not None and link.failure.type is FirstByteTimeout
    assert link.clock.getDelayedCalls() == []


def test_a_continue_that_nobody_awaited_does_not_hurry_the_upload() -> None:
    """Some servers say at once that they want the body; it takes as long to send as before."""
    link, producer = uploading(1000)
    link.feed(b"HTTP/1.1 100 Continue\r\n\r\n")
    for _ in range(5):
        link.clock.advance(FIRST_BYTE_TIMEOUT - 1)
        producer.consumer.write(b"abc")
    assert link.failure is None
    link.clock.advance(FIRST_BYTE_TIMEOUT + 0.1)
    assert link.failure is not None and link.failure.type is FirstByteTimeout


def test_a_producer_that_cancels_when_stopped() -> None:
    """Its request fails once, with the cancel, which came first."""

    class Cancelling(Producer):
        def stopProducing(self) -> None:
            exchange.answer.cancel()

    link = Link()
    exchange = link.ask(b"POST", Cancelling(1000))
    link.clock.advance(FIRST_BYTE_TIMEOUT + 0.1)
    assert link.failure is not None and link.failure.type is CancelledError
    assert link.transport.closed == "abort"
    assert link.lose().again == []


def test_another_producer_may_take_over() -> None:
    """A file sender that registers itself with its consumer feels the back-pressure then."""
    link, producer = uploading(1000)
    other = Producer(1000)
    producer.consumer.registerProducer(other, False)
    assert link.transport.producer is other
    producer.consumer.unregisterProducer()
    link.transport.producer.pauseProducing()
    assert producer.calls[-1] == "pause" and other.calls == []


@pytest.mark.parametrize("call", ["unregister", "register"])
def test_what_is_registered_after_the_end(call: str) -> None:
    """A body that is out has no say any more: it is the next one that feels the back-pressure."""
    link, first = uploading(3)
    first.consumer.write(b"abc")
    first.done.callback(None)
    link.feed(LENGTH)
    second, other = Producer(1000), Producer(3)
    link.ask(b"POST", second)
    if call == "register":
        first.consumer.registerProducer(other, True)
    else:
        first.consumer.unregisterProducer()
    link.transport.producer.pauseProducing()
    link.transport.producer.resumeProducing()
    assert second.calls == ["start", "pause", "resume"] and other.calls == []


def test_what_is_registered_once_nobody_is_left() -> None:
    """The idle transport keeps no producer, or it would refuse the next one."""
    link, producer = uploading(3)
    producer.consumer.write(b"abc")
    producer.done.callback(None)
    link.feed(LENGTH)
    producer.consumer.registerProducer(Producer(3), True)
    assert link.transport.producer is None
    producer.consumer.unregisterProducer()
    link.ask(b"POST", Producer(3))
    assert link.failure is None


def test_repr_shows_the_state() -> None:
    """What a log line needs."""
    _, producer = uploading(4)
    upload = producer.consumer
    assert isinstance(upload, Upload)
    upload.write(b"abc")
    assert repr(upload) == "<Upload 3 of 4>"
    upload.write(b"d")
    producer.done.callback(None)
    assert repr(upload) == "<Upload 4 of 4 finished>"


# --- over real sockets ----------------------------------------------------------------------


async def test_a_file_is_posted_and_the_connection_kept(scripted: Any, agent: Any) -> None:
    """Twisted's own producer, twice over one connection."""
    bodies: list[bytes] = []

    async def script(connection: Any) -> None:
        while True:
            await connection.head()
            bodies.append(await connection.take(200_000))
            connection.send(HELLO)

    server = scripted(script)
    for byte in (b"a", b"b"):
        producer = FileBodyProducer(BytesIO(byte * 200_000))
        response = await agent.request(b"PUT", server.url().encode(), None, producer)
        assert await readBody(response) == b"hello"
    assert bodies == [b"a" * 200_000, b"b" * 200_000] and len(server.connections) == 1


async def test_a_server_that_does_not_read_pauses_the_producer(
    scripted: Any, agent: Any, reactor: Any
) -> None:
    """The body does not pile up in memory; a cancel ends it all the same."""

    class Endless(Producer):
        def startProducing(self, consumer: Any) -> Deferred[None]:
            super().startProducing(consumer)
            while "pause" not in self.calls:
                consumer.write(b"x" * 65536)
            return self.done

    server = scripted([lambda connection: connection.stop_reading()])
    producer = Endless(UNKNOWN_LENGTH)
    asked = agent.request(b"POST", server.url().encode(), None, producer)
    await until(reactor, lambda: "pause" in producer.calls)
    connection = await server.arrived()
    asked.cancel()
    with pytest.raises(CancelledError):
        await asked
    connection.resume_reading()
    assert await connection.ended() is End.RST
    assert producer.calls[-1] == "stop"


@pytest.mark.parametrize(
    "beginning",
    [
        b"HTTP/1.1 413 Too Large\r\n",
        b"HTTP/1.1 413 Too Large\r\nConnection: close\r\n",
        OK + b"Connection: close\r\n",
    ],
    ids=["413", "413, close", "200, close"],
)
async def test_an_answer_while_the_body_is_still_unsent(
    scripted: Any, make_agent: Any, beginning: bytes
) -> None:
    """The server reads no more of it and does not close: the next request goes elsewhere."""

    async def script(connection: Any) -> None:
        if connection.number:
            await hello(connection)
        await connection.head()
        connection.stop_reading()
        connection.send(HELLO.replace(OK, beginning))

    server = scripted(script)
    agent = make_agent(connections_per_host=1)
    producer = AtOnce(16 << 20)
    response = await agent.request(b"POST", server.url().encode(), None, producer)
    assert await readBody(response) == b"hello"
    assert (await get(agent, server.url()))[1] == b"hello"
    await agent.close()
    server.connections[0].resume_reading()
    assert await server.connections[0].ended() is End.RST
