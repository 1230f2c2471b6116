"""Mirrors that an answer tells of, in Link headers."""

from __future__ import annotations

import os
from base64 import b64encode
from collections.abc import Callable
from hashlib import md5, sha256
from pathlib import Path
from random import Random
from typing import Any

import pytest
from support.bench import Bench
from support.parts import Mirror
from support.playing import URL, error_of, give, next_request, refuse, requested, take
from support.spied import Time
from twisted.python.failure import Failure
from twisted.web.client import ResponseFailed

from downloader import Credentials, Downloader, Identity, Job, Retries, Splitting, Status
from downloader.errors import ChecksumMismatch, NotFound, ServerBusy, TruncatedBody
from downloader.sansio.netrc import parse_netrc
from downloader.testing import AgentSpy, ScriptedServer

Make = Callable[..., Downloader]
Serve = Callable[..., ScriptedServer]

PIECE = 64 * 1024
DATA = Random(9).randbytes(10 * PIECE - 1000)
TWO, THREE = "http://two.example/x", "http://three.example/y"
LINK = f'<{THREE}>; rel="duplicate"; pri=2, <{TWO}>; rel=duplicate; pri=1'
CUT = ResponseFailed([Failure(TruncatedBody())])
V1 = {"ETag": '"v1"'}


def told(data: bytes, link: str = LINK) -> dict[str, str]:
    digest = b64encode(sha256(data).digest()).decode()
    return {"Link": link, "Repr-Digest": f"sha-256=:{digest}:"}


def asked(spy: AgentSpy) -> list[str]:
    return [request.absoluteURI.decode() for request in spy.requests]


def test_they_are_asked_in_turn(make: Make, spy: AgentSpy, out: str) -> None:
    """When what was asked first breaks off; none is believed without the checksum."""
    fetching = make().fetch(Job(URL, out))
    give(spy.requests[0].answer(200, told(b"abc"), length=3), b"abX")
    give(spy.requests[1].answer(200, told(b"abY"), length=3), b"abY")
    give(spy.requests[2].answer(200, {}, length=3), b"abc")
    result = take(fetching)
    assert asked(spy) == [URL, TWO, THREE]
    assert (result.status, result.verified) == (Status.COMPLETE, True)
    assert result.sha256 == sha256(b"abc").hexdigest()
    assert Path(result.path).read_bytes() == b"abc"


def test_what_mirrors_say_is_not_believed(make: Make, spy: AgentSpy, out: str) -> None:
    """Another checksum, or more mirrors."""
    fetching = make().fetch(Job(URL, out))
    more = told(b"abY", "<http://four.example/>; rel=duplicate")
    give(spy.requests[0].answer(200, told(b"abc"), length=3), b"abX")
    for request in (1, 2):
        give(spy.requests[request].answer(200, more, length=3), b"abY")
    assert type(error_of(fetching)) is ChecksumMismatch
    assert asked(spy) == [URL, TWO, THREE]
    assert not os.path.exists(out) or os.listdir(out) == []


@pytest.mark.parametrize(
    "headers",
    [
        {"Link": LINK},
        {"Link": LINK, "Digest": f"MD5={b64encode(md5(b'abc').digest()).decode()}"},
        {**told(b"abc"), "Content-Encoding": "gzip"},
        {"Repr-Digest": told(b"abc")["Repr-Digest"]},
    ],
    ids=["no checksum", "a weak one", "one of what is packed", "no links"],
)
def test_none_else(make: Make, spy: AgentSpy, out: str, headers: dict[str, str]) -> None:
    fetching = make().fetch(Job(URL, out))
    give(spy.requests[0].answer(200, headers, length=3), b"ab")
    assert fetching.called or len(spy.requests) == 1
    assert set(asked(spy)) == {URL}
    fetching.addErrback(lambda _: None)
    fetching.cancel()


def test_for_a_job_with_its_own_checksum(make: Make, spy: AgentSpy, out: str) -> None:
    own = f"sha-256={sha256(b'abc').hexdigest()}"
    fetching = make().fetch(Job(URL, out, checksum=own))
    give(spy.requests[0].answer(200, {"Link": f"<{TWO}>; rel=duplicate"}, length=3), b"abX")
    give(spy.requests[1].answer(200, {}, length=3), b"abc")
    assert take(fetching).checksum == own


def test_they_are_told_no_secrets(make: Make, spy: AgentSpy, out: str) -> None:
    identity = Identity(credentials=Credentials("me", "secret"))
    fetching = make(identity=identity).fetch(Job(URL, out, headers=(("X-Key", "secret"),)))
    give(spy.requests[0].answer(200, told(b"abc"), length=3), b"abX")
    sent = dict(spy.requests[1].headers.getAllRawHeaders())
    assert asked(spy)[1] == TWO
    assert not {b"X-Key", b"Authorization"} & set(sent)
    for _ in range(2):
        refuse(spy, 404)
    assert type(error_of(fetching)) is NotFound


def test_netrc_is_for_the_servers_that_the_job_names(make: Make, spy: AgentSpy, out: str) -> None:
    """Its own mirror gets what is there for it; one that an answer names gets nothing."""
    netrc = parse_netrc("default login me password secret")
    job = Job(URL, out, mirrors=(TWO,))
    fetching = make(identity=Identity(netrc=netrc)).fetch(job)
    for request in range(3):
        headers = {} if request else told(b"abc")
        give(spy.requests[request].answer(200, headers, length=3), b"abX")
    assert type(error_of(fetching)) is ChecksumMismatch
    shown = [request.headers.hasHeader("Authorization") for request in spy.requests]
    assert dict(zip(asked(spy), shown, strict=True)) == {URL: True, TWO: True, THREE: False}


def test_ten_of_them_are_asked_and_once_each(
    make: Make, spy: AgentSpy, clock: Time, out: str
) -> None:
    """However many an answer names: each answer would make many requests of one else."""
    many = ", ".join(f"<http://h{n}.example/>; rel=duplicate" for n in range(100))
    fetching = make(retries=Retries(tries=2)).fetch(Job(URL, out))
    give(spy.requests[0].answer(200, told(b"abc", many), length=3), b"ab", CUT)
    for _ in range(10):
        refuse(spy, 503)
    next_request(spy, clock, within=5)
    refuse(spy, 503)
    assert type(error_of(fetching)) is ServerBusy
    assert asked(spy) == [URL, *(f"http://h{n}.example/" for n in range(10)), URL]


async def test_they_bring_their_share(bench: Any, scripted: Serve) -> None:
    """Of a file that comes over several connections."""
    other = Mirror(DATA)
    first = Mirror(DATA, headers=told(DATA, f"<{scripted(other).url('/x')}>; rel=duplicate"))
    b: Bench = bench(splitting=Splitting(1, 2, PIECE))
    result = await b.downloader.fetch(Job(scripted(first).url("/file"), str(b.out)))
    assert (result.status, result.verified) == (Status.COMPLETE, True)
    assert (b.out / "file").read_bytes() == DATA
    assert other.asked


# --- the next run --------------------------------------------------------------------------------


def part(start: int) -> dict[str, str]:
    return {"Content-Range": f"bytes {start}-{len(DATA) - 1}/{len(DATA)}", **V1}


def left(make: Make, spy: AgentSpy, out: str) -> None:
    """A run that was stopped while a mirror brought its own bytes behind those of the file."""
    fetching = make().fetch(Job(URL, out))
    give(spy.requests[0].answer(200, {**told(DATA), **V1}, len(DATA)), DATA[: 2 * PIECE], CUT)
    mirror = spy.requests[1]
    assert mirror.headers.getRawHeaders("Range") == [f"bytes={2 * PIECE}-"]
    mirror.answer(206, part(2 * PIECE), len(DATA) - 2 * PIECE).feed(b"x" * 2 * PIECE)
    fetching.cancel()
    fetching.addErrback(lambda failure: None)
    spy.requests.clear()


async def test_the_next_run_does_not_believe_them_either(
    make: Make, reactor: Any, spy: AgentSpy, out: str
) -> None:
    """Though nobody tells it a checksum."""
    left(make, spy, out)
    downloader = Downloader(reactor, agent=spy)
    fetching = downloader.fetch(Job(URL, out))
    first = await requested(reactor, spy)
    assert first.headers.getRawHeaders("Range") == [f"bytes={4 * PIECE}-"]
    give(first.answer(206, part(4 * PIECE), len(DATA) - 4 * PIECE), DATA[4 * PIECE :])
    second = await requested(reactor, spy, 2)
    assert not second.headers.hasHeader("Range")
    give(second.answer(200, V1, len(DATA)), DATA)
    assert Path((await fetching).path).read_bytes() == DATA
    assert asked(spy) == [URL, URL]
    await downloader.close()


@pytest.mark.parametrize("headers", [{}, told(b"new")], ids=["untold", "told"])
async def test_another_version_in_the_next_run(
    make: Make, reactor: Any, spy: AgentSpy, out: str, headers: dict[str, str]
) -> None:
    """What the earlier one was held to says nothing of it."""
    left(make, spy, out)
    downloader = Downloader(reactor, agent=spy)
    fetching = downloader.fetch(Job(URL, out))
    first = await requested(reactor, spy)
    give(first.answer(200, {**headers, "ETag": '"v2"'}, length=3), b"new")
    result = await fetching
    assert Path(result.path).read_bytes() == b"new"
    await downloader.close()
