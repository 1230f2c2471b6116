"""A list of any length: read as there is room, no host in the way of others, each job counted."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from itertools import pairwise
from pathlib import Path
from random import Random
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from support.spied import Time
from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.error import ConnectionRefusedError as Refused
from twisted.internet.task import Clock
from twisted.python.failure import Failure

from downloader import (
    Downloader,
    Job,
    Limits,
    OnConflict,
    Report,
    Result,
    Retries,
    Status,
)
from downloader.errors import BadUrl, Closed, ServerBusy
from downloader.sansio.window import WINDOW
from downloader.testing import AgentSpy, SpiedRequest
from downloader.transfer.limiter import FIRST_JOBS
from downloader.transfer.run import A_TURN, READ_AHEAD_PAUSE

Make = Callable[..., Downloader]
ONCE = Retries(tries=1)


class Reader:
    """Jobs that are made as they are asked for; `read` is how many were."""

    def __init__(self, jobs: Iterable[Job]) -> None:
        self._jobs = iter(jobs)
        self.read = 0

    def __iter__(self) -> Iterator[Job]:
        return self

    def __next__(self) -> Job:
        job = next(self._jobs)
        self.read += 1
        return job


def jobs_of(host: str, count: int, out: Path) -> Iterator[Job]:
    return (Job(f"http://{host}/{n}", str(out)) for n in range(count))


def host_of(request: SpiedRequest) -> str:
    return request.absoluteURI.decode().split("/")[2]


def bring(request: SpiedRequest, data: bytes = b"x") -> None:
    response = request.answer(length=len(data))
    response.feed(data)
    response.finish()


def refuse(request: SpiedRequest, code: int = 404) -> None:
    request.answer(code, length=0).finish()


def settle(clock: Clock) -> None:
    """Let everything happen that waits for a turn of the reactor, or for the next look ahead."""
    while any(c.getTime() <= clock.seconds() + READ_AHEAD_PAUSE for c in clock.getDelayedCalls()):
        clock.advance(READ_AHEAD_PAUSE)


def outcome(fetching: Deferred[Report]) -> Any:
    """The Report, the exception, or None while it is under way."""
    found: list[Any] = []
    fetching.addBoth(found.append)
    if not found:
        return None
    return found[0].value if isinstance(found[0], Failure) else found[0]


def serve(spy: AgentSpy, clock: Clock, fetching: Deferred[Report]) -> Report:
    """Bring every file until the run is over."""
    number = 0
    while not fetching.called:
        settle(clock)
        while number < len(spy.requests):
            bring(spy.requests[number])
            number += 1
    report = outcome(fetching)
    assert isinstance(report, Report)
    return report


# --- reading --------------------------------------------------------------------------------


def test_nothing_to_do(make: Make) -> None:
    report = outcome(make().fetch_all([]))
    assert report == Report()
    assert report.ok


def test_a_list(make: Make, spy: AgentSpy, clock: Clock, tmp_path: Path) -> None:
    results: list[Result] = []
    fetching = make().fetch_all(jobs_of("h", 100, tmp_path), results.append)
    clock.advance(3)
    report = serve(spy, clock, fetching)
    assert report == Report(complete=100, bytes=100, seconds=3.0)
    assert sorted(int(Path(r.path or "").name) for r in results) == list(range(100))
    assert len(list(tmp_path.iterdir())) == 100


def test_it_is_read_only_as_there_is_room(
    make: Make, spy: AgentSpy, clock: Clock, tmp_path: Path
) -> None:
    """With all slots taken nothing is read; each job that ends lets one more be read."""
    reader = Reader(jobs_of("h", 10**9, tmp_path))
    fetching = make(limits=Limits(total=4)).fetch_all(reader)
    settle(clock)
    assert reader.read == 4
    for done in range(1, 50):
        bring(spy.requests[done - 1])
        settle(clock)
        assert reader.read == 4 + done
    fetching.cancel()
    assert reader.read == 53
    assert isinstance(outcome(fetching), CancelledError)


def test_it_reads_on_past_a_busy_host_up_to_the_window(
    make: Make, spy: AgentSpy, clock: Clock, tmp_path: Path
) -> None:
    reader = Reader(jobs_of("h", 10**9, tmp_path))
    downloader = make()
    fetching = downloader.fetch_all(reader)
    settle(clock)
    assert len(spy.requests) == FIRST_JOBS
    assert reader.read == WINDOW
    bring(spy.requests[0])
    settle(clock)
    assert reader.read == WINDOW + 1
    fetching.cancel()
    assert isinstance(outcome(fetching), CancelledError)
    assert all(request.cancelled for request in spy.requests[1:])


@pytest.mark.parametrize("at_once", [True, False])
def test_an_asynchronous_list(
    make: Make, spy: AgentSpy, clock: Clock, tmp_path: Path, at_once: bool
) -> None:
    gates: list[Deferred[None]] = []

    async def jobs() -> AsyncIterator[Job]:
        for job in jobs_of("h", 20, tmp_path):
            if not at_once:
                gates.append(Deferred())
                await gates[-1]
            yield job

    fetching = make(limits=Limits(total=2)).fetch_all(jobs())
    for number in range(20):
        settle(clock)
        if not at_once:
            assert len(spy.requests) == number
            gates[number].callback(None)
        bring(spy.requests[number])
    settle(clock)
    if not at_once:
        assert len(gates) == 20
    assert outcome(fetching).complete == 20


def test_cancelling_while_the_list_is_waited_for(make: Make, tmp_path: Path) -> None:
    ended: list[type[BaseException]] = []

    async def jobs() -> AsyncIterator[Job]:
        try:
            await Deferred()
        except BaseException as error:
            ended.append(type(error))
            raise
        yield Job("http://h/")

    fetching = make().fetch_all(jobs())
    fetching.cancel()
    assert isinstance(outcome(fetching), CancelledError)
    assert ended == [CancelledError]


@pytest.mark.parametrize("error", [OSError("unreadable"), SystemExit(3)])
@pytest.mark.parametrize("asynchronous", [True, False])
def test_a_list_that_raises(
    make: Make, spy: AgentSpy, tmp_path: Path, error: BaseException, asynchronous: bool
) -> None:
    """What runs is cancelled, and what it raised is what is told."""

    def jobs() -> Iterator[Job]:
        yield from jobs_of("h", 3, tmp_path)
        raise error

    async def jobs_async() -> AsyncIterator[Job]:
        for job in jobs():
            yield job

    fetching = make().fetch_all(jobs_async() if asynchronous else jobs())
    assert outcome(fetching) is error
    assert [request.cancelled for request in spy.requests] == [True] * 3


def test_a_list_that_cannot_even_begin(make: Make) -> None:
    class Broken:
        def __iter__(self) -> Iterator[Job]:
            raise OSError("no such list")

    assert isinstance(outcome(make().fetch_all(Broken())), OSError)


@pytest.mark.parametrize("error", [ValueError("of the caller"), SystemExit(3)])
@pytest.mark.parametrize("when", ["at once", "later"])
def test_on_result_that_raises(
    make: Make, spy: AgentSpy, clock: Clock, tmp_path: Path, error: BaseException, when: str
) -> None:
    def tell(result: Result) -> None:
        raise error

    jobs = [*jobs_of("h", 5, tmp_path)]
    if when == "at once":
        jobs.append(Job("no url"))
    fetching = make().fetch_all(jobs, tell)
    if when == "later":
        bring(spy.requests[2])
    settle(clock)
    assert outcome(fetching) is error
    assert sum(request.cancelled for request in spy.requests) == (4 if when == "later" else 5)


def test_a_system_exit_that_meets_a_job_ends_the_run(
    make: Make, spy: AgentSpy, tmp_path: Path
) -> None:
    """It is not taken for a job that was cancelled on its own."""
    fetching = make().fetch_all(jobs_of("h", 3, tmp_path))
    spy.requests[1].fail(SystemExit(3))
    assert isinstance(outcome(fetching), SystemExit)
    assert spy.requests[0].cancelled
    assert spy.requests[2].cancelled


# --- who gets the slots ---------------------------------------------------------------------


def test_a_dead_host_in_front_keeps_no_other_waiting(
    make: Make, spy: AgentSpy, clock: Clock, tmp_path: Path
) -> None:
    """5,000 URLs that get no answer, then 100 of another host, which all end meanwhile."""

    def jobs() -> Iterator[Job]:
        yield from jobs_of("dead", 5000, tmp_path)
        yield from jobs_of("alive", 100, tmp_path)

    results: list[Result] = []
    fetching = make().fetch_all(jobs(), results.append)
    served = 0
    settle(clock)
    while alive := [r for r in spy.requests if host_of(r) == "alive"][served:]:
        served += len(alive)
        for request in alive:
            bring(request)
        settle(clock)
    assert (served, len(results)) == (100, 100)
    assert [host_of(r) for r in spy.requests].count("dead") == FIRST_JOBS
    fetching.cancel()
    assert isinstance(outcome(fetching), CancelledError)


def test_a_job_that_waits_to_try_again_lets_others_go_on(
    make: Make, spy: AgentSpy, clock: Clock, tmp_path: Path
) -> None:
    """Its slot is used for the next job at once, though no job has ended."""
    downloader = make(limits=Limits(total=1), retries=Retries(tries=9, wait=1000, max_wait=1000))
    fetching = downloader.fetch_all([*jobs_of("a", 1, tmp_path), *jobs_of("b", 2, tmp_path)])
    for number in range(3):
        settle(clock)
        assert len(spy.requests) == number + 1
        refuse(spy.requests[number], 503)
    fetching.cancel()
    assert isinstance(outcome(fetching), CancelledError)


def test_a_slot_given_back_by_others_is_used(
    make: Make, spy: AgentSpy, clock: Clock, tmp_path: Path
) -> None:
    """By a single fetch, by another list, and by a larger limit."""
    downloader = make(limits=Limits(total=1))
    single = downloader.fetch(Job("http://a/", str(tmp_path)))
    runs = [downloader.fetch_all(jobs_of(host, 1, tmp_path)) for host in "bcd"]
    hosts = []
    for number in range(3):
        settle(clock)
        hosts.append(host_of(spy.requests[number]))
        assert len(spy.requests) == number + 1
        if number < 2:
            bring(spy.requests[number])
    assert single.called
    downloader.limiter.resize(2)
    settle(clock)
    hosts.append(host_of(spy.requests[3]))
    bring(spy.requests[2])
    bring(spy.requests[3])
    settle(clock)
    assert sorted(hosts) == ["a", "b", "c", "d"]
    assert [outcome(run).complete for run in runs] == [1, 1, 1]


def test_fifteen_thousand_jobs_that_need_nothing_leave_the_reactor_its_turns(
    make: Make, clock: Clock, tmp_path: Path
) -> None:
    """Files that are there already, and lines that are no URL."""
    for number in range(5000):
        (tmp_path / str(number)).touch()
    jobs = [Job("no url"), Job("no url"), Job("no url")] * 5000
    jobs[::3] = jobs_of("h", 5000, tmp_path)
    results: list[Result] = []
    fetching = make(on_conflict=OnConflict.SKIP).fetch_all(jobs, results.append)
    counts = [0]

    def somebody_else() -> None:
        counts.append(len(results))
        if not fetching.called:
            clock.callLater(0, somebody_else)

    somebody_else()
    clock.advance(0)
    assert max(after - before for before, after in pairwise(counts)) <= A_TURN
    assert outcome(fetching) == Report(skipped=5000, failed=10_000)


# --- how jobs end ---------------------------------------------------------------------------


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


FATES = st.lists(st.sampled_from(["brought", "missing", "busy", "refused", "cancelled", "no url"]))


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(fates=FATES, seed=st.integers(0, 999), total=st.integers(1, 8))
def test_every_job_is_counted_once(
    tmp_path_factory: pytest.TempPathFactory, fates: list[str], seed: int, total: int
) -> None:
    """Whatever becomes of them and in whatever order they end."""
    order = Random(seed)
    clock, spy, out = Time(), AgentSpy(), tmp_path_factory.mktemp("out")
    downloader = Downloader(clock, agent=spy, limits=Limits(total=total), retries=ONCE)
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
