"""aria2's calls over WebSocket, and what is told without being asked."""

from __future__ import annotations

from collections.abc import Callable, Generator
from typing import Any

import pytest
from support.sockets import Socket, answer_to, connect
from wsproto.events import BytesMessage, CloseConnection, Ping, TextMessage

from downloader.testing import Connection, Origin


async def silent(connection: Connection) -> None:
    await connection.head()


@pytest.fixture
def opened(reactor: Any, until: Any) -> Generator[Callable[..., Any], None, None]:
    """Open a socket to a service: `await opened(rpc)`."""
    made: list[Socket] = []

    async def make(r: Any, *asked: Any, **headers: str) -> Socket:
        made.append(await connect(reactor, r.served.port, *asked, **headers))
        return made[-1]

    yield make
    for one in made:
        if not one.lost:
            one.transport.abortConnection()


@pytest.fixture
def known(opened: Any) -> Callable[..., Any]:
    """Open one, and show the token on it."""

    async def make(r: Any, *asked: Any, **headers: str) -> Socket:
        socket: Socket = await opened(r, *asked, **headers)
        socket.send(r.body("getVersion"))
        assert "result" in await socket.take()
        return socket

    return make


def event(name: str, gid: str) -> dict[str, Any]:
    return {"jsonrpc": "2.0", "method": f"aria2.onDownload{name}", "params": [{"gid": gid}]}


async def test_calls_are_answered_in_order(rpc: Any, opened: Any) -> None:
    """A message that was sent in pieces, several at a time, a batch, and what is no call."""
    r = await rpc()
    socket = await opened(r)
    assert socket.status == 101
    version = r.body("aria2.getVersion")
    socket.send(version, [version, {**version, "id": 2}], r.body("aria2.tellStatus", "0123"))
    assert (await socket.take())["result"]["version"]
    assert [one["id"] for one in await socket.take()] == ["q", 2]
    assert (await socket.take())["error"] == {"code": 1, "message": "GID 0123 is not found"}
    socket.send(TextMessage('{"id":', message_finished=False), TextMessage("é"))
    assert (await socket.take())["error"]["code"] == -32700
    wrong = {**version, "params": ["token:x"]}
    socket.send(wrong)
    assert (await socket.take())["error"]["message"] == "Unauthorized"


async def test_many_calls_at_once(rpc: Any, opened: Any) -> None:
    """More than Python could nest."""
    r = await rpc()
    socket = await opened(r)
    socket.send(*({"id": n, "method": "system.listNotifications"} for n in range(3000)))
    assert [(await socket.take())["id"] for _ in range(3000)] == list(range(3000))


async def test_what_happens_is_told_to_all(
    rpc: Any, opened: Any, origin: Origin, scripted: Any
) -> None:
    r, server = await rpc(), scripted(silent)
    one, two = await opened(r), await opened(r)
    good, bad = await r.call("addUri", [origin.add("/a", 3)]), None
    for socket in (one, two):
        assert await socket.take() == event("Start", good)
        assert await socket.take() == event("Complete", good)
    bad = await r.call("addUri", [origin.url("/none")])
    assert [await one.take(), await one.take()] == [event("Start", bad), event("Error", bad)]
    slow = await r.call("addUri", [server.url("/a")], {"pause": "true"})
    await r.call("unpause", slow)
    assert await one.take() == event("Start", slow)
    await r.call("pause", slow)
    assert await one.take() == event("Pause", slow)
    await r.call("unpause", slow)
    assert await one.take() == event("Start", slow)
    await r.call("remove", slow)
    assert await one.take() == event("Stop", slow)
    await r.call("purgeDownloadResult")
    waits = await r.call("addUri", [server.url("/a")], {"pause": "true"})
    await r.call("remove", waits)
    last = await r.call("addUri", [origin.add("/b", 3)])
    assert [await one.take(), await one.take()] == [event("Start", last), event("Complete", last)]


async def test_who_may_open_one(rpc: Any, opened: Any) -> None:
    """Looked at as any other request; a page of ours may."""
    r = await rpc()
    own = f"127.0.0.1:{r.served.port}"
    assert (await opened(r, own, Origin=f"http://{own}")).status == 101
    assert (await opened(r, Origin="http://evil.example")).status == 403
    assert (await opened(r, "evil.example")).status == 421


async def test_what_begins_no_socket(rpc: Any, reactor: Any) -> None:
    r = await rpc()
    head = b"GET /jsonrpc HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\n"
    head += b"Connection: Upgrade\r\n"
    key = b"Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n"
    old = await answer_to(reactor, r.served.port, head + key + b"Sec-WebSocket-Version: 8\r\n\r\n")
    assert old.startswith(b"HTTP/1.1 426 ") and b"\r\nsec-websocket-version: 13\r\n" in old.lower()
    none = await answer_to(reactor, r.served.port, head + b"Sec-WebSocket-Version: 13\r\n\r\n")
    assert none.startswith(b"HTTP/1.1 400 ")


@pytest.mark.parametrize(
    ("sent", "code"),
    [
        ([BytesMessage(b"{}")], 1003),
        ([TextMessage("a" * 70_000, message_finished=False)] * 60, 1009),
        ([TextMessage("", message_finished=False)] * 70_000, 1009),
    ],
    ids=["no text", "too long", "too many pieces"],
)
async def test_what_is_too_much_ends_it(rpc: Any, known: Any, sent: Any, code: int) -> None:
    r = await rpc()
    socket = await known(r)
    socket.send(*sent)
    await socket.until(lambda: socket.lost)
    assert socket.code == code


@pytest.mark.parametrize(
    "frame",
    [b"\xff" * 20, b"\x81\x01a", b"\x80\x80mask", b"\x88\x81mask\x00", b"\x89\xfe\x00\xffmask"],
    ids=["reserved bits", "no mask", "nothing to go on with", "half a code", "a long ping"],
)
async def test_what_breaks_the_protocol_ends_it(rpc: Any, opened: Any, frame: bytes) -> None:
    r = await rpc()
    socket = await opened(r)
    socket.transport.write(frame)
    await socket.until(lambda: socket.lost)
    assert socket.code == 1002


async def test_ping(rpc: Any, opened: Any) -> None:
    r = await rpc()
    socket = await opened(r)
    socket.send(Ping(b"a"))
    await socket.until(lambda: socket.pongs)
    assert socket.pongs == [b"a"]


@pytest.mark.parametrize(("code", "told"), [(1000, 1000), (4000, 4000), (None, 1005)])
async def test_goodbye(rpc: Any, opened: Any, code: int | None, told: int) -> None:
    """It is said back, and the connection ends."""
    r = await rpc()
    socket = await opened(r)
    socket.transport.write(
        b"\x88\x80mask" if code is None else socket.ws.send(CloseConnection(code))
    )
    await socket.until(lambda: socket.lost)
    assert socket.code == told


async def test_who_does_not_read_is_sent_away(rpc: Any, opened: Any, origin: Origin) -> None:
    """Who does read hears on."""
    r = await rpc()
    sockets = r.served.service.sockets
    sockets.most_waiting = 150
    deaf = await opened(r)
    (one,) = sockets.open
    one.pauseProducing()  # as Twisted says when its buffer is full
    good = await opened(r)
    gid = await r.call("addUri", [origin.add("/a", 3)])
    assert [await good.take(), await good.take()] == [event("Start", gid), event("Complete", gid)]
    await deaf.until(lambda: deaf.lost)
    assert one not in sockets.open and len(sockets.open) == 1
    gid = await r.call("addUri", [origin.add("/b", 3)])
    assert [await good.take(), await good.take()] == [event("Start", gid), event("Complete", gid)]


@pytest.mark.parametrize("tls", [False, True])
async def test_who_reads_late_misses_nothing(
    rpc: Any, known: Any, origin: Origin, ca: Any, tls: bool
) -> None:
    """Nothing is read of it, nor answered, meanwhile."""
    r = await rpc(tls=ca.server() if tls else None)
    late = await known(r, trust_root=ca.trust_root if tls else None)
    late.transport.pauseProducing()
    calls = [{"id": "x" * 4_000_000 + str(n), "method": "nothing"} for n in range(3)]
    late.send(*calls)
    await r.served.until(lambda: "not read" in repr(r.served.service.sockets.open))
    (entry,) = await r.served.add(origin.add("/a", 3))
    gid = entry.gid
    await r.ended(gid)
    late.transport.resumeProducing()
    came = [await late.take() for _ in range(5)]
    assert [one["id"] for one in came if "id" in one] == [call["id"] for call in calls]
    assert [one for one in came if "id" not in one] == [event("Start", gid), event("Complete", gid)]


async def test_they_count_and_end_with_the_service(rpc: Any, opened: Any) -> None:
    r = await rpc()
    site = r.served.service._site
    before = len(site.open)
    one, two = await opened(r), await opened(r)
    assert len(site.open) == before + 2
    one.transport.abortConnection()
    await r.served.until(lambda: len(site.open) == before + 1)
    await r.served.restart()
    await two.until(lambda: two.lost)
    assert two.code == 1001
