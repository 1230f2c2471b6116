"""Through real proxies: who is asked what, who sees which secret, and which hop goes where."""

from __future__ import annotations

from collections.abc import Callable
from io import BytesIO
from typing import Any

import pytest
from support.asking import get, hello
from support.resolving import SilentResolver
from twisted.web.client import FileBodyProducer, readBody

from downloader.deadlines import Deadlines
from downloader.errors import (
    ProxyAuthRequired,
    ProxyFailed,
    ResolveError,
    TlsError,
    WrongRequest,
)
from downloader.http1.redirect import RedirectAgent
from downloader.http1.tls import TlsOptions
from downloader.sansio.network import Network
from downloader.sansio.proxies import Proxies
from downloader.testing import Asked, head
from downloader.transfer.door import translate

LOGIN = "me:s3cret"
NAMES = ("h.test", "localhost")
SCHEMES = ["http", "socks5", "socks5h"]


@pytest.fixture(params=SCHEMES)
def proxied(request: pytest.FixtureRequest, http_proxy: Any, socks_proxy: Any) -> Any:
    """A proxy of each kind that wants LOGIN, and the scheme to reach it with."""
    kind = http_proxy if request.param == "http" else socks_proxy
    return request.param, kind(login=LOGIN)


@pytest.fixture
def agent_of(make_agent: Any, ca: Any) -> Callable[..., Any]:
    """An agent for which every name is 127.0.0.1, through `proxies`."""

    def make(**proxies: Any) -> Any:
        return make_agent(
            tls=TlsOptions(trust_root=ca.trust_root),
            resolver=SilentResolver(silent=False),
            network=Network(Proxies(**proxies)),
        )

    return make


def url_of(scheme: str, proxy: Any, login: str = LOGIN) -> str:
    return f"{scheme}://{login}@127.0.0.1:{proxy.port}"


async def test_plain_http(proxied: Any, scripted: Any, agent_of: Any) -> None:
    """The server is asked as ever; its proxy has the login, and it has not. One connection."""
    scheme, proxy = proxied
    server = scripted(hello)
    agent = agent_of(all=url_of(scheme, proxy))
    for path in ("/a?b", "/c"):
        response, body = await get(agent, server.url(path, "h.test"), proxy_authorization="other")
        assert (response.code, body) == (200, b"hello")
    host = b"h.test:%d" % server.port
    assert server.connections[0].heads == [
        b"GET %b HTTP/1.1\r\nHost: %b\r\n\r\n" % (path, host) for path in (b"/a?b", b"/c")
    ]
    assert len(server.connections) == len(proxy.connections) == 1
    place = ("127.0.0.1" if scheme == "socks5" else "h.test") + f":{server.port}"
    if scheme == "http":
        assert proxy.asked == [Asked(f"GET http://{place}{path}", LOGIN) for path in ("/a?b", "/c")]
    else:
        assert proxy.asked == [Asked(f"CONNECT {place}", LOGIN)]


async def test_https(proxied: Any, scripted: Any, agent_of: Any, ca: Any) -> None:
    """In a tunnel, in which the proxy sees TLS and the server no login."""
    scheme, proxy = proxied
    server = scripted(hello, tls=ca.server("h.test"))
    agent = agent_of(all=url_of(scheme, proxy))
    for _ in range(2):
        assert (await get(agent, server.url("/secret", "h.test"), cookie="x"))[1] == b"hello"
    place = ("127.0.0.1" if scheme == "socks5" else "h.test") + f":{server.port}"
    assert proxy.asked == [Asked(f"CONNECT {place}", LOGIN)]
    assert len(server.connections) == 1 and len(server.connections[0].heads) == 2
    assert b"roxy" not in server.connections[0].received
    (seen,) = (one.received for one in proxy.connections)
    assert b"cookie" not in seen.lower() and b"/secret" not in seen


@pytest.mark.parametrize("host", ["evil.test", "h.test"])
async def test_the_certificate_is_the_servers(
    proxied: Any, scripted: Any, agent_of: Any, ca: Any, host: str
) -> None:
    """Its name is checked in the tunnel as it is outside (CVE-2021-28363)."""
    scheme, proxy = proxied
    server = scripted(hello, tls=ca.server("h.test"))
    agent = agent_of(all=url_of(scheme, proxy))
    if host == "h.test":
        assert (await get(agent, server.url(host=host)))[1] == b"hello"
        return
    with pytest.raises(Exception) as caught:
        await get(agent, server.url(host=host))
    assert type(translate(caught.value)) is TlsError
    assert server.connections[0].received == b""


async def test_a_large_body_both_ways(proxied: Any, scripted: Any, agent_of: Any) -> None:
    """With the back-pressure of both ends between."""
    scheme, proxy = proxied
    body = bytes(range(256)) * 4096

    async def echo(connection: Any) -> None:
        await connection.head()
        taken = await connection.take(len(body))
        connection.send(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(taken) + taken)

    url = scripted(echo).url("/", "h.test").encode()
    producer = FileBodyProducer(BytesIO(body))
    response = await agent_of(all=url_of(scheme, proxy)).request(b"PUT", url, None, producer)
    assert await readBody(response) == body


async def test_a_server_that_is_not_there(proxied: Any, full_listener: Any, agent_of: Any) -> None:
    """The proxy says so: for plain http in an answer of its own, else in the handshake."""
    scheme, proxy = proxied
    agent = agent_of(all=url_of(scheme, proxy))
    if scheme == "http":
        assert (await get(agent, "http://h.test:1/"))[0].code == 502
    else:
        with pytest.raises(ProxyFailed):
            await get(agent, "http://h.test:1/")
    with pytest.raises(ProxyFailed):
        await get(agent, "https://h.test:1/")


@pytest.mark.parametrize("target", ["http", "https"])
@pytest.mark.parametrize("login", ["me:wrong", ""])
async def test_a_wrong_login(proxied: Any, agent_of: Any, login: str, target: str) -> None:
    """ProxyAuthRequired, which shows none, and no server is asked."""
    scheme, proxy = proxied
    url = url_of(scheme, proxy, login) if login else f"{scheme}://127.0.0.1:{proxy.port}"
    with pytest.raises(ProxyAuthRequired) as caught:
        await get(agent_of(all=url), f"{target}://h.test:1/")
    assert "wrong" not in str(caught.value) and "me:" not in repr(caught.value)
    assert caught.value.http_status == (407 if scheme == "http" else None)


@pytest.mark.parametrize("target", ["http", "https"])
@pytest.mark.parametrize("scheme", SCHEMES)
async def test_a_proxy_that_is_not_there(agent_of: Any, scheme: str, target: str) -> None:
    """ProxyFailed names it, without the login; what was below is its cause."""
    agent = agent_of(all=f"{scheme}://{LOGIN}@127.0.0.1:1")
    with pytest.raises(ProxyFailed, match=rf"{scheme}://127\.0\.0\.1:1 cannot") as caught:
        await get(agent, f"{target}://h.test/")
    assert caught.value.__cause__ is not None and "s3cret" not in repr(caught.value)


# --- names ----------------------------------------------------------------------------------


@pytest.mark.parametrize("scheme", SCHEMES)
async def test_who_looks_names_up(
    make_agent: Any, http_proxy: Any, socks_proxy: Any, scripted: Any, scheme: str
) -> None:
    """socks5: here, and an address is not looked up; the others: the proxy."""
    proxy = http_proxy() if scheme == "http" else socks_proxy()
    server = scripted(hello)
    resolver = SilentResolver(silent=False)
    network = Network(Proxies(all=f"{scheme}://p.test:{proxy.port}"))
    agent = make_agent(resolver=resolver, network=network)
    await get(agent, server.url(host="h.test"))
    expected = {"h.test", "p.test"} if scheme == "socks5" else {"p.test"}
    assert {one.name for one in resolver.lookups} == expected
    await get(agent, server.url(host="127.0.0.1"))
    assert {one.name for one in resolver.lookups} == expected
    assert (
        proxy.asked[-1]
        .what.rpartition("//")[2]
        .startswith("127.0.0.1" if scheme == "http" else "CONNECT 127.0.0.1")
    )


async def test_socks5_and_a_name_without_an_address(make_agent: Any, socks_proxy: Any) -> None:
    """The proxy is not troubled."""
    proxy = socks_proxy()
    resolver = SilentResolver(silent=False, times=0)
    network = Network(Proxies(all=f"socks5://127.0.0.1:{proxy.port}"))
    with pytest.raises(ResolveError, match=r"h\.test"):
        await get(make_agent(resolver=resolver, network=network), "http://h.test/")
    assert proxy.connections == []


async def test_socks5_and_an_address_of_the_other_kind(make_agent: Any, socks_proxy: Any) -> None:
    """Over one IP version, where the choice is ours."""
    proxy = socks_proxy()
    network = Network(Proxies(all=f"socks5://127.0.0.1:{proxy.port}"), ip_version=4)
    with pytest.raises(WrongRequest, match="::1 is no IPv4 address"):
        await get(make_agent(network=network), "http://[::1]/")
    assert proxy.connections == []


# --- afresh for each hop --------------------------------------------------------------------


def redirect_to(url: str) -> Any:
    """A script that redirects there."""
    answer = f"HTTP/1.1 302 Found\r\nLocation: {url}\r\nContent-Length: 0\r\n\r\n"
    return [head, answer.encode()]


async def test_each_hop_has_its_own_proxy(
    reactor: Any, scripted: Any, agent_of: Any, http_proxy: Any, socks_proxy: Any, ca: Any
) -> None:
    """http by one, https by another, and a host of no_proxy by none; no login goes along."""
    last = scripted(hello)
    second = scripted(redirect_to(last.url("/3", "localhost")), tls=ca.server(*NAMES))
    first = scripted(redirect_to(second.url("/2", "h.test")))
    # https never leads to http, so the hop to the direct host begins anew
    plain, secure = http_proxy(login=LOGIN), socks_proxy(login="you:other")
    agent = RedirectAgent(
        agent_of(
            http=url_of("http", plain),
            https=url_of("socks5h", secure, "you:other"),
            no_proxy="localhost",
        ),
        Deadlines(reactor),
    )
    with pytest.raises(Exception, match="https to http"):
        await get(agent, first.url("/1", "h.test"))
    to_direct = scripted(redirect_to(last.url("/3", "localhost")))
    assert (await get(agent, to_direct.url("/1", "h.test")))[1] == b"hello"
    assert [one.what for one in plain.asked] == [
        f"GET {first.url('/1', 'h.test')}",
        f"GET {to_direct.url('/1', 'h.test')}",
    ]
    assert secure.asked == [Asked(f"CONNECT h.test:{second.port}", "you:other")]
    assert [one.login for one in plain.asked] == [LOGIN, LOGIN]
    for server in (first, second, to_direct, last):
        assert b"roxy" not in server.connections[0].received
    assert last.connections[0].heads[0].startswith(b"GET /3 ")
