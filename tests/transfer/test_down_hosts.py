"""Hosts that are down, in a downloader: they cost the others nothing, and every run ends."""

from __future__ import annotations

from collections.abc import Callable
from itertools import chain
from pathlib import Path
from random import Random

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from support.listing import bring, hold, host_of, jobs_of, outcome, refuse, settle
from support.playing import error_of, take
from support.spied import Time, downloaders
from twisted.internet.defer import CancelledError
from twisted.internet.error import ConnectionRefusedError

from downloader import Downloader, Job, Limits, Result, Retries, Status
from downloader.errors import ConnectError, HostUnavailable
from downloader.sansio.governor import FIRST_JOBS
from downloader.testing import AgentSpy, SpiedRequest

Make = Callable[..., Downloader]
# No chance in it, so that the seconds can be told.
CALM = Retries(tries=3, wait=0.0)


def refuse_dead(spy: AgentSpy, done: int, others: Callable[[SpiedRequest], None]) -> int:
    """Deal with what was asked since; returns how much that is in all."""
    while done < len(spy.requests):
        request = spy.requests[done]
        done += 1
        if host_of(request) == "dead":
            request.fail(ConnectionRefusedError())
        else:
            others(request)
    return done


def test_a_dead_host_in_front_costs_the_others_nothing_and_the_run_ends(
    make: Make, spy: AgentSpy, clock: Time, tmp_path: Path
) -> None:
    """5,000 lines of it. It is asked by its first jobs, and by a probe now and then."""
    jobs = chain(jobs_of("dead", 5000, tmp_path / "1"), jobs_of("good", 100, tmp_path / "2"))
    results: list[Result] = []
    fetching = make(limits=Limits(total=8), retries=Retries(tries=3)).fetch_all(
        jobs, results.append
    )
    done, good_at = 0, None
    while not fetching.called:
        done = refuse_dead(spy, done, bring)
        if good_at is None and sum(r.status is Status.COMPLETE for r in results) == 100:
            good_at = clock.seconds()
        clock.advance(0.02)
        assert clock.seconds() < 30
    report = outcome(fetching)
    assert (report.complete, report.failed) == (100, 5000)
    assert good_at is not None and good_at < 2
    asked = [host_of(request) for request in spy.requests].count("dead")
    assert FIRST_JOBS <= asked < 30
    kinds = {type(result.error) for result in results if result.error is not None}
    assert kinds <= {HostUnavailable, ConnectError} and HostUnavailable in kinds
    late = [result for result in results if type(result.error) is HostUnavailable]
    assert all("refused" in str(result.error) for result in late)


def test_when_it_is_back_its_jobs_have_all_their_tries(
    make: Make, spy: AgentSpy, clock: Time, tmp_path: Path
) -> None:
    """What waited has lost none of them."""
    downloader = make(limits=Limits(total=8), retries=Retries(tries=5))
    fetching = downloader.fetch_all(jobs_of("dead", 100, tmp_path))
    done = 0
    while clock.seconds() < 2.5:
        done = refuse_dead(spy, done, bring)
        clock.advance(0.02)
    results = []
    while not fetching.called:
        while done < len(spy.requests):
            bring(spy.requests[done])
            done += 1
        clock.advance(0.02)
        assert clock.seconds() < 30
    results.append(outcome(fetching))
    assert (results[0].complete, results[0].failed) == (100, 0)


def test_a_mirror_is_asked_in_place_of_a_host_that_is_down(
    make: Make, spy: AgentSpy, clock: Time, tmp_path: Path
) -> None:
    jobs = [
        Job(f"http://dead/{n}", str(tmp_path), mirrors=(f"http://good/{n}",)) for n in range(50)
    ]
    fetching = make(retries=CALM).fetch_all(jobs)
    done = 0
    while not fetching.called:
        done = refuse_dead(spy, done, bring)
        clock.advance(0.02)
    assert outcome(fetching).complete == 50
    assert [host_of(request) for request in spy.requests].count("dead") <= 2 * FIRST_JOBS
    assert clock.seconds() < 2


def test_a_job_that_is_alone_keeps_to_its_own_tries(
    make: Make, spy: AgentSpy, clock: Time, out: str
) -> None:
    """However many they are: it is its own probe."""
    fetching = make(retries=Retries(tries=20, wait=0.5, max_wait=2.0)).fetch(
        Job("http://dead/", out)
    )
    done = 0
    while not fetching.called:
        done = refuse_dead(spy, done, bring)
        clock.advance(0.5)
    error = error_of(fetching)
    assert type(error) is ConnectError and error.attempts == 20


def test_cancelled_while_the_host_is_down(
    make: Make, spy: AgentSpy, clock: Time, tmp_path: Path
) -> None:
    downloader = make(retries=Retries(tries=3, wait=60.0))
    fetching = downloader.fetch_all(jobs_of("dead", 50, tmp_path))
    refuse_dead(spy, 0, bring)
    settle(clock)
    single = downloader.fetch(Job("http://dead/x", str(tmp_path)))
    assert downloader.limiter.shuns("dead:80")
    asked = len(spy.requests)
    single.cancel()
    with pytest.raises(CancelledError):
        take(single)
    fetching.cancel()
    assert isinstance(outcome(fetching), CancelledError)
    assert downloader.limiter.idle and clock.getDelayedCalls() == []
    assert len(spy.requests) == asked


FATES = st.sampled_from(["brings", "misses", "busy", "held", "quota", "dead", "flaps", "stalls"])


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(
    fates=st.dictionaries(st.sampled_from("abcd"), FATES, min_size=1),
    jobs=st.lists(st.sampled_from("abcd"), max_size=60),
    total=st.integers(1, 8),
    tries=st.integers(1, 4),
    seed=st.integers(0, 999),
)
def test_it_always_ends(
    tmp_path_factory: pytest.TempPathFactory,
    fates: dict[str, str],
    jobs: list[str],
    total: int,
    tries: int,
    seed: int,
) -> None:
    """Whatever the hosts do, and every job is told of once."""
    clock, spy, chance = Time(), AgentSpy(), Random(seed)
    out = str(tmp_path_factory.mktemp("out"))
    results: list[Result] = []
    with downloaders(clock, spy) as make:
        downloader = make(limits=Limits(total=total), retries=Retries(tries, wait=0.5))
        wanted = [Job(f"http://{host}/{number}", out) for number, host in enumerate(jobs)]
        fetching = downloader.fetch_all(wanted, results.append)
        done = 0
        for _ in range(20_000):
            if fetching.called:
                break
            while done < len(spy.requests):
                play(spy.requests[done], fates.get(host_of(spy.requests[done]), "brings"), chance)
                done += 1
            clock.advance(0.25)
        report = outcome(fetching)
        assert report is not None and report.lines == len(results) == len(jobs)
        for host, fate in fates.items():
            ours = [r for r in results if f"//{host}/" in r.job.url]
            if fate in ("brings", "quota"):
                assert all(result.status is Status.COMPLETE for result in ours)


def play(request: SpiedRequest, fate: str, chance: Random) -> None:
    """Be a host of that kind."""
    if fate == "flaps":
        fate = chance.choice(["brings", "dead", "dead", "dead", "busy", "stalls"])
    if fate == "brings":
        bring(request)
    elif fate == "misses":
        refuse(request, 404)
    elif fate == "busy":
        refuse(request, 503)
    elif fate == "held":
        hold(request, 429, Retry_After=chance.choice(["3", "0", "soon", "7"]))
    elif fate == "quota":
        response = request.answer(200, {"RateLimit": '"d";r=0;t=1'}, 1)
        response.feed(b"x")
        response.finish()
    elif fate == "dead":
        request.fail(ConnectionRefusedError())
    else:
        request.answer(200, length=5).finish()
