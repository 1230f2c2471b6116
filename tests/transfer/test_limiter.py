"""Slots: no wedge, first come first served, cancelled at no cost, resized while jobs wait."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from twisted.internet.defer import CancelledError, Deferred
from twisted.python.failure import Failure

from downloader.transfer.limiter import FIRST_JOBS, REMEMBERED, Limiter, Semaphore, Slot


def acquire(limiter: Limiter, host: str = "h") -> Deferred[Slot]:
    return Deferred.fromCoroutine(limiter.acquire(host))


def slot_of(waiting: Deferred[Slot]) -> Slot:
    assert isinstance(waiting.result, Slot)
    return waiting.result


def ignore_cancel(waiting: Deferred[Any]) -> None:
    waiting.addErrback(lambda failure: failure.trap(CancelledError))


def hold(limiter: Limiter, host: str, count: int) -> list[Slot]:
    return [slot_of(acquire(limiter, host)) for _ in range(count)]


# --- one semaphore --------------------------------------------------------------------------


def test_ten_thousand_jobs_that_end_at_once_do_not_wedge_it() -> None:
    """Each waiter releases within its own callback: no recursion, no token lost."""
    semaphore = Semaphore(1)
    semaphore.take()
    ended: list[int] = []
    for number in range(10_000):
        waiting = semaphore.acquire()
        waiting.addCallback(lambda s, n=number: (ended.append(n), s.release()))
    semaphore.release()
    assert ended == list(range(10_000))
    assert semaphore.idle


def test_fifty_thousand_waiting_jobs_are_cancelled_in_any_order() -> None:
    semaphore = Semaphore(1)
    semaphore.take()
    waiting = [semaphore.acquire() for _ in range(50_000)]
    for one in waiting:
        ignore_cancel(one)
    for one in [*waiting[::2], *reversed(waiting[1::2])]:
        one.cancel()
    assert repr(semaphore) == "<Semaphore 0 of 1 free, 0 waiting>"
    semaphore.release()
    assert semaphore.idle


def test_cancelling_looks_at_no_other_waiter() -> None:
    """O(1): whether two waiters are the same is asked of the one cancelled and of no other."""
    compared: list[object] = []

    class Counted(Deferred[Any]):
        def __eq__(self, other: object) -> bool:
            compared.append(other)
            return self is other

        __hash__ = Deferred.__hash__

    semaphore = Semaphore(1)
    semaphore.take()
    queue = semaphore._queue
    waiting = [Counted(queue.pop) for _ in range(1000)]
    for one in waiting:
        ignore_cancel(one)
        queue[one] = None
    compared.clear()
    waiting[-1].cancel()
    waiting[500].cancel()
    assert compared == []
    assert len(queue) == 998


def test_a_token_that_was_given_stays_given_when_its_deferred_is_cancelled() -> None:
    semaphore = Semaphore(1)
    semaphore.acquire().cancel()
    assert not semaphore.free
    semaphore.release()
    assert semaphore.free


def test_it_is_first_come_first_served() -> None:
    """Nobody overtakes, a job that comes while a token passes on neither."""
    semaphore = Semaphore(1)
    semaphore.take()
    order: list[str] = []

    def first(s: Any) -> None:
        order.append("first")
        semaphore.acquire().addCallback(lambda _: order.append("late"))
        s.release()

    semaphore.acquire().addCallback(first)
    semaphore.acquire().addCallback(lambda s: (order.append("second"), s.release()))
    semaphore.release()
    assert order == ["first", "second", "late"]


def test_more_room_lets_the_longest_waiting_in() -> None:
    semaphore = Semaphore(1)
    got: list[int] = []
    for number in range(5):
        semaphore.acquire().addCallback(lambda _, n=number: got.append(n))
    semaphore.resize(3)
    assert got == [0, 1, 2]
    assert repr(semaphore) == "<Semaphore 0 of 3 free, 2 waiting>"


def test_with_less_room_holders_finish_in_peace() -> None:
    """Tokens come back until as many are out as are wanted; only then somebody is let in."""
    semaphore = Semaphore(3)
    got: list[int] = []
    for number in range(4):
        semaphore.acquire().addCallback(lambda _, n=number: got.append(n))
    semaphore.resize(1)
    semaphore.release()
    semaphore.release()
    assert got == [0, 1, 2]
    semaphore.release()
    assert got == [0, 1, 2, 3]
    semaphore.release()
    assert semaphore.idle


STEPS = st.lists(
    st.one_of(
        st.just(("acquire", 0)),
        st.tuples(st.just("release"), st.integers(0, 99)),
        st.tuples(st.just("cancel"), st.integers(0, 99)),
        st.tuples(st.just("resize"), st.integers(1, 5)),
    ),
    max_size=60,
)


@given(st.integers(1, 4), STEPS)
def test_tokens_add_up_whatever_happens(limit: int, steps: list[tuple[str, int]]) -> None:
    """Against a model: a list of who waits, a list of who holds, and a number."""
    semaphore = Semaphore(limit)
    waiting: list[Deferred[Any]] = []
    holding: list[Deferred[Any]] = []
    for step, number in steps:
        if step == "acquire":
            waiting.append(semaphore.acquire())
            ignore_cancel(waiting[-1])
        elif step == "release" and holding:
            holding.pop(number % len(holding))
            semaphore.release()
        elif step == "cancel" and waiting:
            waiting.pop(number % len(waiting)).cancel()
        elif step == "resize":
            limit = number
            semaphore.resize(limit)
        while waiting and len(holding) < limit:
            holding.append(waiting.pop(0))
        assert all(one.called for one in holding)
        assert not any(one.called for one in waiting)
        assert semaphore.tokens == limit - len(holding)
        assert semaphore.free is (len(holding) < limit and not waiting)


# --- hosts ----------------------------------------------------------------------------------


def test_a_host_begins_with_six() -> None:
    limiter = Limiter(32)
    jobs = [acquire(limiter) for _ in range(10)]
    assert [job.called for job in jobs] == [True] * FIRST_JOBS + [False] * 4
    assert not limiter.ready("h")
    assert limiter.ready("another")
    assert limiter.free


def test_each_good_answer_earns_one_more_up_to_per_host() -> None:
    limiter = Limiter(32, per_host=8)
    for _ in range(20):
        slot_of(acquire(limiter)).release(True)
    jobs = [acquire(limiter) for _ in range(10)]
    assert [job.called for job in jobs] == [True] * 8 + [False] * 2


def test_without_per_host_one_host_can_earn_all() -> None:
    limiter = Limiter(32)
    for _ in range(100):
        slot_of(acquire(limiter)).release(True)
    assert len(hold(limiter, "h", 32)) == 32
    assert not limiter.free


def test_a_failure_costs_half_and_one_always_stays() -> None:
    limiter = Limiter(32)
    limits = []
    for _ in range(5):
        slot = slot_of(acquire(limiter))
        slot.release(False)
        limits.append(slot.semaphore.limit)
    assert limits == [3, 1, 1, 1, 1]


def test_an_outcome_that_says_nothing_of_the_host_changes_nothing() -> None:
    limiter = Limiter(32)
    slot = slot_of(acquire(limiter))
    slot.release(None)
    assert slot.semaphore.limit == FIRST_JOBS


def test_who_waits_for_a_busy_host_holds_nothing_of_the_total() -> None:
    """The host first, then the total: else six slow jobs of one host would stop all others."""
    limiter = Limiter(8, per_host=2)
    busy = [acquire(limiter, "busy") for _ in range(20)]
    assert sum(job.called for job in busy) == 2
    assert all(acquire(limiter, f"host{n}").called for n in range(6))
    assert not limiter.free


def test_a_job_cancelled_between_host_and_total_gives_the_host_back() -> None:
    limiter = Limiter(1, per_host=1)
    (slot,) = hold(limiter, "a", 1)
    waiting = acquire(limiter, "b")
    ignore_cancel(waiting)
    assert not limiter.idle
    waiting.cancel()
    slot.release()
    assert limiter.idle
    assert acquire(limiter, "b").called


def test_ten_thousand_jobs_of_many_hosts_that_end_at_once_do_not_wedge_it() -> None:
    limiter = Limiter(4, per_host=2)
    held = [*hold(limiter, "h0", 2), *hold(limiter, "h1", 2)]
    ended: list[str] = []

    def end(slot: Slot) -> None:
        ended.append(slot.host)
        slot.release(True)

    for number in range(10_000):
        acquire(limiter, f"h{number % 50}").addCallback(end)
    for slot in held:
        slot.release(True)
    assert len(ended) == 10_000
    assert limiter.idle


def test_resizing_reaches_who_waits() -> None:
    limiter = Limiter(2)
    jobs = [acquire(limiter) for _ in range(6)]
    assert sum(job.called for job in jobs) == 2
    limiter.resize(5)
    assert sum(job.called for job in jobs) == 5
    limiter.resize(1)
    for job in jobs[:5]:
        slot_of(job).release()
    assert jobs[5].called
    slot_of(jobs[5]).release()
    assert limiter.idle
    assert len(hold(limiter, "x", 1)) == 1
    assert not limiter.free


def test_per_host_can_be_lowered_and_raised() -> None:
    limiter = Limiter(32)
    for _ in range(100):
        slot_of(acquire(limiter)).release(True)
    limiter.resize(32, per_host=2)
    jobs = [acquire(limiter) for _ in range(4)]
    assert sum(job.called for job in jobs) == 2
    limiter.resize(32, per_host=3)
    assert sum(job.called for job in jobs) == 3


def test_idle_hosts_are_forgotten_and_held_ones_are_not() -> None:
    """More hosts than are remembered, in use and not; what is held comes back to its own host."""
    limiter = Limiter(64)
    (slot,) = hold(limiter, "held", 1)
    for number in range(3 * REMEMBERED):
        slot_of(acquire(limiter, f"h{number}")).release(True)
    assert repr(limiter) == f"<Limiter <Semaphore 63 of 64 free, 0 waiting>, {REMEMBERED} hosts>"
    assert len(hold(limiter, "held", FIRST_JOBS - 1)) == FIRST_JOBS - 1
    assert not limiter.ready("held")
    slot.release()
    assert limiter.ready("held")


def test_a_host_may_be_forgotten_while_its_slot_is_given_back() -> None:
    """The job that gets the slot ends at once, and goes on to a host there is no room for."""
    limiter = Limiter(4, per_host=1)
    (slot,) = hold(limiter, "first", 1)

    def go_on(own: Slot) -> None:
        own.release()
        for number in range(REMEMBERED + 1):
            slot_of(acquire(limiter, f"h{number}")).release()

    acquire(limiter, "first").addCallback(go_on)
    slot.release()
    assert limiter.idle


def test_watchers_are_told_of_more_room_and_of_nothing_when_they_left() -> None:
    limiter = Limiter(1)
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
    limiter, total = Limiter(4), 4
    jobs: list[Deferred[Slot]] = []
    for step, what, how in steps:
        running = [job for job in jobs if job.called]
        before = len(running)
        if step == "acquire":
            jobs.append(acquire(limiter, what))
        elif step == "release" and running:
            job = running[what % len(running)]
            jobs.remove(job)
            slot_of(job).release(how)
            before -= 1
        elif step == "cancel" and jobs:
            job = jobs[what % len(jobs)]
            if not job.called:
                jobs.remove(job)
                ignore_cancel(job)
                job.cancel()
        elif step == "resize":
            total = what
            limiter.resize(what, how)
        now = sum(job.called for job in jobs)
        assert now <= max(total, before)
    while running := [job for job in jobs if job.called]:
        jobs.remove(running[0])
        slot_of(running[0]).release()
    assert jobs == []
    assert limiter.idle


def test_a_failure_of_a_waiter_is_its_own() -> None:
    """What a job does with its slot, raising included, does not reach who gave it."""
    semaphore = Semaphore(1)
    semaphore.take()
    failures: list[Failure] = []

    def fail(_: Any) -> None:
        semaphore.release()
        raise ValueError("of the job")

    semaphore.acquire().addCallback(fail).addErrback(failures.append)
    semaphore.release()
    assert [type(failure.value) for failure in failures] == [ValueError]
    assert semaphore.idle


@pytest.mark.parametrize("total", [1, 3])
def test_per_host_is_never_more_than_the_total(total: int) -> None:
    limiter = Limiter(total, per_host=100)
    assert sum(acquire(limiter).called for _ in range(10)) == total


# --- too many at a time ---------------------------------------------------------------------


def test_jobs_that_are_too_many_at_a_time_halve_the_slots_once() -> None:
    limiter = Limiter(32)
    assert all(limiter.shrink(32) for _ in range(32))
    assert limiter.total == 16 and limiter.shrunk
    assert limiter.shrink(16)
    assert limiter.shrink(32)  # one that was slower to hear of it
    assert limiter.total == 8


def test_a_job_that_was_alone_cannot_be_helped() -> None:
    limiter = Limiter(3)
    assert limiter.shrink(3)
    assert limiter.total == 1
    assert not limiter.shrink(1)
    limiter.resize(3)
    assert limiter.total == 3 and not limiter.shrunk
