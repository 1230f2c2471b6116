"""When a request may start: so many a second, and so long after the last one to its host."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from downloader.sansio.pace import LATE, Starts


def test_without_limits_any_time_is_right() -> None:
    starts = Starts(None, None, 0.0)
    for _ in range(100):
        starts.started("a", 0.0)
    assert starts.wait(0.0) == starts.wait_of("a", 0.0) == 0.0
    assert repr(starts) == "<Starts None a second, None s apart, 0 hosts>"


def test_so_many_a_second_whatever_their_hosts() -> None:
    starts = Starts(2.0, None, 0.0)
    starts.started("a", 10.0)
    assert starts.wait(10.0) == starts.wait_of("b", 10.0) == pytest.approx(0.5 - LATE)
    starts.started("b", 10.5)
    assert starts.wait(10.5) == pytest.approx(0.5 - LATE)


def test_a_host_has_its_delay_and_others_have_not() -> None:
    starts = Starts(None, 3.0, 0.0)
    starts.started("a", 10.0)
    assert starts.wait_of("a", 11.0) == pytest.approx(2.0)
    assert starts.wait(11.0) == starts.wait_of("b", 11.0) == 0.0
    assert starts.wait_of("a", 13.0) == 0.0


def test_the_longer_of_both_counts() -> None:
    starts = Starts(0.1, 3.0, 0.0)
    starts.started("a", 0.0)
    assert starts.wait_of("a", 0.0) == pytest.approx(10.0 - LATE)
    starts = Starts(1.0, 3.0, 0.0)
    starts.started("a", 0.0)
    assert starts.wait_of("a", 0.0) == pytest.approx(3.0)


def test_hosts_are_forgotten_when_their_delay_is_over() -> None:
    starts = Starts(None, 1.0, 0.0)
    for number in range(1000):
        starts.started(f"h{number}", number / 100)
    assert repr(starts).endswith(" 100 hosts>")


@given(
    st.floats(0.01, 1000),
    st.floats(0.01, 100),
    st.lists(st.tuples(st.sampled_from("abc"), st.floats(0, 5) | st.just(0.0)), max_size=60),
)
def test_neither_is_broken_in_any_time(
    rate: float, delay: float, steps: list[tuple[str, float]]
) -> None:
    starts, now, made = Starts(rate, delay, 0.0), 0.0, []
    for host, passed in steps:
        now += passed
        now += starts.wait_of(host, now)
        starts.started(host, now)
        made.append((now, host))
    for first, (since, host) in enumerate(made):
        for count, (when, other) in enumerate(made[first + 1 :], 2):
            assert count <= rate * (when - since + LATE) + 1 + 1e-3
            assert other != host or when - since >= delay * (1 - 1e-5)
