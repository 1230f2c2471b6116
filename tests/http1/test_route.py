"""What may share a connection, and which addresses a connection is made from and to."""

from __future__ import annotations

import socket
from dataclasses import replace
from typing import Any

import pytest
from support.asking import get, hello
from twisted.web.client import readBody
from twisted.web.http_headers import Headers

from downloader.errors import ResolveError, WrongRequest
from downloader.http1.exchange import Exchange
from downloader.http1.heads import Heads
from downloader.http1.resolve import ThreadedResolver
from downloader.http1.route import Route, route_to
from downloader.http1.tls import TlsOptions
from downloader.sansio.network import Network
from downloader.sansio.proxies import Proxies, parse_proxy
from downloader.sansio.url import parse_url

TLS = TlsOptions()


def route(proxy: str | None = None, scheme: str = "http") -> Route:
    return Route(scheme, "h.test", 80, TLS, None if proxy is None else parse_proxy(proxy))


def test_routes_are_equal_when_they_mean_the_same() -> None:
    """And hash alike; each field makes another."""
    assert route() == route() and hash(route()) == hash(route())
    assert route("http://me:pw@p:1") == route("me:pw@p:1")
    one = route("http://me:pw@p:1")
    others = [
        route(),
        route("socks5://me:pw@p:1"),
        route("socks5h://me:pw@p:1"),
        route("http://me:pw@q:1"),
        route("http://me:pw@p:2"),
        route("http://you:pw@p:1"),
        route("http://me:other@p:1"),
        route("http://p:1"),
        replace(one, scheme="https"),
        replace(one, host="g.test"),
        replace(one, port=81),
        replace(one, tls=TlsOptions(verify=False)),
        replace(one, local_address="127.0.0.1"),
        replace(one, ip_version=4),
        replace(one, private=False),
    ]
    assert len({one, *others}) == 1 + len(others)


def test_only_a_proxy_that_reads_requests_is_told_the_whole_url() -> None:
    """That is an HTTP one for plain http; and behind it nothing is pipelined."""
    login = b"Proxy-Authorization: Basic bWU6cHc=\r\n"
    for scheme, proxy, via in (
        ("http", None, None),
        ("http", "http://p:1", b""),
        ("http", "http://me:pw@p:1", login),
        ("https", "http://me:pw@p:1", None),
        ("http", "socks5://me:pw@p:1", None),
        ("https", "socks5h://me:pw@p:1", None),
    ):
        one = route(proxy, scheme)
        assert one.via == via and one.may_pipeline == (via is None)


def test_the_repr_holds_no_login() -> None:
    """As everywhere."""
    shown = repr(route("http://me:s3cret@p:1"))
    assert shown == "<Route http://h.test:80 through http://p:1>"
    assert repr(route()) == "<Route http://h.test:80>"
    assert str(Route("https", "::1", 443, TLS)) == "https://[::1]:443"


def test_the_route_over_a_network() -> None:
    """Its proxy, its address, its IP version."""
    network = Network(Proxies(all="p:1", no_proxy="g.test"), local_address="127.0.0.1")
    one = route_to(network, TLS, "http", "h.test", 80)
    assert one == Route("http", "h.test", 80, TLS, parse_proxy("p:1"), "127.0.0.1", 4)
    assert route_to(network, TLS, "http", "g.test", 80).proxy is None


# --- connections ----------------------------------------------------------------------------


async def ask(agent: Any, url: str, by: Route) -> bytes:
    """The body, asked for by this route whatever the agent would choose."""
    head = Heads().make(b"GET", parse_url(url), Headers(), None, by.via)
    exchange = Exchange(b"GET", parse_url(url), Headers(), None, head)
    agent._pool.submit(exchange, by)
    return await readBody(await exchange.answer)


async def test_each_field_has_connections_of_its_own(
    scripted: Any, agent: Any, socks_proxy: Any, http_proxy: Any, ca: Any
) -> None:
    """Two routes that differ in one field: two connections; the same again: the same one."""
    server = scripted(hello)
    socks, http = socks_proxy(), http_proxy()
    base = Route("http", "127.0.0.1", server.port, TLS)
    by_socks = replace(base, proxy=parse_proxy(f"socks5h://me:pw@127.0.0.1:{socks.port}"))
    routes = [
        base,
        replace(base, tls=TlsOptions(trust_root=ca.trust_root)),
        replace(base, local_address="127.0.0.2", ip_version=4),
        replace(base, ip_version=4),
        by_socks,
        replace(by_socks, proxy=parse_proxy(f"socks5h://you:pw@127.0.0.1:{socks.port}")),
        replace(by_socks, proxy=parse_proxy(f"socks5h://me:wp@127.0.0.1:{socks.port}")),
        replace(by_socks, proxy=parse_proxy(f"socks5://me:pw@127.0.0.1:{socks.port}")),
        replace(base, proxy=parse_proxy(f"127.0.0.1:{http.port}")),
        replace(base, proxy=parse_proxy(f"me:pw@127.0.0.1:{http.port}")),
    ]
    for _ in range(2):
        for number, one in enumerate(routes):
            assert await ask(agent, server.url(f"/{number}"), one) == b"hello"
    assert [[h.split()[1] for h in one.heads] for one in server.connections] == [
        [b"/%d" % number] * 2 for number in range(len(routes))
    ]
    assert [one.login for one in socks.asked] == ["me:pw", "you:pw", "me:wp", "me:pw"]
    assert [one.login for one in http.asked] == [None, "me:pw"] * 2
    assert len(http.connections) == 2


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
async def test_the_local_address(scripted: Any, make_agent: Any, host: str) -> None:
    """Connections leave from it, to names and to addresses."""
    server = scripted(hello)
    agent = make_agent(network=Network(local_address="127.0.0.2"))
    assert (await get(agent, server.url(host=host)))[1] == b"hello"
    assert server.connections[0].transport.getPeer().host == "127.0.0.2"


@pytest.mark.parametrize(("version", "host"), [(4, "[::1]"), (6, "127.0.0.1")])
async def test_an_address_of_the_other_kind(make_agent: Any, version: int, host: str) -> None:
    """Is not connected to, and asking again would change nothing."""
    agent = make_agent(network=Network(ip_version=version))
    with pytest.raises(WrongRequest, match=f"is no IPv{version} address"):
        await get(agent, f"http://{host}/")


class Asked:
    """A `getaddrinfo` that has addresses of both kinds, and notes which it was asked for."""

    def __init__(self, port: int) -> None:
        self.families: list[int] = []
        self._port = port

    def __call__(self, name: str, port: int, *, family: int, type: int) -> list[Any]:
        self.families.append(family)
        found = [
            (socket.AF_INET6, type, 6, "", ("::1", self._port, 0, 0)),
            (socket.AF_INET, type, 6, "", ("127.0.0.1", self._port)),
        ]
        return [one for one in found if family in (one[0], socket.AF_UNSPEC)]


async def test_names_over_one_ip_version(scripted: Any, make_agent: Any, reactor: Any) -> None:
    """Only addresses of that kind are asked for; the server here has but an IPv4 one."""
    server = scripted(hello)
    asked = Asked(server.port)
    resolver = ThreadedResolver(reactor, asked)
    for version in (None, 4):
        agent = make_agent(resolver=resolver, network=Network(ip_version=version))
        assert (await get(agent, server.url(host="h.test")))[1] == b"hello"
    agent = make_agent(resolver=resolver, network=Network(ip_version=6))
    with pytest.raises(Exception, match="refused"):
        await get(agent, server.url(host="h.test"))
    assert asked.families == [socket.AF_UNSPEC, socket.AF_INET, socket.AF_INET6]


async def test_a_name_with_no_address_of_the_kind(make_agent: Any, reactor: Any) -> None:
    """Is a name without an address."""
    resolver = ThreadedResolver(reactor, lambda *_, **__: [])
    agent = make_agent(resolver=resolver, network=Network(ip_version=6))
    with pytest.raises(ResolveError, match=r"h\.test"):
        await get(agent, "http://h.test/")
