"""Proxies that break their protocol, flood, drip or end: each has its error, no socket is left."""

from __future__ import annotations

from inspect import ismethod as is_method
from typing import Any

import pytest
from support.asking import get, until
from twisted.internet.defer import CancelledError, succeed
from twisted.internet.endpoints import TCP4ClientEndpoint
from twisted.internet.interfaces import IStreamClientEndpoint
from twisted.internet.protocol import Factory, Protocol
from zope.interface.verify import verifyObject

from downloader.errors import (
    ConnectTimeout,
    ProxyAuthRequired,
    ProxyError,
    ProxyFailed,
    ProxyRefused,
)
from downloader.http1.proxy import ProxyEndpoint, TunnelEndpoint, Tunnels
from downloader.sansio.network import Network
from downloader.sansio.proxies import Proxies, parse_proxy
from downloader.sansio.wire import MAX_HEAD_BYTES, MAX_INFORMATIONAL
from downloader.testing import End, fin, head, mute, rst, trickle

GREETED = b"\x05\x00"
LINE = b"HTTP/1.1 200 OK\r\n"
FOUND = b"HTTP/1.1 302 Found\r\nLocation: http://evil.test/\r\nContent-Length: 0\r\n\r\n"
HTTP_FAULTS = {
    "garbage": ([head, b"\0\1\2garbage"], ProxyRefused),
    "TLS": ([head, b"\x16\x03\x03"], ProxyRefused),
    "a head without end": ([head, LINE, b"a: b\r\n" * (MAX_HEAD_BYTES // 4)], ProxyRefused),
    "hints without end": (
        [head, b"HTTP/1.1 103 Hint\r\n\r\n" * (MAX_INFORMATIONAL + 1)],
        ProxyRefused,
    ),
    "bytes behind its answer": ([head, LINE + b"\r\n\x16\x03"], ProxyRefused),
    "a login": ([head, b"HTTP/1.1 407 x\r\nContent-Length: 9\r\n\r\n"], ProxyAuthRequired),
    "a redirect": ([head, FOUND], ProxyRefused),
    "forbidden": ([head, b"HTTP/1.1 403 x\r\n\r\n"], ProxyRefused),
    "busy": ([head, b"HTTP/1.1 503 x\r\n\r\n"], ProxyFailed),
    "a close": ([fin], ProxyFailed),
    "a close after the request": ([head, fin], ProxyFailed),
    "a close within its head": ([head, LINE, fin], ProxyFailed),
    "a reset": ([head, rst], ProxyFailed),
}
SOCKS_FAULTS = {
    "garbage": ([b"HTTP/1.1 400 Bad\r\n\r\n"], ProxyRefused),
    "no method": ([b"\x05\xff"], ProxyAuthRequired),
    "not allowed": ([GREETED, b"\x05\x02\x00\x01" + bytes(6)], ProxyRefused),
    "unreachable": ([GREETED, b"\x05\x04\x00\x01" + bytes(6)], ProxyFailed),
    "refused": ([GREETED, b"\x05\x05\x00\x01" + bytes(6)], ProxyFailed),
    "bytes behind its answer": ([GREETED, b"\x05\x00\x00\x01" + bytes(7)], ProxyRefused),
    "a close": ([fin], ProxyFailed),
    "a close after the greeting": ([GREETED, fin], ProxyFailed),
    "a close within its reply": ([GREETED, b"\x05\x00\x00", fin], ProxyFailed),
    "a reset": ([GREETED, rst], ProxyFailed),
}
FAULTS = [("http", name, *fault) for name, fault in HTTP_FAULTS.items()]
FAULTS += [("socks5h", name, *fault) for name, fault in SOCKS_FAULTS.items()]


def network(scheme: str, port: int) -> Network:
    return Network(Proxies(all=f"{scheme}://me:s3cret@127.0.0.1:{port}"))


@pytest.mark.parametrize(
    ("scheme", "steps", "kind"),
    [(scheme, steps, kind) for scheme, _, steps, kind in FAULTS],
    ids=[f"{scheme}, {name}" for scheme, name, *_ in FAULTS],
)
async def test_a_fault(scripted: Any, make_agent: Any, scheme: str, steps: Any, kind: Any) -> None:
    """An error of the right branch, which tells no secret; the proxy sees the end."""
    proxy = scripted(steps)
    agent = make_agent(network=network(scheme, proxy.port))
    with pytest.raises(ProxyError) as caught:
        await get(agent, "https://h.test/")
    assert type(caught.value) is kind
    assert "s3cret" not in str(caught.value) + repr(caught.value) and "evil" not in str(
        caught.value
    )
    await proxy.closed_all()
    assert len(proxy.connections) == 1


@pytest.mark.parametrize("scheme", ["http", "socks5h"])
async def test_a_slow_drip(scripted: Any, make_agent: Any, clocked: Any, scheme: str) -> None:
    """The deadline of the whole connection is not put off by a byte now and then."""
    said = b"HTTP/1.1 200 Connection established" if scheme == "http" else GREETED + b"\x05\x00\x00"
    proxy = scripted([trickle(said), mute])
    agent = make_agent(over=clocked, connect_timeout=30.0, network=network(scheme, proxy.port))
    asked = agent.request(b"GET", b"https://h.test/")
    connection = await proxy.arrived()
    for _ in range(31):
        await connection.flush()
        clocked.clock.advance(1)
    with pytest.raises(ConnectTimeout):
        await asked
    assert await connection.ended() is End.RST
    assert clocked.clock.getDelayedCalls() == []


def local_ports(reactor: Any) -> set[int]:
    """Those of every socket that the reactor still reads or is to close."""
    sockets = [one for one in reactor.getReaders() if hasattr(one, "getHost")]
    closing = [call.func.__self__ for call in reactor.getDelayedCalls() if is_method(call.func)]
    sockets += [one for one in closing if hasattr(one, "getHost")]
    return {one.getHost().port for one in sockets}


@pytest.mark.parametrize("scheme", ["http", "socks5h"])
async def test_closing_waits_for_the_tunnel(
    scripted: Any, make_agent: Any, reactor: Any, scheme: str
) -> None:
    """`close` fires when the socket to the proxy is closed, not before."""
    proxy = scripted([mute])
    agent = make_agent(network=network(scheme, proxy.port))
    asked = agent.request(b"GET", b"https://h.test/")
    connection = await proxy.arrived()
    await until(reactor, lambda: connection.received)
    ours = connection.transport.getPeer().port
    told: list[Any] = []
    closing = agent.close().addCallback(told.append)
    assert not told and ours in local_ports(reactor)
    await closing
    assert ours not in local_ports(reactor)
    with pytest.raises(Exception):  # noqa: B017  Closed or CancelledError, by what came first
        await asked
    assert await connection.ended() is End.RST


# --- the endpoints by themselves ------------------------------------------------------------


def endpoint(reactor: Any, scheme: str, port: int, tunnels: Tunnels) -> TunnelEndpoint:
    proxy = parse_proxy(f"{scheme}://127.0.0.1:{port}")
    to_proxy = ProxyEndpoint(TCP4ClientEndpoint(reactor, "127.0.0.1", port), proxy)
    assert verifyObject(IStreamClientEndpoint, to_proxy)
    return TunnelEndpoint(to_proxy, proxy, "127.0.0.1", 80, tunnels, succeed)


async def test_cancelling_a_handshake(scripted: Any, reactor: Any) -> None:
    """CancelledError at once, RST, and nothing is under way any more."""
    proxy, tunnels = scripted([mute]), Tunnels()
    one = endpoint(reactor, "http", proxy.port, tunnels)
    assert verifyObject(IStreamClientEndpoint, one)
    connecting = one.connect(Factory.forProtocol(Protocol))
    connection = await proxy.arrived()
    await until(reactor, lambda: connection.received)
    assert repr(tunnels) == "<Tunnels 1 under way>"
    closed = tunnels.closed()
    connecting.cancel()
    with pytest.raises(CancelledError):
        await connecting
    assert not closed.called
    await closed
    assert repr(tunnels) == "<Tunnels 0 under way>"
    assert await connection.ended() is End.RST


class Refusing(Protocol):
    """Cannot begin."""

    def connectionMade(self) -> None:
        raise ZeroDivisionError


async def test_a_protocol_that_cannot_begin(scripted: Any, reactor: Any) -> None:
    """Its error comes out, and the transport goes."""
    proxy, tunnels = scripted([head, LINE + b"\r\n"]), Tunnels()
    one = endpoint(reactor, "http", proxy.port, tunnels)
    with pytest.raises(ZeroDivisionError):
        await one.connect(Factory.forProtocol(Refusing))
    assert await proxy.connections[0].ended() is End.RST
    await tunnels.closed()
