"""A Content-Encoding is never undone, so a body that unpacks to gigabytes is what it weighs.

We ask for `identity`; a server that packs all the same has its bytes saved as they are. What we
do not want at all, the body of a redirect or of a refusal, is dropped as it comes (CVE-2025-66471,
CVE-2026-21441, CVE-2024-3572).
"""

from __future__ import annotations

import gzip
import tracemalloc
import zlib
from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
import pytest_twisted
from support.asking import HELLO, OK, path_of
from twisted.web.client import readBody

from downloader import Downloader, Job, Retries
from downloader.drain import DRAIN_BYTES
from downloader.errors import HttpError, ServerBusy
from downloader.testing import End

MIB = 1024 * 1024


@cache
def bomb(unpacked: int) -> bytes:
    """gzip of so many MiB of zeros, a thousandth of that."""
    packer = zlib.compressobj(9, wbits=31)
    return b"".join(packer.compress(bytes(MIB)) for _ in range(unpacked)) + packer.flush()


CODINGS = {
    "gzip": gzip.compress(b"hello"),
    "x-gzip": gzip.compress(b"hello"),
    "deflate": zlib.compress(b"hello"),
    "br": b"\x0b\x02\x80hello\x03",
    "zstd": b"\x28\xb5\x2f\xfd\x04\x00\x29\x00\x00hello",
    "gzip, gzip": gzip.compress(gzip.compress(b"hello")),
    ", ".join(["gzip"] * 50): bomb(1),
    "nonsense": b"hello",
    "gzip; broken": gzip.compress(b"hello")[:-9],
}


@pytest.fixture
def downloader(reactor: Any) -> Any:
    """Two tries for each, one right after the other."""
    made = Downloader(reactor, retries=Retries(tries=2, wait=0.0))
    yield made
    pytest_twisted.blockon(made.close())


@pytest.mark.parametrize("chunked", [False, True], ids=["length", "chunks"])
@pytest.mark.parametrize("coding", CODINGS, ids=lambda coding: coding[:20])
async def test_a_packed_body_is_saved_as_it_comes(
    scripted: Any, downloader: Downloader, tmp_path: Path, coding: str, chunked: bool
) -> None:
    """Also where its checksum is known, and where it is no file; we asked for it unpacked."""
    body = CODINGS[coding]
    framing = b"Content-Length: %d\r\n\r\n%b" % (len(body), body)
    if chunked:
        framing = b"Transfer-Encoding: chunked\r\n\r\n%x\r\n%b\r\n0\r\n\r\n" % (len(body), body)

    async def script(connection: Any) -> None:
        while True:
            await connection.head()
            connection.send(OK + b"Content-Encoding: %b\r\n" % coding.encode() + framing)

    server = scripted(script)
    checksum = f"sha-256={sha256(body).hexdigest()}"
    result = await downloader.fetch(Job(server.url("/a"), str(tmp_path), checksum=checksum))
    assert (tmp_path / "a").read_bytes() == body
    assert result.verified and result.bytes == len(body)
    assert await readBody(await downloader.request("GET", server.url())) == body
    for head in server.connections[0].heads:
        assert head.lower().count(b"\r\naccept-encoding: identity\r\n") == 1
        assert head.lower().count(b"encoding") == 1


async def test_a_bomb_is_saved_as_it_comes(
    scripted: Any, downloader: Downloader, tmp_path: Path
) -> None:
    """And weighs no more, on the disk and in memory."""
    body = bomb(1024)
    head = OK + b"Content-Encoding: gzip\r\nContent-Length: %d\r\n\r\n" % len(body)
    server = scripted([lambda connection: connection.head(), head + body])
    tracemalloc.start()
    await downloader.fetch(Job(server.url("/a"), str(tmp_path)))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert (tmp_path / "a").read_bytes() == body and peak < 8 * MIB


STATUSES = {
    "redirect": (b"302 Found\r\nLocation: /next", None),
    "refusal": (b"404 Not Found", HttpError),
    "unauthorized": (b"401 No\r\nWWW-Authenticate: Basic", HttpError),
    "busy": (b"503 Busy\r\nRetry-After: 0", ServerBusy),
}


@pytest.mark.parametrize("unpacked", [32, 1024], ids=["short", "long"])
@pytest.mark.parametrize(("status", "error"), STATUSES.values(), ids=STATUSES.keys())
async def test_a_bomb_that_nobody_wants(
    scripted: Any,
    downloader: Downloader,
    tmp_path: Path,
    status: bytes,
    error: type[HttpError | ServerBusy] | None,
    unpacked: int,
) -> None:
    """A short one is read and dropped, and its connection goes on; a long one is not read."""
    body = bomb(unpacked)
    assert (len(body) < DRAIN_BYTES) == (unpacked == 32)

    async def script(connection: Any) -> None:
        while True:
            if path_of(await connection.head()) == "/next":
                connection.send(HELLO)
            else:
                connection.send(b"HTTP/1.1 %b\r\nContent-Encoding: gzip\r\n" % status)
                connection.send(b"Content-Length: %d\r\n\r\n" % len(body) + body)

    server = scripted(script)
    tracemalloc.start()
    fetching = downloader.fetch(Job(server.url("/a"), str(tmp_path)))
    if error is None:
        assert (await fetching).bytes == 5
    else:
        with pytest.raises(error):
            await fetching
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 8 * MIB
    assert [path.name for path in tmp_path.iterdir()] == (["a"] if error is None else [])
    if unpacked == 32:
        assert len(server.connections) == 1
    else:
        assert await server.connections[0].ended() is End.RST
