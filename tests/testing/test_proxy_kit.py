"""The kit's proxies, by what a raw client sees of them."""

from __future__ import annotations

from typing import Any

import pytest
from support.asking import hello, until
from support.client import connect

from downloader.testing import Asked, HttpProxy, SocksProxy


async def said(reactor: Any, proxy: Any, data: bytes, end: bytes) -> bytes:
    """What the proxy answers to `data`, up to `end`."""
    client = await connect(reactor, proxy)
    client.transport.write(data)
    await until(reactor, lambda: b"".join(client.reads).endswith(end))
    client.transport.abortConnection()
    await client.lost
    return b"".join(client.reads)


async def test_http_forwards(reactor: Any, http_proxy: Any, scripted: Any) -> None:
    """In origin form, without what is the proxy's."""
    proxy: HttpProxy = http_proxy()
    server = scripted(hello)
    request = (
        b"GET http://h.test:%d/a HTTP/1.1\r\nHost: x\r\nProxy-Authorization: Basic bWU6cHc=\r\n\r\n"
    )
    assert b"200 OK" in await said(reactor, proxy, request % server.port, b"hello")
    assert server.connections[0].heads == [b"GET /a HTTP/1.1\r\nHost: x\r\n\r\n"]
    assert proxy.asked == [Asked(f"GET http://h.test:{server.port}/a", "me:pw")]


@pytest.mark.parametrize("request_", [b"CONNECT h.test:1 HTTP/1.1", b"GET http://h.test/ HTTP/1.1"])
async def test_http_wants_a_login(reactor: Any, http_proxy: Any, request_: bytes) -> None:
    """And asks nobody without."""
    proxy: HttpProxy = http_proxy(login="me:pw")
    answer = await said(reactor, proxy, request_ + b"\r\n\r\n", b"\r\n\r\n")
    assert answer.startswith(b"HTTP/1.1 407 ")


async def test_http_has_no_server(reactor: Any, http_proxy: Any) -> None:
    """Which is the gateway's error."""
    answer = await said(reactor, http_proxy(), b"CONNECT h.test:1 HTTP/1.1\r\n\r\n", b"\r\n\r\n")
    assert answer.startswith(b"HTTP/1.1 502 ")


async def test_socks(reactor: Any, socks_proxy: Any, scripted: Any) -> None:
    """All three kinds of address; and the server's bytes behind the reply."""
    proxy: SocksProxy = socks_proxy()
    server = scripted([b"server"])
    port = server.port.to_bytes(2, "big")
    for place in (b"\x01\x7f\0\0\1", b"\x03\x06h.test", b"\x04" + bytes(15) + b"\1"):
        request = b"\x05\x01\x00" + b"\x05\x01\x00" + place + port
        assert (await said(reactor, proxy, request, b"server")).startswith(b"\x05\x00\x05\x00")
    hosts = ("127.0.0.1", "h.test", "[::1]")
    assert proxy.asked == [Asked(f"CONNECT {host}:{server.port}") for host in hosts]


@pytest.mark.parametrize(
    ("data", "answer"),
    [
        (b"\x05\x01\x00", b"\x05\xff"),
        (b"\x05\x01\x02\x01\x02me\x02no", b"\x05\x02\x01\x01"),
        (
            b"\x05\x01\x02\x01\x02me\x02pw\x05\x01\x00\x01\x7f\0\0\1\0\1",
            b"\x05\x05\x00\x01" + bytes(6),
        ),
    ],
)
async def test_socks_refuses(reactor: Any, socks_proxy: Any, data: bytes, answer: bytes) -> None:
    """Whom it does not know, and where nobody is."""
    assert (await said(reactor, socks_proxy(login="me:pw"), data, answer)).endswith(answer)
