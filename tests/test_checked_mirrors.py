"""Bytes that are not those of the checksum: they get no name, and the next mirror is asked."""

from __future__ import annotations

import re
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from twisted.internet.defer import CancelledError
from twisted.internet.task import deferLater

from downloader import Downloader, Job, Retries, Status
from downloader.errors import ChecksumMismatch, NotFound
from downloader.testing import Connection, ScriptedServer

SHORT, LONG = 3000, 400_000
ONCE = Retries(tries=1, wait=0.01)


def body(size: int, good: bool = True) -> bytes:
    """What a server has; of a bad one, every byte is another."""
    return (bytes(range(256)) if good else bytes(range(255, -1, -1))) * (size // 256)


def serving(data: bytes, stop: int | None = None, etag: bytes | None = None) -> Any:
    """A script: `data` or the rest that is asked for, as far as `stop`, where it ends for good."""

    async def script(connection: Connection) -> None:
        while True:
            head = await connection.head()
            asked = re.search(rb"(?im)^range: bytes=(\d+)-", head)
            start = int(asked[1]) if asked else 0
            lines = [b"HTTP/1.1 206 Partial" if asked else b"HTTP/1.1 200 OK"]
            lines.append(b"Content-Length: %d" % (len(data) - start))
            if asked:
                lines.append(b"Content-Range: bytes %d-%d/%d" % (start, len(data) - 1, len(data)))
            if etag:
                lines.append(b"ETag: " + etag)
            connection.send(b"\r\n".join([*lines, b"", data[start:stop]]))
            if stop is not None:
                connection.close()

    return script


def heads(server: ScriptedServer) -> list[bytes]:
    return [head for connection in server.connections for head in connection.heads]


def ranges(server: ScriptedServer) -> list[int]:
    """Where each request to it begins."""
    asked = [re.search(rb"(?im)^range: bytes=(\d+)-", head) for head in heads(server)]
    return [int(match[1]) if match else 0 for match in asked]


@pytest.fixture
def job(tmp_path: Path) -> Callable[..., Job]:
    """Make a job for the same file of these servers, whose checksum is of the good bytes."""

    def make(size: int, first: ScriptedServer, *others: ScriptedServer) -> Job:
        mirrors = tuple(server.url("/other") for server in others)
        digest = sha256(body(size)).hexdigest()
        out = tmp_path / "out"
        out.mkdir()
        return Job(first.url("/a"), str(out), mirrors=mirrors, checksum=f"sha-256={digest}")

    return make


async def fetched(reactor: Any, job: Job) -> tuple[Any, dict[str, bytes]]:
    """The Result or the error, and what is in the directory then."""
    downloader = Downloader(reactor, retries=ONCE)
    try:
        result: Any = await downloader.fetch(job)
    except Exception as error:
        result = error
    await downloader.close()
    files = Path(job.directory).iterdir()
    return result, {path.name: path.read_bytes() for path in files}


@pytest.mark.parametrize("size", [SHORT, LONG])
async def test_the_first_has_others(reactor: Any, scripted: Any, job: Any, size: int) -> None:
    """Its bytes get no name, and it is not asked again."""
    bad, good = scripted(serving(body(size, False))), scripted(serving(body(size)))
    wanted = job(size, bad, good)
    result, there = await fetched(reactor, wanted)
    assert (result.status, result.attempts, result.checksum) == (
        Status.COMPLETE,
        2,
        wanted.checksum,
    )
    assert there == {"a": body(size)}
    assert (ranges(bad), ranges(good)) == ([0], [0])


@pytest.mark.parametrize("size", [SHORT, LONG])
async def test_all_have_others(reactor: Any, scripted: Any, job: Any, size: int) -> None:
    """Nothing is left, no part file either."""
    servers = [scripted(serving(body(size, False))) for _ in range(3)]
    error, there = await fetched(reactor, job(size, *servers))
    assert type(error) is ChecksumMismatch
    assert (error.attempts, error.url, there) == (3, servers[2].url("/other"), {})
    assert sha256(body(size, False)).hexdigest() in error.detail


async def test_one_has_others_and_one_has_none(reactor: Any, scripted: Any, job: Any) -> None:
    """The error is that of the last that was asked, and nothing is left."""
    none = b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n"
    servers = [scripted(serving(body(LONG, False))), scripted([lambda c: c.head(), none])]
    error, there = await fetched(reactor, job(LONG, *servers))
    assert (type(error), there) == (NotFound, {})


async def test_a_good_beginning_is_gone_on_with(reactor: Any, scripted: Any, job: Any) -> None:
    """By the mirror, which has no validator of the first: the checksum proves it all."""
    cut, good = scripted(serving(body(LONG), LONG // 2)), scripted(serving(body(LONG)))
    result, there = await fetched(reactor, job(LONG, cut, good))
    assert (result.status, result.bytes, there) == (
        Status.COMPLETE,
        len(body(LONG)),
        {"a": body(LONG)},
    )
    assert ranges(good) == [LONG // 2]


async def test_a_wrong_beginning_is_noticed(reactor: Any, scripted: Any, job: Any) -> None:
    """When a mirror has gone on with it; what that mirror has is fetched as a whole then."""
    cut, good = scripted(serving(body(LONG, False), LONG // 2)), scripted(serving(body(LONG)))
    result, there = await fetched(reactor, job(LONG, cut, good))
    assert (result.status, there) == (Status.COMPLETE, {"a": body(LONG)})
    assert ranges(good) == [LONG // 2, 0]


async def test_a_good_beginning_with_a_wrong_end(reactor: Any, scripted: Any, job: Any) -> None:
    """The same the other way round: the third is not asked for an end, but for all."""
    cut = scripted(serving(body(LONG), LONG // 2))
    bad, good = scripted(serving(body(LONG, False))), scripted(serving(body(LONG)))
    result, there = await fetched(reactor, job(LONG, cut, bad, good))
    assert (result.status, there) == (Status.COMPLETE, {"a": body(LONG)})
    assert (ranges(bad), ranges(good)) == ([LONG // 2, 0], [0])


async def stop_in_the_middle(reactor: Any, wanted: Job) -> None:
    """A first run, which is stopped when its server has sent what it sends."""
    downloader = Downloader(reactor, retries=ONCE)
    fetching = downloader.fetch(wanted)
    while sum(way.progress().received for way in downloader.active()) < LONG // 2:
        await deferLater(reactor, 0.005)
    fetching.cancel()
    with pytest.raises(CancelledError):
        await fetching
    await downloader.close()
    left = sorted(path.name for path in Path(wanted.directory).iterdir())
    assert left == ["a.part", "a.part.journal"]


def stopped_first(good: bool, then: Any) -> Any:
    """A script: half of the body on the first connection, and then nothing; `then` on others."""
    data = body(LONG, good)

    async def script(connection: Connection) -> None:
        if connection.number:
            await then(connection)
        else:
            await connection.head()
            connection.send(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(data))
            connection.send(data[: LONG // 2])

    return script


@pytest.mark.parametrize("good", [True, False])
async def test_a_run_that_was_stopped(reactor: Any, scripted: Any, job: Any, good: bool) -> None:
    """The next one goes on with a good beginning; a wrong one costs the whole once more."""
    server = scripted(stopped_first(good, serving(body(LONG))))
    wanted = job(LONG, server)
    await stop_in_the_middle(reactor, wanted)
    result, there = await fetched(reactor, wanted)
    assert (result.status, there) == (Status.COMPLETE, {"a": body(LONG)})
    assert ranges(server)[1:] == ([LONG // 2] if good else [LONG // 2, 0])


async def test_a_run_that_was_stopped_and_bad_mirrors(
    reactor: Any, scripted: Any, job: Any
) -> None:
    """What the first run left goes too, once all of it was fetched and is wrong."""
    bad = serving(body(LONG, False))
    wanted = job(LONG, scripted(stopped_first(True, bad)), scripted(bad))
    await stop_in_the_middle(reactor, wanted)
    error, there = await fetched(reactor, wanted)
    assert (type(error), there) == (ChecksumMismatch, {})
