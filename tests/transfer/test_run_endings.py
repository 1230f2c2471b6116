"""How the jobs of a list end, and that each is counted once."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from random import Random

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from support.clean import LoggedFailures
from support.listing import (
    ONCE,
    Make,
    bring,
    host_of,
    jobs_of,
    outcome,
    refuse,
    settle,
)
from support.spied import Time
from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.error import ConnectionRefusedError as Refused
from twisted.internet.task import Clock

from downloader import (
    Downloader,
    Durability,
    Job,
    Limits,
    Report,
    Result,
    Status,
)
from downloader.errors import BadUrl, Closed, ServerBusy
from downloader.testing import AgentSpy
from downloader.transfer.disks import Disks


def test_a_job_cancelled_alone_is_counted_as_skipped(
    make: Make, spy: AgentSpy, clock: Clock, tmp_path: Path
) -> None:
    results: list[Result] = []
    downloader = make()
    fetching = downloader.fetch_all(jobs_of("h", 3, tmp_path), results.append)
    transfers = list(downloader.active())
    transfers[1].cancel()
    assert [request.cancelled for request in spy.requests] == [False, True, False]
    (result,) = results
    assert (result.status, result.error, result.attempts) == (Status.REMOVED, None, 1)
    bring(spy.requests[0])
    bring(spy.requests[2])
    settle(clock)
    assert outcome(fetching) == Report(complete=2, skipped=1, bytes=2)


def test_a_job_that_cannot_begin_is_a_result_like_others(make: Make, tmp_path: Path) -> None:
    results: list[Result] = []
    jobs = [Job("ftp://u:sesame@h/x", str(tmp_path), line=3), Job("http://h/", name="../x", line=4)]
    fetching = make().fetch_all(jobs, results.append)
    assert outcome(fetching) == Report(failed=2)
    assert [(r.job.line, r.status, r.attempts) for r in results] == [
        (3, Status.ERROR, 0),
        (4, Status.ERROR, 0),
    ]
    assert isinstance(results[0].error, BadUrl)
    assert "sesame" not in f"{results[0].final_url} {results[0].error} {results[0].error.url}"


def test_names_follow_the_list_and_not_the_answers(
    make: Make, spy: AgentSpy, clock: Clock, tmp_path: Path
) -> None:
    results: list[Result] = []
    jobs = [Job(f"http://{host}/same", str(tmp_path)) for host in "abc"]
    fetching = make().fetch_all(jobs, results.append)
    for request in reversed(spy.requests):
        bring(request, host_of(request).encode())
    settle(clock)
    assert outcome(fetching).complete == 3
    assert [Path(result.path or "").name for result in results] == ["same.2", "same.1", "same"]
    assert [(tmp_path / f"same{n}").read_text() for n in ("", ".1", ".2")] == ["a", "b", "c"]


def test_close_during_a_run(make: Make, spy: AgentSpy, tmp_path: Path) -> None:
    results: list[Result] = []
    downloader = make()
    fetching = downloader.fetch_all(jobs_of("h", 50, tmp_path), results.append)
    spy.requests[0].answer(length=9).feed(b"part")
    assert downloader.close().called
    assert isinstance(outcome(fetching), CancelledError)
    assert results == []
    assert all(request.cancelled for request in spy.requests[1:])
    assert [path.name for path in tmp_path.iterdir()] == ["0.part"]
    assert isinstance(outcome(downloader.fetch_all([])), Closed)


@pytest.mark.parametrize("when", ["at once", "later"])
def test_close_within_on_result(
    make: Make, spy: AgentSpy, clock: Clock, tmp_path: Path, when: str
) -> None:
    downloader = make()
    results: list[Result] = []

    def stop(result: Result) -> None:
        results.append(result)
        downloader.close()

    first = Job("no url") if when == "at once" else Job("http://h/0", str(tmp_path))
    fetching = downloader.fetch_all([first, *jobs_of("h", 9, tmp_path)], stop)
    if when == "later":
        bring(spy.requests[0])
    settle(clock)
    assert isinstance(outcome(fetching), CancelledError)
    assert len(results) == 1


def test_cancelling_counts_nothing_more(make: Make, spy: AgentSpy, tmp_path: Path) -> None:
    results: list[Result] = []
    downloader = make()
    fetching = downloader.fetch_all(jobs_of("h", 50, tmp_path), results.append)
    bring(spy.requests[0])
    fetching.cancel()
    fetching.cancel()
    assert isinstance(outcome(fetching), CancelledError)
    assert len(results) == 1
    assert list(downloader.active()) == []
    assert downloader.limiter.idle


@pytest.mark.parametrize("where", ["between two jobs", "before one", "in spite of it"])
def test_an_asynchronous_list_is_closed(
    make: Make, spy: AgentSpy, clock: Clock, tmp_path: Path, where: str
) -> None:
    """What it cleans up may take its time, and is awaited though the run is over."""
    told: list[str] = []
    waiting: Deferred[None] = Deferred()
    cleaning: Deferred[None] = Deferred()

    async def jobs() -> AsyncIterator[Job]:
        try:
            try:
                if where != "between two jobs":
                    await waiting
            except CancelledError:
                if where == "before one":
                    raise
            yield Job("http://h/", str(tmp_path))
        finally:
            told.append("cleaning")
            await cleaning
            told.append("clean")

    fetching = make(limits=Limits(total=1)).fetch_all(jobs())
    settle(clock)
    fetching.cancel()
    assert isinstance(outcome(fetching), CancelledError)
    assert told == ["cleaning"]
    cleaning.callback(None)
    assert told == ["cleaning", "clean"]
    assert len(spy.requests) == (where == "between two jobs")


def test_an_asynchronous_list_may_cancel_its_own_run(make: Make, tmp_path: Path) -> None:
    """Even while it runs; it is closed once it has given its job."""
    told: list[str] = []
    downloader = make()

    async def jobs() -> AsyncIterator[Job]:
        try:
            downloader.close()
            yield Job("http://h/", str(tmp_path))
        finally:
            told.append("clean")

    assert isinstance(outcome(downloader.fetch_all(jobs())), CancelledError)
    assert told == ["clean"]


def test_an_asynchronous_list_that_does_not_close(
    make: Make, spy: AgentSpy, logged_failures: LoggedFailures
) -> None:
    """Its error is logged, since the run has ended before."""

    async def jobs() -> AsyncIterator[Job]:
        try:
            yield Job("http://h/")
        finally:
            raise ZeroDivisionError

    fetching = make(limits=Limits(total=1)).fetch_all(jobs())
    fetching.cancel()
    assert isinstance(outcome(fetching), CancelledError)
    assert len(logged_failures.flush(ZeroDivisionError)) == 1


@pytest.mark.parametrize("end", ["cancelled", "at its end", "broken"])
def test_a_run_that_is_over_is_told_of_no_slot(
    make: Make, spy: AgentSpy, clock: Clock, tmp_path: Path, end: str
) -> None:
    """Else a downloader that lives for long would tell ever more of them."""
    downloader = make()
    downloader.limiter.watch(str)
    fetching = downloader.fetch_all([Job("http://h/x", str(tmp_path))])
    assert downloader.limiter.shared
    if end == "cancelled":
        fetching.cancel()
    elif end == "broken":
        spy.requests[0].fail(SystemExit())
    else:
        bring(spy.requests[0])
    settle(clock)
    assert outcome(fetching) is not None
    assert not downloader.limiter.shared


FATES = st.lists(st.sampled_from(["brought", "missing", "busy", "refused", "cancelled", "no url"]))


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(fates=FATES, seed=st.integers(0, 999), total=st.integers(1, 8))
def test_every_job_is_counted_once(
    tmp_path_factory: pytest.TempPathFactory, fates: list[str], seed: int, total: int
) -> None:
    """Whatever becomes of them and in whatever order they end."""
    order = Random(seed)
    clock, spy, out = Time(), AgentSpy(), tmp_path_factory.mktemp("out")
    disks = Disks(clock, durability=Durability.NONE)
    downloader = Downloader(clock, agent=spy, limits=Limits(total=total), retries=ONCE, disks=disks)
    results: list[Result] = []
    jobs = [
        Job("no url" if fate == "no url" else f"http://h{n % 3}/{n}", str(out), line=n)
        for n, fate in enumerate(fates)
    ]
    fetching = downloader.fetch_all(jobs, results.append)
    settle(clock)
    while running := list(downloader.active()):
        transfer = order.choice(running)
        line = transfer.job.line
        (request,) = [r for r in spy.requests if r.absoluteURI == transfer.job.url.encode()]
        fate = fates[line]
        if fate == "brought":
            bring(request)
        elif fate in ("missing", "busy"):
            refuse(request, 404 if fate == "missing" else 503)
        elif fate == "refused":
            request.fail(Refused())
        else:
            transfer.cancel()
        settle(clock)
    report = outcome(fetching)
    failed = sum(fates.count(fate) for fate in ("missing", "busy", "refused", "no url"))
    assert (report.complete, report.failed) == (fates.count("brought"), failed)
    assert (report.skipped, report.pending, report.invalid) == (fates.count("cancelled"), 0, 0)
    assert report.lines == len(fates)
    assert sorted(r.job.line or 0 for r in results) == list(range(len(fates)))
    assert all(isinstance(r.error, ServerBusy) for r in results if r.http_status == 503)
    assert len(list(out.iterdir())) == fates.count("brought")
    downloader.close()
    assert clock.getDelayedCalls() == []
