"""A list of any length: read as there is room, no host in the way of others."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from itertools import pairwise
from pathlib import Path

import pytest
from support.listing import (
    Make,
    Reader,
    bring,
    host_of,
    jobs_of,
    outcome,
    refuse,
    serve,
    settle,
)
from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.task import Clock

from downloader import (
    Job,
    Limits,
    OnConflict,
    Report,
    Result,
    Retries,
)
from downloader.sansio.governor import FIRST_JOBS
from downloader.sansio.window import WINDOW
from downloader.testing import AgentSpy
from downloader.transfer.run import A_TURN, READ_AHEAD_PAUSE

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


def test_reading_ahead_takes_its_time(
    make: Make, spy: AgentSpy, clock: Clock, tmp_path: Path
) -> None:
    """A turn's worth, then a pause, whatever ends meanwhile: a list is not read for one host."""
    reader = Reader(jobs_of("h", 10**9, tmp_path))
    fetching = make().fetch_all(reader)
    for number in range(3):
        read, started = reader.read, len(spy.requests)
        bring(spy.requests[number])
        assert len(spy.requests) > started
        clock.advance(READ_AHEAD_PAUSE * 0.9)
        assert reader.read == read
        clock.advance(READ_AHEAD_PAUSE * 0.2)
        assert read < reader.read <= read + A_TURN
    fetching.cancel()
    assert isinstance(outcome(fetching), CancelledError)


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


def test_a_job_that_waits_for_its_mirrors_host_lets_others_go_on(
    make: Make, spy: AgentSpy, clock: Clock, tmp_path: Path
) -> None:
    """Between two URLs of a job its slot of the total is free, though there is no wait."""
    jobs = [
        Job("http://b/slow", str(tmp_path)),
        Job("http://a/x", str(tmp_path), mirrors=("http://b/x",)),
        Job("http://c/x", str(tmp_path)),
    ]
    fetching = make(limits=Limits(total=2, per_host=1)).fetch_all(jobs)
    settle(clock)
    refuse(spy.requests[1], 404)
    settle(clock)
    assert [host_of(request) for request in spy.requests] == ["b", "a", "c"]
    fetching.cancel()
    assert isinstance(outcome(fetching), CancelledError)


def test_two_lists_take_turns(make: Make, spy: AgentSpy, clock: Clock, tmp_path: Path) -> None:
    """A short list does not wait for the end of a long one that was there before."""
    downloader = make(limits=Limits(total=4))
    long = downloader.fetch_all(jobs_of("long", 600, tmp_path))
    short = downloader.fetch_all(jobs_of("short", 1, tmp_path))
    ended = 0
    while not short.called:
        settle(clock)
        bring(spy.requests[ended])
        ended += 1
    asked = [host_of(request) for request in spy.requests].index("short")
    assert asked <= 4 + 2
    long.cancel()
    assert (outcome(short).complete, type(outcome(long))) == (1, CancelledError)


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


@pytest.mark.parametrize("asynchronous", [False, True])
def test_a_source_that_has_nothing_yet(
    make: Make, spy: AgentSpy, clock: Clock, tmp_path: Path, asynchronous: bool
) -> None:
    """None is no job, and no end: the others get their turns and it is asked again."""
    read: list[int] = []

    def source() -> Iterator[Job | None]:
        for number in range(A_TURN * 3):
            read.append(number)
            yield None
        yield from jobs_of("h", 1, tmp_path)

    async def later() -> AsyncIterator[Job | None]:
        for item in source():
            yield item

    fetching = make().fetch_all(later() if asynchronous else source())
    assert len(read) <= A_TURN
    settle(clock)
    report = serve(spy, clock, fetching)
    assert report.lines == report.complete == 1


def test_heavy_jobs_fill_the_window_sooner(
    make: Make, spy: AgentSpy, clock: Clock, tmp_path: Path
) -> None:
    """A list with a megabyte of headers for each line does not end in memory."""
    heavy = (("X", "a" * (WINDOW // 16 * 1024)),)
    reader = Reader(
        Job(f"http://h/{number}", str(tmp_path), headers=heavy) for number in range(1000)
    )
    fetching = make(limits=Limits(total=64)).fetch_all(reader)
    clock.advance(10)
    assert reader.read <= 17
    fetching.addErrback(lambda failure: failure.trap(CancelledError))
    fetching.cancel()
