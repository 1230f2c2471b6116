"""A body between two threads: bounded, and over at once when nobody wants it."""

from __future__ import annotations

import gc
import threading
import warnings
from hashlib import sha256
from typing import Any

import pytest
from support.asking import OK, hello, until

from downloader import errors
from downloader.blocking.response import AHEAD, Body
from downloader.testing import End, content, head, mute

SIZE = 40_000_000


async def test_a_reader_that_is_slow(
    reactor: Any, origin: Any, client: Any, in_thread: Any
) -> None:
    """The server waits for it, and little more than `AHEAD` is in memory; nothing is lost."""
    url = origin.add("/big", SIZE)
    ahead: list[int] = []

    def run() -> str:
        digest = sha256()
        with client.urlopen(url) as response:
            body = response.raw._body
            while piece := response.read(200_000):
                ahead.append(body._arrived - body._taken)
                digest.update(piece)
        return digest.hexdigest()

    assert await in_thread(run) == sha256(b"".join(content("/big", SIZE))).hexdigest()
    assert max(ahead) < 2 * AHEAD


@pytest.mark.parametrize("whole", [False, True])
async def test_a_reader_that_does_not_read(
    reactor: Any, origin: Any, client: Any, in_thread: Any, whole: bool
) -> None:
    """The body stops coming, and comes again when it is read."""
    url = origin.add("/big", SIZE)
    response = await in_thread(client.urlopen, url)
    body = response.raw._body
    await until(reactor, lambda: body._paused)
    stopped = body._arrived
    assert AHEAD <= stopped < 2 * AHEAD
    for _ in range(200):
        await until(reactor, lambda: True)
    assert body._arrived == stopped
    if whole:
        assert len(await in_thread(response.read)) == SIZE
    await in_thread(response.close)
    await in_thread(client.close)
    assert origin.connections[0].end is (End.FIN if whole else End.RST)


@pytest.mark.parametrize("secure", [False, True], ids=["tcp", "tls"])
async def test_closed_early(
    scripted: Any, ca: Any, client: Any, in_thread: Any, secure: bool
) -> None:
    """The connection ends at once, with bytes that wait or none."""
    half = OK + b"Content-Length: 9\r\n\r\nhalf"
    server = scripted([head, half, mute], tls=ca.server() if secure else None)

    def run() -> None:
        with client.urlopen(server.url()) as response:
            assert response.read(2) == b"ha"
        response.close()

    await in_thread(run)
    assert await server.connections[0].ended() is End.RST


async def test_closed_by_another_thread(
    reactor: Any, scripted: Any, client: Any, in_thread: Any
) -> None:
    """A read that waits hears of it."""
    server = scripted([head, OK + b"Content-Length: 9\r\n\r\nhalf", mute])
    response = await in_thread(client.urlopen, server.url())
    began = threading.Event()

    def run() -> None:
        began.set()
        response.read()

    reading = in_thread(run)
    await until(reactor, began.is_set)
    response.close()
    with pytest.raises((errors.Closed, ValueError)):
        await reading
    assert await server.connections[0].ended() is End.RST


async def test_forgotten(scripted: Any, client: Any, in_thread: Any) -> None:
    """A response that nobody holds any more is closed, and Python warns of it."""
    server = scripted([head, OK + b"Content-Length: 9\r\n\r\nhalf", mute])

    def run() -> None:
        response = client.urlopen(server.url("/?key=s3cret"))
        with pytest.warns(ResourceWarning, match="unclosed <Response 200") as caught:
            del response
        assert "s3cret" not in str(caught[0].message)

    await in_thread(run)
    assert await server.connections[0].ended() is End.RST


async def test_read_to_the_end_and_forgotten(scripted: Any, client: Any, in_thread: Any) -> None:
    """There is nothing left to close, and the connection serves the next call."""
    server = scripted(hello)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for _ in range(3):
            assert await in_thread(lambda: client.urlopen(server.url()).read()) == b"hello"
            gc.collect()
    assert len(server.connections) == 1


class Transport:
    """Notes what its body asks for."""

    def __init__(self) -> None:
        self.calls: list[str] = []

    def pauseProducing(self) -> None:
        self.calls.append("pause")

    def resumeProducing(self) -> None:
        self.calls.append("resume")


def test_a_reader_that_is_just_faster() -> None:
    """It has taken everything between the count and the pause: the body does not wait for it."""
    body: Any = Body(lambda error: errors.InternalError(), "http://h/")
    body.makeConnection(Transport())
    body.transport.pauseProducing = lambda: (body.transport.calls.append("pause"), body.took(AHEAD))
    body.dataReceived(bytes(AHEAD))
    assert body.transport.calls == ["pause", "resume"]
