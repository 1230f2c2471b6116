"""The Host header, in every form that somebody may try: a name that leads here is not us."""

from __future__ import annotations

from typing import Any

import pytest
from support.rawhttp import request, say

OURS = [
    *("127.0.0.1", "127.0.0.1:6800", "127.0.0.1:1", "localhost", "LocalHost", "localhost:6800"),
    *("localhost.", "[::1]", "[::1]:6800", "[0:0:0:0:0:0:0:1]", "192.168.1.5", "8.8.8.8:80"),
    *("nas.example", "NAS.example:6800", "nas.example."),
]
NAMES = [
    *("evil.example", "evil.example:6800", "localhost.evil.example", "127.0.0.1.evil.example"),
    *("notlocalhost", "nas.example.evil", "xnas.example", "a.nas.example", "2130706433"),
    *("0x7f000001", "127.1", "0177.0.0.1", "localhost..", "127.0.0.1.."),
]
NONE = [
    *("", " ", ":6800", "user@localhost", "user:pw@127.0.0.1", "localhost:port", "localhost:"),
    *("localhost:123456", "localhost:6800:6800", "[::1", "::1", "[localhost]", "[::1]x", "[::1]:x"),
    *("localhost/x", "http://localhost", "localhost evil.example", "localhost,evil.example"),
    *("localhost\\", "local\thost", "-", ".", "l\xf6calhost", "localhost#", "localhost?", "*"),
]


async def status(s: Any, host: str | None, target: str = "/api/v1/jobs", extra: str = "") -> int:
    """What a request with the token and this Host is answered."""
    data = request("GET", target, s.token, Host=host)
    if extra:
        data = data.replace(b"\r\n\r\n", f"\r\n{extra}\r\n\r\n".encode(), 1)
    return (await say(s.reactor, s.port, data)).status


async def test_hosts(served: Any) -> None:
    s = await served()
    s.service.door.hosts = frozenset(("nas.example",))
    assert {host: await status(s, host) for host in OURS} == dict.fromkeys(OURS, 200)
    assert {host: await status(s, host) for host in NAMES} == dict.fromkeys(NAMES, 421)
    assert {host: await status(s, host) for host in NONE} == dict.fromkeys(NONE, 400)


async def test_no_host_and_two(served: Any) -> None:
    """Also in HTTP/1.0, where none is needed."""
    s = await served()
    assert await status(s, None) == 400
    assert await status(s, "localhost", extra="Host: evil.example") == 400
    assert await status(s, "evil.example", extra="Host: localhost") == 400
    assert await status(s, "localhost", extra="Host: localhost") == 400
    old = b"GET /api/v1/jobs HTTP/1.0\r\n\r\n"
    assert (await say(s.reactor, s.port, old)).status == 400
    assert await status(s, "evil.example", extra="X-Forwarded-Host: localhost") == 421
    assert await status(s, "localhost", extra="X-Forwarded-Host: evil.example") == 200


@pytest.mark.parametrize(
    "target",
    [
        *("http://localhost/api/v1/jobs", "http://evil.example/api/v1/jobs", "evil.example:80"),
        *("*", "api/v1/jobs", "\\api", "?status=active"),
    ],
)
async def test_targets_that_are_no_path(served: Any, target: str) -> None:
    """A whole URL there could name another host than the header does."""
    s = await served()
    assert await status(s, "localhost", target) == 400
