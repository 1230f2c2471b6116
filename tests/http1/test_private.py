"""Private addresses, where none may be reached: by no name, no redirect and no tunnel."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
from support.asking import HELLO
from twisted.internet.address import IPv4Address, IPv6Address
from twisted.internet.interfaces import IAddress, IHostnameResolver
from twisted.web.client import readBody
from zope.interface import implementer

from downloader.deadlines import Deadlines
from downloader.errors import PrivateAddress
from downloader.http1.redirect import RedirectAgent
from downloader.sansio.network import Network
from downloader.sansio.proxies import Proxies
from downloader.testing import head

PUBLIC = "8.8.8.8"
ONLY_PUBLIC = Network(private=False)


@implementer(IHostnameResolver)
class Names:
    """Answers each name with its addresses."""

    def __init__(self, **addresses: Sequence[str]) -> None:
        self.addresses = addresses

    def resolveHostName(
        self,
        resolutionReceiver: Any,
        hostName: str,
        portNumber: int = 0,
        addressTypes: Sequence[type[IAddress]] | None = None,
        transportSemantics: str = "TCP",
    ) -> Any:
        resolutionReceiver.resolutionBegan(None)
        for host in self.addresses[hostName.partition(".")[0]]:
            kind = IPv6Address if ":" in host else IPv4Address
            resolutionReceiver.addressResolved(kind("TCP", host, portNumber))
        resolutionReceiver.resolutionComplete()


class Internet:
    """A reactor on which `PUBLIC` is this machine; `tried` are the addresses connected to."""

    def __init__(self, reactor: Any) -> None:
        self.tried: list[str] = []
        self._reactor = reactor

    def __getattr__(self, name: str) -> Any:
        return getattr(self._reactor, name)

    def connectTCP(self, host: str, *args: Any, **kwargs: Any) -> Any:
        self.tried.append(host)
        host = "127.0.0.1" if host == PUBLIC else host
        return self._reactor.connectTCP(host, *args, **kwargs)


@pytest.fixture
def internet(reactor: Any) -> Internet:
    return Internet(reactor)


async def refused(agent: Any, url: str) -> PrivateAddress:
    with pytest.raises(PrivateAddress) as caught:
        await agent.request(b"GET", url.encode())
    return caught.value


@pytest.mark.parametrize("scheme", ["http", "https"])
@pytest.mark.parametrize("host", ["127.0.0.1", "[::1]", "[::ffff:127.0.0.1]", "0.0.0.0"])
async def test_an_address(
    internet: Any, make_agent: Any, scripted: Any, ca: Any, scheme: str, host: str
) -> None:
    """Nobody connects there, and so no TLS hello is sent."""
    server = scripted([head, HELLO], tls=ca.server() if scheme == "https" else None)
    agent = make_agent(over=internet, network=ONLY_PUBLIC)
    error = await refused(agent, f"{scheme}://{host}:{server.port}/")
    assert str(error).startswith("The server's address is a private one: ")
    assert internet.tried == [] and server.connections == []


@pytest.mark.parametrize("name", ["localhost", "127.1", "0x7f.1", "2130706433", "017700000001"])
async def test_a_name_of_this_machine(
    internet: Any, make_agent: Any, scripted: Any, name: str
) -> None:
    """Forms of an address that the system understands are names to us, and judged as one."""
    server = scripted([head, HELLO])
    agent = make_agent(over=internet, network=ONLY_PUBLIC)
    await refused(agent, f"http://{name}:{server.port}/")
    assert internet.tried == [] and server.connections == []


async def test_of_several_addresses_the_public_ones(
    internet: Any, make_agent: Any, scripted: Any
) -> None:
    """The others are passed over, and no name leads elsewhere the second time."""
    server = scripted([head, HELLO])
    names = Names(a=["127.0.0.1", "::1", PUBLIC, "10.0.0.1"])
    agent = make_agent(over=internet, network=ONLY_PUBLIC, resolver=names)
    response = await agent.request(b"GET", f"http://a.test:{server.port}/".encode())
    assert await readBody(response) == b"hello"
    assert internet.tried == [PUBLIC]
    names.addresses["a"] = ["127.0.0.1"]
    agent.close_idle()
    await refused(agent, f"http://a.test:{server.port}/")
    assert len(server.connections) == 1


@pytest.mark.parametrize("target", ["127.0.0.1", "b.test", "localhost"])
async def test_a_redirect(internet: Any, make_agent: Any, scripted: Any, target: str) -> None:
    """From a public server to this machine."""
    inside = scripted([head, HELLO])
    to = f"http://{target}:{inside.port}/"
    moved = f"HTTP/1.1 302 Found\r\nLocation: {to}\r\nContent-Length: 0\r\n\r\n"
    outside = scripted([head, moved.encode()])
    names = Names(a=[PUBLIC], b=["192.168.0.1", "127.0.0.1"], localhost=["127.0.0.1"])
    agent = make_agent(over=internet, network=ONLY_PUBLIC, resolver=names)
    await refused(RedirectAgent(agent, Deadlines(internet)), f"http://a.test:{outside.port}/")
    assert internet.tried == [PUBLIC] and inside.connections == []


async def test_a_proxy_may_be_anywhere(
    internet: Any, make_agent: Any, scripted: Any, http_proxy: Any
) -> None:
    """It is whom we trust; what it makes of a name is its own. An address is judged here."""
    server = scripted([head, HELLO])
    proxy = http_proxy()
    network = Network(Proxies(all=f"http://127.0.0.1:{proxy.port}"), private=False)
    agent = make_agent(over=internet, network=network)
    response = await agent.request(b"GET", f"http://localhost:{server.port}/".encode())
    assert await readBody(response) == b"hello"
    await refused(agent, f"http://127.0.0.1:{server.port}/")
    await refused(agent, f"https://127.0.0.1:{server.port}/")
    assert len(server.connections) == len(proxy.asked) == 1


async def test_a_proxy_that_is_given_addresses(
    internet: Any, make_agent: Any, scripted: Any, socks_proxy: Any
) -> None:
    """We looked the name up, so we judge what was found."""
    server = scripted([head, HELLO])
    proxy = socks_proxy()
    network = Network(Proxies(all=f"socks5://127.0.0.1:{proxy.port}"), private=False)
    agent = make_agent(over=internet, network=network, resolver=Names(a=["127.0.0.1", "::1"]))
    await refused(agent, f"http://a.test:{server.port}/")
    assert proxy.asked == [] and server.connections == []


async def test_by_default_they_are_like_any_other(make_agent: Any, scripted: Any) -> None:
    server = scripted([head, HELLO])
    response = await make_agent().request(b"GET", server.url("/").encode())
    assert await readBody(response) == b"hello"
