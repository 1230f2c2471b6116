"""Sockets that have not shown the token: they hear what happens, and are in nobody's way."""

from __future__ import annotations

from collections.abc import Callable, Generator
from typing import Any

import pytest
from support import rawhttp
from support.sockets import Socket, connect

from downloader.service.rpc.jsonrpc import NOTIFICATIONS
from downloader.service.rpc.socket import LITTLE, MOST_STRANGERS
from downloader.testing import Origin


@pytest.fixture
def opened(reactor: Any) -> Generator[Callable[..., Any], None, None]:
    """Open a socket to a service: `await opened(rpc)`."""
    made: list[Socket] = []

    async def make(r: Any) -> Socket:
        made.append(await connect(reactor, r.served.port))
        return made[-1]

    yield make
    for one in made:
        if not one.lost:
            one.transport.abortConnection()


LISTED = {"id": 1, "method": "system.listNotifications"}


async def show(r: Any, socket: Socket) -> None:
    socket.send(r.body("getVersion"))
    assert "result" in await socket.take()


async def test_the_latest_stay(rpc: Any, opened: Any, origin: Origin) -> None:
    """The oldest goes for one too many, politely; who has shown the token stays. They hear alike,
    those that never say a word too."""
    r = await rpc()
    known = await opened(r)
    await show(r, known)
    strangers = [await opened(r) for _ in range(MOST_STRANGERS + 2)]
    for one in strangers[:2]:
        await one.until(lambda one=one: one.lost)
        assert one.code == 1008
    gid = await r.call("addUri", [origin.add("/a", 3)])
    for one in (known, *strangers[2:]):
        told = [await one.take(), await one.take()]
        assert [one["params"][0]["gid"] for one in told] == [gid, gid]
    assert len(r.served.service.sockets.open) == MOST_STRANGERS + 1


async def test_one_that_shows_it_makes_room(rpc: Any, opened: Any) -> None:
    r = await rpc()
    sockets = [await opened(r) for _ in range(MOST_STRANGERS)]
    await show(r, sockets[0])
    sockets.append(await opened(r))
    for socket in sockets:
        socket.send(LISTED)
        assert (await socket.take())["result"] == NOTIFICATIONS


async def test_one_that_was_known_before(rpc: Any) -> None:
    """A request on the same connection has shown the token."""
    r = await rpc()
    s = r.served
    raw = await rawhttp.connect(s.reactor, s.port)
    raw.transport.write(rawhttp.request("GET", "/api/v1/stats", s.token, Connection=None))
    await s.until(lambda: raw.came)
    more = {"Sec_WebSocket_Key": "A" * 22 + "==", "Sec_WebSocket_Version": "13"}
    fields = {"Connection": "Upgrade", "Upgrade": "websocket", **more}
    raw.transport.write(rawhttp.request("GET", "/jsonrpc", None, **fields))
    await s.until(lambda: b" 101 " in raw.came)
    assert (len(s.service.sockets.open), len(s.service.sockets.strangers)) == (1, 0)
    raw.transport.abortConnection()
    await raw.ended


async def test_its_messages_are_short(rpc: Any, opened: Any) -> None:
    """Until it has shown the token."""
    r = await rpc()
    long = {**LISTED, "more": "x" * LITTLE}
    stranger, known = await opened(r), await opened(r)
    await show(r, known)
    for socket in (stranger, known):
        socket.send(long)
    await stranger.until(lambda: stranger.lost)
    assert stranger.code == 1009
    assert (await known.take())["result"] == NOTIFICATIONS


async def test_little_waits_for_it(rpc: Any, opened: Any) -> None:
    """If it does not read; more, if it has shown the token."""
    r = await rpc()
    sockets = r.served.service.sockets
    known = await opened(r)
    await show(r, known)
    (one,) = sockets.open
    stranger = await opened(r)
    (other,) = sockets.open - {one}
    text = b'"%b"' % (b"x" * (LITTLE // 2))
    for socket in (one, other):
        socket.pauseProducing()  # as Twisted says when its buffer is full
        socket.send(text)
        assert socket in sockets.open
        socket.send(text)
    assert sockets.open == {one}
    await stranger.until(lambda: stranger.lost)
    one.resumeProducing()
    assert [await known.take(), await known.take()] == ["x" * (LITTLE // 2)] * 2


async def test_an_answer_that_is_too_long_for_it(rpc: Any, opened: Any) -> None:
    """It is not kept for it: the socket ends. That is so for who has shown the token, too."""
    r = await rpc()
    stranger = await opened(r)
    stranger.send([LISTED] * 500)
    await stranger.until(lambda: stranger.lost)
    assert (stranger.code, stranger.texts) == (1009, [])
    r.served.service.sockets.most_waiting = 2000
    known = await opened(r)
    await show(r, known)
    known.send([LISTED] * 500)
    await known.until(lambda: known.lost)
    assert (known.code, known.texts) == (1009, [])


async def test_what_it_asked_ends_with_it(rpc: Any, opened: Any) -> None:
    """An answer that is late, to a wrong token, holds up no stop of the service."""
    r = await rpc()
    for _ in range(20):
        r.served.service.door._brake.wrong("127.0.0.1")
    socket = await opened(r)
    socket.send({**r.body("getVersion"), "params": ["token:x"]})
    (one,) = r.served.service.sockets.open
    await r.served.until(lambda: one._answering is not None)
    assert not one._answering.called
    await r.served.service.stopService()
    assert one._answering.called and r.served.service.sockets.open == set()
    await socket.until(lambda: socket.lost)
    assert socket.code == 1001 and socket.texts == []
