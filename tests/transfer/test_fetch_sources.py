"""Where a job's bytes come from: mirrors, checksums, and what is sent to whom."""

from __future__ import annotations

import os
from collections.abc import Callable
from hashlib import new as new_hash
from pathlib import Path

import pytest
from support.playing import ONCE, URL, error_of, give, next_request, refuse, take
from twisted.internet.defer import CancelledError
from twisted.internet.error import ConnectionRefusedError as Refused
from twisted.internet.task import Clock
from twisted.web.http import PotentialDataLoss

from downloader import Downloader, Job, Retries, Status
from downloader.errors import (
    BadUrl,
    ChecksumMismatch,
    ConnectError,
    WrongRequest,
)
from downloader.testing import AgentSpy

Make = Callable[..., Downloader]


# --- mirrors -------------------------------------------------------------------------------------

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


# --- checksums -----------------------------------------------------------------------------------


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
    assert not os.path.exists(out) or os.listdir(out) == []


def test_each_mirror_must_bring_the_right_bytes(make: Make, spy: AgentSpy, out: str) -> None:
    job = Job(URL, out, mirrors=MIRRORS, checksum=digest("sha-256", b"abc"))
    fetching = make().fetch(job)
    give(spy.requests[0].answer(length=3), b"bad")
    assert not os.path.exists(out) or os.listdir(out) == []
    give(spy.requests[1].answer(length=2), b"ab")
    give(spy.requests[2].answer(length=3), b"abc")
    assert take(fetching).attempts == 3
    assert Path(out, "a.bin").read_bytes() == b"abc"


def test_a_checksum_proves_what_the_length_did_not(make: Make, spy: AgentSpy, out: str) -> None:
    fetching = make().fetch(Job(URL, out, checksum=digest("sha-256", b"abc")))
    give(spy.requests[0].answer(), b"abc", PotentialDataLoss())
    assert take(fetching).verified is True


@pytest.mark.parametrize("text", ["sha-256", "sha-256=abc", "crc32=00000000", "=", ""])
def test_what_is_no_checksum(make: Make, spy: AgentSpy, out: str, text: str) -> None:
    """Said before anything is asked, and no bug."""
    assert type(error_of(make().fetch(Job(URL, out, checksum=text)))) is WrongRequest
    assert spy.requests == []


# --- what requests carry -------------------------------------------------------------------------


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
