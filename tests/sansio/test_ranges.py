"""Sets of bytes, and what HTTP says of them."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from downloader.sansio.ranges import ContentRange, Gap, Range, Ranges, content_range, range_header

SMALL = st.tuples(st.integers(0, 40), st.integers(0, 40))
CHANGES = st.lists(st.tuples(st.booleans(), SMALL), max_size=20)


def members(ranges: Ranges) -> set[int]:
    return {byte for start, stop in ranges for byte in range(start, stop)}


@given(CHANGES)
def test_any_changes_are_those_of_a_set(changes: list[tuple[bool, tuple[int, int]]]) -> None:
    """Against the plain model, a set of numbers; and ranges never touch."""
    ranges, model = Ranges(), set()
    for adds, (start, stop) in changes:
        if adds:
            ranges.add(start, stop)
            model |= set(range(start, stop))
        else:
            ranges.remove(start, stop)
            model -= set(range(start, stop))
    assert members(ranges) == model
    assert ranges.size == len(model)
    assert ranges.prefix == next(n for n in range(50) if n not in model)
    pieces = list(ranges)
    assert all(start < stop for start, stop in pieces)
    assert all(before[1] < after[0] for before, after in itertools.pairwise(pieces))
    assert ranges == Ranges(reversed(pieces))


@given(st.lists(SMALL, max_size=10), st.integers(0, 50))
def test_what_is_missing_is_the_rest(held: list[tuple[int, int]], total: int) -> None:
    ranges = Ranges(held)
    missing = ranges.missing(total)
    assert members(Ranges(missing)) == set(range(total)) - members(ranges)
    assert missing == sorted(missing)


@given(st.lists(SMALL, max_size=10), SMALL)
def test_what_it_covers(held: list[tuple[int, int]], asked: tuple[int, int]) -> None:
    ranges = Ranges(held)
    assert ranges.covers(*asked) == (set(range(*asked)) <= members(ranges))


def test_its_repr_shows_it() -> None:
    assert repr(Ranges([(5, 9), (0, 2)])) == "<Ranges [(0, 2), (5, 9)]>"


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("bytes 0-0/1", (0, 1, 1)),
        ("bytes 5-9/10", (5, 10, 10)),
        ("Bytes\t5-9/*", (5, 10, None)),
        (" bytes 5-9/10 ", (5, 10, 10)),
        ("bytes */10", (None, None, 10)),
        ("bytes 0-9223372036854775806/9223372036854775807", (0, 2**63 - 1, 2**63 - 1)),
    ],
)
def test_a_content_range(text: str, found: tuple[int | None, ...]) -> None:
    assert content_range([text]) == ContentRange(*found)


@pytest.mark.parametrize(
    "text",
    [
        *("", "bytes", "bytes 5-9", "bytes 9-5/10", "bytes 5-10/10", "bytes */*", "bytes -5/10"),
        *("bytes 5-/10", "items 5-9/10", "bytes=5-9/10", "bytes 5-9/10,bytes 0-1/10"),
        *("bytes +5-9/10", "bytes 0x5-9/10", "bytes 5-9/1e3", "bytes 5 - 9/10", "bytes 5-9/-10"),
        *("bytes \u0665-9/10", "bytes 5-9/" + "9" * 20, "bytes 5-9/10 x", "bytes5-9/10"),
    ],
)
def test_what_is_no_content_range(text: str) -> None:
    """RFC 9110 §14.4: it may not be used then."""
    assert content_range([text]) is None


def test_one_content_range_and_no_more() -> None:
    assert content_range([]) is None
    assert content_range(["bytes 0-1/2", "bytes 0-1/2"]) is None


def test_what_is_asked_for() -> None:
    assert range_header(5) == "bytes=5-"
    assert range_header(5, 10) == "bytes=5-9"


@pytest.mark.parametrize(
    ("held", "total", "gap"),
    [
        ([], 5, (0, None)),
        ([(0, 3)], 5, (3, None)),
        ([(0, 3), (4, 5)], 5, (3, 4)),
        ([(0, 3), (4, 5)], None, (3, None)),
        ([(0, 5)], 5, None),
        ([(0, 5)], None, (5, None)),
        ([], 0, None),
    ],
)
def test_the_first_gap(held: list[Range], total: int | None, gap: Gap | None) -> None:
    assert Ranges(held).gap(total) == gap
