"""Hosts that are held or down: nobody asks them, nobody else waits, and every run ends."""

from __future__ import annotations

from collections.abc import Callable
from itertools import chain
from pathlib import Path

import pytest
from support.listing import bring, hold, host_of, jobs_of, outcome, refuse, settle
from support.playing import error_of, take
from support.slots import acquire, cancel, fail, limiter_of, slot_of, started
from support.spied import Time
from twisted.internet.defer import CancelledError
from twisted.internet.task import Clock

from downloader import Downloader, Job, Limits, Result, Retries, Status
from downloader.errors import ConnectError, HostUnavailable, ServerBusy, TotalTimeout
from downloader.jobs import Timeouts
from downloader.sansio.governor import DOWN_AFTER, FIRST_JOBS
from downloader.testing import AgentSpy
from downloader.transfer.limiter import A_TURN, Limiter

Make = Callable[..., Downloader]
# No chance in it, so that the seconds can be told.
CALM = Retries(tries=3, wait=0.0)


def bring_down(limiter: Limiter, host: str = "h") -> None:
    for _ in range(DOWN_AFTER):
        fail(acquire(limiter, host), ConnectError("refused"))


# --- the limiter ----------------------------------------------------------------------------


def test_a_hold_stops_those_who_wait_and_those_who_come() -> None:
    clock = Clock()
    limiter = limiter_of(clock=clock)
    jobs = [acquire(limiter) for _ in range(FIRST_JOBS + 2)]
    limiter.hold("h", 30.0)
    for job in jobs[:FIRST_JOBS]:
        slot_of(job).release(True)
    assert limiter.take("h") is None and not limiter.ready("h")
    jobs.append(acquire(limiter))
    assert started(jobs) == FIRST_JOBS
    assert acquire(limiter, "other").called and limiter.free
    clock.advance(29.9)
    assert started(jobs) == FIRST_JOBS
    clock.advance(0.2)
    assert started(jobs) == FIRST_JOBS + 3
    assert clock.getDelayedCalls() == []


def test_a_hold_that_is_made_longer_meanwhile() -> None:
    clock = Clock()
    limiter = limiter_of(clock=clock)
    limiter.hold("h", 10.0)
    job = acquire(limiter)
    clock.advance(5)
    limiter.hold("h", 20.0)
    clock.advance(19.9)
    assert not job.called
    clock.advance(0.2)
    assert job.called and clock.getDelayedCalls() == []


def test_cancelled_while_held_and_while_down() -> None:
    clock = Clock()
    limiter = limiter_of(clock=clock)
    limiter.hold("held", 30.0)
    bring_down(limiter, "down")
    jobs = [acquire(limiter, host) for host in ("held", "held", "down", "down")]
    assert started(jobs) == 0 and not limiter.idle
    for job in jobs:
        assert len(clock.getDelayedCalls()) == 1
        cancel(job)
    assert limiter.idle and clock.getDelayedCalls() == []


def test_one_at_a_time_asks_whether_it_is_back() -> None:
    clock = Clock()
    limiter = limiter_of(clock=clock, wait=lambda n: 10.0)
    bring_down(limiter)
    jobs = [acquire(limiter) for _ in range(3)]
    clock.advance(9.9)
    assert started(jobs) == 0
    clock.advance(0.2)
    assert started(jobs) == 1
    clock.advance(1000)
    assert started(jobs) == 1
    slot_of(jobs[0]).release()  # cancelled: the next may ask at once
    assert started(jobs) == 2
    slot_of(jobs[1]).release(True)
    assert started(jobs) == 3


def test_who_waits_too_long_is_told_and_who_came_later_is_not() -> None:
    clock = Clock()
    limiter = limiter_of(clock=clock, retries=Retries(tries=3), wait=lambda n: 10.0)
    bring_down(limiter)
    probes = [acquire(limiter) for _ in range(3)]
    early = [acquire(limiter) for _ in range(3)]
    clock.advance(10)
    fail(probes[0], ConnectError("refused"))
    late = acquire(limiter)
    clock.advance(10)
    assert not early[0].called
    fail(probes[1], ConnectError("still refused"))
    for job in early:
        with pytest.raises(HostUnavailable, match="still refused"):
            take(job)
    with pytest.raises(HostUnavailable):
        take(probes[2])
    assert not late.called
    clock.advance(10)
    slot_of(late).release(True)
    assert limiter.idle and clock.getDelayedCalls() == []


def test_thousands_give_up_and_leave_the_reactor_its_turns() -> None:
    clock = Clock()
    limiter = limiter_of(clock=clock, retries=Retries(tries=2))
    bring_down(limiter)
    probe = acquire(limiter)
    told: list[int] = []
    for number in range(A_TURN * 10):
        acquire(limiter).addErrback(lambda failure, n=number: told.append(n))
    clock.advance(1)
    fail(probe, ConnectError())
    before = 0
    while len(told) < A_TURN * 10:
        assert before < len(told) <= before + A_TURN
        before = len(told)
        clock.advance(0)
    assert told == list(range(A_TURN * 10))
    assert limiter.idle and clock.getDelayedCalls() == []


# --- a downloader ----------------------------------------------------------------------------


@pytest.mark.parametrize("code", [429, 503])
def test_one_answer_holds_all_jobs_of_its_host(
    make: Make, spy: AgentSpy, clock: Time, tmp_path: Path, code: int
) -> None:
    """Those that run go on, those that were read wait without a slot, and others notice nothing."""
    downloader = make(limits=Limits(total=8), retries=CALM)
    jobs = chain(jobs_of("busy", 20, tmp_path / "1"), jobs_of("good", 20, tmp_path / "2"))
    fetching = downloader.fetch_all(jobs)
    settle(clock)
    single = downloader.fetch(Job("http://busy/single", str(tmp_path)))
    hold(spy.requests[0], code, Retry_After="100")
    bring(spy.requests[1])
    settle(clock)
    asked = len(spy.requests)
    served = 0
    while served < asked:
        if host_of(spy.requests[served]) == "good":
            bring(spy.requests[served])
            settle(clock)
            asked = len(spy.requests)
        served += 1
    assert [host_of(r) for r in spy.requests].count("good") == 20
    assert [host_of(r) for r in spy.requests].count("busy") == 6
    clock.advance(99)
    assert len(spy.requests) == asked
    clock.advance(2)
    settle(clock)
    assert len(spy.requests) > asked and host_of(spy.requests[asked]) == "busy"
    single.addErrback(lambda failure: failure.trap(CancelledError))
    single.cancel()
    fetching.cancel()
    assert isinstance(outcome(fetching), CancelledError)


@pytest.mark.parametrize(
    "headers",
    [{"RateLimit": '"default";r=0;t=60'}, {"RateLimit_Remaining": "0", "RateLimit_Reset": "60"}],
)
def test_a_good_answer_that_says_it_was_the_last(
    make: Make, spy: AgentSpy, clock: Time, out: str, headers: dict[str, str]
) -> None:
    """The file is taken; the next waits until there is something left again."""
    downloader = make()
    first = downloader.fetch(Job("http://h/a", out))
    names = {name.replace("_", "-"): value for name, value in headers.items()}
    response = spy.requests[0].answer(200, names, 1)
    response.feed(b"x")
    response.finish()
    assert take(first).bytes == 1
    second = downloader.fetch(Job("http://h/b", out))
    other = downloader.fetch(Job("http://other/b", out))
    assert [host_of(request) for request in spy.requests] == ["h", "other"]
    clock.advance(59)
    assert len(spy.requests) == 2
    clock.advance(1)
    for request in spy.requests[1:]:
        bring(request)
    assert take(second).bytes == take(other).bytes == 1


def test_a_host_that_sends_everybody_away_ends_the_run(
    make: Make, spy: AgentSpy, clock: Time, tmp_path: Path
) -> None:
    """When the retries of one job would have: it is not asked by all of 3,000, one by one."""
    results: list[Result] = []
    downloader = make(retries=Retries(tries=3, wait=0.5))
    fetching = downloader.fetch_all(jobs_of("busy", 3000, tmp_path), results.append)
    done = 0
    while not fetching.called:
        while done < len(spy.requests):
            hold(spy.requests[done], 429, Retry_After="60")
            done += 1
        clock.advance(0.5)
        assert clock.seconds() < 3 * 61 + 10
    assert outcome(fetching).failed == 3000 and done < 20
    kinds = {type(result.error) for result in results}
    assert HostUnavailable in kinds and kinds <= {HostUnavailable, ServerBusy}
    assert clock.seconds() > 120


def test_where_it_redirects_to_is_held_and_not_who_redirects(
    make: Make, spy: AgentSpy, clock: Time, out: str
) -> None:
    downloader = make(retries=Retries(tries=1))
    first = downloader.fetch(Job("http://a/x", out))
    spy.requests[0].absoluteURI = b"http://cdn/x"  # as a RedirectAgent's last hop
    hold(spy.requests[0], 503, Retry_After="100")
    assert isinstance(error_of(first), ServerBusy)
    jobs = [downloader.fetch(Job(f"http://{host}/y", out)) for host in ("cdn", "a")]
    assert [one.status for one in downloader.active()] == [Status.WAITING, Status.ACTIVE]
    for job in jobs:
        job.addErrback(lambda failure: failure.trap(CancelledError))
        job.cancel()


def test_a_mirror_is_asked_in_place_of_a_host_that_is_held(
    make: Make, spy: AgentSpy, clock: Time, out: str
) -> None:
    """The held one is not forgotten: it is asked in the next round."""
    downloader = make(retries=CALM)
    first = downloader.fetch(Job("http://a/x", out))
    hold(spy.requests[0], 429, Retry_After="100")
    second = downloader.fetch(Job("http://a/y", out, mirrors=("http://b/y",)))
    assert host_of(spy.requests[1]) == "b"
    refuse(spy.requests[1], 404)
    clock.advance(101)
    for request in spy.requests[2:]:
        assert host_of(request) == "a"
        bring(request)
    assert take(first).bytes == take(second).bytes == 1


def test_the_total_time_goes_on_in_a_hold(make: Make, spy: AgentSpy, clock: Time, out: str) -> None:
    downloader = make(timeouts=Timeouts(total=20.0))
    downloader.limiter.hold("h:80", 100.0)
    fetching = downloader.fetch(Job("http://h/a", out))
    clock.advance(20.1)
    assert isinstance(error_of(fetching), TotalTimeout)
    assert spy.requests == [] and clock.getDelayedCalls() == []


def test_closed_during_a_hold(make: Make, spy: AgentSpy, clock: Time, tmp_path: Path) -> None:
    downloader = make()
    downloader.limiter.hold("h:80", 100.0)
    fetching = downloader.fetch_all(jobs_of("h", 5, tmp_path))
    single = downloader.fetch(Job("http://h/a", str(tmp_path)))
    settle(clock)
    assert downloader.close().called
    assert isinstance(outcome(fetching), CancelledError)
    with pytest.raises(CancelledError):
        take(single)
    assert spy.requests == [] and clock.getDelayedCalls() == []
