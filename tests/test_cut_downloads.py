"""A download that is cut at any byte never leaves a file that looks whole.

Nor does one that goes on with what is there; and the next run, from an honest server, gets the
right one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import pytest_twisted
from support.hostileparts import ETAG, HALF, NEW, OLD, PART, framed, honest, leave

from downloader import Downloader, Job, Limits, Result, Retries
from downloader.errors import BadResponse, ConnectionLost, TruncatedBody
from downloader.jobs import Status
from downloader.testing import Connection

OK = b"HTTP/1.1 200 OK\r\n"
BODY = b"hello, world"
CHUNKED = OK + b"Transfer-Encoding: chunked\r\n\r\n"


@dataclass(frozen=True)
class Shape:
    """An answer with BODY: its head, and what follows it."""

    head: bytes
    rest: bytes

    @property
    def data(self) -> bytes:
        """All of it."""
        return self.head + self.rest


SHAPES = {
    "length": Shape(OK + b"Content-Length: 12\r\n\r\n", BODY),
    "chunks": Shape(CHUNKED, b"5\r\nhello\r\n7\r\n, world\r\n0\r\n\r\n"),
    "trailers": Shape(CHUNKED, b"c;a=b\r\nhello, world\r\n0\r\nX: y\r\n\r\n"),
    "close": Shape(OK + b"Connection: close\r\n\r\n", BODY),
    "1.0 with a length": Shape(b"HTTP/1.0 200 OK\r\nContent-Length: 12\r\n\r\n", BODY),
    "informational": Shape(
        b"HTTP/1.1 103 Early\r\nLink: </>\r\n\r\n" + OK + b"Content-Length: 12\r\n\r\n", BODY
    ),
}
End = Callable[[Connection], None]
ENDS: dict[str, End] = {"fin": Connection.close, "rst": Connection.reset}


@pytest.fixture
def downloader(reactor: Any) -> Any:
    """One try for each."""
    made = Downloader(reactor, limits=Limits(32, 32, 32), retries=Retries(tries=1))
    yield made
    pytest_twisted.blockon(made.close())


@pytest.mark.parametrize("end", ENDS)
@pytest.mark.parametrize("name", SHAPES)
async def test_cut_at_every_byte(
    scripted: Any, downloader: Downloader, tmp_path: Path, name: str, end: str
) -> None:
    """No file, or the whole one; a body whose end is the connection's says that it is unproven."""
    shape = SHAPES[name]

    async def script(connection: Connection) -> None:
        length = int((await connection.head()).split(b" ")[1][1:])
        connection.send(shape.data[:length])
        await connection.flush()
        ENDS[end](connection)

    server = scripted(script)
    results: list[Result] = []
    lengths = range(len(shape.data) + 1)
    jobs = [Job(server.url(f"/{length}"), str(tmp_path)) for length in lengths]
    await downloader.fetch_all(jobs, results.append)
    assert len(results) == len(jobs)
    for result in results:
        check(shape, int(result.job.url.rpartition("/")[2]), end, name == "close", result, tmp_path)


def check(
    shape: Shape, length: int, end: str, until_close: bool, result: Result, directory: Path
) -> None:
    """What must have come of the first `length` bytes."""
    file = directory / str(length)
    assert file.exists() == (result.status is Status.COMPLETE), length
    if length < len(shape.head):
        assert type(result.error) in (ConnectionLost, BadResponse), length
    elif until_close and end == "fin":
        assert not result.verified, length
        assert file.read_bytes() == shape.rest[: length - len(shape.head)], length
    elif length < len(shape.data) or until_close:
        assert type(result.error) is TruncatedBody, length
    else:
        assert result.verified and file.read_bytes() == BODY


def part(place: bytes, start: int, stop: int, framing: str = "length") -> bytes:
    """A 206 with these bytes of OLD."""
    head = PART + ETAG + b"Content-Range: bytes " + place + b"\r\n"
    return framed(head, OLD[start:stop], framing)


@dataclass(frozen=True)
class Resumed:
    """`answers` to requests for what is missing, one after the other, and the file they make.

    `total` is what is known of its length before; `headed` says that no body is needed.
    """

    answers: tuple[bytes, ...]
    file: bytes = OLD
    total: int | None = len(OLD)
    headed: bool = False


ENDED = b"HTTP/1.1 416 X\r\n" + ETAG + b"Content-Range: bytes */20\r\n"
RESUMED = {
    "206": Resumed((part(b"20-39/40", 20, 40),)),
    "chunked 206": Resumed((part(b"20-39/40", 20, 40, "chunked"),)),
    "200": Resumed((framed(OK + b'ETag: "v2"\r\n', NEW, "length"),), NEW),
    "416": Resumed((framed(ENDED, b"some text", "length"),), OLD[:HALF], None, headed=True),
    "from earlier on": Resumed((part(b"10-39/40", 10, 40),)),
}


@pytest.mark.parametrize("end", ENDS)
@pytest.mark.parametrize("name", RESUMED)
async def test_a_resumed_one_cut_at_every_byte(
    scripted: Any, downloader: Downloader, tmp_path: Path, name: str, end: str
) -> None:
    shape = RESUMED[name]
    lengths = range(sum(map(len, shape.answers)) + 1)
    left = {f"/{length}": list(cut(shape.answers, length)) for length in lengths}

    async def script(connection: Connection) -> None:
        while True:
            head = await connection.head()
            answers = left[head.split(b" ")[1].decode()]
            data, is_whole = answers.pop(0) if answers else (honest(head), True)
            connection.send(data)
            await connection.flush()
            if not is_whole:
                ENDS[end](connection)
                return

    server = scripted(script)
    jobs = [Job(server.url(f"/{length}"), str(tmp_path / str(length))) for length in lengths]
    for job in jobs:
        leave(job, OLD[:HALF], shape.total)
    results: dict[int, Result] = {}
    add = results.__setitem__
    await downloader.fetch_all(jobs, lambda result: add(length_of(result), result))
    assert len(results) == len(jobs)
    for length, result in results.items():
        check_resumed(shape, length, result)
    again: list[Result] = []
    for answers in left.values():
        answers.clear()
    failed = [job for job in jobs if results[length_of(job)].error is not None]
    await downloader.fetch_all(failed, again.append)
    assert [result.error for result in again] == [None] * len(failed)
    for job in failed:
        assert files(job) == {str(length_of(job)): OLD}


def cut(answers: tuple[bytes, ...], length: int) -> Iterator[tuple[bytes, bool]]:
    """The first `length` bytes of the answers, each with whether it is whole.

    No byte of a later one is none of it: that request is asked again, as its connection was kept.
    """
    for answer in answers:
        if length < len(answer):
            if length or answer is answers[0]:
                yield answer[:length], False
            return
        yield answer, True
        length -= len(answer)


def length_of(of: Job | Result) -> int:
    job = of if isinstance(of, Job) else of.job
    return int(Path(job.directory).name)


def files(job: Job) -> dict[str, bytes]:
    """What is in its directory."""
    return {path.name: path.read_bytes() for path in Path(job.directory).iterdir()}


def check_resumed(shape: Resumed, length: int, result: Result) -> None:
    """What must have come of the first `length` bytes."""
    for answer in shape.answers:
        head = answer.index(b"\r\n\r\n") + 4
        if not length and answer is not shape.answers[0]:
            break
        if length < head:
            assert type(result.error) in (ConnectionLost, BadResponse), length
        elif length < len(answer) and not shape.headed:
            assert type(result.error) is TruncatedBody, length
        else:
            length -= len(answer)
            continue
        assert result.job.url.rpartition("/")[2] not in files(result.job)
        return
    assert result.status is Status.COMPLETE and result.verified
    assert files(result.job) == {result.job.url.rpartition("/")[2]: shape.file}
