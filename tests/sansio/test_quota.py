"""For how long a server asks to be left alone, in whatever words."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from downloader.sansio.quota import QUOTA_HEADERS, pause_asked

NOW = 1_700_000_000.0


def asked(status: int, *fields: tuple[str, str]) -> float:
    def get(name: str) -> list[str]:
        return [value for one, value in fields if one == name]

    return pause_asked(status, get, NOW)


@pytest.mark.parametrize(
    ("status", "seconds"), [(429, 30), (503, 30), (200, 0), (404, 0), (408, 0), (500, 0), (502, 0)]
)
def test_retry_after_is_of_the_host_where_it_is_too_much_or_out_of_service(
    status: int, seconds: float
) -> None:
    assert asked(status, ("retry-after", "30")) == seconds


@pytest.mark.parametrize(
    ("field", "seconds"),
    [
        ('"default";r=0;t=30', 30),
        ('"default";r=50;t=30', 0),
        ('"default";t=30;r=0', 30),
        ("default;r=0;t=30", 30),
        ('"day";r=100;t=36000, "burst";r=0;t=7', 7),
        ('"day";r=0;t=36000 , "burst";r=0;t=7', 36000),
        ('"d";r=0;pk=:cHVibGlj:;t=9', 9),
        ('"a \\"b\\", c;r=0;t=5";r=0;t=8', 8),
        ('"default"; r=0; t=30', 30),
        ('"default";r=0', 0),
        ('"default";r=0;t=-1', 0),
        ('"default";r=0;t=1.5', 0),
        ('"default";r=0;t=1e308', 0),
        ('"default";r=0;t="30"', 0),
        ('"default";r=00;t=30', 0),
        ('"default";r=?0;t=30', 0),
        ('"default";r=0;t=30,', 30),
        ('"default;r=0;t=30', 0),
        ('"default";r=0;t=30 "x"', 0),
        (";r=0;t=30", 0),
        ("limit=100, remaining=0, reset=50", 0),
        ("", 0),
        ('"x";r=0;t=1, ' * 100, 0),
    ],
)
def test_one_field_for_all(field: str, seconds: float) -> None:
    """Where nothing remains, until when; what breaks the rules of a list says nothing."""
    assert asked(200, ("ratelimit", field)) == seconds
    assert asked(429, ("ratelimit", field)) == seconds


def test_fields_that_stand_apart_are_one_list() -> None:
    fields = [("ratelimit", '"a";r=0;t=3'), ("ratelimit", '"b";r=0;t=4')]
    assert asked(200, *fields) == 4


@pytest.mark.parametrize("prefix", ["ratelimit", "x-ratelimit"])
@pytest.mark.parametrize(
    ("remaining", "reset", "seconds"),
    [
        ("0", "30", 30),
        (" 0 ", " 30 ", 30),
        ("0", "0", 0),
        ("1", "30", 0),
        ("0, 5", "30", 0),
        ("0;w=60", "30", 0),
        ("-0", "30", 0),
        ("0", "3600", 3600),
        ("0", "3601", 0),
        ("0", "30000", 0),
        ("0", "1700000042", 42),
        ("0", "1699999999", 0),
        ("0", "1700090000", 0),
        ("0", "1700000042000", 0),
        ("0", "-5", 0),
        ("0", "1.5", 0),
        ("0", "1e308", 0),
        ("0", "9" * 400, 0),
        ("0", "NaN", 0),
        ("0", "2023-11-14T22:13:50Z", 0),
        ("0", "", 0),
    ],
)
def test_fields_for_each(prefix: str, remaining: str, reset: str, seconds: float) -> None:
    """Seconds up to an hour, or a time of day within a day; anything else could be either."""
    fields = [(f"{prefix}-remaining", remaining), (f"{prefix}-reset", reset)]
    assert asked(200, *fields) == seconds


@pytest.mark.parametrize("lone", ["ratelimit-remaining", "ratelimit-reset"])
def test_one_of_two_says_nothing_and_neither_do_three(lone: str) -> None:
    assert asked(200, (lone, "0")) == 0
    both = [("ratelimit-remaining", "0"), ("ratelimit-reset", "9")]
    assert asked(200, *both, (lone, "0")) == 0


def test_the_most_exact_goes_first() -> None:
    """Retry-After where it counts, then the one field, then the older ones, then those with X."""
    fields = [
        ("retry-after", "1"),
        ("ratelimit", '"d";r=0;t=2'),
        ("ratelimit-remaining", "0"),
        ("ratelimit-reset", "3"),
        ("x-ratelimit-remaining", "0"),
        ("x-ratelimit-reset", "4"),
    ]
    assert asked(429, *fields) == 1
    assert [asked(200, *fields[n:]) for n in (0, 1, 2, 4)] == [2, 2, 3, 4]
    assert asked(429, ("retry-after", "soon"), *fields[1:]) == 2


def test_an_answer_that_says_something_has_one_of_these() -> None:
    """Those that are looked for; without them nothing is read."""
    assert sorted(QUOTA_HEADERS) == [b"ratelimit", b"ratelimit-remaining", b"x-ratelimit-remaining"]
    for name in ("ratelimit-reset", "x-ratelimit-reset", "retry-after", "ratelimit-limit"):
        assert asked(200, (name, "5")) == 0


PIECES = (
    '"',
    "a",
    '"default";r=0;t=',
    ";r=",
    ";t=",
    "0",
    "1.5",
    "9" * 20,
    ",",
    ", ",
    " ",
    ";",
    "=",
)
WORDS = st.text() | st.lists(st.sampled_from(PIECES)).map("".join)


@given(st.sampled_from([200, 429, 503]), st.lists(WORDS), st.lists(WORDS), st.lists(WORDS))
def test_no_words_break_it(
    status: int, ones: list[str], remaining: list[str], reset: list[str]
) -> None:
    fields = [("ratelimit", value) for value in ones]
    fields += [("x-ratelimit-remaining", value) for value in remaining]
    fields += [("x-ratelimit-reset", value) for value in reset]
    fields += [("retry-after", value) for value in reset]
    assert 0.0 <= asked(status, *fields) < 1e13
