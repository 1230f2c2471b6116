"""Answers that come before the file is sent, or never; and servers that do not read."""

from __future__ import annotations

from typing import Any

import pytest
from support.asking import OK, until
from support.putting import CONTINUE, CREATED, HUGE, LARGE, refusal, take

from downloader import Limits, PutJob, Timeouts
from downloader.errors import (
    FirstByteTimeout,
    HttpError,
    StallTimeout,
    UploadCut,
)
from downloader.testing import Connection, End


async def test_a_yes_while_the_server_reads_on(
    scripted: Any, sender: Any, file: Any, reactor: Any
) -> None:
    """It is complete when the file is sent, and not before."""
    took: list[bytes] = []

    async def script(connection: Connection) -> None:
        await connection.head()
        connection.send(CONTINUE)
        await connection.take(1000)
        connection.send(CREATED)
        connection.stop_reading()
        await connection.wait(0.05)
        assert not sending.called
        connection.resume_reading()
        took.append(await connection.take(HUGE - 1000))

    server = scripted(script)
    sending = sender().upload(PutJob(file(HUGE), server.url()))
    assert (await sending).bytes == HUGE
    await until(reactor, lambda: took)
    assert len(server.connections) == 1


async def test_a_yes_with_much_to_say(scripted: Any, sender: Any, file: Any) -> None:
    """A server that sends much before it reads waits for us to read, and nobody for ever."""

    async def script(connection: Connection) -> None:
        await connection.head()
        connection.send(CONTINUE)
        connection.stop_reading()
        connection.send(OK + b"Content-Length: %d\r\n\r\n" % HUGE)
        for _ in range(HUGE >> 20):
            connection.send(bytes(1 << 20))
            await connection.flush()
        connection.resume_reading()
        await connection.take(HUGE)

    assert (await sender().upload(PutJob(file(HUGE), scripted(script).url()))).bytes == HUGE


@pytest.mark.parametrize("end", ["close", "reset"])
async def test_a_yes_from_a_server_that_took_less(
    scripted: Any, sender: Any, file: Any, end: str
) -> None:
    """Whatever it says, it cannot have the file."""

    async def script(connection: Connection) -> None:
        await connection.head()
        connection.send(CONTINUE)
        await connection.take(1000)
        connection.stop_reading()
        connection.send(CREATED)
        await connection.flush()
        getattr(connection, end)()

    with pytest.raises(UploadCut, match="HTTP status 201") as caught:
        await sender().upload(PutJob(file(HUGE), scripted(script).url()))
    assert caught.value.http_status == 201


async def test_a_yes_without_the_file(scripted: Any, sender: Any, file: Any) -> None:
    """Asked first, it did not even want to see it."""
    server = scripted([Connection.head, CREATED])
    with pytest.raises(UploadCut, match=f"0 of {LARGE} bytes"):
        await sender().upload(PutJob(file(LARGE), server.url()))


UNENDING = {
    "length": OK + b"Content-Length: 1000000\r\n\r\n",
    "length, close": OK + b"Connection: close\r\nContent-Length: 1000000\r\n\r\n",
    "until close": OK + b"\r\n",
    "chunked": OK + b"Transfer-Encoding: chunked\r\n\r\nfffff\r\n",
    "HTTP/1.0": b"HTTP/1.0 200 OK\r\n\r\n",
}


@pytest.mark.time_limit(20)
@pytest.mark.parametrize("drips", [False, True], ids=["silent", "dripping"])
@pytest.mark.parametrize("answer", UNENDING.values(), ids=UNENDING.keys())
async def test_a_yes_without_the_file_and_without_an_end(
    scripted: Any, sender: Any, file: Any, answer: bytes, drips: bool
) -> None:
    """It is waited for no longer than anything that stalls, however it is dressed."""

    async def script(connection: Connection) -> None:
        await connection.head()
        connection.send(answer + b"x")
        while drips:
            await connection.wait(0.02)
            connection.send(b"x")

    server = scripted(script)
    sending = sender(timeouts=Timeouts(stall=0.3))
    with pytest.raises(UploadCut, match=f"0 of {LARGE} bytes, and HTTP status 200") as caught:
        await sending.upload(PutJob(file(LARGE), server.url()))
    assert caught.value.http_status == 200
    assert await server.connections[0].ended() is End.RST
    assert server.connections[0].received == server.connections[0].heads[0]


async def test_an_early_no_with_most_of_it_unsent(scripted: Any, sender: Any, file: Any) -> None:
    """The rest is not sent, and the server learns of that at once."""

    async def script(connection: Connection) -> None:
        await connection.head()
        if connection.number:
            await connection.take(10)
            connection.send(CREATED)
            return
        connection.send(CONTINUE)
        await connection.take(1000)
        connection.send(refusal(413))

    server, sending = scripted(script), sender(limits=Limits(connections_per_host=1))
    with pytest.raises(HttpError) as caught:
        await sending.upload(PutJob(file(HUGE), server.url()))
    assert caught.value.http_status == 413
    assert (await sending.upload(PutJob(file(10, "next"), server.url()))).http_status == 201
    assert await server.connections[0].ended() is End.RST
    assert len(server.connections[0].received) < HUGE


@pytest.mark.parametrize("stall", [0.2, 60.0], ids=["the file's", "the agent's"])
async def test_a_server_that_never_reads(
    scripted: Any, sender: Any, file: Any, stall: float
) -> None:
    """The sending stalls; that is no late answer."""

    def script(connection: Connection) -> None:
        connection.stop_reading()

    server = scripted([script])
    timeouts = Timeouts(stall=stall, first_byte=60.0 if stall < 1 else 0.2)
    file_of = file(HUGE)
    with pytest.raises(StallTimeout):
        await sender(timeouts=timeouts).upload(PutJob(file_of, server.url()))
    server.connections[0].resume_reading()
    assert await server.connections[0].ended() is End.RST


async def test_a_server_that_reads_all_and_says_nothing(
    scripted: Any, sender: Any, file: Any
) -> None:
    """Then it is the answer that is late."""
    server = scripted([take])
    with pytest.raises(FirstByteTimeout):
        await sender(timeouts=Timeouts(first_byte=0.2)).upload(PutJob(file(1000), server.url()))
