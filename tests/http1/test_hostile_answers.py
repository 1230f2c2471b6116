"""Answers that want a connection to be taken for what it is not; the next request must be safe.

Each is sent to the first request. The second asks for something else, and must get the server's
honest answer to it, on a new connection unless the first answer left no doubt.
"""

from __future__ import annotations

from typing import Any

import pytest
from support.asking import HELLO, OK, get, path_of
from twisted.internet.task import deferLater
from twisted.web.client import ResponseFailed

from downloader.errors import BadResponse

EVIL = OK + b"Content-Length: 4\r\n\r\nevil"
CODING = b"Transfer-Encoding: chunked\r\n"
CHUNKED = OK + CODING + b"\r\n"
FOUR = b"Content-Length: 4\r\n"

# name -> (method, what the server sends, the body or the error)
DOUBTFUL: dict[str, tuple[bytes, bytes, Any]] = {
    "204 with a body": (b"GET", b"HTTP/1.1 204 No\r\nContent-Length: 4\r\n\r\nevil", b""),
    "204 with an answer": (b"GET", b"HTTP/1.1 204 No\r\n\r\n" + EVIL, b""),
    "304 with a body": (b"GET", b"HTTP/1.1 304 Not\r\nContent-Length: 4\r\n\r\nevil", b""),
    "304 with an answer": (b"GET", b"HTTP/1.1 304 Not\r\n\r\n" + EVIL, b""),
    "HEAD with a body": (b"HEAD", EVIL, b""),
    "HEAD with an answer": (b"HEAD", OK + b"Content-Length: 9\r\n\r\n" + EVIL, b""),
    "HEAD with a chunk": (b"HEAD", CHUNKED + b"4\r\nevil\r\n0\r\n\r\n", b""),
    "a body longer than its length": (b"GET", OK + b"Content-Length: 4\r\n\r\nevil!", b"evil"),
    "an answer behind chunks": (b"GET", CHUNKED + b"1\r\nx\r\n0\r\n\r\n" + EVIL, b"x"),
    "chunks behind the last": (b"GET", CHUNKED + b"0\r\n\r\n4\r\nevil\r\n0\r\n\r\n", b""),
    "two answers": (b"GET", HELLO + EVIL, b"hello"),
    "100 behind an answer": (b"GET", HELLO + b"HTTP/1.1 100 Continue\r\n\r\n", b"hello"),
    "a NUL behind an answer": (b"GET", HELLO + b"\0", b"hello"),
    "half an answer behind": (b"GET", HELLO + EVIL[:20], b"hello"),
    "both framings": (
        b"GET", OK + FOUR + CODING + b"\r\n0\r\n\r\n", BadResponse,
    ),
    "both, in the other order": (
        b"GET", OK + CODING + FOUR + b"\r\n0\r\n\r\n", BadResponse,
    ),
    "coding hidden by case": (
        b"GET", OK + b"Transfer-Encoding: xCHUNKED\r\nContent-Length: 4\r\n\r\nevil", BadResponse,
    ),
    "coding with a tab": (
        b"GET", OK + b"Transfer-Encoding:\x0bchunked\r\nContent-Length: 4\r\n\r\nevil", BadResponse,
    ),
    "space before the colon": (b"GET", OK + b"Content-Length : 4\r\n\r\nevil", BadResponse),
    "equal lengths twice": (
        b"GET", OK + b"Content-Length: 4\r\nContent-Length: 4\r\n\r\nevil", BadResponse,
    ),
    "lengths in a list": (b"GET", OK + b"Content-Length: 4, 4\r\n\r\nevil", BadResponse),
    "length in hexadecimal": (b"GET", OK + b"Content-Length: 0x4\r\n\r\nevil", BadResponse),
    "negative length": (b"GET", OK + b"Content-Length: -4\r\n\r\nevil", BadResponse),
    "length of 2^63": (b"GET", OK + b"Content-Length: 9223372036854775808\r\n\r\n", BadResponse),
    "length of 2^64 + 4": (
        b"GET", OK + b"Content-Length: 18446744073709551620\r\n\r\n", BadResponse,
    ),
    "bare LF": (b"GET", b"HTTP/1.1 200 OK\nContent-Length: 4\n\nevil", BadResponse),
    "bare CR": (b"GET", OK + b"X: y\rContent-Length: 4\r\n\r\nevil", BadResponse),
    "NUL in a value": (b"GET", OK + b"X: \0\r\nContent-Length: 4\r\n\r\nevil", BadResponse),
    "a folded header": (b"GET", OK + b"X: y\r\n Content-Length: 9\r\n\r\nevil", BadResponse),
    "a folded first header": (b"GET", OK + b" X: y\r\nContent-Length: 4\r\n\r\nevil", BadResponse),
    "negative chunk": (b"GET", CHUNKED + b"-4\r\nevil\r\n0\r\n\r\n", ResponseFailed),
    "chunk of 2^64 + 4": (
        b"GET", CHUNKED + b"10000000000000004\r\nevil\r\n0\r\n\r\n", ResponseFailed,
    ),
    "chunk in decimal clothes": (b"GET", CHUNKED + b"0x4\r\nevil\r\n0\r\n\r\n", ResponseFailed),
    "chunk without CRLF": (b"GET", CHUNKED + b"4\r\nevil0\r\n\r\n", ResponseFailed),
    "chunk with bare LF": (b"GET", CHUNKED + b"4\nevil\n0\n\n", ResponseFailed),
    "length in a trailer": (
        b"GET", CHUNKED + b"0\r\nContent-Length: 4\r\n\r\n", ResponseFailed,
    ),
    "HTTP/0.9": (b"GET", b"<html>evil</html>", BadResponse),
    "HTTP/3.7": (b"GET", b"HTTP/3.7 200 OK\r\nContent-Length: 4\r\n\r\nevil", BadResponse),
    "another protocol": (b"GET", b"SSH-2.0-OpenSSH_9.2\r\n", BadResponse),
    "ICY": (b"GET", b"ICY 200 OK\r\nContent-Length: 4\r\n\r\nevil", BadResponse),
    "status 099": (b"GET", b"HTTP/1.1 099 X\r\nContent-Length: 0\r\n\r\n", BadResponse),
    "status 600": (b"GET", b"HTTP/1.1 600 X\r\nContent-Length: 0\r\n\r\n", BadResponse),
    "status of two digits": (b"GET", b"HTTP/1.1 20 X\r\nContent-Length: 0\r\n\r\n", BadResponse),
    "status of four digits": (b"GET", b"HTTP/1.1 2000 X\r\nContent-Length: 0\r\n\r\n", BadResponse),
    "negative status": (b"GET", b"HTTP/1.1 -200 X\r\nContent-Length: 0\r\n\r\n", BadResponse),
    "a status with a letter": (b"GET", b"HTTP/1.1 2O0 X\r\nContent-Length: 0\r\n\r\n", BadResponse),
    "101 to a plain GET": (b"GET", b"HTTP/1.1 101 X\r\nUpgrade: h2c\r\n\r\n" + EVIL, BadResponse),
}  # fmt: skip


@pytest.mark.parametrize("name", DOUBTFUL)
async def test_the_next_request_is_safe(scripted: Any, make_agent: Any, name: str) -> None:
    """The first gets no more than its head announced or an error, the second its own answer."""
    method, data, expected = DOUBTFUL[name]

    async def script(connection: Any) -> None:
        await connection.head()
        connection.send(data if connection.number == 0 else HELLO)

    server, agent = scripted(script), make_agent(connections_per_host=1)
    if isinstance(expected, bytes):
        assert (await get(agent, server.url("/1"), method))[1] == expected
    else:
        with pytest.raises(expected):
            await get(agent, server.url("/1"), method)
    assert (await get(agent, server.url("/2")))[1] == b"hello"
    heads = [[path_of(head) for head in one.heads] for one in server.connections]
    assert heads == [["/1"], ["/2"]]


async def test_an_answer_before_the_request(scripted: Any, make_agent: Any) -> None:
    """What the server had ready for one request is not the next one's (CVE-2021-22947)."""

    async def script(connection: Any) -> None:
        if connection.number == 0:
            connection.send(HELLO + EVIL)
        await connection.head()
        connection.send(HELLO)

    server, agent = scripted(script), make_agent(connections_per_host=1)
    answers = [(await get(agent, server.url(f"/{n}")))[1] for n in range(2)]
    assert answers == [b"hello", b"hello"] and len(server.connections) == 2


@pytest.mark.parametrize("turns", [0, 1, 2, 5])
async def test_late_bytes_on_an_idle_connection(
    scripted: Any, make_agent: Any, reactor: Any, turns: int
) -> None:
    """However soon the next request follows, it is not answered by what came before it."""

    async def script(connection: Any) -> None:
        await connection.head()
        connection.send(HELLO)
        if connection.number == 0:
            await connection.flush()
            connection.send(EVIL)

    server, agent = scripted(script), make_agent(connections_per_host=1)
    await get(agent, server.url("/1"))
    await server.connections[0].ended()
    for _ in range(turns):
        await deferLater(reactor, 0)
    assert (await get(agent, server.url("/2")))[1] == b"hello"
    assert [len(one.heads) for one in server.connections] == [1, 1]
