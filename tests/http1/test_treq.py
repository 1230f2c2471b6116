"""treq over our agent: its own client, and ours whose bodies can be cancelled."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from support.asking import HELLO, OK, until
from treq.client import HTTPClient as TreqClient
from twisted.internet.defer import CancelledError, Deferred

from downloader.deadlines import Deadlines
from downloader.http1.redirect import RedirectAgent
from downloader.http1.treqclient import HTTPClient
from downloader.testing import AgentSpy, End, head


def answering(*answers: bytes) -> Callable[[Any], Any]:
    """Script: these answers, in turn, over whatever connections come."""
    left = list(answers)

    async def script(connection: Any) -> None:
        while left:
            await connection.head()
            connection.send(left.pop(0))

    return script


@pytest.fixture(params=["treq's", "ours"])
def client(request: Any, agent: Any, reactor: Any) -> Any:
    """A treq client on our agents."""
    following = RedirectAgent(agent, Deadlines(reactor))
    return TreqClient(following) if request.param == "treq's" else HTTPClient(following, agent)


async def test_get(scripted: Any, client: Any) -> None:
    """Content, text and json, each more than once; the connection is kept."""
    body = OK + b'Content-Type: application/json\r\nContent-Length: 11\r\n\r\n{"a": "\xc3\xa4"}'
    server = scripted(answering(body, body))
    for _ in range(2):
        response = await client.get(server.url("/x"), params={"q": "1"})
        assert response.code == 200 and response.request.absoluteURI.endswith(b"/x?q=1")
        assert await response.json() == {"a": "\u00e4"}
        assert await response.text() == '{"a": "\u00e4"}'
        assert await response.content() == b'{"a": "\xc3\xa4"}'
    assert len(server.connections) == 1


async def test_collect(scripted: Any, client: Any) -> None:
    """Unbuffered, piece by piece; an empty body too."""
    server = scripted(answering(HELLO, OK + b"Content-Length: 0\r\n\r\n"))
    for expected in (b"hello", b""):
        pieces: list[bytes] = []
        response = await client.get(server.url(), unbuffered=True)
        await response.collect(pieces.append)
        assert b"".join(pieces) == expected


async def test_post(scripted: Any, client: Any) -> None:
    """A form arrives whole."""
    seen: list[bytes] = []

    async def script(connection: Any) -> None:
        head = await connection.head()
        assert b"Content-Length: 7\r\n" in head
        seen.append(await connection.take(7))
        connection.send(HELLO)

    server = scripted(script)
    response = await client.post(server.url(), data={"a": "b", "d": "e"})
    assert await response.text() == "hello" and seen == [b"a=b&d=e"]


async def test_cookies(scripted: Any, client: Any) -> None:
    """What the server sets it gets back."""
    server = scripted(answering(OK + b"Set-Cookie: a=b\r\nContent-Length: 0\r\n\r\n", HELLO))
    response = await client.get(server.url())
    assert [(one.name, one.value) for one in response.cookies()] == [("a", "b")]
    await (await client.get(server.url())).content()
    assert b"Cookie: a=b\r\n" in server.connections[0].heads[1]


async def test_history(scripted: Any, client: Any) -> None:
    """The redirects on the way, oldest first; allow_redirects=False is obeyed by ours."""
    moved = b"HTTP/1.1 301 Moved\r\nLocation: /%d\r\nContent-Length: 0\r\n\r\n"
    server = scripted(answering(moved % 1, moved % 2, HELLO, moved % 1))
    response = await client.get(server.url("/0"))
    assert await response.text() == "hello"
    assert [one.code for one in response.history()] == [301, 301]
    assert response.request.absoluteURI == server.url("/2").encode()
    if isinstance(client, HTTPClient):
        assert (await client.get(server.url("/0"), allow_redirects=False)).code == 301


@pytest.mark.parametrize("read", ["content", "text", "json", "collect"])
@pytest.mark.parametrize("unbuffered", [False, True])
async def test_a_body_can_be_cancelled(
    scripted: Any, agent: Any, reactor: Any, read: str, unbuffered: bool
) -> None:
    """treq's own reads cannot: ours fail at once and the server sees a RST."""
    client = HTTPClient(RedirectAgent(agent, Deadlines(reactor)), agent)
    server = scripted([head, HELLO[:-1]])
    response = await client.get(server.url(), unbuffered=unbuffered)
    method = getattr(response, read)
    reading: Deferred[Any] = method(lambda _: None) if read == "collect" else method()
    reading.cancel()
    with pytest.raises(CancelledError):
        await reading
    assert await server.connections[0].ended() is End.RST


async def test_a_compressed_body_can_be_cancelled(scripted: Any, agent: Any, reactor: Any) -> None:
    """treq puts a decoder in between."""
    client = HTTPClient(RedirectAgent(agent, Deadlines(reactor)), agent)
    gzip = OK + b"Content-Encoding: gzip\r\nContent-Length: 50\r\n\r\n"
    server = scripted([head, gzip])
    reading = (await client.get(server.url())).content()
    reading.cancel()
    with pytest.raises(CancelledError):
        await reading
    assert await server.connections[0].ended() is End.RST


async def test_a_cancel_before_the_answer(scripted: Any, client: Any, reactor: Any) -> None:
    """The request's own Deferred reaches the transport."""
    server = scripted([head])
    asked = client.get(server.url())
    connection = await server.arrived()
    await until(reactor, lambda: connection.heads)
    asked.cancel()
    with pytest.raises(CancelledError):
        await asked
    assert await connection.ended() is End.RST


async def test_over_an_agent_that_is_not_ours() -> None:
    """Its body cannot be aborted from here, but the caller is free at once."""
    spy = AgentSpy()
    asked = HTTPClient(spy, None).get("http://h.test/")
    spy.requests[0].answer(200, length=5)
    reading = (await asked).content()
    reading.cancel()
    with pytest.raises(CancelledError):
        await reading
