"""A rate kept by counting: what passes in any time is bounded, and a debt is paid by time alone."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from downloader.sansio.bucket import Bucket

YEAR = 365 * 86400.0


def test_it_begins_full_and_then_fills_at_its_rate() -> None:
    bucket = Bucket(rate=10, burst=5, now=100.0)
    bucket.spend(5, 100.0)
    assert bucket.wait(100.0) == 0.0
    bucket.spend(1, 100.0)
    assert bucket.wait(100.0) == pytest.approx(0.1)
    assert repr(bucket) == "<Bucket -1.0 of 5, 10/s>"
    assert bucket.wait(100.1) == 0.0


def test_what_has_come_is_spent_though_there_is_not_as_much() -> None:
    bucket = Bucket(rate=10, burst=5, now=0.0)
    bucket.spend(105, 0.0)
    assert bucket.wait(0.0) == pytest.approx(10.0)
    bucket.spend(50, 5.0)
    assert bucket.wait(5.0) == pytest.approx(10.0)


def test_no_more_than_the_burst_is_saved_up() -> None:
    bucket = Bucket(rate=10, burst=5, now=0.0)
    bucket.spend(15, YEAR)
    assert bucket.wait(YEAR) == pytest.approx(1.0)


def test_a_clock_that_is_set_back_stops_nothing() -> None:
    """No time has passed then, and from there on it passes as before."""
    bucket = Bucket(rate=10, burst=5, now=YEAR)
    bucket.spend(15, YEAR)
    assert bucket.wait(0.0) == pytest.approx(1.0)
    assert bucket.wait(1.0) == 0.0


def test_another_rate_holds_from_then_on_and_a_debt_stays() -> None:
    bucket = Bucket(rate=10, burst=5, now=0.0)
    bucket.spend(25, 0.0)
    bucket.change(rate=100, burst=50, now=1.0)
    assert bucket.wait(1.0) == pytest.approx(0.1)
    bucket.change(rate=1, burst=0, now=2.0)
    assert bucket.wait(2.0) == 0.0
    bucket.spend(1, 2.0)
    assert bucket.wait(2.0) == pytest.approx(1.0)


TIMES = st.floats(0, 100) | st.just(0.0)


@given(
    st.floats(0.01, 1e9),
    st.floats(0, 1e9),
    st.lists(st.tuples(TIMES, st.floats(0, 1e6)), max_size=30),
)
def test_in_any_time_so_much_passes_and_the_last_piece(
    rate: float, burst: float, steps: list[tuple[float, float]]
) -> None:
    """When nothing is spent in a debt; whatever the times between are, none at all too."""
    bucket, now, spent = Bucket(rate, burst, 0.0), 0.0, []
    for passed, units in steps:
        now += passed + bucket.wait(now + passed)
        bucket.spend(units, now)
        spent.append((now, units))
    for first in range(len(spent)):
        came = 0.0
        for when, units in spent[first:]:
            allowed = rate * (when - spent[first][0]) + burst
            rounding = 1e-6 * (allowed + came + 1) + 1e-14 * rate * when
            assert came <= allowed + rounding
            came += units
