"""When a body begins, when it is out, and what an answer that comes before means for both."""

from __future__ import annotations

from typing import Any

import pytest
from support.asking import HELLO, OK, get, hello, until
from support.bodies import Again, AtOnce, Producer, Slow
from support.memory import FIRST_BYTE_TIMEOUT, Body, Link
from twisted.internet.defer import CancelledError
from twisted.internet.error import ConnectionDone, ConnectionLost
from twisted.web.client import RequestGenerationFailed, ResponseDone, ResponseFailed, readBody

from downloader.deadlines import Deadlines
from downloader.errors import FirstByteTimeout, StallTimeout, TruncatedBody, UploadCut
from downloader.http1.redirect import RedirectAgent
from downloader.http1.sender import CONTINUE_WAIT
from downloader.http1.upload import EXPECT_ABOVE
from downloader.testing import End
from downloader.transfer.door import translate

LARGE = EXPECT_ABOVE + 1
CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
HINTS = b"HTTP/1.1 103 Early Hints\r\n\r\n"
TOO_LARGE = b"HTTP/1.1 413 Too Large\r\nContent-Length: 5\r\n\r\nhello"
CHUNKED = OK + b"Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n"
EXPECT = b"Expect: 100-continue"


def uploading(length: Any, tls: bool = False) -> tuple[Link, Producer]:
    """A PUT under way."""
    link, producer = Link(tls=tls), Producer(length)
    link.ask(b"PUT", producer)
    return link, producer


# --- asking first ---------------------------------------------------------------------------


@pytest.mark.parametrize(("length", "asks"), [(LARGE, True), (LARGE - 1, False)])
def test_a_large_body_is_asked_about(length: int, asks: bool) -> None:
    """Only there is it worth a round trip."""
    link, producer = uploading(length)
    assert (EXPECT in link.transport.value()) is asks
    assert producer.calls == ([] if asks else ["start"])


def test_the_servers_100_lets_the_body_go() -> None:
    """Once, whatever other informational answers come, and how often it is said."""
    link, producer = uploading(LARGE)
    link.feed(HINTS)
    assert producer.calls == []
    link.feed(CONTINUE, CONTINUE)
    assert producer.calls == ["start"]
    link.clock.advance(CONTINUE_WAIT + 1)
    assert producer.calls == ["start"]


def test_a_server_that_says_nothing_gets_the_body_after_a_second() -> None:
    """It may know of no expectations; and its 100 may be late."""
    link, producer = uploading(LARGE)
    link.clock.advance(CONTINUE_WAIT - 0.1)
    assert producer.calls == []
    link.clock.advance(0.2)
    assert producer.calls == ["start"]
    producer.consumer.write(b"x" * LARGE)
    producer.done.callback(None)
    link.feed(CONTINUE + HELLO)
    assert (link.body.data, link.body.end, link.freed_times) == (b"hello", ResponseDone, 1)
    assert link.clock.getDelayedCalls() == []


@pytest.mark.parametrize("answer", [TOO_LARGE, HELLO], ids=["413", "200"])
def test_a_final_answer_first_means_no_body(answer: bytes) -> None:
    """Not a byte of it is sent, and the server that announced to read it is left (RFC 9110
    §10.1.1)."""
    link, producer = uploading(LARGE)
    link.feed(answer)
    assert (link.body.data, link.body.end) == (b"hello", ResponseDone)
    assert producer.calls == [] and link.transport.value().endswith(b"\r\n\r\n")
    assert link.transport.closed == "abort" and link.freed_times == 0
    assert link.clock.getDelayedCalls() == []


def test_a_cancel_while_it_is_asked() -> None:
    """Nothing was begun, so nothing is stopped."""
    link, producer = Link(), Producer(LARGE)
    link.ask(b"PUT", producer).answer.cancel()
    assert link.failure is not None and link.failure.type is CancelledError
    assert (producer.calls, link.transport.closed) == ([], "abort")
    assert link.clock.getDelayedCalls() == []


def test_no_100_and_no_body_is_no_answer() -> None:
    """The wait for the first byte goes on behind it."""
    link, producer = uploading(LARGE)
    link.clock.advance(CONTINUE_WAIT + 0.1)
    link.clock.advance(FIRST_BYTE_TIMEOUT)
    assert link.failure is not None and link.failure.type is FirstByteTimeout
    assert producer.calls == ["start", "stop"]


@pytest.mark.parametrize("producer", [Again(b"x" * LARGE), AtOnce(LARGE)], ids=["again", "once"])
async def test_a_server_that_knows_no_expectations(
    scripted: Any, agent: Any, producer: Producer
) -> None:
    """417: it is asked again without one (RFC 9110 §15.5.18). The body was not begun, so that is
    possible with any."""
    received: list[int] = []

    async def script(connection: Any) -> None:
        head = await connection.head()
        if EXPECT in head:
            connection.send(b"HTTP/1.1 417 Expectation Failed\r\nContent-Length: 0\r\n\r\n")
        else:
            received.append(len(await connection.take(LARGE)))
            connection.send(HELLO)

    server = scripted(script)
    response = await agent.request(b"PUT", server.url().encode(), None, producer)
    assert (response.code, await readBody(response)) == (200, b"hello")
    assert received == [LARGE] and producer.calls.count("start") == 1


# --- answers that come before the body is out -----------------------------------------------


def test_a_refusal_stops_the_body_at_once() -> None:
    """Not only when its own body has come."""
    link, producer = uploading(1000)
    producer.consumer.write(b"abc")
    link.feed(TOO_LARGE[:-5])
    assert link.response is not None and link.response.code == 413
    assert producer.calls == ["start", "stop"] and link.transport.closed is None
    link.feed(b"hello")
    assert (link.body.end, link.transport.closed) == (ResponseDone, "abort")


@pytest.mark.parametrize("tls", [False, True], ids=["plain", "tls"])
def test_a_yes_that_comes_early_ends_with_the_body(tls: bool) -> None:
    """The server goes on reading. Nobody else gets the connection until it has it all."""
    link, producer = uploading(6, tls)
    producer.consumer.write(b"abc")
    link.feed(HELLO)
    assert link.response is not None and link.body.data == b"hello"
    assert (link.body.end, link.freed_times) == (None, 0)
    producer.consumer.write(b"def")
    producer.done.callback(None)
    link.clock.advance(0)
    assert (link.body.end, link.freed_times, link.transport.closed) == (ResponseDone, 1, None)
    assert link.clock.getDelayedCalls() == []


def test_the_answer_to_a_body_that_is_held_back_by_the_server() -> None:
    """All is written, and what the server does not read would be in the next one's way."""
    link, producer = uploading(6)
    producer.consumer.write(b"abcdef")
    link.transport.producer.pauseProducing()
    producer.done.callback(None)
    link.feed(HELLO)
    assert (link.body.data, link.body.end, link.freed_times) == (b"hello", None, 0)
    link.transport.producer.resumeProducing()
    assert (link.body.end, link.freed_times, link.transport.producer) == (ResponseDone, 1, None)
    assert producer.calls == ["start", "pause"]


def test_a_server_that_says_yes_and_reads_no_more() -> None:
    """Neither closed nor read: its time is up all the same."""
    link, producer = uploading(6)
    producer.consumer.write(b"abc")
    link.transport.producer.pauseProducing()
    link.feed(HELLO)
    link.clock.advance(FIRST_BYTE_TIMEOUT + 0.1)
    assert link.body.end is ResponseFailed
    assert link.body.ends[0].value.reasons[0].type is StallTimeout
    assert (link.transport.closed, link.freed_times) == ("abort", 0)
    assert link.clock.getDelayedCalls() == []


def test_a_server_that_reads_no_more() -> None:
    """It is the sending that stalls, and not the answer that is late."""
    link, producer = uploading(6)
    producer.consumer.write(b"abc")
    link.transport.producer.pauseProducing()
    link.clock.advance(FIRST_BYTE_TIMEOUT + 0.1)
    assert link.failure is not None and link.failure.type is StallTimeout
    assert producer.calls == ["start", "pause", "stop"] and link.transport.closed == "abort"


@pytest.mark.parametrize("loss", [ConnectionDone(), ConnectionLost()], ids=["fin", "reset"])
@pytest.mark.parametrize(
    ("answer", "cut"), [(HELLO, UploadCut), (CHUNKED, UploadCut), (HELLO[:-1], TruncatedBody)]
)
def test_a_yes_and_then_the_end(answer: bytes, cut: type[Exception], loss: Exception) -> None:
    """With the request still under way. Where the answer is whole it is the request that was
    cut."""
    link, producer = uploading(6)
    producer.consumer.write(b"abc")
    link.feed(answer)
    link.lose(loss)
    (end,) = link.body.ends
    assert [one.type for one in end.value.reasons] == [type(loss), cut]
    assert type(translate(end.value)) is cut
    assert b"hello".startswith(link.body.data) and producer.calls == ["start", "stop"]
    assert link.clock.getDelayedCalls() == [] and link.again == []


def test_a_yes_and_then_another_answer_that_is_cut() -> None:
    """Once the early one's request is out, all that is over."""
    link, producer = uploading(6)
    link.feed(HELLO)
    producer.consumer.write(b"abcdef")
    producer.done.callback(None)
    assert link.body.end is ResponseDone
    link.ask(body=Body())
    link.feed(HELLO[:-1]).lose()
    assert link.body.end is ResponseFailed
    assert type(translate(link.body.ends[0].value)) is TruncatedBody


def test_a_body_that_fails_behind_its_answer() -> None:
    """Who reads that answer is told."""
    link, producer = uploading(6)
    link.feed(HELLO)
    producer.done.errback(ZeroDivisionError())
    (end,) = link.body.ends
    assert end.value.reasons[0].type is RequestGenerationFailed
    assert link.transport.closed == "abort"


def test_a_yes_that_says_close() -> None:
    """Nobody comes after it, so it does not wait; what is unsent is not sent any more."""
    link, producer = uploading(6)
    link.feed(HELLO.replace(OK, OK + b"Connection: close\r\n"))
    assert (link.body.end, link.transport.closed) == (ResponseDone, "abort")
    assert producer.calls == ["start", "stop"]


def test_a_yes_that_says_close_to_a_body_that_is_out() -> None:
    """A reset might take from the server what it has not read, so it gets time for that."""
    link, producer = uploading(3)
    producer.consumer.write(b"abc")
    producer.done.callback(None)
    link.feed(HELLO.replace(OK, OK + b"Connection: close\r\n"))
    assert (link.body.end, link.transport.closed) == (ResponseDone, "close")
    link.transport.closed = None
    link.clock.advance(FIRST_BYTE_TIMEOUT + 0.1)
    assert link.transport.closed == "abort"
    link.lose()
    assert link.clock.getDelayedCalls() == []


async def test_an_answer_while_the_server_reads_on(scripted: Any, agent: Any) -> None:
    """Over sockets: all of it arrives, and the connection serves the next request."""
    size = 8 << 20
    received: list[int] = []

    async def script(connection: Any) -> None:
        await connection.head()
        connection.send(CONTINUE)
        await connection.take(1000)
        connection.send(HELLO)
        received.append(1000 + len(await connection.take(size - 1000)))
        await hello(connection)

    server = scripted(script)
    response = await agent.request(b"PUT", server.url().encode(), None, AtOnce(size))
    assert await readBody(response) == b"hello"
    assert (await get(agent, server.url()))[1] == b"hello"
    assert received == [size] and len(server.connections) == 1


async def test_a_server_that_sends_much_before_it_reads(scripted: Any, agent: Any) -> None:
    """Each would wait for the other, if answers were not read while bodies are sent."""
    size = 8 << 20

    async def script(connection: Any) -> None:
        await connection.head()
        connection.send(CONTINUE + OK + b"Content-Length: %d\r\n\r\n" % size)
        connection.stop_reading()
        for _ in range(size >> 16):
            connection.send(b"y" * (1 << 16))
            await connection.flush()
        connection.resume_reading()
        await connection.take(size)

    server = scripted(script)
    response = await agent.request(b"PUT", server.url().encode(), None, AtOnce(size))
    assert len(await readBody(response)) == size
    assert server.connections[0].end is None


# --- bodies that can be sent again ----------------------------------------------------------


async def test_a_connection_that_was_closed_meanwhile(scripted: Any, agent: Any) -> None:
    """As for requests without a body: it is sent once more, on a new one."""

    async def script(connection: Any) -> None:
        await connection.head()
        if connection.number == 0:
            connection.send(HELLO)
            await connection.head()
            connection.reset()
            return
        connection.send(await connection.take(3) and HELLO)

    server, producer = scripted(script), Again(b"abc")
    await get(agent, server.url())
    response = await agent.request(b"PUT", server.url().encode(), None, producer)
    assert await readBody(response) == b"hello"
    assert producer.calls == ["start", "start"] and len(server.connections) == 2


async def test_a_request_with_a_body_that_is_gone_is_not_sent_again(
    scripted: Any, agent: Any
) -> None:
    """Nor one that has been sent a second time."""

    async def script(connection: Any) -> None:
        await connection.head()
        if connection.number == 0:
            connection.send(HELLO)
            await connection.head()
        connection.reset()

    for producer, starts in ((AtOnce(3), 1), (Again(b"abc"), 2)):
        server = scripted(script)
        await get(agent, server.url())
        with pytest.raises(ResponseFailed):
            await agent.request(b"PUT", server.url().encode(), None, producer)
        assert producer.calls.count("start") == starts


@pytest.mark.parametrize(("code", "kept"), [(307, True), (308, True), (301, False), (302, False)])
@pytest.mark.parametrize("again", [True, False], ids=["again", "once"])
async def test_a_redirect_that_wants_the_body_once_more(
    scripted: Any, agent: Any, reactor: Any, code: int, kept: bool, again: bool
) -> None:
    """It goes along where the code says so and it can; else the redirect is the answer."""
    bodies: list[bytes] = []

    async def script(connection: Any) -> None:
        while b"/to" not in await connection.head():
            bodies.append(await connection.take(3))
            connection.send(
                b"HTTP/1.1 %d Moved\r\nLocation: /to\r\nContent-Length: 0\r\n\r\n" % code
            )
        bodies.append(await connection.take(3))
        connection.send(HELLO)

    server, follower = scripted(script), RedirectAgent(agent, Deadlines(reactor))
    producer = Again(b"xxx") if again else AtOnce(3)
    response = await follower.request(b"PUT", server.url().encode(), None, producer)
    await readBody(response)
    followed = kept and again
    assert response.code == (200 if followed else code)
    assert bodies == [b"xxx"] * (2 if followed else 1)


async def test_a_cancel_while_it_is_sent_again(scripted: Any, agent: Any, reactor: Any) -> None:
    """The second connection is reset, and the body stopped each time it was begun."""

    async def script(connection: Any) -> None:
        if connection.number == 0:
            await connection.head()
            connection.send(HELLO)
        await connection.head()
        if connection.number == 0:
            connection.reset()

    server, producer = scripted(script), Slow(1000)
    await get(agent, server.url())
    asked = agent.request(b"PUT", server.url().encode(), None, producer)
    second = await server.arrived(1)
    await until(reactor, lambda: second.heads)
    asked.cancel()
    with pytest.raises(CancelledError):
        await asked
    assert await second.ended() is End.RST
    assert producer.calls == ["start", "stop"] * 2
