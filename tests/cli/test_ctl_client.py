"""A service as `ctl` meets it, where it says nothing, or stops."""

from __future__ import annotations

from typing import Any

import pytest
from twisted.internet.defer import CancelledError, Deferred

from downloader.cli.ctlclient import Away, Client
from downloader.cli.ctlfollow import Follow
from downloader.errors import ServiceError
from downloader.sansio.eventstream import Event, EventStream
from downloader.testing import Connection, End

EVENTS = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n"


async def one_event(connection: Connection) -> None:
    await connection.head()
    connection.send(EVENTS + b"data: 1\n\n")


async def test_events_that_stop_have_broken_off(reactor: Any, scripted: Any, until: Any) -> None:
    """The connection is closed: there may be nobody at its other end."""
    server, heard = scripted(one_event), list[Event]()
    client = Client(reactor, server.url(""), lambda: "t", silence=0.05)
    with pytest.raises(Away, match="nothing is heard"):
        await client.read(EventStream(), heard.append)
    assert heard == [Event("message", "1")]
    await until(lambda: server.connections[0].end is not None)
    await client.close()


async def test_cancelled_while_it_follows(reactor: Any, scripted: Any, until: Any) -> None:
    server, heard = scripted(one_event), list[Event]()
    client = Client(reactor, server.url(""), lambda: "t")
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
    client = Client(reactor, scripted(ends).url(""), lambda: "t")
    follow = Follow(client, lambda event: None, lost.append)
    following = Deferred.fromCoroutine(follow.run())
    await until(lambda: lost)
    assert lost == ["the service ended the connection"]
    assert repr(follow) == f"<Follow {client!r} lost, 0.1 s>"
    following.cancel()
    with pytest.raises(CancelledError):
        await following
    await client.close()


async def test_a_token_is_shown_to_nobody_while_it_may_not_be(reactor: Any, scripted: Any) -> None:
    """Whoever listens meanwhile; it is looked at for each request."""

    def stranger() -> str:
        raise ServiceError("a stranger")

    server = scripted(one_event)
    client = Client(reactor, server.url(""), stranger)
    with pytest.raises(Away, match="a stranger"):
        await client.ask("GET", "/jobs")
    assert server.connections == []
    await client.close()
