"""An answer as a file, and why there is none."""

from __future__ import annotations

import io
from typing import Any

import pytest
from support.asking import HELLO, OK, hello

from downloader import errors
from downloader.jobs import Timeouts
from downloader.testing import End, fin, head, mute, rst, trickle

FOUND = b"HTTP/1.1 302 Found\r\nLocation: /there?token=s3cret\r\nContent-Length: 0\r\n\r\n"
LINES = (
    OK
    + b"Content-Type: text/plain; charset=utf-8\r\nSet-Cookie: a=1\r\nset-cookie: b=2\r\n"
    + b"Content-Length: 12\r\n\r\none\ntwo\nfour"
)


async def test_an_answer(scripted: Any, client: Any, in_thread: Any) -> None:
    """Its status, headers whose names have no case, where it came from, and the body's lines."""
    server = scripted([head, FOUND, head, LINES])

    def ask() -> None:
        with client.urlopen(server.url("/here")) as response:
            assert isinstance(response, io.BufferedIOBase)
            assert (response.status, response.reason, response.length) == (200, "OK", 12)
            assert response.url == server.url("/there?token=s3cret")
            assert response.headers["content-TYPE"] == "text/plain; charset=utf-8"
            assert response.headers.get_content_charset() == "utf-8"
            assert response.headers.get_all("Set-Cookie") == ["a=1", "b=2"]
            assert "s3cret" not in repr(response)
            assert response.readable() and not response.writable() and not response.seekable()
            assert response.readline() == b"one\n"
            assert list(response) == [b"two\n", b"four"]
            assert response.read() == response.read(1) == b""
        assert response.closed and repr(response).endswith("closed>")
        with pytest.raises(ValueError, match="closed"):
            response.read()

    await in_thread(ask)


@pytest.mark.parametrize(
    "sizes", [(-1,), (5,), (1, 2, 9), (2, -1)], ids=["all", "exact", "pieces", "the rest"]
)
async def test_reads(scripted: Any, client: Any, in_thread: Any, sizes: tuple[int, ...]) -> None:
    """Each gets as much as it asked for, or the end, however the body is cut."""
    server = scripted([head, trickle(HELLO)])

    def ask() -> bytes:
        with client.urlopen(server.url()) as response:
            pieces = [response.read(size) for size in sizes]
            assert [len(one) for one in pieces[:-1]] == list(sizes[:-1])
            return b"".join(pieces)

    assert await in_thread(ask) == b"hello"


async def test_readinto(scripted: Any, client: Any, in_thread: Any) -> None:
    """A buffer of any kind is filled."""
    server = scripted([head, trickle(HELLO)])

    def ask() -> bytes:
        buffer = bytearray(8)
        with client.urlopen(server.url()) as response:
            assert response.readinto(memoryview(buffer)[1:4]) == 3
            assert response.readinto(memoryview(buffer)[4:]) == 2
            assert response.readinto(buffer[:1]) == 0
        return bytes(buffer)

    assert await in_thread(ask) == b"\0hello\0\0"


async def test_a_body_without_a_length(scripted: Any, client: Any, in_thread: Any) -> None:
    """In chunks, or to the connection's end."""
    chunked = OK + b"Transfer-Encoding: chunked\r\n\r\n2\r\nhe\r\n3\r\nllo\r\n0\r\n\r\n"
    for answer in ([chunked], [OK + b"\r\nhello", fin]):
        server = scripted([head, *answer])

        def ask(url: str) -> bytes:
            with client.urlopen(url) as response:
                assert response.length is None
                return bytes(response.read())

        assert await in_thread(ask, server.url()) == b"hello"


async def test_what_is_sent(scripted: Any, client: Any, in_thread: Any) -> None:
    """GET, or POST with data; another method, headers, and the user of the URL."""

    async def serve(connection: Any) -> None:
        for size in (0, 4, 3, 0):
            await connection.head()
            await connection.take(size)
            connection.send(HELLO)

    server = scripted(serve)

    def ask() -> None:
        url = server.url().replace("//", "//me:pass@")
        with client.urlopen(url, headers={"X-One": "1"}) as response:
            assert response.read() == b"hello"
        with client.urlopen(url, b"data", headers=[("X-Two", "2")]) as response:
            assert response.read() == b"hello"
        with client.urlopen(url, bytearray(b"put"), method="PUT") as response:
            assert response.read() == b"hello"
        with pytest.raises(TypeError):
            client.urlopen(url, "text")
        with pytest.raises(errors.WrongRequest):
            client.urlopen(url, method="P UT")
        client.urlopen(url, method="DELETE").read()

    await in_thread(ask)
    (connection,) = server.connections
    sent = b"\n".join(connection.heads)
    assert [one.split(b" ")[0] for one in connection.heads] == [b"GET", b"POST", b"PUT", b"DELETE"]
    assert b"X-One: 1" in sent and b"X-Two: 2" in sent and b"Authorization: Basic" in sent
    assert b"data" in connection.received and b"\r\n\r\nput" in connection.received


REFUSED = b"HTTP/1.1 %s No\r\nContent-Length: 2\r\n\r\nno"


@pytest.mark.parametrize(
    ("script", "kind"),
    [
        ([head, REFUSED % b"404"], errors.NotFound),
        ([head, REFUSED % b"401"], errors.HttpError),
        ([head, REFUSED % b"503"], errors.ServerBusy),
        ([head, REFUSED % b"304"], errors.BadResponse),
        ([head, b"junk\r\n\r\n"], errors.BadResponse),
        ([head, fin], errors.ConnectionLost),
        ([head, b"HTTP/1.1 2", rst], errors.ConnectionLost),
    ],
)
async def test_no_answer(
    scripted: Any, client: Any, in_thread: Any, script: list[Any], kind: Any
) -> None:
    """The error is ours, with the URL but no secret of it; and the next call works."""
    server, other = scripted(script), scripted(hello)

    def ask() -> None:
        with pytest.raises(kind) as caught:
            client.urlopen(server.url("/a?token=s3cret").replace("//", "//me:s3cret@"))
        assert type(caught.value) is kind
        assert caught.value.url == server.url("/a?token=***")
        assert "s3cret" not in f"{caught.value}{caught.value!r}{caught.value.__cause__!r}"
        assert client.urlopen(other.url()).read() == b"hello"

    await in_thread(ask)


async def test_a_refusal_that_is_wanted(scripted: Any, client: Any, in_thread: Any) -> None:
    server = scripted([head, REFUSED % b"404"])

    def ask() -> tuple[int, bytes]:
        with client.urlopen(server.url(), ok_only=False) as response:
            return response.status, response.read()

    assert await in_thread(ask) == (404, b"no")


@pytest.mark.parametrize("end", [fin, rst])
async def test_a_body_that_is_cut(scripted: Any, client: Any, in_thread: Any, end: Any) -> None:
    """What came can be read; then it raises, and never looks whole."""
    server = scripted([head, OK + b"Content-Length: 9\r\n\r\nhalf", end])

    def ask() -> None:
        with client.urlopen(server.url()) as response:
            assert response.read(4) == b"half"
            with pytest.raises(errors.TruncatedBody) as caught:
                response.read(1)
            assert caught.value.url == server.url()
            with pytest.raises(ValueError, match="closed"):
                response.read(1)

    await in_thread(ask)


async def test_too_late(scripted: Any, client: Any, in_thread: Any) -> None:
    """`timeout` bounds the way to the head, and then each wait for more."""
    server = scripted([head, mute])
    stalled = scripted([head, OK + b"Content-Length: 9\r\n\r\nhalf", mute])

    def ask() -> None:
        with pytest.raises(errors.FirstByteTimeout) as late:
            client.urlopen(server.url(), timeout=0.05)
        with (
            pytest.raises(errors.StallTimeout) as stall,
            client.urlopen(stalled.url(), timeout=0.3) as response,
        ):
            response.read()
        assert (late.value.url, stall.value.url) == (server.url(), stalled.url())

    await in_thread(ask)
    assert await server.connections[0].ended() is End.RST
    assert await stalled.connections[0].ended() is End.RST


async def test_the_clients_own_timeouts(scripted: Any, make_client: Any, in_thread: Any) -> None:
    """They hold where a call has none."""
    client = make_client(timeouts=Timeouts(first_byte=0.05, stall=0.05))
    server = scripted([head, mute])
    stalled = scripted([head, OK + b"Content-Length: 9\r\n\r\nhalf", mute])

    def ask() -> None:
        with pytest.raises(errors.FirstByteTimeout):
            client.urlopen(server.url())
        with pytest.raises(errors.StallTimeout), client.urlopen(stalled.url()) as response:
            response.read()

    await in_thread(ask)


async def test_tls(scripted: Any, ca: Any, make_client: Any, in_thread: Any) -> None:
    """By name; a certificate that is not trusted is an error, unless that is switched off."""
    server = scripted(hello, tls=ca.server())
    strange = scripted(hello, tls=ca.server("other.test"))

    def ask() -> None:
        trusting, careless = make_client(), make_client(verify_tls=False)
        assert trusting.urlopen(server.url(host="localhost")).read() == b"hello"
        with pytest.raises(errors.TlsError):
            trusting.urlopen(strange.url())
        assert careless.urlopen(strange.url()).read() == b"hello"

    await in_thread(ask)
