"""Which mirror is asked first."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from downloader.sansio.mirrors import (
    FIRST,
    LAST,
    Mirror,
    checked_location,
    checked_priority,
    in_order,
)

A, B, C, D = (
    Mirror("http://a/", 1, "de"),
    Mirror("http://b/", 1, "fr"),
    Mirror("http://c/", 2, "de"),
    Mirror("http://d/"),
)


@pytest.mark.parametrize(
    ("given_ones", "locations", "expected"),
    [
        ([D, C, B, A], [], [B, A, C, D]),
        ([D, C, B, A], ["de"], [A, B, C, D]),
        ([A, B, C, D], ["fr", "de"], [B, A, C, D]),
        ([A, B, C, D], ["fr", "de", "fr"], [B, A, C, D]),
        ([A, B], ["it"], [A, B]),
        ([], ["de"], []),
    ],
)
def test_the_order(given_ones: list[Mirror], locations: list[str], expected: list[Mirror]) -> None:
    """By priority, then by location, then as they came."""
    assert in_order(given_ones, locations) == expected


def test_one_url_is_one_mirror() -> None:
    """In its best place."""
    again = Mirror(D.url, 1)
    assert in_order([D, C, again, D]) == [again, C]


MIRRORS = st.builds(
    Mirror,
    st.sampled_from(["http://a/", "http://b/", "http://c/", "http://d/"]),
    st.integers(FIRST, 4),
    st.sampled_from([None, "de", "fr", "it"]),
)


@given(st.lists(MIRRORS), st.lists(st.sampled_from(["de", "fr"]), max_size=3))
def test_nobody_is_lost(mirrors: list[Mirror], locations: list[str]) -> None:
    """Each URL is asked once, none before one of a better priority; ordered, it stays so."""
    ordered = in_order(mirrors, locations)
    assert sorted(one.url for one in ordered) == sorted({one.url for one in mirrors})
    assert [one.priority for one in ordered] == sorted(one.priority for one in ordered)
    assert in_order(ordered, locations) == ordered


@pytest.mark.parametrize(
    ("text", "priority"),
    [("1", 1), ("007", 7), ("999999", LAST), ("0", LAST), ("1000000", LAST), ("", LAST)]
    + [(text, LAST) for text in ("-1", " 1", "1.0", "high", "१", "²", "9" * 9999)],
)
def test_priorities(text: str, priority: int) -> None:
    """What is none comes last."""
    assert checked_priority(text) == priority


@pytest.mark.parametrize(
    ("text", "location"),
    [
        *[("de", "de"), (" DE ", "de")],
        *[(text, None) for text in ("d", "deu", "", "1a", "ßß", "d.")],
    ],
)
def test_locations(text: str, location: str | None) -> None:
    """Two letters."""
    assert checked_location(text) == location
