"""The origin serves what it was told, whatever the client does."""

from __future__ import annotations

from typing import Any

import pytest
import pytest_twisted
from hypothesis import given
from hypothesis import strategies as st
from support.client import connect
from twisted.internet.defer import Deferred, gatherResults
from twisted.internet.task import deferLater
from twisted.web.client import Agent, HTTPConnectionPool, readBody

from downloader.testing import End, Origin, content
from downloader.testing.origin import CHUNK

SIZES = [0, 1, CHUNK - 1, CHUNK, CHUNK + 1, 3 * CHUNK + 7]


@pytest.fixture
def agent(reactor: Any) -> Any:
    """Twisted's own agent, keep-alive; its pool is closed before the origin stops."""
    pool = HTTPConnectionPool(reactor)
    yield Agent(reactor, pool=pool)
    pytest_twisted.blockon(pool.closeCachedConnections())


async def fetch(agent: Any, url: str, method: bytes = b"GET") -> tuple[int, bytes, int]:
    response = await agent.request(method, url.encode())
    return response.code, await readBody(response), response.length


async def talk(reactor: Any, origin: Origin, request: bytes) -> bytes:
    """Send `request` raw and read until the origin closes."""
    client = await connect(reactor, origin)
    client.transport.write(request)
    await client.lost
    return b"".join(client.reads)


@given(st.text(), st.integers(0, 5 * CHUNK))
def test_content_is_of_its_size_and_always_the_same(path: str, size: int) -> None:
    """The checker computes what the server sends."""
    chunks = list(content(path, size))
    assert sum(map(len, chunks)) == size
    assert chunks == list(content(path, size))
    assert len(set(chunks)) == len(chunks)


def test_content_differs_between_paths() -> None:
    """A file under a wrong name is noticed."""
    assert next(content("/a", 100)) != next(content("/b", 100))


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("pause", [0.0, 0.01])
@pytest.mark.filterwarnings("ignore:Using readBody:DeprecationWarning")
async def test_a_file_arrives(origin: Origin, agent: Any, size: int, pause: float) -> None:
    """Every size, slow or not, byte for byte, twice on one connection."""
    url = origin.add("/file", size, pause)
    for _ in range(2):
        assert await fetch(agent, url) == (200, b"".join(content("/file", size)), size)
    assert len(origin.connections) == 1
    assert origin.requests["/file"] == 2


@pytest.mark.filterwarnings("ignore:Using readBody:DeprecationWarning")
async def test_a_large_file_streams(origin: Origin, agent: Any) -> None:
    """64 MiB arrive whole."""
    size = 64 * 1024 * 1024
    _, body, _ = await fetch(agent, origin.add("/large", size))
    start = 0
    for chunk in content("/large", size):
        assert body[start : start + len(chunk)] == chunk
        start += len(chunk)
    assert start == len(body) == size


@pytest.mark.filterwarnings("ignore:Using readBody:DeprecationWarning")
async def test_head_and_missing(origin: Origin, agent: Any) -> None:
    """HEAD has no body; what nobody added is 404; other methods are 405."""
    url = origin.add("/file", 1000)
    assert (await fetch(agent, url, b"HEAD"))[:2] == (200, b"")
    assert (await fetch(agent, origin.url("/none")))[0] == 404
    assert (await fetch(agent, url, b"DELETE"))[0] == 405
    assert (await fetch(agent, url + "?query"))[0] == 200
    assert len(origin.connections) == 1


async def test_head_tells_the_length(reactor: Any, origin: Origin) -> None:
    """HEAD answers as GET would, without the body (RFC 9110 §9.3.2)."""
    origin.add("/file", 1000)
    answer = await talk(reactor, origin, b"HEAD /file HTTP/1.0\r\n\r\n")
    assert b"\r\nContent-Length: 1000\r\n" in answer
    assert answer.endswith(b"\r\n\r\n")


async def test_pipelined_requests_are_answered_in_order(reactor: Any, origin: Origin) -> None:
    """A slow answer holds back those behind it; Connection: close ends it."""
    origin.add("/slow", 2 * CHUNK, pause=0.01)
    origin.add("/quick", 3)
    ask = b"GET /%b HTTP/1.1\r\nHost: x\r\n\r\n"
    last = b"GET /quick HTTP/1.1\r\nConnection: close\r\n\r\n"
    answer = await talk(reactor, origin, ask % b"slow" + ask % b"quick" + last)
    slow, quick = b"".join(content("/slow", 2 * CHUNK)), b"".join(content("/quick", 3))
    assert answer.count(b"HTTP/1.1 200 OK\r\n") == 3
    assert answer.index(slow) < answer.index(quick + b"HTTP/1.1")
    assert answer.endswith(b"Connection: close\r\n\r\n" + quick)


async def test_what_is_no_request_is_refused(reactor: Any, origin: Origin) -> None:
    """Nonsense gets 400 and a close."""
    assert (await talk(reactor, origin, b"\xff\x00\r\n\r\n")).startswith(b"HTTP/1.1 400 ")


async def test_silent_ends_are_counted(reactor: Any, origin: Origin) -> None:
    """Who asks for a silent file gets no answer, and how it gave up is counted."""
    origin.add_silent("/silent")
    clients = [await connect(reactor, origin) for _ in range(3)]
    for client in clients:
        client.transport.write(b"GET /silent HTTP/1.1\r\n\r\n")
    while origin.silent < 3:
        await deferLater(reactor, 0)
    clients[0].transport.loseConnection()
    clients[1].transport.abortConnection()
    while origin.silent > 1:
        await deferLater(reactor, 0)
    await origin.stop()
    await gatherResults([client.lost for client in clients])
    assert origin.silent == 0
    assert origin.silent_ends == {End.FIN: 1, End.RST: 1, End.OURS: 1}
    assert [client.reads for client in clients] == [[], [], []]


async def test_stop_in_the_middle_leaves_nothing(reactor: Any, origin: Origin) -> None:
    """A pause and a stream under way end with stop, and no delayed call stays."""
    origin.add("/slow", 1000, pause=3600)
    origin.add("/large", 64 * 1024 * 1024)
    for path in (b"/slow", b"/large"):
        client = await connect(reactor, origin)
        client.transport.write(b"GET %b HTTP/1.1\r\n\r\n" % path)
        while not client.reads:
            await deferLater(reactor, 0)
    await origin.stop()
    assert reactor.getDelayedCalls() == []
    await client.lost


# --- parts ----------------------------------------------------------------------------------


@given(st.integers(1, 5 * CHUNK), st.data())
def test_content_in_parts(size: int, data: st.DataObject) -> None:
    start = data.draw(st.integers(0, size))
    stop = data.draw(st.integers(start, size))
    whole = b"".join(content("/f", size))
    assert b"".join(content("/f", size, start, stop)) == whole[start:stop]


def ask(path: str, *fields: str) -> bytes:
    lines = [f"GET {path} HTTP/1.1", "Connection: close", *fields, "", ""]
    return "\r\n".join(lines).encode()


SIZE = 3 * CHUNK
WHOLE = (b"200", 0, SIZE)


@pytest.mark.parametrize(
    ("fields", "status", "start", "stop"),
    [
        ((), *WHOLE),
        (("Range: bytes=5-",), b"206", 5, SIZE),
        (("range: bytes=5-9",), b"206", 5, 10),
        (("Range: bytes=70000-140000",), b"206", 70000, 140001),
        ((f"Range: bytes=0-{10 * SIZE}",), b"206", 0, SIZE),
        (("Range: bytes=5-9", 'If-Range: "1"'), b"206", 5, 10),
        (("Range: bytes=5-9", 'If-Range: "2"'), *WHOLE),
        (("Range: bytes=5-9,20-30",), *WHOLE),
        (("Range: lines=5-9",), *WHOLE),
        ((f"Range: bytes={SIZE}-",), b"416", 0, 0),
    ],
)
async def test_a_part_of_a_file(
    reactor: Any, origin: Origin, fields: tuple[str, ...], status: bytes, start: int, stop: int
) -> None:
    """What is asked for, if it is of that version; what is no range it knows is ignored."""
    origin.add("/f", SIZE, etag='"1"')
    head, _, body = (await talk(reactor, origin, ask("/f", *fields))).partition(b"\r\n\r\n")
    assert head.split(b" ")[1] == status
    assert body == b"".join(content("/f", SIZE))[start:stop]
    span = {b"206": b"%d-%d" % (start, stop - 1), b"416": b"*"}.get(status)
    assert (span is not None) == (b"Content-Range: bytes " in head)
    assert span is None or b"Content-Range: bytes %b/%d\r\n" % (span, SIZE) in head
    assert (b'ETag: "1"\r\nAccept-Ranges: bytes\r\n' in head) == (status != b"416")


async def test_without_an_etag_there_are_no_parts(reactor: Any, origin: Origin) -> None:
    origin.add("/f", SIZE)
    answer = await talk(reactor, origin, ask("/f", "Range: bytes=5-9"))
    assert answer.startswith(b"HTTP/1.1 200 OK") and b"Accept-Ranges" not in answer


async def test_no_connection_is_faster_than_its_rate(reactor: Any, origin: Origin) -> None:
    origin.add("/f", SIZE, rate=30 * CHUNK)
    began = reactor.seconds()
    answers = [talk(reactor, origin, ask("/f")) for _ in range(2)]
    for answer in await gatherResults([Deferred.fromCoroutine(one) for one in answers]):
        assert answer.endswith(b"".join(content("/f", SIZE)))
    assert reactor.seconds() - began >= 2 / 30
