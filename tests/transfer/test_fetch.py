"""One job over any agent: what is tried again, how long it waits, and what comes of it."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from support.clean import LoggedFailures
from support.playing import ONCE, URL, error_of, give, next_request, refuse, take
from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.error import ConnectionRefusedError as Refused
from twisted.internet.error import DNSLookupError
from twisted.internet.task import Clock
from twisted.python.failure import Failure
from twisted.web.client import ResponseFailed, ResponseNeverReceived
from twisted.web.http import PotentialDataLoss

from downloader import Downloader, Job, Limits, Result, Retries, Status, Timeouts
from downloader.errors import (
    BadResponse,
    BadUrl,
    Closed,
    ConnectError,
    DiskError,
    DownloadError,
    FirstByteTimeout,
    HttpError,
    InternalError,
    Interrupted,
    NotFound,
    ResolveError,
    ServerBusy,
    StallTimeout,
    TotalTimeout,
    TruncatedBody,
    TryAgainLater,
    WrongRequest,
)
from downloader.testing import AgentSpy
from downloader.transfer.limiter import Slot

Make = Callable[..., Downloader]


# --- what comes of it ----------------------------------------------------------------------------


@pytest.mark.parametrize("status", [200, 203])
def test_a_file_and_its_result(
    make: Make, spy: AgentSpy, clock: Clock, out: str, status: int
) -> None:
    job = Job(URL, out, line=7)
    fetching = make().fetch(job)
    response = spy.requests[0].answer(status, length=6)
    response.feed(b"abc")
    assert os.listdir(out) == ["a.bin.part"]
    clock.advance(1.5)
    give(response, b"def")
    assert take(fetching) == Result(
        job, Status.COMPLETE, f"{out}/a.bin", URL, status, 6, 1.5, attempts=1
    )
    assert Path(out, "a.bin").read_bytes() == b"abcdef"
    assert os.listdir(out) == ["a.bin"]


def test_no_length_and_no_end_is_unverified(make: Make, spy: AgentSpy, out: str) -> None:
    fetching = make().fetch(Job(URL, out))
    give(spy.requests[0].answer(), b"abc", PotentialDataLoss())
    result = take(fetching)
    assert (result.status, result.verified, result.bytes) == (Status.COMPLETE, False, 3)


@pytest.mark.parametrize(
    ("status", "ours"),
    [(404, NotFound), (410, NotFound)]
    + [(code, HttpError) for code in (400, 401, 403, 405, 406, 416, 421, 451)]
    + [(code, BadResponse) for code in (204, 206, 301, 304, 600)],
)
def test_a_status_that_is_final(
    make: Make, spy: AgentSpy, out: str, status: int, ours: type[DownloadError]
) -> None:
    fetching = make().fetch(Job(URL, out))
    refuse(spy, status)
    error = error_of(fetching)
    assert type(error) is ours
    assert (error.http_status, error.attempts, error.url) == (status, 1, URL)
    assert str(status) in str(error)
    assert not os.path.exists(out)


@pytest.mark.parametrize("status", [408, 425, 429, 500, 502, 503, 504])
def test_a_status_that_may_pass(
    make: Make, spy: AgentSpy, clock: Clock, out: str, status: int
) -> None:
    fetching = make(retries=Retries(tries=3)).fetch(Job(URL, out))
    for _ in range(2):
        refuse(spy, status)
        next_request(spy, clock, within=10)
    refuse(spy, status)
    error = error_of(fetching)
    assert type(error) is ServerBusy
    assert (error.http_status, error.attempts) == (status, 3)


TRANSIENT = [
    (Refused(), ConnectError),
    (DNSLookupError(), ResolveError),
    (FirstByteTimeout(), FirstByteTimeout),
    (TruncatedBody(), TruncatedBody),
]


@pytest.mark.parametrize(("fault", "ours"), TRANSIENT)
def test_a_fault_that_may_pass_is_tried_again(
    make: Make, spy: AgentSpy, clock: Clock, out: str, fault: Exception, ours: type[DownloadError]
) -> None:
    assert issubclass(ours, TryAgainLater)
    fetching = make(retries=Retries(tries=2)).fetch(Job(URL, out))
    spy.requests[0].fail(fault)
    next_request(spy, clock, within=10)
    give(spy.requests[1].answer(length=1), b"x")
    assert (take(fetching).attempts, Path(out, "a.bin").read_bytes()) == (2, b"x")


@pytest.mark.parametrize(
    "fault", [BadUrl("x"), BadResponse(), WrongRequest(), DiskError(), Closed()]
)
def test_a_fault_that_is_final_is_not(
    make: Make, spy: AgentSpy, out: str, fault: DownloadError
) -> None:
    fetching = make().fetch(Job(URL, out))
    spy.requests[0].fail(fault)
    assert error_of(fetching) is fault
    assert fault.attempts == 1


def test_a_truncated_body_is_begun_anew(make: Make, spy: AgentSpy, clock: Clock, out: str) -> None:
    """The second answer may be of another version, so nothing of the first is kept."""
    fetching = make().fetch(Job(URL, out))
    give(spy.requests[0].answer(length=9), b"first")
    assert Path(out, "a.bin.part").read_bytes() == b"first"
    next_request(spy, clock, within=10)
    give(spy.requests[1].answer(length=3), b"new")
    assert take(fetching).attempts == 2
    assert Path(out, "a.bin").read_bytes() == b"new"
    assert os.listdir(out) == ["a.bin"]


@pytest.mark.parametrize("begun", [True, False], ids=["with a part", "with nothing"])
def test_one_that_was_interrupted_asks_again_at_once(
    make: Make, spy: AgentSpy, out: str, begun: bool
) -> None:
    """Another was cancelled on its connection: no wait, no try spent, none of the host's slots."""
    downloader = make(retries=ONCE)
    fetching = downloader.fetch(Job(URL, out))
    for number in range(3):
        assert len(spy.requests) == number + 1
        if begun:
            response = spy.requests[-1].answer(length=9)
            give(response, b"first", ResponseFailed([Failure(Interrupted())], response))
        else:
            spy.requests[-1].fail(ResponseNeverReceived([Failure(Interrupted())]))
    give(spy.requests[-1].answer(length=3), b"new")
    assert take(fetching).attempts == 1
    assert Path(out, "a.bin").read_bytes() == b"new" and os.listdir(out) == ["a.bin"]


def test_an_interruption_is_not_held_against_the_host(
    make: Make, spy: AgentSpy, clock: Clock, out: str
) -> None:
    """As many jobs of it run afterwards as before."""
    downloader = make()
    jobs = [downloader.fetch(Job(f"http://one.example/{n}", out)) for n in range(8)]
    assert len(spy.requests) == 6
    spy.requests[0].fail(ResponseNeverReceived([Failure(Interrupted())]))
    assert len(spy.requests) == 7
    for job in jobs:
        job.addErrback(lambda failure: failure.trap(CancelledError)).cancel()


def test_a_body_truncated_to_the_last_leaves_its_part(make: Make, spy: AgentSpy, out: str) -> None:
    fetching = make(retries=ONCE).fetch(Job(URL, out))
    response = spy.requests[0].answer(length=9)
    give(response, b"first", ResponseFailed([Failure(Refused())], response))
    assert type(error_of(fetching)) is ConnectError
    assert os.listdir(out) == ["a.bin.part"]


def test_a_stall_is_tried_again(make: Make, spy: AgentSpy, clock: Clock, out: str) -> None:
    timeouts = Timeouts(stall=4.0)
    fetching = make(timeouts=timeouts, retries=Retries(tries=2)).fetch(Job(URL, out))
    for _ in range(2):
        response = spy.requests[-1].answer(length=9)
        response.feed(b"x")
        clock.pump([1.0] * 12)
        assert response.transport.calls == ["abortConnection"]
    assert type(error_of(fetching)) is StallTimeout
    assert len(spy.requests) == 2


def test_a_stalled_body_is_aborted_before_the_next_job_asks(
    make: Make, spy: AgentSpy, clock: Clock, out: str
) -> None:
    """With one connection for both it would wait for what nobody reads any more."""
    told: list[list[str]] = []

    class Next(AgentSpy):
        def request(self, *arguments: Any) -> Any:
            told.append(response.transport.calls.copy() if spy.requests else [])
            return spy.request(*arguments)

    downloader = make(agent=Next(), limits=Limits(total=1), retries=ONCE)
    first, second = (downloader.fetch(Job(f"{URL}?{n}", out)) for n in range(2))
    response = spy.requests[0].answer(length=9)
    for _ in range(5):
        clock.advance(15)
    assert type(error_of(first)) is StallTimeout
    assert told == [[], ["abortConnection"]]
    give(spy.requests[1].answer(length=1), b"x")
    assert take(second).attempts == 1


def test_an_agent_that_never_answers(make: Make, spy: AgentSpy, clock: Clock, out: str) -> None:
    """An agent of somebody else may have no deadlines, so there is one in front of it."""
    timeouts = Timeouts(connect=3.0, first_byte=4.0)
    fetching = make(timeouts=timeouts, retries=ONCE).fetch(Job(URL, out))
    clock.advance(6.9)
    assert not spy.requests[0].cancelled
    clock.advance(0.2)
    assert spy.requests[0].cancelled
    assert type(error_of(fetching)) is FirstByteTimeout


# --- waiting -------------------------------------------------------------------------------------


def test_waits_grow_up_to_a_bound_and_differ(
    make: Make, spy: AgentSpy, clock: Clock, out: str
) -> None:
    downloader = make(retries=Retries(tries=12, wait=2.0, max_wait=20.0))
    fetching = downloader.fetch(Job(URL, out))
    waits = []
    for _ in range(11):
        spy.requests[-1].fail(Refused())
        waits.append(next_request(spy, clock, within=30))
    spy.requests[-1].fail(Refused())
    assert error_of(fetching).attempts == 12
    assert 2.0 <= waits[0] <= 4.5
    assert waits[0] < waits[4] < waits[10] <= 22.5
    assert len(set(waits)) > 3


def test_no_wait_is_no_wait(make: Make, spy: AgentSpy, out: str) -> None:
    fetching = make(retries=Retries(tries=3, wait=0.0)).fetch(Job(URL, out))
    for _ in range(3):
        spy.requests[-1].fail(Refused())
    assert error_of(fetching).attempts == 3


@pytest.mark.parametrize(
    ("value", "seconds"),
    [("5", 5), ("0", 0), ("-5", 0), ("soon", 0), ("1e308", 0), ("9" * 300, 30),
     ("Fri, 31 Dec 9999 23:59:59 GMT", 30), ("Sun, 06 Nov 1994 08:49:37 GMT", 0)],
)  # fmt: skip
def test_retry_after_is_obeyed_up_to_its_cap(
    make: Make, spy: AgentSpy, clock: Clock, out: str, value: str, seconds: float
) -> None:
    downloader = make(retries=Retries(tries=2, wait=0.25, retry_after_cap=30.0))
    fetching = downloader.fetch(Job(URL, out))
    refuse(spy, 503, {"Retry-After": value})
    waited = next_request(spy, clock, within=40)
    assert seconds <= waited <= seconds + 0.75
    fetching.cancel()
    with pytest.raises(CancelledError):
        take(fetching)


def test_a_job_that_waits_holds_no_slot(make: Make, spy: AgentSpy, out: str) -> None:
    downloader = make()
    fetching = downloader.fetch(Job(URL, out))
    (transfer,) = downloader.active()
    assert transfer.status is Status.ACTIVE
    spy.requests[0].fail(Refused())
    assert downloader.limiter.idle
    assert transfer.status is Status.WAITING
    assert repr(transfer) == "<Transfer 'a.bin' waiting after 1 requests>"
    fetching.cancel()
    with pytest.raises(CancelledError):
        take(fetching)


@pytest.mark.parametrize("phase", ["asked", "body", "retry", "slot"])
def test_the_total_time_covers_every_wait(
    make: Make, spy: AgentSpy, clock: Clock, out: str, phase: str
) -> None:
    downloader = make(timeouts=Timeouts(total=20.0), retries=Retries(tries=9, wait=50.0))
    if phase == "slot":
        downloader.limiter.resize(1)
        holding = Deferred.fromCoroutine(downloader.limiter.acquire("two.example:80"))
    fetching = downloader.fetch(Job(URL, out))
    if phase == "body":
        spy.requests[0].answer(length=9).feed(b"x")
    elif phase == "retry":
        spy.requests[0].fail(Refused())
    clock.advance(19.9)
    assert not fetching.called
    clock.advance(0.2)
    error = error_of(fetching)
    assert type(error) is TotalTimeout
    assert error.attempts == (0 if phase == "slot" else 1)
    if phase == "slot":
        holding.addCallback(Slot.release)


# --- agents with bugs ----------------------------------------------------------------------------


class Buggy:
    """An agent that raises instead of returning a Deferred."""

    def request(self, *arguments: Any) -> Any:
        raise ZeroDivisionError("of the agent")


def test_an_agent_that_raises(make: Make, out: str, logged_failures: LoggedFailures) -> None:
    """A bug is told as one, logged once with its traceback, and not met again and again."""
    error = error_of(make(agent=Buggy()).fetch(Job(URL, out)))
    assert type(error) is InternalError
    assert isinstance(error.__cause__, ZeroDivisionError)
    assert error.attempts == 1
    assert len(logged_failures.flush(ZeroDivisionError)) == 1


def test_an_agent_that_fails_with_what_nobody_knows(
    make: Make, spy: AgentSpy, out: str, logged_failures: LoggedFailures
) -> None:
    fetching = make().fetch(Job(URL, out))
    spy.requests[0].fail(KeyError("of the agent"))
    assert type(error_of(fetching)) is InternalError
    assert len(logged_failures.flush(KeyError)) == 1


def test_a_body_that_fails_with_what_nobody_knows(
    make: Make, spy: AgentSpy, out: str, logged_failures: LoggedFailures
) -> None:
    fetching = make().fetch(Job(URL, out))
    give(spy.requests[0].answer(length=9), b"x", KeyError("of the agent"))
    assert type(error_of(fetching)) is InternalError
    assert len(logged_failures.flush(KeyError)) == 1


def test_a_cancelled_job_that_gets_its_slot_taken_does_not_go_on(
    make: Make, spy: AgentSpy, clock: Clock, out: str
) -> None:
    """Whoever gets the slot ends at once and cancels the job that is just giving it."""
    downloader = make()
    downloader.limiter.resize(1)
    first = downloader.fetch(Job(URL, out))
    second = downloader.fetch(Job("http://two.example/x", out, headers=(("no header", ""),)))
    second.addErrback(lambda _: first.cancel())
    spy.requests[0].fail(Refused())
    with pytest.raises(CancelledError):
        take(first)
    assert downloader.limiter.idle
    clock.advance(1000)
    assert len(spy.requests) == 1


def test_a_host_that_refuses_well_earns_slots(make: Make, spy: AgentSpy, out: str) -> None:
    """404 after 404 is no reason to ask six at a time for ever."""
    downloader = make()
    jobs = [Job(f"{URL}?{number}", out) for number in range(12)]
    run = downloader.fetch_all(jobs)
    assert len(spy.requests) == 6
    give(spy.requests[0].answer(404, {}, length=0), b"")
    assert len(spy.requests) == 8
    run.addErrback(lambda failure: failure.trap(CancelledError))
    run.cancel()
