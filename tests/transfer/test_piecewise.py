"""Files whose pieces have checksums: what is wrong is fetched again, alone, and from another."""

from __future__ import annotations

import os
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path
from random import Random
from typing import Any

import pytest
from support.bench import Bench
from support.hanging import Files
from support.parts import Mirror, once, pieces_of
from twisted.internet.defer import CancelledError

from downloader import Job, Pieces, Result, Retries, Splitting, Status
from downloader.errors import ChecksumMismatch, TruncatedBody, WrongRequest
from downloader.sansio.journal import identity_of, read_journal
from downloader.sansio.segments import MOST_WRONG
from downloader.sansio.version import Version
from downloader.testing import ScriptedServer
from downloader.transfer.disks import Disks
from downloader.transfer.folder import Folder
from downloader.transfer.partfile import PartFile

K = 1024
PIECE = 64 * K
COUNT = 10
DATA = Random(7).randbytes(COUNT * PIECE - 1000)
PIECES = pieces_of(DATA, PIECE)
ONCE = Retries(tries=1)
ONE = Splitting(1, 1)
FOUR = Splitting(4, 4, PIECE)

Serve = Callable[..., ScriptedServer]


def span(number: int) -> tuple[int, int]:
    return number * PIECE, min((number + 1) * PIECE, len(DATA))


def job(bench: Bench, *servers: ScriptedServer, **options: Any) -> Job:
    first, *others = [server.url("/file") for server in servers]
    fields = {"directory": str(bench.out), "pieces": PIECES, "mirrors": tuple(others), **options}
    return Job(first, **fields)


def right(bench: Bench, result: Result) -> Result:
    assert (result.status, result.verified, result.bytes) == (Status.COMPLETE, True, len(DATA))
    assert os.listdir(bench.out) == ["file"]
    assert (bench.out / "file").read_bytes() == DATA
    return result


@pytest.mark.parametrize("splitting", [ONE, FOUR, Splitting()], ids=["one", "four", "default"])
async def test_pieces_that_are_right(bench: Any, scripted: Serve, splitting: Splitting) -> None:
    mirror = Mirror(DATA)
    b = bench(splitting=splitting)
    right(b, await b.downloader.fetch(job(b, scripted(mirror))))
    assert (len(mirror.asked) == 1) == (splitting is not FOUR)


@pytest.mark.parametrize("splitting", [ONE, FOUR], ids=["one", "four"])
@pytest.mark.parametrize("place", [0, 5 * PIECE, len(DATA) - 1])
async def test_only_what_is_wrong_is_fetched_again(
    bench: Any, scripted: Serve, splitting: Splitting, place: int
) -> None:
    """Alone, and once."""
    mirror = Mirror(DATA, wrong=(place,), spoils=lambda asked: asked[1] - asked[0] > PIECE)
    b = bench(splitting=splitting, retries=ONCE)
    right(b, await b.downloader.fetch(job(b, scripted(mirror))))
    assert mirror.asked.count(span(place // PIECE)) == 1


@pytest.mark.parametrize("splitting", [ONE, FOUR], ids=["one", "four"])
async def test_a_piece_that_is_always_wrong(
    bench: Any, scripted: Serve, splitting: Splitting
) -> None:
    """The only mirror is asked for it twice. What is right is kept, and the next run asks for that
    piece and no other."""
    bad, good = Mirror(DATA, wrong=(3 * PIECE,)), Mirror(DATA)
    mirrors = [bad, good]
    server = scripted(lambda connection: mirrors[0](connection))
    b = bench(splitting=splitting, retries=ONCE)
    with pytest.raises(ChecksumMismatch):
        await b.downloader.fetch(job(b, server))
    assert bad.asked.count(span(3)) == 1
    assert sorted(os.listdir(b.out)) == ["file.part", "file.part.journal"]
    told = read_journal((b.out / "file.part.journal").read_bytes())
    assert told is not None and told.ranges.missing(len(DATA)) == [span(3)]
    del mirrors[0]
    await b.downloader.close()
    again = bench(splitting=splitting)
    right(again, await again.downloader.fetch(job(again, server)))
    assert good.asked == [span(3)]


@pytest.mark.parametrize("splitting", [ONE, FOUR], ids=["one", "four"])
async def test_another_mirror_brings_what_one_has_wrong(
    bench: Any, scripted: Serve, splitting: Splitting
) -> None:
    """Whatever its ETag is: the pieces prove it."""
    bad, good = Mirror(DATA, wrong=(3 * PIECE,)), Mirror(DATA, etag='"other"')
    b = bench(splitting=splitting, retries=ONCE)
    right(b, await b.downloader.fetch(job(b, scripted(bad), scripted(good))))
    assert bad.asked.count(span(3)) == 0
    assert span(3) in good.asked or splitting is FOUR


async def test_a_mirror_of_wrong_pieces_is_asked_no_more(bench: Any, scripted: Serve) -> None:
    bad = Mirror(DATA, wrong=tuple(range(0, len(DATA), PIECE)))
    good = Mirror(DATA)
    b = bench(splitting=Splitting(1, 2, PIECE), retries=ONCE)
    right(b, await b.downloader.fetch(job(b, scripted(good), scripted(bad))))
    assert len(bad.asked) <= 2


@pytest.mark.parametrize("splitting", [ONE, FOUR], ids=["one", "four"])
async def test_a_piece_that_never_comes_whole(
    bench: Any, scripted: Serve, splitting: Splitting
) -> None:
    """Half of it is a failure, and so the end."""
    mirror = Mirror(DATA, wrong=(3 * PIECE,), halves=lambda asked: asked == span(3))
    b = bench(splitting=splitting, retries=ONCE)
    with pytest.raises(TruncatedBody):
        await b.downloader.fetch(job(b, scripted(mirror)))
    assert mirror.asked.count(span(3)) == 1


async def test_every_mirror_has_it_wrong(bench: Any, scripted: Serve) -> None:
    mirrors = [Mirror(DATA, wrong=(3 * PIECE,)) for _ in range(3)]
    b = bench(splitting=FOUR, retries=ONCE)
    with pytest.raises(ChecksumMismatch):
        await b.downloader.fetch(job(b, *map(scripted, mirrors)))
    assert not (b.out / "file").exists()


async def test_the_whole_is_compared_too(bench: Any, scripted: Serve) -> None:
    """A checksum of the file is the last word."""
    b = bench(splitting=FOUR)
    good, other = (f"sha-256={sha256(data).hexdigest()}" for data in (DATA, b""))
    result = right(b, await b.downloader.fetch(job(b, scripted(Mirror(DATA)), checksum=good)))
    assert result.sha256 == sha256(DATA).hexdigest()
    with pytest.raises(ChecksumMismatch):
        await b.downloader.fetch(job(b, scripted(Mirror(DATA)), checksum=other, name="b"))
    assert os.listdir(b.out) == ["file"]


@pytest.mark.parametrize("splitting", [ONE, FOUR], ids=["one", "four"])
async def test_no_more_than_so_many_wrong_pieces_are_fetched_again(
    bench: Any, scripted: Serve, splitting: Splitting
) -> None:
    """Though each of them is right when it is asked for alone."""
    count, length = MOST_WRONG + 20, 10
    wrong = tuple(range(0, count * length, length))
    mirror = Mirror(DATA[: count * length], wrong=wrong, spoils=lambda span: span[1] - span[0] > 10)
    b = bench(splitting=splitting, retries=ONCE)
    pieces = pieces_of(DATA[: count * length], length)
    with pytest.raises(ChecksumMismatch):
        await b.downloader.fetch(job(b, scripted(mirror), pieces=pieces))
    assert len(mirror.asked) <= MOST_WRONG + 1
    assert not (b.out / "file").exists()


# --- servers that do no parts --------------------------------------------------------------------


@pytest.mark.parametrize("length", [True, False])
async def test_a_server_that_does_no_parts(bench: Any, scripted: Serve, length: bool) -> None:
    """All of it comes again, when a piece was wrong and its length was known."""
    mirror = Mirror(DATA, parts=False, length=length, wrong=(3 * PIECE,), spoils=once())
    b = bench(splitting=FOUR, retries=ONCE)
    fetching = b.downloader.fetch(job(b, scripted(mirror)))
    if length:
        right(b, await fetching)
    else:
        with pytest.raises(ChecksumMismatch):
            await fetching
        assert os.listdir(b.out) == []


async def test_a_length_that_is_not_told(bench: Any, scripted: Serve) -> None:
    b = bench()
    right(b, await b.downloader.fetch(job(b, scripted(Mirror(DATA, length=False)))))


@pytest.mark.parametrize("wrong", [False, True])
async def test_a_file_that_is_short(bench: Any, scripted: Serve, wrong: bool) -> None:
    """It comes in one piece, and has several."""
    data = DATA[:1000]
    mirror = Mirror(data, wrong=(500,) if wrong else ())
    b = bench(retries=ONCE)
    fetching = b.downloader.fetch(job(b, scripted(mirror), pieces=pieces_of(data, 300)))
    if not wrong:
        assert (await fetching).bytes == 1000
        return
    with pytest.raises(ChecksumMismatch):
        await fetching
    assert not (b.out / "file").exists()


async def test_a_file_of_another_length(bench: Any, scripted: Serve) -> None:
    b = bench(retries=ONCE)
    server = scripted(Mirror(DATA + bytes(PIECE)))
    with pytest.raises(ChecksumMismatch):
        await b.downloader.fetch(job(b, server))
    assert os.listdir(b.out) == []


async def test_what_are_no_checksums(bench: Any, scripted: Serve) -> None:
    b = bench()
    server = scripted(Mirror(DATA))
    with pytest.raises(WrongRequest):
        await b.downloader.fetch(job(b, server, pieces=Pieces("sha-1", PIECE, ("abc",))))
    assert server.connections == []


# --- what was there before -----------------------------------------------------------------------


def left(bench: Bench, url: str, spoiled: int | None, *ranges: tuple[int, int]) -> None:
    """A run that was killed, after which a byte was changed."""
    data = bytearray(DATA)
    if spoiled is not None:
        data[spoiled] ^= 1
    folder = Folder(str(bench.out))
    part = PartFile(folder, "file", identity_of(url))
    part.begin(Version('"1"', None, len(DATA)), True)
    for start, stop in ranges:
        part.write(data[start:stop], start)
    part.keep()
    folder.close()


@pytest.mark.parametrize("splitting", [ONE, FOUR], ids=["one", "four"])
async def test_what_was_there_is_compared(
    bench: Any, scripted: Serve, splitting: Splitting
) -> None:
    """All of it was there, and a piece of it is wrong: only that is fetched."""
    mirror = Mirror(DATA)
    server = scripted(mirror)
    b = bench(splitting=splitting)
    left(b, server.url("/file"), 4 * PIECE + 9, (0, len(DATA)))
    right(b, await b.downloader.fetch(job(b, server)))
    assert mirror.asked == [span(4)]


async def test_all_was_there_and_right(bench: Any, scripted: Serve) -> None:
    server = scripted(Mirror(DATA))
    b = bench()
    left(b, server.url("/file"), None, (0, len(DATA)))
    right(b, await b.downloader.fetch(job(b, server)))
    assert server.connections == []


async def test_what_was_there_is_of_another_version(bench: Any, scripted: Serve) -> None:
    """By its ETag; by its pieces it is not."""
    mirror = Mirror(DATA, etag='"2"')
    server = scripted(mirror)
    b = bench(splitting=ONE)
    left(b, server.url("/file"), None, (0, 8 * PIECE))
    right(b, await b.downloader.fetch(job(b, server)))
    assert mirror.asked == [(8 * PIECE, len(DATA))]


async def test_gaps_and_a_wrong_piece(bench: Any, scripted: Serve) -> None:
    """The gaps first; nobody is blamed for what was there."""
    mirror = Mirror(DATA)
    server = scripted(mirror)
    b = bench(splitting=ONE, retries=ONCE)
    left(b, server.url("/file"), PIECE + 5, (0, 3 * PIECE), (4 * PIECE, 6 * PIECE))
    right(b, await b.downloader.fetch(job(b, server)))
    assert sorted(one for one in mirror.asked if one is not None) == [
        span(1),
        span(3),
        (6 * PIECE, len(DATA)),
    ]


# --- cancel --------------------------------------------------------------------------------------


async def test_cancelled_while_a_piece_is_read(
    bench: Any, reactor: Any, scripted: Serve, hanging: Files
) -> None:
    """At once; its slot comes back with the disk."""
    disks = Disks(reactor, hanging, in_memory=lambda device: False)
    b = bench(splitting=ONE, disks=disks)
    server = scripted(Mirror(DATA))
    hanging.hang("read file")
    fetching = b.downloader.fetch(job(b, server))
    await b.until(lambda: "read file" in hanging.held)
    fetching.cancel()
    with pytest.raises(CancelledError):
        await fetching
    assert not b.downloader.limiter.idle
    hanging.release()
    await b.until(lambda: b.downloader.limiter.idle)
    assert not (b.out / "file").exists()
    part = Path(b.out / "file.part").read_bytes()
    assert part == DATA[: len(part)]
