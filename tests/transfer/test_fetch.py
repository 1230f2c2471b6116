"""One job over any agent: what is tried again, what comes of it, and what its requests carry."""

from __future__ import annotations

import os
from collections.abc import Callable
from hashlib import new as new_hash
from pathlib import Path
from typing import Any

import pytest
from support.clean import LoggedFailures
from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.error import ConnectionRefusedError as Refused
from twisted.internet.error import DNSLookupError
from twisted.internet.task import Clock
from twisted.python.failure import Failure
from twisted.web.client import ResponseFailed
from twisted.web.http import PotentialDataLoss

from downloader import Downloader, Job, Naming, OnConflict, Result, Retries, Status, Timeouts
from downloader.errors import (
    BadName,
    BadResponse,
    BadUrl,
    ChecksumMismatch,
    Closed,
    ConnectError,
    DiskError,
    DownloadError,
    FirstByteTimeout,
    HttpError,
    InternalError,
    NotFound,
    ResolveError,
    ServerBusy,
    StallTimeout,
    TargetBusy,
    TargetExists,
    TotalTimeout,
    TruncatedBody,
    TryAgainLater,
    WrongRequest,
)
from downloader.testing import AgentSpy, SpiedResponse
from downloader.transfer.limiter import Slot

Make = Callable[..., Downloader]
URL = "http://one.example/a.bin"
ONCE = Retries(tries=1)


def take(fetching: Deferred[Result]) -> Result:
    """What a fetch has ended with; its failure is raised."""
    found: list[Any] = []
    fetching.addBoth(found.append)
    assert found, "it is still under way"
    if isinstance(found[0], Failure):
        raise found[0].value
    return found[0]


def error_of(fetching: Deferred[Result]) -> DownloadError:
    with pytest.raises(DownloadError) as caught:
        take(fetching)
    return caught.value


def give(response: SpiedResponse, data: bytes, error: BaseException | None = None) -> None:
    if data:
        response.feed(data)
    response.finish(error)


def refuse(spy: AgentSpy, code: int, headers: dict[str, str] | None = None) -> None:
    give(spy.requests[-1].answer(code, headers, length=0), b"")


def next_request(spy: AgentSpy, clock: Clock, within: float) -> float:
    """Let time pass until there is one more request; returns the seconds."""
    before, seconds = len(spy.requests), 0.0
    while len(spy.requests) == before:
        assert seconds < within, "no further request"
        clock.advance(0.25)
        seconds += 0.25
    return seconds


@pytest.fixture
def out(tmp_path: Path) -> str:
    return str(tmp_path / "out")


# --- what comes of it -----------------------------------------------------------------------


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


def test_a_checksum_proves_what_the_length_did_not(make: Make, spy: AgentSpy, out: str) -> None:
    fetching = make().fetch(Job(URL, out, checksum=digest("sha-256", b"abc")))
    give(spy.requests[0].answer(), b"abc", PotentialDataLoss())
    assert take(fetching).verified is True


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


def test_an_agent_that_never_answers(make: Make, spy: AgentSpy, clock: Clock, out: str) -> None:
    """An agent of somebody else may have no deadlines, so there is one in front of it."""
    timeouts = Timeouts(connect=3.0, first_byte=4.0)
    fetching = make(timeouts=timeouts, retries=ONCE).fetch(Job(URL, out))
    clock.advance(6.9)
    assert not spy.requests[0].cancelled
    clock.advance(0.2)
    assert spy.requests[0].cancelled
    assert type(error_of(fetching)) is FirstByteTimeout


# --- waiting --------------------------------------------------------------------------------


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


# --- mirrors --------------------------------------------------------------------------------

MIRRORS = ("http://two.example/other-name", "http://three.example/x")


def test_a_mirror_stands_in_for_a_dead_host(make: Make, spy: AgentSpy, out: str) -> None:
    """At once, without a wait; the name stays that of the first URL."""
    fetching = make().fetch(Job(URL, out, mirrors=MIRRORS))
    spy.requests[0].fail(Refused())
    refuse(spy, 404)
    give(spy.requests[2].answer(length=1), b"x")
    result = take(fetching)
    assert [r.absoluteURI.decode() for r in spy.requests] == [URL, *MIRRORS]
    assert (result.attempts, result.final_url, os.listdir(out)) == (3, MIRRORS[1], ["a.bin"])


def test_all_mirrors_bad(make: Make, spy: AgentSpy, clock: Clock, out: str) -> None:
    """What said no is not asked again; the error is that of the last that was asked."""
    fetching = make(retries=Retries(tries=3)).fetch(Job(URL, out, mirrors=MIRRORS[:1]))
    refuse(spy, 404)
    spy.requests[1].fail(Refused())
    for _ in range(2):
        next_request(spy, clock, within=10)
        spy.requests[-1].fail(Refused())
    error = error_of(fetching)
    assert (type(error), error.url, error.attempts) == (ConnectError, MIRRORS[0], 4)


def test_a_mirror_that_is_no_url(make: Make, spy: AgentSpy, out: str) -> None:
    fetching = make().fetch(Job(URL, out, mirrors=("ftp://two.example/x",)))
    refuse(spy, 404)
    assert type(error_of(fetching)) is BadUrl
    assert len(spy.requests) == 1


def test_each_mirror_counts_at_its_own_host(make: Make, spy: AgentSpy, out: str) -> None:
    downloader = make()
    fetching = downloader.fetch(Job(URL, out, mirrors=MIRRORS))
    spy.requests[0].fail(Refused())
    hold = [downloader.fetch(Job(f"http://one.example/{n}", out)) for n in range(6)]
    assert len(spy.requests) == 2 + 3  # half of the six that a host begins with
    for one in (fetching, *hold):
        one.addErrback(lambda failure: failure.trap(CancelledError))
        one.cancel()


# --- checksums ------------------------------------------------------------------------------


def digest(kind: str, data: bytes) -> str:
    return f"{kind}={new_hash(kind.replace('sha-', 'sha'), data).hexdigest()}"


KINDS = ["md5", "sha-1", "sha-224", "sha-256", "sha-384", "sha-512"]


@pytest.mark.parametrize("kind", KINDS)
def test_the_right_bytes(make: Make, spy: AgentSpy, out: str, kind: str) -> None:
    fetching = make().fetch(Job(URL, out, checksum=digest(kind, b"abc").upper()))
    response = spy.requests[0].answer(length=3)
    response.feed(b"a")
    give(response, b"bc")
    result = take(fetching)
    right = new_hash("sha256", b"abc").hexdigest() if kind == "sha-256" else None
    assert (result.status, result.sha256) == (Status.COMPLETE, right)


@pytest.mark.parametrize("kind", KINDS)
def test_the_wrong_bytes(make: Make, spy: AgentSpy, out: str, kind: str) -> None:
    """They are not kept under any name (CVE-2021-22922), and not asked for again."""
    fetching = make().fetch(Job(URL, out, checksum=digest(kind, b"abc")))
    give(spy.requests[0].answer(length=3), b"abd")
    error = error_of(fetching)
    assert type(error) is ChecksumMismatch
    assert error.attempts == 1
    assert os.listdir(out) == []


def test_each_mirror_must_bring_the_right_bytes(make: Make, spy: AgentSpy, out: str) -> None:
    job = Job(URL, out, mirrors=MIRRORS, checksum=digest("sha-256", b"abc"))
    fetching = make().fetch(job)
    give(spy.requests[0].answer(length=3), b"bad")
    assert os.listdir(out) == []
    give(spy.requests[1].answer(length=2), b"ab")
    give(spy.requests[2].answer(length=3), b"abc")
    assert take(fetching).attempts == 3
    assert Path(out, "a.bin").read_bytes() == b"abc"


@pytest.mark.parametrize("text", ["sha-256", "sha-256=abc", "crc32=00000000", "=", ""])
def test_what_is_no_checksum(make: Make, spy: AgentSpy, out: str, text: str) -> None:
    """Said before anything is asked, and no bug."""
    assert type(error_of(make().fetch(Job(URL, out, checksum=text)))) is WrongRequest
    assert spy.requests == []


# --- names ----------------------------------------------------------------------------------


def test_the_server_is_not_asked_for_a_name(make: Make, spy: AgentSpy, out: str) -> None:
    fetching = make().fetch(Job(URL, out))
    give(spy.requests[0].answer(200, {"Content-Disposition": "filename=evil"}, 1), b"x")
    assert take(fetching).path == f"{out}/a.bin"


@pytest.mark.parametrize(
    ("header", "name"),
    [
        ("attachment; filename=report.pdf", "report.pdf"),
        ("attachment; filename*=UTF-8''na%C3%AFve.txt; filename=x", "na\u00efve.txt"),
        ('attachment; filename="../../etc/passwd"', "passwd"),
        ('attachment; filename="..\\\\..\\\\boot.ini"', "boot.ini"),
        ('attachment; filename="/etc/cron.d/x"', "x"),
        ("attachment; filename=.bashrc", "_bashrc"),
        ("attachment; filename=..", "a.bin"),
        ("attachment", "a.bin"),
        ("", "a.bin"),
    ],
)
def test_unless_it_is(make: Make, spy: AgentSpy, out: str, header: str, name: str) -> None:
    """Then it is a name in the directory and no path (CVE-2019-20916, CVE-2010-3842)."""
    fetching = make(content_disposition=True).fetch(Job(URL, out))
    give(spy.requests[0].answer(200, {"Content-Disposition": header}, 1), b"x")
    assert take(fetching).path == f"{out}/{name}"
    assert os.listdir(out) == [name]


def test_the_jobs_own_name_wins(make: Make, spy: AgentSpy, out: str) -> None:
    fetching = make(content_disposition=True).fetch(Job(URL, out, name="mine"))
    give(spy.requests[0].answer(200, {"Content-Disposition": "filename=theirs"}, 1), b"x")
    assert take(fetching).path == f"{out}/mine"


def test_an_offered_name_that_is_taken_keeps_its_number_in_the_next_try(
    make: Make, spy: AgentSpy, clock: Clock, out: str
) -> None:
    """Else the part file of the first try would be left behind."""
    os.mkdir(out)
    Path(out, "b").touch()
    fetching = make(content_disposition=True).fetch(Job(URL, out))
    offer = {"Content-Disposition": "attachment; filename=b"}
    give(spy.requests[0].answer(200, offer, 9), b"x")
    assert sorted(os.listdir(out)) == ["b", "b.1.part"]
    next_request(spy, clock, within=10)
    give(spy.requests[1].answer(200, offer, 1), b"x")
    assert take(fetching).path == f"{out}/b.1"
    assert sorted(os.listdir(out)) == ["b", "b.1"]


@pytest.mark.parametrize("name", ["../x", "/etc/x", "a/../../x", "..", "x\0", "a\\b", ""])
def test_a_name_that_leads_elsewhere(make: Make, spy: AgentSpy, out: str, name: str) -> None:
    for job in (Job(URL, out, name=name), Job(URL, out, subdirectory=f"/{name}")):
        assert type(error_of(make().fetch(job))) is BadName
    assert not os.path.exists(out)


def test_a_tree(make: Make, spy: AgentSpy, out: str) -> None:
    fetching = make(naming=Naming.TREE).fetch(Job("http://one.example/x/%2e%2e/y.html", out))
    give(spy.requests[0].answer(length=0), b"")
    assert take(fetching).path == f"{out}/one.example/x/y.html"


def test_renaming_when_the_name_was_taken_meanwhile(make: Make, spy: AgentSpy, out: str) -> None:
    fetching = make().fetch(Job(URL, out))
    response = spy.requests[0].answer(length=4)
    response.feed(b"ou")
    Path(out, "a.bin").write_bytes(b"theirs")
    Path(out, "a.1.bin").write_bytes(b"theirs too")
    give(response, b"rs")
    assert take(fetching).path == f"{out}/a.2.bin"
    assert sorted(os.listdir(out)) == ["a.1.bin", "a.2.bin", "a.bin"]
    assert Path(out, "a.bin").read_bytes() == b"theirs"
    assert Path(out, "a.2.bin").read_bytes() == b"ours"


def test_renaming_when_the_name_was_taken_before(make: Make, spy: AgentSpy, out: str) -> None:
    os.mkdir(out)
    Path(out, "a.bin").write_bytes(b"theirs")
    fetching = make().fetch(Job(URL, out))
    give(spy.requests[0].answer(length=1), b"x")
    assert take(fetching).path == f"{out}/a.1.bin"


def test_skipping_asks_nobody(make: Make, spy: AgentSpy, out: str) -> None:
    os.mkdir(out)
    Path(out, "a.bin").symlink_to("nowhere")
    result = take(make(on_conflict=OnConflict.SKIP).fetch(Job(URL, out)))
    assert (result.status, type(result.error)) == (Status.REMOVED, TargetExists)
    assert spy.requests == []


def test_skipping_when_the_name_was_taken_meanwhile(make: Make, spy: AgentSpy, out: str) -> None:
    """It is not replaced; the bytes that came stay beside it."""
    fetching = make(on_conflict=OnConflict.SKIP).fetch(Job(URL, out))
    response = spy.requests[0].answer(length=4)
    Path(out, "a.bin").write_bytes(b"theirs")
    give(response, b"ours")
    assert type(error_of(fetching)) is TargetExists
    assert Path(out, "a.bin").read_bytes() == b"theirs"
    assert Path(out, "a.bin.part").read_bytes() == b"ours"


@pytest.mark.parametrize("again", [False, True])
def test_a_directory_that_is_removed_between_two_files(
    make: Make, spy: AgentSpy, out: str, again: bool
) -> None:
    """It is made again, and the file is in the one that its path leads to."""
    downloader = make()
    for number in (0, 1):
        fetching = downloader.fetch(Job(URL, out))
        give(spy.requests[number].answer(length=1), b"x")
        assert Path(take(fetching).path or "").read_bytes() == b"x"
        if number == 0:
            os.unlink(f"{out}/a.bin")
            os.rmdir(out)
            if again:
                os.mkdir(out)


def test_overwriting_at_the_end_and_only_then(make: Make, spy: AgentSpy, out: str) -> None:
    os.mkdir(out)
    Path(out, "a.bin").write_bytes(b"theirs")
    downloader = make(on_conflict=OnConflict.OVERWRITE, retries=ONCE)
    fetching = downloader.fetch(Job(URL, out))
    give(spy.requests[0].answer(length=9), b"trunc")
    assert type(error_of(fetching)) is TruncatedBody
    assert Path(out, "a.bin").read_bytes() == b"theirs"
    fetching = downloader.fetch(Job(URL, out))
    give(spy.requests[1].answer(length=4), b"ours")
    assert take(fetching).path == f"{out}/a.bin"
    assert Path(out, "a.bin").read_bytes() == b"ours"


def test_two_downloads_of_one_name_at_once(make: Make, spy: AgentSpy, out: str) -> None:
    downloader = make()
    both = [downloader.fetch(Job(URL, out)) for _ in range(2)]
    for request in reversed(spy.requests):
        give(request.answer(length=1), b"x")
    assert [take(one).path for one in both] == [f"{out}/a.bin", f"{out}/a.1.bin"]


def test_two_programs_and_one_name(make: Make, spy: AgentSpy, out: str) -> None:
    """The second is told so and disturbs nothing; it is not a bug of anybody's."""
    both = [make().fetch(Job(URL, out)) for _ in range(2)]
    first = spy.requests[0].answer(length=2)
    first.feed(b"o")
    second = spy.requests[1].answer(length=2)
    give(second, b"xx")
    assert type(error_of(both[1])) is TargetBusy
    give(first, b"k")
    assert take(both[0]).path == f"{out}/a.bin"
    assert Path(out, "a.bin").read_bytes() == b"ok"


@pytest.mark.parametrize("directory", ["file", "file/below"])
def test_a_directory_that_is_a_file(
    make: Make, spy: AgentSpy, tmp_path: Path, directory: str
) -> None:
    (tmp_path / "file").write_bytes(b"theirs")
    fetching = make().fetch(Job(URL, str(tmp_path / directory)))
    response = spy.requests[0].answer(length=10**6)
    assert type(error_of(fetching)) is DiskError
    assert response.transport.calls == ["abortConnection"]
    assert (tmp_path / "file").read_bytes() == b"theirs"


# --- what requests carry --------------------------------------------------------------------


def sent(spy: AgentSpy, number: int, name: str) -> list[str] | None:
    values = spy.requests[number].headers.getRawHeaders(name.encode())
    return None if values is None else [value.decode() for value in values]


def test_headers_of_the_run_go_to_everybody(make: Make, spy: AgentSpy, out: str) -> None:
    downloader = make(headers=[("X-Run", "1"), ("x-run", "2"), ("user-agent", "me")], retries=ONCE)
    fetching = downloader.fetch(Job(URL, out, mirrors=MIRRORS))
    refuse(spy, 404)
    refuse(spy, 404)
    refuse(spy, 404)
    error_of(fetching)
    for number in range(3):
        assert sent(spy, number, "X-Run") == ["1", "2"]
        assert sent(spy, number, "User-Agent") == ["me"]
        assert sent(spy, number, "Accept-Encoding") == ["identity"]


def test_headers_of_a_job_go_to_its_own_origin(make: Make, spy: AgentSpy, out: str) -> None:
    """Not to mirrors elsewhere: another host, another port or another scheme is elsewhere."""
    mirrors = ("http://one.example/b", "http://one.example:81/a", "https://one.example/a",
               "http://two.example/a")  # fmt: skip
    headers = (("Cookie", "a"), ("cookie", "b"), ("X-Key", "k"), ("User-Agent", "me"))
    fetching = make(retries=ONCE).fetch(Job(URL, out, mirrors=mirrors, headers=headers))
    for _ in range(5):
        refuse(spy, 404)
    error_of(fetching)
    keys = [sent(spy, number, "X-Key") for number in range(5)]
    assert keys == [["k"], ["k"], None, None, None]
    cookies = [sent(spy, number, "Cookie") for number in range(5)]
    assert cookies == [["a", "b"], ["a", "b"], None, None, None]
    assert sent(spy, 0, "User-Agent") == ["me"]


def test_one_job_does_not_leak_into_the_next(make: Make, spy: AgentSpy, out: str) -> None:
    downloader = make(retries=ONCE)
    first = downloader.fetch(Job("http://u:p@one.example/a", out, headers=(("X-Key", "k"),)))
    refuse(spy, 404)
    error_of(first)
    second = downloader.fetch(Job("http://one.example/b", out))
    refuse(spy, 404)
    error_of(second)
    assert (sent(spy, 1, "X-Key"), sent(spy, 1, "Authorization")) == (None, None)


def test_user_and_password_become_basic_auth_and_are_nowhere_else(
    make: Make, spy: AgentSpy, out: str
) -> None:
    """RFC 7617; what is percent-encoded in the URL is sent decoded."""
    url = "http://Aladdin:open%20sesame@one.example/a"
    fetching = make(retries=ONCE).fetch(Job(url, out, mirrors=("http://two.example/a",)))
    assert sent(spy, 0, "Authorization") == ["Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ=="]
    assert spy.requests[0].absoluteURI == b"http://one.example/a"
    refuse(spy, 401)
    assert sent(spy, 1, "Authorization") is None
    refuse(spy, 404)
    assert "sesame" not in repr(error_of(fetching))


@pytest.mark.parametrize("phase", ["request", "name", "url"])
def test_no_error_or_result_shows_a_password(
    make: Make, spy: AgentSpy, out: str, phase: str
) -> None:
    url = "http://Aladdin:sesame@one.example/a" + ("\x7f" if phase == "url" else "")
    name = "../x" if phase == "name" else None
    fetching = make(retries=ONCE).fetch(Job(url, out, name=name))
    if phase == "request":
        spy.requests[0].fail(Refused("at the door"))
    error = error_of(fetching)
    assert "sesame" not in f"{error} {error!r} {error.url} {error.detail} {error.__cause__}"


def test_the_result_shows_no_password(make: Make, spy: AgentSpy, out: str) -> None:
    fetching = make().fetch(Job("http://u:sesame@one.example/a?token=sesame", out))
    give(spy.requests[0].answer(length=0), b"")
    result = take(fetching)
    assert "sesame" not in f"{result.final_url} {result.path}"


@pytest.mark.parametrize("name", ["", "two words", "na\u00efve", "a:b", "a\r\nX-Evil"])
def test_what_is_no_header(make: Make, spy: AgentSpy, out: str, name: str) -> None:
    """Nothing is asked, and the value, which may be a secret, is not shown."""
    error = error_of(make().fetch(Job(URL, out, headers=((name, "sesame"),))))
    assert type(error) is WrongRequest
    assert "sesame" not in str(error)
    assert spy.requests == []


def test_a_header_cannot_bring_another(make: Make, spy: AgentSpy, out: str) -> None:
    """CVE-2019-12387: what would end the line does not reach the wire."""
    fetching = make(retries=ONCE).fetch(Job(URL, out, headers=(("X-Key", "a\r\nX-Evil: b"),)))
    assert not any("\n" in value or "\r" in value for value in sent(spy, 0, "X-Key") or [""])
    refuse(spy, 404)
    error_of(fetching)


# --- agents with bugs -----------------------------------------------------------------------


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
