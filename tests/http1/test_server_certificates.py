"""Each bad certificate ends the connection before a byte of a request, however it is met.

Met directly, behind a redirect, in a proxy's tunnel (CVE-2021-28363), and when another request is
on its way to the same server.
"""

from __future__ import annotations

from functools import partial
from typing import Any

import pytest
from support.asking import get, hello
from support.certificates import BAD, GOOD, Issuer
from support.resolving import SilentResolver
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IOpenSSLServerConnectionCreator
from zope.interface import implementer

from downloader.deadlines import Deadlines
from downloader.errors import TlsError
from downloader.http1.redirect import RedirectAgent
from downloader.http1.tls import TlsOptions
from downloader.sansio.network import Network
from downloader.sansio.proxies import Proxies
from downloader.testing import mute
from downloader.transfer.door import translate


@pytest.fixture(scope="module")
def root() -> Issuer:
    """The authority that is trusted."""
    return Issuer("root")


@pytest.fixture
def make_strict(make_agent: Any, root: Issuer) -> Any:
    """Make an agent that trusts `root` and finds every name on 127.0.0.1, one connection for
    each."""
    return partial(
        make_agent,
        tls=TlsOptions(trust_root=root.trust_root),
        resolver=SilentResolver(silent=False),
        connections_per_host=1,
    )


@pytest.fixture
def strict(make_strict: Any) -> Any:
    """One that goes to servers directly."""
    return make_strict()


@pytest.fixture
def proxied(http_proxy: Any, socks_proxy: Any, make_strict: Any) -> Any:
    """Make one that goes through a proxy of this kind; its proxy comes along."""

    def make(scheme: str) -> tuple[Any, Any]:
        proxy = http_proxy() if scheme == "http" else socks_proxy()
        proxies = Proxies(all=f"{scheme}://127.0.0.1:{proxy.port}")
        return make_strict(network=Network(proxies)), proxy

    return make


async def refused(asked: Any, *servers: Any) -> None:
    """The request fails with TlsError, and no server has got application data."""
    with pytest.raises(Exception) as caught:
        await asked
    assert type(translate(caught.value)) is TlsError
    for server in servers:
        await server.closed_all()
        assert [one.received for one in server.connections] == [b""] * len(server.connections)


@pytest.mark.parametrize("name", GOOD)
async def test_good(scripted: Any, strict: Any, proxied: Any, root: Issuer, name: str) -> None:
    """It is for the host, in its time, and from whom we trust; in a tunnel too."""
    host, make = GOOD[name]
    server = scripted(hello, tls=make(root).tls)
    for agent in (strict, proxied("http")[0]):
        assert (await get(agent, server.url(host=host)))[1] == b"hello"


@pytest.mark.parametrize("way", ["direct", "redirect", "queued"])
@pytest.mark.parametrize("name", BAD)
async def test_bad(
    scripted: Any, strict: Any, root: Issuer, reactor: Any, name: str, way: str
) -> None:
    """TlsError, and not a byte; one that waits for that connection is told too."""
    host, make = BAD[name]
    server = scripted(mute, tls=make(root).tls)
    url = server.url("/secret", host=host)
    if way == "redirect":
        found = b"HTTP/1.1 302 Found\r\nContent-Length: 0\r\nLocation: %b\r\n\r\n" % url.encode()
        good = scripted([lambda c: c.head(), found], tls=root.issue("good.test").tls)
        agent = RedirectAgent(strict, Deadlines(reactor))
        await refused(get(agent, good.url(host="good.test"), authorization="secret"), server)
    elif way == "queued":
        asked = [Deferred.fromCoroutine(get(strict, url, cookie="secret")) for _ in range(2)]
        for one in asked:
            await refused(one, server)
    else:
        await refused(get(strict, url, authorization="secret"), server)


@pytest.mark.parametrize("scheme", ["http", "socks5h"])
@pytest.mark.parametrize("name", BAD)
async def test_bad_in_a_tunnel(
    scripted: Any, proxied: Any, root: Issuer, name: str, scheme: str
) -> None:
    """The same; the proxy has joined us with the server, and nobody is told a secret."""
    host, make = BAD[name]
    server = scripted(mute, tls=make(root).tls)
    agent, proxy = proxied(scheme)
    url = server.url("/secret", host=host)
    await refused(get(agent, url, authorization="secret"), server)
    assert [one.what for one in proxy.asked] == [f"CONNECT {host}:{server.port}"]
    assert len(server.connections) == 1 and b"secret" not in proxy.connections[0].received


async def test_a_server_that_changes_its_certificate(
    scripted: Any, strict: Any, root: Issuer
) -> None:
    """A connection that was good is used again; a new one to the same name is judged anew."""
    good, bad = root.issue("h.test"), root.issue("evil.test")
    contexts = [good.tls, bad.tls]

    @implementer(IOpenSSLServerConnectionCreator)
    class Turning:
        """TLS with the next certificate for each connection."""

        def serverConnectionForTLS(self, tlsProtocol: Any) -> Any:
            return contexts.pop(0).serverConnectionForTLS(tlsProtocol)

    server = scripted(hello, tls=Turning())
    for _ in range(2):
        assert (await get(strict, server.url(host="h.test")))[1] == b"hello"
    server.connections[0].close()
    await server.closed_all()
    with pytest.raises(Exception) as caught:
        await get(strict, server.url(host="h.test"), authorization="secret")
    assert type(translate(caught.value)) is TlsError
    await server.closed_all()
    assert [len(one.heads) for one in server.connections] == [2, 0]
