"""Who waits for the answer to a wrong token makes us keep nothing."""

from __future__ import annotations

import json
import tracemalloc
from collections.abc import Generator
from typing import Any

import pytest
from support import rawhttp, sockets

from downloader.service.brake import MOST_WAITING

PEER = "127.0.0.1"
# A long one, of which a hundred bytes are made for four of its own.
GUESS = {"id": 1, "method": "aria2.getVersion", "params": ["token:x", [[]] * 90_000, "x" * 10**6]}


@pytest.fixture
def traced() -> Generator[None, None, None]:
    tracemalloc.start()
    yield
    tracemalloc.stop()


def kept() -> int:
    """Bytes that are in use since the test began."""
    return tracemalloc.get_traced_memory()[0]


async def slow(rpc: Any) -> Any:
    """A service that has had wrong tokens already, and how many wait."""
    r = await rpc()
    brake = r.served.service.door._brake
    for _ in range(20):
        brake.wrong(PEER)
    return r, lambda: brake._waiting.get(PEER, 0)


async def test_neither_the_body_nor_what_it_says(rpc: Any, traced: None) -> None:
    r, waiting = await slow(rpc)
    s = r.served
    message = rawhttp.request("POST", "/jsonrpc", None, json.dumps(GUESS).encode())
    before, raws = kept(), []
    for n in range(MOST_WAITING):
        raws.append(await rawhttp.connect(s.reactor, s.port))
        raws[-1].transport.write(message)
        await s.until(lambda n=n: waiting() == n + 1)
    assert kept() - before < len(message)
    for raw in raws:
        raw.transport.abortConnection()
        await raw.ended


async def test_nor_the_message_of_a_socket(rpc: Any, traced: None) -> None:
    r, waiting = await slow(rpc)
    s = r.served
    socket = await sockets.connect(s.reactor, s.port)
    socket.send(r.body("getVersion"))
    assert "result" in await socket.take()
    before = kept()
    socket.send(GUESS)
    await s.until(waiting)
    assert kept() - before < len(json.dumps(GUESS))
    socket.transport.abortConnection()
    await socket.until(lambda: socket.lost)


async def test_what_is_no_call_waits_too(rpc: Any) -> None:
    """And when enough wait, it is looked at no more. The token's owner does not wait."""
    r, waiting = await slow(rpc)
    s = r.served
    message = rawhttp.request("POST", "/jsonrpc", None, b"[")
    raws = [await rawhttp.connect(s.reactor, s.port) for _ in range(MOST_WAITING)]
    for raw in raws:
        raw.transport.write(message)
    await s.until(lambda: waiting() == MOST_WAITING)
    reply = await rawhttp.say(s.reactor, s.port, message)
    assert reply.status == 429 and reply.headers["retry-after"] == "8"
    assert await r.call("getVersion")
    for raw in raws:
        assert raw.came == b""
        raw.transport.abortConnection()
        await raw.ended
