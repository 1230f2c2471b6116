"""A download that is cut at any byte never leaves a file that looks whole."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import pytest_twisted

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
