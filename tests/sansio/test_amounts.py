"""Sizes and rates as people write them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from downloader.sansio.amounts import parse_count, parse_rate, parse_seconds, parse_size


@pytest.mark.parametrize(
    ("text", "rate"),
    [("10/s", 10), ("2.5/s", 2.5), ("30/m", 0.5), ("36/h", 0.01), ("86400/d", 1)],
)
def test_rates(text: str, rate: float) -> None:
    assert parse_rate(text) == pytest.approx(rate)


@pytest.mark.parametrize("text", ["", "10", "/s", "0/s", "0.0/h", "-1/s", "1e3/s", "1/S", "1 /s"])
def test_what_is_no_rate(text: str) -> None:
    """A bare number is one an hour to curl, and hardly to anybody else: it is refused."""
    with pytest.raises(ValueError, match="is not a rate above 0"):
        parse_rate(text)


@pytest.mark.parametrize(("text", "seconds"), [("0", 0), ("30", 30), ("2.50", 2.5), (".5", 0.5)])
def test_seconds(text: str, seconds: float) -> None:
    assert parse_seconds(text) == seconds


@pytest.mark.parametrize(
    "text", ["", ".", "5.", "-1", "+1", " 5 ", "1_0", "1e0", "nan", "inf", "\u0665", "9" * 5000]
)
def test_what_is_no_number_of_seconds(text: str) -> None:
    """Not all that Python's float() takes is what people write."""
    with pytest.raises(ValueError, match="is not a number of seconds"):
        parse_seconds(text)


def test_counts() -> None:
    assert [parse_count(text) for text in ("1", "07", "10000")] == [1, 7, 10_000]


@pytest.mark.parametrize("text", ["", "0", "10001", "-1", "1.0", " 1", "1_0", "\u0665", "9" * 5000])
def test_what_is_no_count(text: str) -> None:
    with pytest.raises(ValueError, match="is not a whole number from 1 to 10000"):
        parse_count(text)


@given(st.text(alphabet="0123456789.KMGkmg/smhd +-e_", max_size=12))
def test_any_text_is_an_amount_or_a_value_error(text: str) -> None:
    for parse in (parse_count, parse_seconds, parse_size, parse_rate):
        try:
            assert parse(text) >= 0
        except ValueError as error:
            assert repr(text) in str(error)
