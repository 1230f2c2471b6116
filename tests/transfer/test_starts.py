"""Requests are started so fast and no faster, and who waits for that is in nobody's way."""

from __future__ import annotations

from collections.abc import Callable
from itertools import chain, pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.listing import bring, host_of, jobs_of, outcome, refuse, settle
from support.playing import take
from support.slots import acquire, cancel, limiter_of, slot_of, started
from support.spied import Time
from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.task import Clock

from downloader import Downloader, Job, Limits, Retries, Status
from downloader.errors import NotFound
from downloader.sansio.governor import FIRST_JOBS, LATE
from downloader.testing import AgentSpy
from downloader.transfer.limiter import Slot

Make = Callable[..., Downloader]


# --- the limiter ----------------------------------------------------------------------------


def test_so_many_start_in_a_second_whatever_their_hosts() -> None:
    clock = Clock()
    limiter = limiter_of(clock=clock, rate=2.0)
    jobs = [acquire(limiter, f"h{n}") for n in range(10)]
    counts = []
    for _ in range(8):
        counts.append(started(jobs))
        clock.advance(0.5)
    assert counts == [1, 2, 3, 4, 5, 6, 7, 8]
    for job in jobs[8:]:
        cancel(job)
    assert clock.getDelayedCalls() == []


def test_a_host_has_its_delay_and_others_start_meanwhile() -> None:
    clock = Clock()
    limiter = limiter_of(clock=clock, delay=3.0)
    jobs = [acquire(limiter, "a") for _ in range(3)]
    assert started(jobs) == 1
    assert not limiter.ready("a") and limiter.take("a") is None
    assert limiter.ready("b") and limiter.free
    assert started([acquire(limiter, "b"), acquire(limiter, "c")]) == 2
    clock.advance(2.9)
    assert started(jobs) == 1
    clock.advance(0.1)
    assert started(jobs) == 2
    clock.advance(3)
    assert started(jobs) == 3
    assert clock.getDelayedCalls() == []


def test_who_waits_for_a_delay_holds_no_slot() -> None:
    clock = Clock()
    limiter = limiter_of(2, clock=clock, delay=3.0)
    slow = [acquire(limiter, "a") for _ in range(5)]
    other = acquire(limiter, "b")
    assert (started(slow), other.called) == (1, True)
    clock.advance(3)
    assert started(slow) == 1  # both slots are taken
    slot_of(other).release()
    assert started(slow) == 2
    for job in slow[2:]:
        cancel(job)
    assert clock.getDelayedCalls() == []


def test_first_come_first_served_and_hosts_in_turn() -> None:
    clock = Clock()
    limiter = limiter_of(clock=clock, rate=1.0)
    slot_of(acquire(limiter)).release()
    order: list[str] = []
    for number, host in enumerate("aaabb"):
        job = acquire(limiter, host)
        job.addCallback(lambda slot, name=f"{host}{number}": order.append(name))
    assert limiter.take("a") is None
    clock.pump([1.0] * 5)
    assert order == ["a0", "b3", "a1", "b4", "a2"]


def test_slots_come_first_and_then_the_pace() -> None:
    clock = Clock()
    limiter = limiter_of(clock=clock, rate=1000.0)
    jobs = []
    for _ in range(10):
        jobs.append(acquire(limiter))
        clock.advance(1)
    assert started(jobs) == FIRST_JOBS
    slot_of(jobs[0]).release(True)
    assert started(jobs) == FIRST_JOBS + 2
    limiter.resize(32, per_host=32)
    for job in jobs[1:]:
        slot_of(job).release()
    assert started(jobs) == 10
    assert limiter.idle is True
    assert clock.getDelayedCalls() == []


def test_cancelling_leaves_at_once_and_lets_nobody_wait_longer() -> None:
    clock = Clock()
    limiter = limiter_of(clock=clock, rate=1.0)
    jobs = [acquire(limiter) for _ in range(4)]
    assert not limiter.idle
    cancel(jobs[1])
    cancel(jobs[2])
    assert [call.active() for call in clock.getDelayedCalls()] == [True]
    clock.advance(1)
    assert jobs[3].called
    assert clock.getDelayedCalls() == []
    last = acquire(limiter)
    assert len(clock.getDelayedCalls()) == 1
    cancel(last)
    assert clock.getDelayedCalls() == []
    assert repr(limiter).endswith(" 0 waiting>")


def test_ten_thousand_that_end_at_once_do_not_wedge_it() -> None:
    clock = Clock()
    limiter = limiter_of(clock=clock, rate=1e6)
    limiter.resize(1)
    first = acquire(limiter)
    ended = []

    def end(slot: Slot) -> None:
        slot.release(True)
        ended.append(slot.host)

    for number in range(10_000):
        acquire(limiter, f"h{number % 7}").addCallback(end)
    slot_of(first).release()
    assert len(ended) == 10_000
    assert limiter.idle and clock.getDelayedCalls() == []


def test_who_watches_is_told_when_it_is_time() -> None:
    """Once it has asked; and nothing is left when it stops watching."""
    clock = Clock()
    limiter = limiter_of(clock=clock, rate=1.0)
    told: list[float] = []

    def watcher() -> None:
        told.append(clock.seconds())

    limiter.watch(watcher)
    assert limiter.take("a") is not None
    assert clock.getDelayedCalls() == []
    assert not limiter.free
    clock.advance(1)
    assert told == [1.0]
    assert limiter.take("a") is not None and not limiter.free
    limiter.unwatch(watcher)
    assert clock.getDelayedCalls() == []


STEPS = st.lists(
    st.tuples(
        st.sampled_from(["acquire", "acquire", "release", "cancel", "wait"]),
        st.integers(0, 99),
        st.floats(0, 3) | st.just(0.0),
    ),
    max_size=60,
)


@given(st.none() | st.floats(0.2, 50), st.none() | st.floats(0.1, 5), STEPS)
def test_neither_pace_nor_slots_are_broken(
    rate: float | None, delay: float | None, steps: list[tuple[str, int, float]]
) -> None:
    """Whatever happens; and in the end all have started, and nothing is left."""
    clock = Clock()
    limiter = limiter_of(3, 2, clock, rate, delay)
    starts: list[tuple[float, str]] = []
    waiting: list[Deferred[Slot]] = []
    holding: list[Slot] = []

    def start(slot: Slot) -> None:
        starts.append((clock.seconds(), slot.host))
        holding.append(slot)

    for what, number, passed in steps:
        if what == "acquire":
            waiting.append(acquire(limiter, "abc"[number % 3]).addCallback(start))
        elif what == "release" and holding:
            holding.pop(number % len(holding)).release()
        elif what == "cancel" and waiting:
            cancel(waiting.pop(number % len(waiting)))
        clock.advance(passed)
        waiting = [job for job in waiting if not job.called]
        assert len(holding) <= 3
    while waiting:
        while holding:
            holding.pop().release()
        clock.advance(6)
        waiting = [job for job in waiting if not job.called]
    while holding:
        holding.pop().release()
    assert limiter.idle and clock.getDelayedCalls() == []
    check(starts, rate, delay)


def check(starts: list[tuple[float, str]], rate: float | None, delay: float | None) -> None:
    for first, (since, host) in enumerate(starts):
        for count, (when, other) in enumerate(starts[first + 1 :], 2):
            assert rate is None or count <= rate * (when - since + LATE) + 1.001
            assert delay is None or other != host or when - since >= delay * 0.9999


# --- a downloader's --------------------------------------------------------------------------


def times_of(spy: AgentSpy, clock: Clock, seconds: float) -> list[tuple[float, str]]:
    """Bring whatever is asked for; when and of whom it was asked."""
    times: list[tuple[float, str]] = []
    until = clock.seconds() + seconds
    while clock.seconds() < until:
        for request in spy.requests[len(times) :]:
            times.append((clock.seconds(), host_of(request)))
            bring(request)
        clock.advance(0.125)
    return times


def test_a_list_is_asked_for_at_its_rate(
    make: Make, spy: AgentSpy, clock: Time, tmp_path: Path
) -> None:
    fetching = make(limits=Limits(rate=4.0)).fetch_all(jobs_of("h", 40, tmp_path))
    times = times_of(spy, clock, 12)
    assert outcome(fetching).complete == 40
    assert all(second - first >= 0.125 for (first, _), (second, _) in pairwise(times))
    assert 9.5 <= times[-1][0] - times[0][0] <= 10.5
    assert clock.getDelayedCalls() == []


def test_a_host_that_waits_for_its_delay_holds_up_no_other(
    make: Make, spy: AgentSpy, clock: Time, tmp_path: Path
) -> None:
    """The list is read on past its lines, though they come first."""
    jobs = chain(
        jobs_of("first", 300, tmp_path / "1"),
        *(jobs_of(f"h{n}", 1, tmp_path / f"x{n}") for n in range(50)),
    )
    fetching = make(limits=Limits(total=4, per_host_delay=2.0)).fetch_all(jobs)
    times = times_of(spy, clock, 9)
    assert len(times) == 5 + 50
    mine = [when for when, host in times if host == "first"]
    assert all(second - first >= 2.0 for first, second in pairwise(mine))
    fetching.cancel()
    assert isinstance(outcome(fetching), CancelledError)
    assert clock.getDelayedCalls() == []


def test_a_second_try_is_a_start_too(make: Make, spy: AgentSpy, clock: Time, out: str) -> None:
    retries = Retries(tries=3, wait=0.0, max_wait=0.0)
    downloader = make(limits=Limits(per_host_delay=60.0), retries=retries)
    fetching = downloader.fetch(Job("http://h/a", out))
    refuse(spy.requests[0], 503)
    clock.advance(59)
    assert len(spy.requests) == 1
    (transfer,) = downloader.active()
    assert transfer.status is Status.WAITING
    clock.advance(1)
    bring(spy.requests[1])
    assert take(fetching).attempts == 2


def test_a_mirror_has_the_delay_of_its_own_host(
    make: Make, spy: AgentSpy, clock: Time, out: str
) -> None:
    downloader = make(limits=Limits(per_host_delay=60.0))
    fetching = downloader.fetch(Job("http://h/a", out, mirrors=("http://h/b", "http://m/a")))
    refuse(spy.requests[0])
    clock.advance(59)
    assert len(spy.requests) == 1
    clock.advance(1)
    refuse(spy.requests[1])
    assert host_of(spy.requests[2]) == "m"
    refuse(spy.requests[2])
    with pytest.raises(NotFound):
        take(fetching)


def test_cancelled_while_it_waits_for_its_start(
    make: Make, spy: AgentSpy, clock: Time, out: str
) -> None:
    """Nothing is asked, and nothing of it is left: the first goes on."""
    downloader = make(limits=Limits(rate=0.01))
    first = downloader.fetch(Job("http://h/a", out))
    before = clock.getDelayedCalls()
    second = downloader.fetch(Job("http://h/b", out))
    assert [one.status for one in downloader.active()] == [Status.ACTIVE, Status.WAITING]
    second.cancel()
    assert isinstance(outcome(second), CancelledError)
    assert clock.getDelayedCalls() == before
    bring(spy.requests[0])
    assert take(first).path
    assert len(spy.requests) == 1


def test_a_list_cancelled_while_it_waits_for_its_pace(
    make: Make, spy: AgentSpy, clock: Time, tmp_path: Path
) -> None:
    for limits in (Limits(rate=0.01), Limits(per_host_delay=100.0)):
        fetching = make(limits=limits).fetch_all(jobs_of("h", 5, tmp_path))
        settle(clock)
        assert clock.getDelayedCalls()
        fetching.cancel()
        assert isinstance(outcome(fetching), CancelledError)
        assert clock.getDelayedCalls() == []
    assert len(spy.requests) == 2


def test_a_fetch_and_a_list_share_the_pace(
    make: Make, spy: AgentSpy, clock: Time, tmp_path: Path, out: str
) -> None:
    """Those that wait come before what is still to be read."""
    downloader = make(limits=Limits(rate=1.0))
    fetching = downloader.fetch_all(jobs_of("h", 10, tmp_path))
    single = downloader.fetch(Job("http://one/a", out))
    times = times_of(spy, clock, 13)
    assert [host for _, host in times][:3] == ["h", "one", "h"]
    assert len(times) == 11
    assert outcome(fetching).complete == 10 and take(single).path
