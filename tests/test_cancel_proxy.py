"""Stop means stop, on the way through a proxy too: one row for each place where a request waits.

What `test_cancellation` says of servers holds for proxies: the Deferred fails at once, the proxy
sees a RST in time, nothing is left, and the same downloader still gets what it is asked for.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from support.bench import Bench, cancelled
from support.phases import SMALL
from support.resolving import SilentResolver
from twisted.internet.defer import Deferred

from downloader import Network, Proxies
from downloader.testing import Connection, End, FullListener, HttpProxy, head, stop_reading

Ask = Callable[[Bench, str], Deferred[Any]]
HEAD = b"HTTP/1.1 200 OK\r\n"
REPLY = b"\x05\x00\x00\x01" + bytes(6)


def greeting(connection: Connection) -> Any:
    """Step: the version and two methods."""
    return connection.take(4)


def login(connection: Connection) -> Any:
    """Step: `me` and `pw`."""
    return connection.take(7)


def place(connection: Connection) -> Any:
    """Step: CONNECT to h.test."""
    return connection.take(13)


PHASES: dict[str, tuple[str, list[Any]]] = {
    "CONNECT, not a byte back": ("http", [head]),
    "CONNECT, half a head": ("http", [head, HEAD + b"Serv"]),
    "CONNECT, after a 1xx": ("http", [head, b"HTTP/1.1 100 Continue\r\n\r\n"]),
    "CONNECT, the proxy reads no more": ("http", [head, stop_reading]),
    "CONNECT done, a mute handshake": ("http", [head, HEAD + b"\r\n", lambda c: c.take(5)]),
    "SOCKS, greeted": ("socks5h", [greeting]),
    "SOCKS, half a method": ("socks5h", [greeting, b"\x05"]),
    "SOCKS, logging in": ("socks5h", [greeting, b"\x05\x02", login]),
    "SOCKS, half a judgement": ("socks5h", [greeting, b"\x05\x02", login, b"\x01"]),
    "SOCKS, asked": ("socks5h", [greeting, b"\x05\x00", place]),
    "SOCKS, half a reply": ("socks5h", [greeting, b"\x05\x00", place, REPLY[:7]]),
    "SOCKS done, a mute handshake": (
        "socks5h",
        [greeting, b"\x05\x00", place, REPLY, lambda c: c.take(5)],
    ),
}


@pytest.fixture(params=[Bench.fetch, Bench.treq], ids=["fetch", "treq"])
def ask(request: pytest.FixtureRequest) -> Any:
    """One of the two ways to ask."""
    return request.param


def network(proxy: str) -> Network:
    """Through `proxy` for https, and for everything else through none."""
    return Network(Proxies(https=proxy))


@pytest.mark.parametrize("name", PHASES)
async def test_cancel(name: str, ask: Ask, scripted: Any, bench: Any) -> None:
    """In every phase of a handshake, and in the TLS that comes behind it."""
    scheme, steps = PHASES[name]
    reached: Deferred[Connection] = Deferred()
    proxy = scripted([*steps, reached.callback])
    server = scripted([head, SMALL])
    b: Bench = bench(network=network(f"{scheme}://me:pw@127.0.0.1:{proxy.port}"))
    b.remember()
    asked = ask(b, "https://h.test/file")
    connection = await reached
    await b.turns()
    await b.cancel(asked, connection, reads=stop_reading not in steps)
    await b.is_clean()
    await b.gets(server.url("/small"), b"small")


async def test_cancel_in_a_tunnel(
    ask: Ask, scripted: Any, bench: Any, http_proxy: Any, ca: Any
) -> None:
    """Before the head of the answer: the proxy sees the RST, and ends what it had to the server."""
    proxy: HttpProxy = http_proxy()
    server = scripted([head], tls=ca.server())
    b: Bench = bench(network=network(f"127.0.0.1:{proxy.port}"))
    b.remember()
    asked = ask(b, server.url(host="localhost"))
    connection = await server.arrived()
    await b.until(lambda: connection.heads)
    before = proxy.connections[0]
    asked.cancel()
    assert cancelled(asked)
    assert await before.ended() is End.RST
    await connection.ended()
    await b.is_clean()


@pytest.mark.parametrize("scheme", ["http", "socks5", "socks5h"])
async def test_cancel_connecting_to_the_proxy(
    ask: Ask, full_listener: FullListener, bench: Any, scheme: str
) -> None:
    """The socket that was in SYN_SENT is gone."""
    b: Bench = bench(network=network(f"{scheme}://127.0.0.1:{full_listener.port}"))
    b.remember()
    asked = ask(b, "https://127.0.0.1/file")
    await b.until(full_listener.connecting)
    await b.cancel(asked)
    await b.is_clean()
    assert full_listener.connecting() == 0


@pytest.mark.parametrize("proxy", ["socks5://127.0.0.1:1", "http://p.test:1"])
async def test_cancel_a_lookup(ask: Ask, bench: Any, proxy: str) -> None:
    """Of the server's name where it is ours to look up, or of the proxy's."""
    resolver = SilentResolver()
    b: Bench = bench(network=network(proxy), resolver=resolver)
    b.remember()
    asked = ask(b, "https://h.test/file")
    (lookup,) = resolver.lookups
    assert lookup.name == ("h.test" if "socks5" in proxy else "p.test")
    await b.cancel(asked)
    assert lookup.cancelled
    lookup.answer()
    await b.is_clean()
