"""When a job of a host may start: what is earned, and what is asked for."""

from __future__ import annotations

from math import inf, isfinite

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.governed import Start, end, governor_of, most, start

from downloader.errors import (
    ConnectError,
    ConnectionLost,
    ConnectTimeout,
    FirstByteTimeout,
    Interrupted,
    ServerBusy,
    StallTimeout,
)
from downloader.sansio.governor import DOWN_AFTER, FIRST_JOBS, LATE, REMEMBERED, Governor
from downloader.sansio.retry import retry_after

# --- what is earned -------------------------------------------------------------------------


def test_a_host_begins_with_a_few_and_earns_one_for_each_good_answer() -> None:
    governor = governor_of(per_host=9)
    counts = []
    for _ in range(6):
        counts.append(most(governor))
        end(governor, start(governor))
    assert counts == [FIRST_JOBS, 7, 8, 9, 9, 9]


def test_a_failure_costs_half_and_one_always_stays() -> None:
    governor = governor_of()
    counts = []
    for _ in range(4):
        end(governor, start(governor), StallTimeout())
        counts.append(most(governor))
    assert counts == [3, 1, 1, 1]


def test_what_failed_together_costs_half_once() -> None:
    """They tell of the same moment; one that began later tells of the half."""
    governor = governor_of()
    for _ in range(26):
        end(governor, start(governor))
    together = [start(governor) for _ in range(32)]
    for one in together[:20]:
        end(governor, one, ConnectionLost())
    assert together[0][0].limit == 16
    later = start(governor)
    for one in together[20:]:
        end(governor, one, ConnectionLost())
    assert together[0][0].limit == 16
    end(governor, later, ConnectionLost())
    assert together[0][0].limit == 8


def test_after_a_failure_it_grows_by_one_for_each_round() -> None:
    """But as before up to what a new host has: that was fair without any proof."""
    governor = governor_of()
    for _ in range(14):
        end(governor, start(governor))
    assert most(governor) == 20
    end(governor, start(governor), StallTimeout())
    counts = []
    for _ in range(24):
        counts.append(most(governor))
        end(governor, start(governor))
    assert counts == [10] * 10 + [11] * 11 + [12] * 3
    for _ in range(9):
        end(governor, start(governor), StallTimeout())
    counts = []
    for _ in range(12):
        counts.append(most(governor))
        end(governor, start(governor))
    assert counts == [1, 2, 3, 4, 5] + [6] * 6 + [7]


def test_what_was_interrupted_or_cancelled_says_nothing_of_the_host() -> None:
    governor = governor_of()
    one, other = start(governor), start(governor)
    governor.failed(*one, Interrupted(), 0.0)
    governor.ended(*one, good=False)
    governor.ended(*other, good=False)
    assert most(governor) == FIRST_JOBS


def test_per_host_can_be_lowered_and_raised() -> None:
    """A host that has failed is given nothing by that."""
    governor = governor_of()
    for _ in range(100):
        end(governor, start(governor))
    end(governor, start(governor, "bad"), StallTimeout())
    governor.resize(32, 2)
    assert (most(governor), most(governor, "bad"), most(governor, "new")) == (2, 2, 2)
    governor.resize(32, 4)
    assert (most(governor), most(governor, "bad"), most(governor, "new")) == (4, 2, 4)
    governor.resize(3)
    assert most(governor) == 3


def test_one_job_until_it_is_admitted() -> None:
    governor = governor_of(careful=True)
    one = start(governor)
    assert governor.wait_of("h", 0.0) == inf
    governor.admit(one[0], 0.0, 0.0)
    assert most(governor) == FIRST_JOBS - 1
    end(governor, one)
    assert most(governor) == FIRST_JOBS + 1


def test_what_is_admitted_keeps_the_distance_it_wants_up_to_the_cap() -> None:
    governor = governor_of(careful=True, delay=2.0, cap=30.0)
    for name, wanted, kept in (("a", 0.0, 2.0), ("b", 7.0, 7.0), ("c", 1e300, 30.0)):
        one = start(governor, name)
        governor.admit(one[0], wanted, 0.0)
        for _ in range(2):
            assert governor.wait_of(name, 0.0) == pytest.approx(kept)
        end(governor, start(governor, name, kept), now=kept)
        assert governor.wait_of(name, kept) == pytest.approx(kept)


def test_after_a_failure_it_is_admitted_with_what_it_has() -> None:
    governor = governor_of(careful=True)
    end(governor, start(governor), ServerBusy())
    one = start(governor)
    governor.admit(one[0], 0.0, 0.0)
    end(governor, one)
    assert most(governor) == 2


# --- rates and delays -----------------------------------------------------------------------


def test_so_many_a_second_whatever_their_hosts() -> None:
    governor = governor_of(rate=2.0)
    start(governor, "a", 10.0)
    waits = [governor.wait_of("b", 10.0), governor.wait_of("a", 10.0), governor.wait(10.0)]
    assert waits == pytest.approx([0.5 - LATE] * 3)
    start(governor, "b", 10.5)
    assert governor.wait(10.5) == pytest.approx(0.5 - LATE)
    assert repr(governor) == "<Governor 2 of 32 running, 2 hosts, 2 starts a second>"


def test_a_host_has_its_delay_and_others_have_not() -> None:
    governor = governor_of(delay=3.0)
    start(governor, "a", 10.0)
    assert governor.wait_of("a", 11.0) == pytest.approx(2.0)
    assert governor.wait(11.0) == governor.wait_of("b", 11.0) == 0.0
    assert governor.wait_of("a", 13.0) == 0.0
    assert repr(governor).endswith(", 3 s apart>")
    assert not governor.shuns("a", 11.0)


def test_the_longer_of_both_counts() -> None:
    for rate, delay, wait in ((0.1, 3.0, 10.0 - LATE), (1.0, 3.0, 3.0)):
        governor = governor_of(rate=rate, delay=delay)
        start(governor, "a")
        assert governor.wait_of("a", 0.0) == pytest.approx(wait)


@given(
    st.floats(0.01, 1000),
    st.floats(0.01, 100),
    st.lists(st.tuples(st.sampled_from("abc"), st.floats(0, 5) | st.just(0.0)), max_size=60),
)
def test_neither_is_broken_in_any_time(
    rate: float, delay: float, steps: list[tuple[str, float]]
) -> None:
    governor, now, made = governor_of(100, 100, rate, delay), 0.0, []
    for host, passed in steps:
        now += passed
        now += governor.wait_of(host, now)
        end(governor, (governor.start(host, now), 0))
        made.append((now, host))
    for first, (since, host) in enumerate(made):
        for count, (when, other) in enumerate(made[first + 1 :], 2):
            assert count <= rate * (when - since + LATE) + 1 + 1e-3
            assert other != host or when - since >= delay * (1 - 1e-5)


# --- holds ----------------------------------------------------------------------------------


def test_a_hold_is_for_the_host_and_for_no_other() -> None:
    governor = governor_of()
    one = start(governor)
    governor.hold("h", 30.0, 100.0)
    assert governor.wait_of("h", 100.0) == 30.0
    assert governor.wait_of("other", 100.0) == governor.wait(100.0) == 0.0
    assert governor.shuns("h", 129.0) and not governor.shuns("other", 129.0)
    end(governor, one)  # an answer that was under way takes nothing back
    assert governor.wait_of("h", 129.0) == pytest.approx(1.0)
    assert governor.wait_of("h", 130.0) == 0.0 and not governor.shuns("h", 130.0)
    assert most(governor, now=130.0) == FIRST_JOBS + 1


def test_a_hold_makes_no_earlier_one_shorter() -> None:
    governor = governor_of()
    for seconds, left in ((10.0, 10.0), (3.0, 10.0), (25.0, 25.0)):
        governor.hold("h", seconds, 0.0)
        assert governor.wait_of("h", 0.0) == left


# 784111777 is 1994-11-06 08:49:37 GMT.
ASKED = {
    "0": 0, "1": 1, "120": 120, " 7 ": 7, "600": 600, "601": 600, "86400": 600,
    "9" * 400: 600, "1" + "0" * 30: 600, "-1": 0, "-120": 0, "1e308": 0, "1.5": 0, "NaN": 0,
    "inf": 0, "soon": 0, "": 0,
    "Fri, 31 Dec 9999 23:59:59 GMT": 600, "Fri, 01 Jan 1904 00:00:00 GMT": 0,
    "Sun, 06 Nov 1994 08:50:37 GMT": 60, "Sun, 06 Nov 1994 08:49:37 GMT": 0,
    "Mon, 01 Jan 10000 00:00:00 GMT": 0,
}  # fmt: skip


@pytest.mark.parametrize("value", ASKED)
def test_a_retry_after_holds_up_to_the_cap(value: str) -> None:
    governor = governor_of()
    governor.hold("h", retry_after(value, 784111777.0) or 0.0, 5.0)
    assert governor.wait_of("h", 5.0) == ASKED[value]


@pytest.mark.parametrize("seconds", [0.0, -0.0, -1.0, -1e308, -inf, float("nan")])
def test_what_is_no_time_holds_nothing(seconds: float) -> None:
    governor = governor_of()
    governor.hold("h", seconds, 0.0)
    assert governor.wait_of("h", 0.0) == 0.0


@pytest.mark.parametrize("seconds", [600.1, 1e308, inf])
def test_no_hold_is_longer_than_the_cap(seconds: float) -> None:
    governor = governor_of(cap=600.0)
    governor.hold("h", seconds, 0.0)
    assert governor.wait_of("h", 0.0) == 600.0
    governor = governor_of(cap=0.0)
    governor.hold("h", seconds, 0.0)
    assert governor.wait_of("h", 0.0) == 0.0


def test_a_clock_that_is_set_back_makes_no_hold_longer() -> None:
    governor = governor_of()
    governor.hold("h", 30.0, 1e9)
    assert governor.wait_of("h", 1e9 + 10) == pytest.approx(20.0)
    assert governor.wait_of("h", 1e9 - 3600) == pytest.approx(20.0)
    assert governor.wait_of("h", 1e9 - 3580) == 0.0


# --- memory ---------------------------------------------------------------------------------


def test_idle_hosts_are_forgotten_and_busy_ones_are_not() -> None:
    governor = governor_of(64)
    busy = start(governor, "busy")
    for number in range(3 * REMEMBERED):
        end(governor, start(governor, f"h{number}"))
    assert f"{REMEMBERED} hosts" in repr(governor)
    assert most(governor, "busy") == FIRST_JOBS - 1
    end(governor, busy)
    assert most(governor, "busy") == FIRST_JOBS + 1


def test_hosts_are_remembered_as_long_as_they_are_to_be_left_alone() -> None:
    """However many others come; and no longer, however many they are."""
    governor = governor_of(delay=0.5, cap=60.0)
    for number in range(2 * REMEMBERED):
        governor.hold(f"held{number}", 60.0, 0.0)
    for step in range(DOWN_AFTER):
        end(governor, start(governor, "down", step / 2), ConnectError(), step / 2)
    for number in range(3 * REMEMBERED):
        end(governor, start(governor, f"h{number}", 2.5), now=2.5)
    assert governor.wait_of("held0", 2.5) == pytest.approx(57.5)
    assert governor.shuns("down", 2.5) and governor.wait_of("down", 2.5) > 0
    for number in range(3 * REMEMBERED):
        end(governor, start(governor, f"again{number}", 1000.0 + number), now=1000.0 + number)
    assert f"{REMEMBERED} hosts" in repr(governor)


# --- whatever happens -----------------------------------------------------------------------

ERRORS = [ConnectError(), ConnectTimeout(), FirstByteTimeout(), ServerBusy(), ConnectionLost(),
          StallTimeout(), Interrupted()]  # fmt: skip
STEPS = st.lists(
    st.tuples(
        st.sampled_from(["start", "start", "good", "fail", "fail", "drop", "hold", "wait"]),
        st.sampled_from("abc"),
        st.integers(0, 99),
        st.floats(0, 20) | st.just(0.0),
    ),
    max_size=120,
)


@given(st.integers(1, 12), st.none() | st.integers(1, 12), STEPS)
def test_simple_rules_hold_whatever_happens(
    total: int, per_host: int | None, steps: list[tuple[str, str, int, float]]
) -> None:
    """Against what a bystander can count: starts, ends, and what hosts have asked for."""
    governor, now = governor_of(total, per_host, tries=4), 0.0
    running: list[tuple[str, Start]] = []
    held_until = dict.fromkeys("abc", 0.0)
    blamed: set[str] = set()
    for what, name, number, seconds in steps:
        mine = [one for one in running if one[0] == name]
        if what == "start" and governor.wait_of(name, now) == 0.0:
            assert now >= held_until[name] - 1e-4
            running.append((name, start(governor, name, now)))
            assert len(running) <= total
            assert len(mine) + 1 <= min(per_host or total, total)
        elif what in ("good", "fail", "drop") and mine:
            one = mine[number % len(mine)]
            running.remove(one)
            if what == "fail":
                blamed.add(name)
                end(governor, one[1], ERRORS[number % len(ERRORS)], now)
            else:
                governor.ended(*one[1], good=what == "good")
        elif what == "hold":
            blamed.add(name)
            governor.hold(name, seconds, now)
            held_until[name] = max(held_until[name], now + seconds)
        elif what == "wait":
            now += seconds
        check_waits(governor, running, blamed, total, per_host, now)
    let_all_end(governor, running, now)


def check_waits(
    governor: Governor,
    running: list[tuple[str, Start]],
    blamed: set[str],
    total: int,
    per_host: int | None,
    now: float,
) -> None:
    """Others cost a host nothing but slots of the total; and nobody waits for what cannot come."""
    fair = min(per_host or total, FIRST_JOBS)
    for name in "abc":
        mine = sum(one[0] == name for one in running)
        wait = governor.wait_of(name, now)
        if len(running) < total and name not in blamed and mine < fair:
            assert wait == 0.0
        assert isfinite(wait) or mine or len(running) >= total


def let_all_end(governor: Governor, running: list[tuple[str, Start]], now: float) -> None:
    """Once all have ended, each host may be asked again in a bounded time."""
    for _, one in running:
        governor.ended(*one, good=False)
    assert governor.running == 0
    for name in "abc":
        wait = governor.wait_of(name, now)
        assert wait <= 30.0
        assert governor.wait_of(name, now + wait) == 0.0
