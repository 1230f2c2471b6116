"""Checksums of pieces: which are read, who brought what is wrong, and that it comes to an end."""

from __future__ import annotations

from hashlib import md5, sha1, sha256

import pytest
from hypothesis import given
from hypothesis import strategies as st

from downloader.errors import WrongRequest
from downloader.jobs import Pieces, Retries, Splitting
from downloader.sansio.pieces import PieceChecks, PieceSums, checked_pieces, has_pieces
from downloader.sansio.retry import Tries
from downloader.sansio.segments import WRONG, Mirror, Segments
from downloader.sansio.url import parse_url

DATA = bytes(range(25))
TEN = Pieces("sha-1", 10, tuple(sha1(DATA[n : n + 10]).hexdigest() for n in (0, 10, 20)))


@pytest.fixture
def checks() -> PieceChecks[str]:
    return PieceChecks(TEN, len(DATA))


def test_a_piece_is_read_when_all_of_it_is_there(checks: PieceChecks[str]) -> None:
    """Once, however it came."""
    assert checks.arrived(5, 15, "a") == []
    assert checks.arrived(0, 5, "b") == [0]
    assert checks.arrived(0, 5, "b") == []
    assert checks.arrived(15, 25, "a") == [1, 2]
    assert checks.arrived(3, 3, "a") == []


def test_the_last_one_is_shorter(checks: PieceChecks[str]) -> None:
    assert [checks.span(n) for n in range(3)] == [(0, 10), (10, 20), (20, 25)]
    last = checks.checksum(2)
    last.update(DATA[20:])
    assert last.matches


def test_who_has_brought_it(checks: PieceChecks[str]) -> None:
    checks.arrived(0, 4, "a")
    checks.arrived(4, 12, "b")
    assert checks.wrong(0) == {"a", "b"}
    assert checks.arrived(0, 10, "c") == [0]
    assert checks.wrong(0) == {"c"}
    assert checks.wrong(1) == {"b"}


def test_whoever_begins_it_anew_has_brought_all_of_it(checks: PieceChecks[str]) -> None:
    checks.arrived(0, 9, "a", alone=True)
    assert checks.arrived(0, 5, "b", alone=True) == []
    assert checks.arrived(5, 10, "b", alone=True) == [0]
    assert checks.wrong(0) == {"b"}


def test_it_is_done_when_all_are_right(checks: PieceChecks[str]) -> None:
    checks.arrived(0, 25, "a")
    for number in range(3):
        assert not checks.done
        checks.right(number)
    assert checks.done
    assert checks.arrived(0, 25, "a") == []
    assert repr(checks) == "<PieceChecks 0 of 3 left>"


@pytest.mark.parametrize(
    ("total", "fits"), [(0, False), (20, False), (21, True), (30, True), (31, False)]
)
def test_lengths_that_a_file_of_three_pieces_has(total: int, fits: bool) -> None:
    assert has_pieces(total, TEN) is fits


def test_they_are_compared_in_lower_case() -> None:
    sum_of = sha256(b"x").hexdigest()
    assert checked_pieces(Pieces("SHA-256", 5, (sum_of.upper(),))) == Pieces(
        "sha-256", 5, (sum_of,)
    )


@pytest.mark.parametrize(
    "pieces",
    [
        Pieces("sha-256", 0, ("0" * 64,)),
        Pieces("sha-256", 5, ()),
        Pieces("sha-256", 5, ("0" * 40,)),
        Pieces("crc", 5, ("0" * 8,)),
        Pieces("sha-1", 5, ("x" * 40,)),
    ],
)
def test_what_are_no_pieces(pieces: Pieces) -> None:
    with pytest.raises(WrongRequest, match=r"piece|checksum"):
        checked_pieces(pieces)


@given(st.binary(min_size=1, max_size=60), st.integers(1, 20), st.lists(st.integers(1, 30)))
def test_sums_of_bytes_in_order(data: bytes, length: int, sizes: list[int]) -> None:
    """However they are cut, with any piece damaged and with a byte too many or too few."""
    spans = range(0, len(data), length)
    pieces = Pieces("md5", length, tuple(_md5(data[n : n + length]) for n in spans))

    def matches(given: bytes) -> bool:
        seen = bytearray()
        sums = PieceSums(pieces, seen.extend)
        at = 0
        for size in [*sizes, len(given)]:
            sums.update(memoryview(given)[at : at + size])
            at += size
        assert seen == given
        return sums.matches

    assert matches(data)
    assert not matches(data + b"x")
    assert not matches(data[:-1])
    middle = len(data) // 2
    assert not matches(data[:middle] + bytes([data[middle] ^ 1]) + data[middle + 1 :])


def _md5(data: bytes) -> str:
    return md5(data, usedforsecurity=False).hexdigest()


SIZE, COUNT = 10, 8
URLS = [parse_url(f"http://{host}.example/f") for host in "abc"]


@given(
    st.lists(st.sets(st.integers(0, COUNT - 1)), min_size=1, max_size=3),
    st.sets(st.integers(0, COUNT - 1)),
    st.lists(st.integers(0, 1000), max_size=60),
)
def test_it_ends_whoever_brings_what_wrong(
    liars: list[set[int]], spoiled: set[int], chances: list[int]
) -> None:
    """Each mirror has pieces that it always brings wrong; some were wrong before. It is over when
    each piece is right, and given up only when each mirror that is left brings one wrong."""
    pieces = Pieces("md5", SIZE, tuple("0" * 32 for _ in range(COUNT)))
    checks: PieceChecks[Mirror | None] = PieceChecks(pieces, SIZE * COUNT)
    of = Segments(
        [],
        URLS[: len(liars)],
        Splitting(2, 4, 15),
        lambda url: Tries((str(url),), Retries(), float),
        SIZE,
    )
    lies = dict(zip(of.mirrors, liars, strict=True))
    wrong = set(spoiled)
    arrived = checks.arrived(0, SIZE * COUNT, None)

    def read(numbers: list[int]) -> bool:
        for number in numbers:
            if number not in wrong:
                checks.right(number)
                of.right(number * SIZE)
            elif not of.wrong(*checks.span(number), checks.wrong(number)):
                return False
        return True

    going = read(arrived)
    fetched = 0
    while going and not of.over:
        while of.next(0.0) is not None:
            pass
        streams = list(of.streams)
        stream = streams[(chances.pop() if chances else 0) % len(streams)]
        of.answered(stream, stream.stop)
        (number,) = range(stream.start // SIZE, stream.stop // SIZE)
        (wrong.add if number in lies[stream.mirror] else wrong.discard)(number)
        stream.at = stream.stop
        of.ended(stream, 0.0)
        fetched += 1
        going = read(checks.arrived(stream.start, stream.stop, stream.mirror, alone=True))
    assert going == checks.done == (going and not wrong)
    assert fetched <= len(spoiled) * (len(liars) + WRONG)
    if not going:
        usable = [mirror for mirror in of.mirrors if mirror.usable]
        assert any(all(number in lies[one] for one in usable) for number in range(COUNT))
