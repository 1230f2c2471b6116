"""A request for no file: its answer as it comes, its errors ours."""

from __future__ import annotations

from typing import Any

import pytest
from support.asking import HELLO, OK, hello, until
from twisted.internet.defer import CancelledError
from twisted.web.client import ResponseFailed, readBody

from downloader.errors import (
    BadUrl,
    Closed,
    ConnectionLost,
    NotFound,
    ServerBusy,
    TruncatedBody,
    WrongRequest,
)
from downloader.identity import Credentials, Identity
from downloader.sansio.cookies import parse_cookies
from downloader.sansio.netrc import parse_netrc
from downloader.testing import End, fin, head, mute

MISSING = b"HTTP/1.1 404 No\r\nContent-Length: 2\r\n\r\nno"


async def test_an_answer(scripted: Any, bench: Any) -> None:
    """With the downloader's headers, and the caller's in their place."""
    server = scripted(hello)
    downloader = bench(headers=[("X-Run", "1"), ("X-Kind", "2")]).downloader
    url = server.url("/a").replace("//", "//me:secret@")
    response = await downloader.request("GET", url, [("x-kind", "3")])
    assert (response.code, await readBody(response)) == (200, b"hello")
    (sent,) = server.connections[0].heads
    assert sent.startswith(b"GET /a HTTP/1.1\r\n")
    for line in (b"X-Run: 1", b"X-Kind: 3", b"Authorization: Basic bWU6c2VjcmV0"):
        assert line in sent
    assert b"X-Kind: 2" not in sent


IDENTITY = Identity(
    Credentials("me", "secret"),
    parse_netrc("machine localhost login other password n"),
    parse_cookies(b"localhost\tFALSE\t/\tFALSE\t0\tc\t1"),
)


async def test_who_we_are(scripted: Any, bench: Any) -> None:
    """Each server is shown what is its own: the credentials of the first that is asked."""
    first, second = scripted(hello), scripted(hello)
    downloader = bench(identity=IDENTITY).downloader
    for url in (first.url(), second.url(host="localhost")):
        await readBody(await downloader.request("GET", url))
    (one,), (two,) = first.connections[0].heads, second.connections[0].heads
    assert b"Authorization: Basic bWU6c2VjcmV0\r\n" in one and b"Cookie" not in one
    assert b"Authorization: Basic b3RoZXI6bg==\r\n" in two and b"Cookie: c=1\r\n" in two


async def test_a_challenge(scripted: Any, bench: Any) -> None:
    """Is answered, and the answer to that is what the caller gets."""
    challenge = (
        b'HTTP/1.1 401 No\r\nWWW-Authenticate: Digest realm="r", nonce="n", qop="auth"\r\n'
        b"Content-Length: 2\r\n\r\nno"
    )
    server = scripted([head, challenge, head, HELLO])
    identity = Identity(Credentials("me", "secret"), digest=True)
    response = await bench(identity=identity).downloader.request("GET", server.url())
    assert (response.code, await readBody(response)) == (200, b"hello")
    bare, told = server.connections[0].heads
    assert b"Authorization" not in bare and b'Authorization: Digest username="me"' in told


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        (MISSING, NotFound),
        (b"HTTP/1.1 503 No\r\nRetry-After: 9\r\nContent-Length: 0\r\n\r\n", ServerBusy),
    ],
)
async def test_a_refusal(scripted: Any, bench: Any, answer: bytes, kind: Any) -> None:
    """Is an error, without the URL's secrets; its connection serves on."""
    server = scripted([head, answer, head, HELLO, mute])
    downloader = bench().downloader
    url = server.url("/a?token=secret&b=1").replace("//", "//me:secret@")
    with pytest.raises(kind) as caught:
        await downloader.request("GET", url)
    assert caught.value.attempts == 1 and caught.value.http_status in (404, 503)
    assert caught.value.url == server.url("/a?token=***&b=1")
    assert getattr(caught.value, "retry_after", 9.0) == 9.0
    await readBody(await downloader.request("GET", server.url()))
    assert len(server.connections) == 1


async def test_a_refusal_that_is_wanted(scripted: Any, bench: Any) -> None:
    server = scripted([head, MISSING, mute])
    response = await bench().downloader.request("GET", server.url(), ok_only=False)
    assert (response.code, await readBody(response)) == (404, b"no")


async def test_errors_are_ours(scripted: Any, bench: Any) -> None:
    """Of the request, of its words, and, explained, of its answer's body."""
    server = scripted([head, fin])
    downloader = bench().downloader
    with pytest.raises(ConnectionLost) as caught:
        await downloader.request("GET", server.url())
    assert caught.value.url == server.url() and caught.value.__cause__ is not None
    with pytest.raises(BadUrl):
        await downloader.request("GET", "ftp://h/")
    with pytest.raises(WrongRequest):
        await downloader.request("G ET", server.url())
    with pytest.raises(WrongRequest):
        await downloader.request("GET", server.url(), [("Bäd", "1")])
    cut = scripted([head, OK + b"Content-Length: 9\r\n\r\nhalf", fin])
    with pytest.raises(ResponseFailed) as failed:
        await readBody(await downloader.request("GET", cut.url()))
    assert isinstance(downloader.explain(failed.value), TruncatedBody)


async def test_cancel_and_close(reactor: Any, scripted: Any, bench: Any) -> None:
    """Both end it where it is."""
    server = scripted([head, mute])
    downloader = bench().downloader
    for number in (0, 1):
        asked = downloader.request("GET", server.url())
        connection = await server.arrived(number)
        await until(reactor, lambda connection=connection: connection.heads)
        asked.cancel() if number == 0 else downloader.close()
        with pytest.raises(CancelledError if number == 0 else Closed):
            await asked
        assert await connection.ended() is End.RST
    with pytest.raises(Closed):
        await downloader.request("GET", server.url())
