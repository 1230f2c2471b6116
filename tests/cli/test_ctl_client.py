"""A service as `ctl` meets it, where it says nothing, or stops."""

from __future__ import annotations

import os
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Any

import pytest
import pytest_twisted
from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.endpoints import UNIXServerEndpoint
from twisted.internet.protocol import Factory, Protocol, connectionDone
from twisted.python.failure import Failure

from downloader.cli.ctlclient import Client
from downloader.cli.ctlfollow import Follow
from downloader.cli.ctltoken import Away
from downloader.errors import ServiceError
from downloader.sansio.eventstream import Event, EventStream
from downloader.testing import Connection, End

EVENTS = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n"


def anybody(user: int) -> None:
    """May see the token."""


async def one_event(connection: Connection) -> None:
    await connection.head()
    connection.send(EVENTS + b"data: 1\n\n")


async def test_events_that_stop_have_broken_off(reactor: Any, scripted: Any, until: Any) -> None:
    """The connection is closed: there may be nobody at its other end."""
    server, heard = scripted(one_event), list[Event]()
    client = Client(reactor, server.url(""), lambda: "t", anybody, silence=0.05)
    with pytest.raises(Away, match="nothing is heard"):
        await client.read(EventStream(), heard.append)
    assert heard == [Event("message", "1")]
    await until(lambda: server.connections[0].end is not None)
    await client.close()


async def test_cancelled_while_it_follows(reactor: Any, scripted: Any, until: Any) -> None:
    server, heard = scripted(one_event), list[Event]()
    client = Client(reactor, server.url(""), lambda: "t", anybody)
    follow = Follow(client, heard.append, heard.append)
    following = Deferred.fromCoroutine(follow.run())
    await until(lambda: heard)
    assert repr(follow) == f"<Follow {client!r} linked>"
    following.cancel()
    with pytest.raises(CancelledError):
        await following
    await until(lambda: server.connections[0].end is End.RST)
    await client.close()


async def test_cancelled_while_it_waits_to_ask_again(
    reactor: Any, scripted: Any, until: Any
) -> None:
    """No delayed call is left. A service that says so is not asked without end."""

    async def ends(connection: Connection) -> None:
        await connection.head()
        connection.send(EVENTS + b"retry: 0\ndata: 1\n\n")
        connection.close()

    lost = list[str]()
    client = Client(reactor, scripted(ends).url(""), lambda: "t", anybody)
    follow = Follow(client, lambda event: None, lost.append)
    following = Deferred.fromCoroutine(follow.run())
    await until(lambda: lost)
    assert lost == ["the service ended the connection"]
    assert repr(follow) == f"<Follow {client!r} lost, 0.1 s>"
    following.cancel()
    with pytest.raises(CancelledError):
        await following
    await client.close()


@pytest.mark.parametrize("code", ["502 Bad Gateway", "200 OK", "401 Unauthorized"])
async def test_pages_of_a_proxy_keep_no_connection(
    reactor: Any, scripted: Any, until: Any, code: str
) -> None:
    """However long they are, and however often it is asked: they are not read."""

    async def page(connection: Connection) -> None:
        await connection.head()
        head = f"HTTP/1.1 {code}\r\nContent-Type: text/html\r\nContent-Length: 9999999\r\n\r\n"
        connection.send(head.encode() + b"x" * 100_000)

    server = scripted(page)
    client = Client(reactor, server.url(""), lambda: "t", anybody)
    for _ in range(30):
        with pytest.raises(ServiceError):
            await client.ask("GET", "/jobs")
    await until(lambda: all(one.end is not None for one in server.connections))
    assert len(server.connections) == 30
    await client.close()


async def test_a_token_is_shown_to_nobody_while_it_may_not_be(reactor: Any, scripted: Any) -> None:
    """Whoever listens meanwhile; it is looked at for each request. That is no outage."""

    def stranger() -> str:
        raise ServiceError("a stranger")

    server = scripted(one_event)
    client = Client(reactor, server.url(""), stranger, anybody)
    with pytest.raises(ServiceError, match="a stranger") as raised:
        await client.ask("GET", "/jobs")
    assert not isinstance(raised.value, Away)
    assert server.connections == []
    await client.close()


async def test_a_stranger_in_an_outage_ends_following(reactor: Any, scripted: Any) -> None:
    """It is not asked again: it would have to be away only once, for a moment."""

    async def ends(connection: Connection) -> None:
        await connection.head()
        connection.send(EVENTS + b"retry: 0\ndata: 1\n\n")
        connection.close()

    asked = list[int]()

    def token() -> str:
        asked.append(1)
        if len(asked) == 2:
            raise Away("nobody")
        if len(asked) == 3:
            raise ServiceError("a stranger")
        return "t"

    server, lost = scripted(ends), list[str]()
    client = Client(reactor, server.url(""), token, anybody)
    with pytest.raises(ServiceError, match="a stranger"):
        await Follow(client, lambda event: None, lost.append).run()
    assert (len(asked), len(server.connections)) == (3, 1)
    assert lost == ["the service ended the connection"]
    await client.close()


# --- at a socket ----------------------------------------------------------------------------


class Heard(Protocol):
    """What comes to a socket; nothing is answered."""

    transport: Any

    def __init__(self) -> None:
        self.data = b""
        self.over = False

    def dataReceived(self, data: bytes) -> None:
        self.data += data

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        self.over = True


@pytest_twisted.async_yield_fixture
async def silent(reactor: Any, tmp_path: Path) -> AsyncGenerator[tuple[str, list[Heard]], None]:
    """The URL of a socket that answers nothing, and its connections."""
    heard = list[Heard]()

    class Silent(Factory):
        def buildProtocol(self, address: Any) -> Heard:
            heard.append(Heard())
            return heard[-1]

    path = str(tmp_path / "d.sock")
    port = await UNIXServerEndpoint(reactor, path).listen(Silent())
    yield f"unix:{path}", heard
    await port.stopListening()


async def test_a_stranger_at_a_socket_gets_nothing(
    reactor: Any, silent: tuple[str, list[Heard]], until: Any
) -> None:
    """The system says whose it is, once it is connected."""
    url, heard = silent
    users = list[int]()

    def check(user: int) -> None:
        users.append(user)
        raise ServiceError("a stranger")

    client = Client(reactor, url, lambda: "t", check)
    with pytest.raises(ServiceError, match="a stranger"):
        await client.ask("GET", "/jobs")
    assert users == [os.geteuid()]
    await until(lambda: heard and heard[0].over)
    assert heard[0].data == b""
    await client.close()


async def test_a_page_at_a_socket_keeps_no_connection(
    reactor: Any, silent: tuple[str, list[Heard]], until: Any
) -> None:
    url, heard = silent
    client = Client(reactor, url, lambda: "t", anybody)
    asking = Deferred.fromCoroutine(client.ask("GET", "/jobs"))
    await until(lambda: heard and heard[0].data)
    heard[0].transport.write(b"HTTP/1.1 502 No\r\nContent-Length: 9999999\r\n\r\n")
    with pytest.raises(Away):
        await asking
    await until(lambda: heard[0].over)
    await client.close()


async def test_cancelled_while_a_socket_does_not_answer(
    reactor: Any, silent: tuple[str, list[Heard]], until: Any
) -> None:
    """That is no outage, after which it would be asked again."""
    url, heard = silent
    client = Client(reactor, url, lambda: "t", anybody)
    asking = Deferred.fromCoroutine(client.ask("GET", "/jobs"))
    await until(lambda: heard and heard[0].data.endswith(b"\r\n\r\n"))
    assert b"Bearer t" in heard[0].data
    asking.cancel()
    with pytest.raises(CancelledError):
        await asking
    await until(lambda: heard[0].over)
    await client.close()
