"""URLs on which parsers differ: whoever needs the host of one sees the same, or it is refused.

Those are: the resolver, SNI, the Host header, the pool, .netrc, cookies, `no_proxy`, and what is
said to a proxy; and a redirect's target is read like a URL of a list. Where two of them differ,
secrets go to the wrong server (CVE-2016-8624, CVE-2022-27780, CVE-2024-47081).
"""

from __future__ import annotations

from base64 import b64encode
from contextlib import suppress
from typing import Any

import pytest
import pytest_twisted
import trustme
from OpenSSL import SSL
from support.asking import hello
from support.resolving import SilentResolver
from twisted.internet.interfaces import IOpenSSLServerConnectionCreator
from twisted.web.client import readBody
from zope.interface import implementer

from downloader import Downloader
from downloader.errors import BadUrl
from downloader.identity import Identity
from downloader.sansio.cookies import parse_cookies
from downloader.sansio.netrc import parse_netrc
from downloader.sansio.network import Network
from downloader.sansio.proxies import Proxies
from downloader.sansio.url import join, parse_url

# In each, PORT is the server's. Whoever sees `evil.test` in one sees it wrongly.
GOOD = "good.test"
READ = {
    "https://good.test:PORT": GOOD,
    "HTTPS://GOOD.test:PORT/": GOOD,
    "https://good.test.:PORT/": "good.test.",
    "https://good.test:PORT#@evil.test/": GOOD,
    "https://good.test:PORT?@evil.test/": GOOD,
    "https://good.test:PORT/@evil.test/": GOOD,
    "https://good.test:PORT//evil.test/": GOOD,
    "https://good.test:PORT/..//evil.test/": GOOD,
    "https://good.test:PORT/?https://evil.test/": GOOD,
    "https://good.test:PORT/:80@evil.test": GOOD,
    "https://good.test:PORT/%5c@evil.test": GOOD,
    "https://evil.test@good.test:PORT/": GOOD,
    "https://evil.test:80@good.test:PORT/": GOOD,
    "https://evil.test:80:@good.test:PORT/": GOOD,
    "https://evil.test:@good.test:PORT/": GOOD,
    "https://:evil.test@good.test:PORT/": GOOD,
    "https://a@evil.test@good.test:PORT/": GOOD,
    "https://a:b@evil.test:c@good.test:PORT/": GOOD,
    "https://evil.test%2f@good.test:PORT/": GOOD,
    "https://evil.test%23@good.test:PORT/": GOOD,
    "https://evil.test;@good.test:PORT/": GOOD,
    "https://evil.test&@good.test:PORT#": GOOD,
    "https://good。test:PORT/": GOOD,
    "https://good．test:PORT/": GOOD,
    "https://ｇｏｏｄ.test:PORT/": GOOD,
    "https://go\u00adod.test:PORT/": GOOD,
    "https://go\u200bod.test:PORT/": GOOD,
    "https://ⓖⓞⓞⓓ.test:PORT/": GOOD,
    "https://bücher.test:PORT/": "xn--bcher-kva.test",
    "https://BU\u0308CHER.test:PORT/": "xn--bcher-kva.test",
    "https://XN--BCHER-KVA.test:PORT/": "xn--bcher-kva.test",
    "https://faß.test:PORT/": "xn--fa-hia.test",
    "https://gооd.test:PORT/": "xn--gd-fmca.test",  # the middle is Cyrillic
    "https://good.test.evil:PORT/": "good.test.evil",
    "https://0x7f.1.test:PORT/": "0x7f.1.test",
    "https://go_od.test:PORT/": "go_od.test",
}
REFUSED = [
    *("https://good.test:PORT\\@evil.test/", "https://good.test\\@evil.test:PORT/"),
    *("https:\\\\good.test:PORT/", "https:/good.test:PORT/", "https:good.test:PORT/"),
    *("https:///good.test:PORT/", "//good.test:PORT/", "good.test:PORT/"),
    *("https://good.test%2fevil.test:PORT/", "https://good.test%23.evil.test:PORT/"),
    *("https://good.test%40evil.test:PORT/", "https://good.test%3aPORT/", "https://%67ood.test/"),
    *("https://good.test%00.evil.test:PORT/", "https://good.test%20:PORT/", "https://go%od.test/"),
    *("https://good.test;evil.test:PORT/", "https://good.test,evil.test:PORT/"),
    *("https://good.test:PORT:80/", "https://good.test:PORT,80/", "https://good.test:+443/"),
    *("https://good.test: PORT/", " https://good.test:PORT/", "https://good.test :PORT/"),
    *("https://good.te\nst:PORT/", "https://good.test:PORT\t/", "ht\ttps://good.test:PORT/"),
    *("https://[good.test]:PORT/", "https://[::1]good.test:PORT/", "https://[::1%25lo]:PORT/"),
    *("https://[evil.test]@good.test:PORT/", "https://good.test]:PORT/", "https://[::1]:PORT]/"),
    *("https://good..test:PORT/", "https://.good.test:PORT/", "https://@/", "https://:PORT/"),
    *("https://good.test／evil:PORT/", "https://good.test＠evil.test:PORT/"),
    *("https://good.test：80:PORT/", "https://good.test？:PORT/", "https://good.test＃:PORT/"),
    *("https://evil.test／@good.test:PORT/", "https://a＠evil.test@good.test:PORT/"),
    *("https://good℀.test:PORT/", "https://good⩴.test:PORT/", "https://good\u2028.test:PORT/"),
    *("https://xn--\u00fc.test:PORT/", "https://good\u202e.test:PORT/", "https://\u00ad.test:PORT"),
]

CERTIFICATE = trustme.CA().issue_cert("any.test")


@implementer(IOpenSSLServerConnectionCreator)
class Named:
    """A server's TLS; `names` are those of SNI."""

    def __init__(self) -> None:
        self.names: list[bytes | None] = []
        self._context = SSL.Context(SSL.TLS_SERVER_METHOD)
        CERTIFICATE.configure_cert(self._context)
        self._context.set_tlsext_servername_callback(
            lambda connection: self.names.append(connection.get_servername())
        )

    def serverConnectionForTLS(self, tlsProtocol: Any) -> SSL.Connection:
        return SSL.Connection(self._context, None)


def identity(host: str) -> Identity:
    """What is for `host`, and what is for the other."""
    netrc = f"machine {host} login right password x\nmachine evil.test login wrong password x"
    jar = f"{host}\tFALSE\t/\tTRUE\t0\tright\tx\nevil.test\tTRUE\t/\tTRUE\t0\twrong\tx\n"
    return Identity(netrc=parse_netrc(netrc), cookies=parse_cookies(jar.encode()))


@pytest.fixture
def make(reactor: Any) -> Any:
    """Make a Downloader that believes every certificate and finds each name here."""
    made: list[Downloader] = []

    def start(host: str, network: Network, resolver: SilentResolver) -> Downloader:
        options: dict[str, Any] = {"network": network, "resolver": resolver}
        made.append(Downloader(reactor, identity=identity(host), verify_tls=False, **options))
        return made[-1]

    yield start
    for one in made:
        pytest_twisted.blockon(one.close())


async def fetched(downloader: Downloader, url: str) -> bytes:
    return await readBody(await downloader.request("GET", url))


@pytest.mark.parametrize("text", READ, ids=ascii)
async def test_all_see_one_host(scripted: Any, http_proxy: Any, make: Any, text: str) -> None:
    """Directly, as `no_proxy` names it; and where it names the other, through the proxy."""
    host, tls, resolver = READ[text], Named(), SilentResolver(silent=False)
    server, proxy = scripted(hello, tls=tls), http_proxy()
    url = text.replace("PORT", str(server.port))
    by_proxy = f"http://127.0.0.1:{proxy.port}"
    direct = make(host, Network(Proxies(all=by_proxy, no_proxy=host)), resolver)
    assert await fetched(direct, url) == b"hello" and proxy.asked == []
    assert {lookup.name.removesuffix(".") for lookup in resolver.lookups} == {host.rstrip(".")}
    assert f"<https://{host}:{server.port} 1 idle" in repr(direct._own_agent)
    tunnelled = make(host, Network(Proxies(all=by_proxy, no_proxy="evil.test")), resolver)
    assert await fetched(tunnelled, url) == b"hello"
    assert [one.what for one in proxy.asked] == [f"CONNECT {host}:{server.port}"]
    assert tls.names == [host.removesuffix(".").encode()] * 2
    for head in (server.connections[0].heads[0], server.connections[1].heads[0]):
        assert f"\r\nHost: {host}:{server.port}\r\n".encode() in head
        assert b"\r\nCookie: right=x\r\n" in head
        own_user = parse_url(url).userinfo is not None
        assert own_user != (b64encode(b"right:x") in head) and b64encode(b"wrong:x") not in head


@pytest.mark.parametrize("text", REFUSED, ids=ascii)
async def test_what_is_refused_reaches_nobody(scripted: Any, make: Any, text: str) -> None:
    """No name is looked up and no connection made, and it is no redirect either."""
    resolver, server = SilentResolver(silent=False), scripted(hello, tls=Named())
    url = text.replace("PORT", str(server.port))
    with pytest.raises(BadUrl):
        await fetched(make(GOOD, Network(), resolver), url)
    assert resolver.lookups == [] and server.connections == []


@pytest.mark.parametrize("text", READ, ids=ascii)
def test_a_redirect_is_read_alike(text: str) -> None:
    """With its scheme, and without it (RFC 3986 §4.2)."""
    base, url = parse_url("https://base.test/d/"), text.replace("PORT", "444")
    for location in (url, url.partition(":")[2]):
        assert join(base, location).origin == ("https", READ[text], 444)


@pytest.mark.parametrize("text", REFUSED, ids=ascii)
def test_a_redirect_leads_nowhere_else(text: str) -> None:
    """What is no URL may be relative to the page where it stands, and be without a scheme."""
    base, text = parse_url("https://base.test/d/"), text.replace("PORT", "444")
    for location in (text, text.partition(":")[2]):
        with suppress(BadUrl):
            assert join(base, location).origin in (base.origin, ("https", GOOD, 444))
