"""The agent's own promises: its interfaces, its deadlines, where it connects and what it sends."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
from support.asking import HELLO, OK, get, hello, until
from support.memory import Body
from support.resolving import SilentResolver
from twisted.internet.address import IPv4Address
from twisted.internet.defer import CancelledError
from twisted.internet.interfaces import IAddress, IHostnameResolver, IPushProducer
from twisted.web.client import ResponseFailed
from twisted.web.http import PotentialDataLoss
from twisted.web.http_headers import Headers
from twisted.web.iweb import UNKNOWN_LENGTH, IAgent, IClientRequest, IResponse
from zope.interface import implementer
from zope.interface.verify import verifyObject

from downloader.deadlines import Deadlines
from downloader.errors import (
    BadUrl,
    ConnectError,
    ConnectTimeout,
    FirstByteTimeout,
    ResolveError,
    TruncatedBody,
    WrongRequest,
)
from downloader.http1.redirect import RedirectAgent
from downloader.http1.tls import TlsOptions
from downloader.testing import End, fin, head, mute, rst, trickle
from downloader.transfer.door import translate


async def test_interfaces(scripted: Any, agent: Any, reactor: Any) -> None:
    """What treq and Twisted's own wrappers rely on is there."""
    server = scripted([head, HELLO[:-1]])
    assert verifyObject(IAgent, agent)
    assert verifyObject(IAgent, RedirectAgent(agent, Deadlines(reactor)))
    url = server.url("/a?b").replace("//", "//user:pass@").encode()
    response = await agent.request(b"GET", url, Headers({"X": ["y"]}))
    assert verifyObject(IResponse, response) and verifyObject(IClientRequest, response.request)
    assert (response.version, response.code, response.phrase) == ((b"HTTP", 1, 1), 200, b"OK")
    assert response.request.absoluteURI == server.url("/a?b").encode()
    assert response.request.method == b"GET" and response.request.headers.hasHeader("x")
    body = Body()
    response.deliverBody(body)
    assert verifyObject(IPushProducer, body.transport) and not body.transport.disconnecting
    body.transport.loseConnection()
    assert body.transport.disconnecting and body.end is CancelledError
    assert await server.connections[0].ended() is End.RST


async def test_what_is_sent(scripted: Any, agent: Any) -> None:
    """The target as it was, one Host, the caller's headers, and none that frames."""
    server = scripted(hello)
    await get(agent, server.url("/a%2Fb?c=d%20e"), accept="*/*", host="evil", connection="x")
    assert server.connections[0].heads == [
        b"GET /a%%2Fb?c=d%%20e HTTP/1.1\r\nHost: 127.0.0.1:%d\r\nAccept: */*\r\n\r\n" % server.port
    ]


@pytest.mark.parametrize(
    "method, uri, name, value, error",
    [
        (b"G T", b"http://h/", b"X", b"y", WrongRequest),
        (b"GET\r\nX: y", b"http://h/", b"X", b"y", WrongRequest),
        (b"GET", b"http://h/", b"X", b"y\0", WrongRequest),
        (b"GET", b"http://h/\r\nX: y", b"X", b"y", BadUrl),
        (b"GET", b"http://h/\xff", b"X", b"y", BadUrl),
        (b"GET", b"ftp://h/", b"X", b"y", BadUrl),
        (b"GET", b"/", b"X", b"y", BadUrl),
        (b"GET", b"https://a~b.test/", b"X", b"y", BadUrl),
    ],
)
async def test_what_cannot_be_sent(
    make_agent: Any, method: bytes, uri: bytes, name: bytes, value: bytes, error: Any
) -> None:
    """It fails before a name is looked up or a connection made."""
    resolver = SilentResolver()
    with pytest.raises(error) as caught:
        await make_agent(resolver=resolver).request(method, uri, Headers({name: [value]}))
    assert type(caught.value) is error and resolver.lookups == []


# --- deadlines ------------------------------------------------------------------------------


async def test_a_silent_server(scripted: Any, make_agent: Any) -> None:
    """No answer: FirstByteTimeout, and a RST."""
    server = scripted([head])
    with pytest.raises(FirstByteTimeout):
        await get(make_agent(first_byte_timeout=0.03), server.url())
    assert await server.connections[0].ended() is End.RST


async def test_a_head_without_end(scripted: Any, make_agent: Any, clocked: Any) -> None:
    """Informational answers do not put the deadline off."""
    hint = b"HTTP/1.1 103 Early Hints\r\n\r\n"
    server = scripted([head, hint, trickle(hint), mute])
    asked = make_agent(over=clocked, first_byte_timeout=30.0).request(b"GET", server.url().encode())
    connection = await server.arrived()
    while not connection.heads:
        await connection.flush()
    for _ in range(31):
        await connection.flush()
        clocked.clock.advance(1)
    with pytest.raises(FirstByteTimeout):
        await asked
    assert clocked.clock.getDelayedCalls() == []


async def test_a_full_backlog(full_listener: Any, make_agent: Any, reactor: Any) -> None:
    """TCP that never connects."""
    with pytest.raises(ConnectTimeout):
        await get(make_agent(connect_timeout=0.1), full_listener.url())
    await until(reactor, lambda: full_listener.connecting() == 0)


async def test_a_mute_handshake(scripted: Any, make_agent: Any, ca: Any) -> None:
    """TLS that never begins counts as connecting."""
    server = scripted([mute])
    agent = make_agent(connect_timeout=0.1, tls=TlsOptions(trust_root=ca.trust_root))
    with pytest.raises(ConnectTimeout):
        await get(agent, f"https://127.0.0.1:{server.port}/")
    assert await server.connections[0].ended() is End.RST


async def test_a_silent_resolver(make_agent: Any) -> None:
    """So does a name that is never found; the lookup is given up."""
    resolver = SilentResolver()
    with pytest.raises(ConnectTimeout):
        await get(make_agent(connect_timeout=0.05, resolver=resolver), "http://h.test/")
    assert [one.cancelled for one in resolver.lookups] == [True]


# --- where it connects ----------------------------------------------------------------------


@implementer(IHostnameResolver)
class Addresses:
    """Answers with these ports of 127.0.0.1, in this order."""

    def __init__(self, *ports: int) -> None:
        self._ports = ports

    def resolveHostName(
        self,
        resolutionReceiver: Any,
        hostName: str,
        portNumber: int = 0,
        addressTypes: Sequence[type[IAddress]] | None = None,
        transportSemantics: str = "TCP",
    ) -> Any:
        resolver = SilentResolver()
        lookup = resolver.resolveHostName(resolutionReceiver, hostName, portNumber)
        for port in self._ports:
            resolutionReceiver.addressResolved(IPv4Address("TCP", "127.0.0.1", port))
        resolutionReceiver.resolutionComplete()
        return lookup


async def test_a_dead_address_before_a_live_one(
    scripted: Any, make_agent: Any, full_listener: Any
) -> None:
    """Happy eyeballs (RFC 8305): the second is tried while the first is still silent."""
    server = scripted(hello)
    agent = make_agent(resolver=Addresses(full_listener.port, server.port))
    assert (await get(agent, "http://h.test/"))[1] == b"hello"
    assert full_listener.connecting() == 0


async def test_a_name_without_an_address(make_agent: Any) -> None:
    """ResolveError names the host that was asked for."""
    with pytest.raises(ResolveError, match=r"h\.test"):
        await get(make_agent(resolver=Addresses()), "http://h.test/")


async def test_a_name_with_an_underscore(scripted: Any, make_agent: Any) -> None:
    """No host name by the letter, but such names resolve and serve."""
    server = scripted(hello)
    resolver = SilentResolver(silent=False)
    agent = make_agent(resolver=resolver)
    assert (await get(agent, server.url(host="a_b.test")))[1] == b"hello"
    assert [one.name for one in resolver.lookups] == ["a_b.test"]


@pytest.mark.parametrize("host", ["127.0.0.1", "[::1]"])
async def test_an_address_is_not_looked_up(scripted: Any, make_agent: Any, host: str) -> None:
    """Nor does it wait for a resolver's thread. (The server listens on the first only.)"""
    server = scripted(hello)
    resolver = SilentResolver()
    agent = make_agent(resolver=resolver)
    if host == "127.0.0.1":
        assert (await get(agent, server.url()))[1] == b"hello"
    else:
        with pytest.raises(Exception) as caught:
            await get(agent, server.url(host=host))
        assert type(translate(caught.value)) is ConnectError
    assert resolver.lookups == []


# --- ends of bodies over real sockets -------------------------------------------------------


@pytest.mark.parametrize("tls", [False, True], ids=["plain", "tls"])
async def test_a_body_until_the_close(
    scripted: Any, make_agent: Any, ca: Any, reactor: Any, tls: bool
) -> None:
    """A clean end (over TLS: close_notify) is the body's end, and proves no length."""
    server = scripted([head, OK + b"\r\nhello", fin], tls=ca.server() if tls else None)
    agent = make_agent(tls=TlsOptions(trust_root=ca.trust_root))
    response = await agent.request(b"GET", server.url().encode())
    assert response.length is UNKNOWN_LENGTH
    body = Body()
    response.deliverBody(body)
    await until(reactor, lambda: body.end)
    assert (body.data, body.end) == (b"hello", PotentialDataLoss)


def drop_tcp(connection: Any) -> None:
    """Step: FIN below TLS, without close_notify."""
    connection.transport.transport.loseConnection()


@pytest.mark.parametrize("end", ["drop_tcp", "rst"])
async def test_a_tls_body_that_is_cut(
    scripted: Any, make_agent: Any, ca: Any, reactor: Any, end: str
) -> None:
    """Without close_notify anybody on the way may have ended it: truncated, not unproven."""
    step = drop_tcp if end == "drop_tcp" else rst

    async def script(connection: Any) -> None:
        await connection.head()
        connection.send(OK + b"\r\nhello")
        await connection.flush()
        if (waiting := step(connection)) is not None:
            await waiting

    agent = make_agent(tls=TlsOptions(trust_root=ca.trust_root))
    with pytest.raises(ResponseFailed) as caught:
        await get(agent, scripted(script, tls=ca.server()).url())
    assert type(translate(caught.value)) is TruncatedBody
