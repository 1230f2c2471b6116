"""Slots: no wedge, first come first served, cancelled at no cost, resized while jobs wait."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.slots import acquire, cancel, fail, hold, limiter_of, slot_of, started
from twisted.internet.defer import Deferred
from twisted.python.failure import Failure

from downloader.errors import StallTimeout
from downloader.sansio.governor import FIRST_JOBS
from downloader.transfer.limiter import Slot

# --- those who wait -------------------------------------------------------------------------


@pytest.mark.parametrize("hosts", [1, 50])
def test_ten_thousand_jobs_that_end_at_once_do_not_wedge_it(hosts: int) -> None:
    """Each waiter releases within its own callback: no recursion, no slot lost."""
    limiter = limiter_of(2, per_host=1)
    held = [*hold(limiter, "h0", 1), *hold(limiter, "other", 1)]
    ended: list[int] = []

    def end(slot: Slot, number: int) -> None:
        ended.append(number)
        slot.release(True)

    for number in range(10_000):
        acquire(limiter, f"h{number % hosts}").addCallback(end, number)
    for slot in held:
        slot.release(True)
    assert sorted(ended) == list(range(10_000))
    assert limiter.idle


def test_fifty_thousand_waiting_jobs_are_cancelled_in_any_order() -> None:
    limiter = limiter_of(1)
    (slot,) = hold(limiter, "h", 1)
    waiting = [acquire(limiter) for _ in range(50_000)]
    for one in [*waiting[::2], *reversed(waiting[1::2])]:
        cancel(one)
    assert repr(limiter) == "<Limiter <Governor 1 of 1 running, 1 hosts>, 0 waiting>"
    slot.release()
    assert limiter.idle


def test_cancelling_looks_at_no_other_waiter() -> None:
    """O(1): whether two waiters are the same is asked of the one cancelled and of no other."""
    compared: list[object] = []

    class Counted(Deferred[Any]):
        def __eq__(self, other: object) -> bool:
            compared.append(other)
            return self is other

        __hash__ = Deferred.__hash__

    limiter = limiter_of(1)
    hold(limiter, "h", 1)
    acquire(limiter)
    queue = limiter._queues["h"]
    waiting = [Counted() for _ in range(1000)]
    for one in waiting:
        queue[one] = 0
    compared.clear()
    for one in (waiting[-1], waiting[500]):
        limiter._leave("h", one)
    assert compared == []
    assert len(queue) == 999


def test_it_is_first_come_first_served() -> None:
    """Nobody overtakes, a job that comes while a slot passes on neither."""
    limiter = limiter_of(1)
    (held,) = hold(limiter, "h", 1)
    order: list[str] = []

    def first(slot: Slot) -> None:
        order.append("first")
        assert limiter.take("h") is None
        acquire(limiter).addCallback(lambda _: order.append("late"))
        slot.release()

    acquire(limiter).addCallback(first)
    acquire(limiter).addCallback(lambda slot: (order.append("second"), slot.release()))
    held.release()
    assert order == ["first", "second", "late"]


def test_more_room_lets_the_longest_waiting_in() -> None:
    limiter = limiter_of(1)
    jobs = [acquire(limiter) for _ in range(6)]
    limiter.resize(3)
    assert [job.called for job in jobs] == [True] * 3 + [False] * 3


def test_with_less_room_jobs_finish_in_peace() -> None:
    """Slots come back until as many are out as are wanted; only then somebody is let in."""
    limiter = limiter_of(3)
    jobs = [acquire(limiter) for _ in range(4)]
    limiter.resize(1)
    slot_of(jobs[0]).release()
    slot_of(jobs[1]).release()
    assert started(jobs) == 3
    slot_of(jobs[2]).release()
    assert started(jobs) == 4
    slot_of(jobs[3]).release()
    assert limiter.idle


def test_a_failure_of_a_waiter_is_its_own() -> None:
    """What a job does with its slot, raising included, does not reach who gave it."""
    limiter = limiter_of(1)
    (held,) = hold(limiter, "h", 1)
    failures: list[Failure] = []

    def break_down(slot: Slot) -> None:
        slot.release()
        raise ValueError("of the job")

    acquire(limiter).addCallback(break_down).addErrback(failures.append)
    held.release()
    assert [type(failure.value) for failure in failures] == [ValueError]
    assert limiter.idle


# --- hosts ----------------------------------------------------------------------------------


def test_a_host_begins_with_six() -> None:
    limiter = limiter_of(32)
    jobs = [acquire(limiter) for _ in range(10)]
    assert [job.called for job in jobs] == [True] * FIRST_JOBS + [False] * 4
    assert not limiter.ready("h")
    assert limiter.ready("another")
    assert limiter.free


def test_without_per_host_one_host_can_earn_all() -> None:
    limiter = limiter_of(32)
    for _ in range(100):
        slot_of(acquire(limiter)).release(True)
    assert len(hold(limiter, "h", 32)) == 32
    assert not limiter.free


def test_an_outcome_that_says_nothing_of_the_host_changes_nothing() -> None:
    limiter = limiter_of(32)
    slot = slot_of(acquire(limiter))
    slot.release()
    assert slot.host.limit == FIRST_JOBS
    assert repr(slot) == "<Slot 1 of <Host 'h' well, 0 of 6 running>>"


def test_who_waits_for_a_busy_host_holds_nothing_of_the_total() -> None:
    """Else six slow jobs of one host would stop all others."""
    limiter = limiter_of(8, per_host=2)
    busy = [acquire(limiter, "busy") for _ in range(20)]
    assert started(busy) == 2
    assert all(acquire(limiter, f"host{n}").called for n in range(6))
    assert not limiter.free


def test_a_slot_of_the_total_goes_to_the_hosts_in_turn() -> None:
    limiter = limiter_of(1, per_host=1)
    (slot,) = hold(limiter, "a", 1)
    order: list[str] = []
    for number, host in enumerate("aaabbc"):
        waiting = acquire(limiter, host)
        waiting.addCallback(lambda own, name=f"{host}{number}": (order.append(name), own.release()))
    slot.release()
    assert order == ["a0", "b3", "c5", "a1", "b4", "a2"]


def test_resizing_reaches_who_waits() -> None:
    limiter = limiter_of(2)
    jobs = [acquire(limiter) for _ in range(6)]
    assert started(jobs) == 2
    limiter.resize(5)
    assert started(jobs) == 5
    limiter.resize(1)
    for job in jobs[:5]:
        slot_of(job).release()
    assert jobs[5].called
    slot_of(jobs[5]).release()
    assert limiter.idle
    assert len(hold(limiter, "x", 1)) == 1
    assert not limiter.free


def test_watchers_are_told_of_more_room_and_of_nothing_when_they_left() -> None:
    limiter = limiter_of(1)
    told: list[str] = []

    def one() -> None:
        told.append("one")

    def two() -> None:
        told.append("two")

    limiter.watch(one)
    assert not limiter.shared
    limiter.watch(two)
    assert limiter.shared
    limiter.resize(2)
    limiter.tell()
    limiter.unwatch(two)
    limiter.unwatch(two)
    limiter.tell()
    assert told == ["one", "two", "two", "one", "one"]


HOSTS = st.sampled_from("abc")
SLOT_STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("acquire"), HOSTS, st.none()),
        st.tuples(st.just("release"), st.integers(0, 99), st.sampled_from([True, False, None])),
        st.tuples(st.just("cancel"), st.integers(0, 99), st.none()),
        st.tuples(st.just("resize"), st.integers(1, 9), st.none() | st.integers(1, 9)),
    ),
    max_size=60,
)


@given(SLOT_STEPS)
def test_slots_add_up_whatever_happens(steps: list[tuple[str, Any, Any]]) -> None:
    """Never over a limit that stood when the job began; at the end nothing is held or lost."""
    limiter, total = limiter_of(4), 4
    jobs: list[Deferred[Slot]] = []
    for step, what, how in steps:
        running = [job for job in jobs if job.called]
        before = len(running)
        if step == "acquire":
            jobs.append(acquire(limiter, what))
        elif step == "release" and running:
            job = running[what % len(running)]
            jobs.remove(job)
            if how is None:
                fail(job, StallTimeout())
            else:
                slot_of(job).release(how)
            before -= 1
        elif step == "cancel" and jobs:
            job = jobs[what % len(jobs)]
            if not job.called:
                jobs.remove(job)
                cancel(job)
        elif step == "resize":
            total = what
            limiter.resize(what, how)
        assert started(jobs) <= max(total, before)
    while running := [job for job in jobs if job.called]:
        jobs.remove(running[0])
        slot_of(running[0]).release()
    assert jobs == []
    assert limiter.idle


@pytest.mark.parametrize("total", [1, 3])
def test_per_host_is_never_more_than_the_total(total: int) -> None:
    limiter = limiter_of(total, per_host=100)
    assert started([acquire(limiter) for _ in range(10)]) == total


# --- too many at a time ---------------------------------------------------------------------


def test_jobs_that_are_too_many_at_a_time_halve_the_slots_once() -> None:
    limiter = limiter_of(32)
    assert all(limiter.shrink(32) for _ in range(32))
    assert limiter.total == 16 and limiter.shrunk
    assert limiter.shrink(16)
    assert limiter.shrink(32)  # one that was slower to hear of it
    assert limiter.total == 8


def test_a_job_that_was_alone_cannot_be_helped() -> None:
    limiter = limiter_of(3)
    assert limiter.shrink(3)
    assert limiter.total == 1
    assert not limiter.shrink(1)
    limiter.resize(3)
    assert limiter.total == 3 and not limiter.shrunk
