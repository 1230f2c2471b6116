"""Whatever a file comes in, it is held to all that is known of it; and who may bring its parts."""

from __future__ import annotations

import os
from base64 import b64encode
from collections.abc import Callable
from dataclasses import replace
from hashlib import sha256
from random import Random
from typing import Any

import pytest
from support.bench import Bench
from support.parts import Mirror, pieces_of

from downloader import Job, Pieces, Result, Retries, Splitting, Status
from downloader.errors import ChecksumMismatch, SizeMismatch
from downloader.sansio.journal import identity_of
from downloader.sansio.version import Version
from downloader.testing import ScriptedServer
from downloader.transfer.folder import Folder
from downloader.transfer.partfile import PartFile

PIECE = 64 * 1024
DATA = Random(9).randbytes(10 * PIECE - 1000)
PIECES = pieces_of(DATA, PIECE)
CHECKSUM = f"sha-256={sha256(DATA).hexdigest()}"
OTHER = f"sha-256={sha256(b'another').hexdigest()}"
ONCE = Retries(tries=1)
FOUR = Splitting(4, 4, PIECE)
NO_ROBOTS = b"HTTP/1.1 404 No\r\nContent-Length: 0\r\n\r\n"

Serve = Callable[..., ScriptedServer]

in_any_number = pytest.mark.parametrize("splitting", [Splitting(), FOUR], ids=["one", "four"])
with_or_without = pytest.mark.parametrize("pieces", [None, PIECES], ids=["whole", "pieces"])


class Site(Mirror):
    """A Mirror without a robots.txt."""

    def _answer(self, head: bytes) -> bytes:
        return NO_ROBOTS if b"/robots.txt " in head else super()._answer(head)


async def fetched(b: Bench, *servers: ScriptedServer, **fields: Any) -> Result:
    first, *others = [server.url("/file") for server in servers]
    return await b.downloader.fetch(Job(first, str(b.out), mirrors=tuple(others), **fields))


@in_any_number
@with_or_without
async def test_all_of_it_fits(
    bench: Any, scripted: Serve, splitting: Splitting, pieces: Pieces | None
) -> None:
    mirror, b = Mirror(DATA), bench(splitting=splitting, retries=ONCE)
    known = {"size": len(DATA), "checksum": CHECKSUM, "pieces": pieces}
    result = await fetched(b, scripted(mirror), **known)
    assert (result.status, result.verified, result.checksum) == (Status.COMPLETE, True, CHECKSUM)
    assert (b.out / "file").read_bytes() == DATA
    assert (len(mirror.asked) > 1) == (splitting is FOUR)


@in_any_number
@pytest.mark.parametrize(
    ("known", "error"),
    [
        ({"size": len(DATA) + 1}, SizeMismatch),
        ({"size": len(DATA) - 1}, SizeMismatch),
        ({"checksum": OTHER}, ChecksumMismatch),
        ({"pieces": replace(PIECES, sums=PIECES.sums[::-1])}, ChecksumMismatch),
        ({"pieces": replace(PIECES, sums=PIECES.sums[:-1])}, ChecksumMismatch),
    ],
    ids=["longer", "shorter", "checksum", "pieces", "fewer pieces"],
)
async def test_one_of_them_does_not_fit(
    bench: Any, scripted: Serve, splitting: Splitting, known: Any, error: type[Exception]
) -> None:
    """Though the others do."""
    b = bench(splitting=splitting, retries=ONCE)
    known = {"size": len(DATA), "checksum": CHECKSUM, "pieces": PIECES} | known
    with pytest.raises(error):
        await fetched(b, scripted(Mirror(DATA)), **known)
    assert "file" not in os.listdir(b.out)


@in_any_number
@with_or_without
@pytest.mark.parametrize("told", [DATA, b"another"], ids=["right", "wrong"])
async def test_what_the_server_tells(
    bench: Any, scripted: Serve, splitting: Splitting, pieces: Pieces | None, told: bytes
) -> None:
    digest = b64encode(sha256(told).digest()).decode()
    mirror = Mirror(DATA, etag=f'"1"\r\nRepr-Digest: sha-256=:{digest}:')
    b = bench(splitting=splitting, retries=ONCE)
    if told is DATA:
        assert (await fetched(b, scripted(mirror), pieces=pieces)).checksum == CHECKSUM
        return
    with pytest.raises(ChecksumMismatch):
        await fetched(b, scripted(mirror), pieces=pieces)
    assert os.listdir(b.out) == []


def left(b: Bench, of: str, total: int) -> None:
    """A run that was killed in the middle."""
    folder = Folder(str(b.out))
    part = PartFile(folder, "file", identity_of(of))
    part.begin(Version('"1"', None, total), True)
    part.write(bytes(5 * PIECE))
    part.keep()
    folder.close()


@with_or_without
@pytest.mark.parametrize("another", [True, False], ids=["another URL", "another size"])
async def test_what_was_left_is_of_no_use(
    bench: Any, scripted: Serve, pieces: Pieces | None, another: bool
) -> None:
    """It is begun anew, and comes over several connections all the same."""
    mirror, b = Mirror(DATA), bench(splitting=FOUR, retries=ONCE)
    server = scripted(mirror)
    left(b, server.url("/other" if another else "/file"), len(DATA) + (0 if another else 1))
    await fetched(b, server, size=len(DATA), pieces=pieces)
    assert mirror.asked[0] is None and len(mirror.asked) > 1
    assert (b.out / "file").read_bytes() == DATA and os.listdir(b.out) == ["file"]


@with_or_without
async def test_it_goes_on_with_another_size(
    bench: Any, scripted: Serve, pieces: Pieces | None
) -> None:
    """A part of what is no more this file is refused before its body is read."""
    server = scripted(Mirror(DATA))
    b = bench(splitting=FOUR, retries=ONCE)
    left(b, server.url("/file"), len(DATA))
    with pytest.raises(SizeMismatch):
        await fetched(b, server, size=len(DATA) + 1, pieces=pieces)
    assert "file" not in os.listdir(b.out)


async def test_pieces_prove_a_length_that_nobody_tells(bench: Any, scripted: Serve) -> None:
    """It ends with its connection."""

    async def script(connection: Any) -> None:
        await connection.head()
        connection.send(b"HTTP/1.0 200 OK\r\n\r\n" + DATA)
        connection.close()

    result = await fetched(bench(retries=ONCE), scripted(script), pieces=PIECES)
    assert result.verified


@with_or_without
async def test_robots_txt_permits_one_connection(
    bench: Any, scripted: Serve, pieces: Pieces | None
) -> None:
    """And a mirror only when it is its turn."""
    sites = Site(DATA), Site(DATA)
    b = bench(splitting=FOUR, retries=ONCE, respect_robots=True)
    result = await fetched(b, *map(scripted, sites), pieces=pieces)
    assert (result.status, sites[0].asked, sites[1].asked) == (Status.COMPLETE, [None], [])


async def test_a_host_that_is_to_be_left_alone(bench: Any, scripted: Serve) -> None:
    mirrors = Mirror(DATA), Mirror(DATA)
    servers = [scripted(mirror) for mirror in mirrors]
    b = bench(splitting=Splitting(1, 5, PIECE), retries=ONCE)
    b.downloader.limiter.hold(servers[1].url("").split("/")[2], 3600)
    assert (await fetched(b, *servers)).status is Status.COMPLETE
    assert (mirrors[0].asked, mirrors[1].asked) == ([None], [])
