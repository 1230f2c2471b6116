"""A file whose size is known before: nothing of another size gets its name."""

from __future__ import annotations

import os
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path

import pytest
from support.playing import ONCE, URL, error_of, give, next_request, take
from support.spied import Time
from twisted.internet.defer import CancelledError
from twisted.python.failure import Failure
from twisted.web.client import ResponseFailed
from twisted.web.http import PotentialDataLoss

from downloader import Downloader, Job, Retries, Status
from downloader.drain import DRAIN_BYTES
from downloader.errors import ChecksumMismatch, SizeMismatch, TruncatedBody, WrongRequest
from downloader.testing import AgentSpy, Origin
from downloader.transfer.partfile import WORTH

Make = Callable[..., Downloader]

MIRROR = "http://two.example/x"
V1 = {"ETag": '"v1"'}
CUT = ResponseFailed([Failure(TruncatedBody())])
LONG = 4 * WORTH
DATA = bytes(range(256)) * (LONG // 256)


def test_the_right_size(make: Make, spy: AgentSpy, out: str) -> None:
    fetching = make().fetch(Job(URL, out, size=3))
    give(spy.requests[0].answer(length=3), b"abc")
    result = take(fetching)
    assert (result.status, result.bytes, result.verified) == (Status.COMPLETE, 3, True)


@pytest.mark.parametrize(("size", "length"), [(3, 4), (3, 2), (3, 0), (0, 3)])
def test_another_size_is_the_next_mirrors_turn(
    make: Make, spy: AgentSpy, out: str, size: int, length: int
) -> None:
    """Before any byte of the body is there, and without a wait."""
    fetching = make().fetch(Job(URL, out, mirrors=(MIRROR,), size=size))
    wrong = spy.requests[0].answer(length=length)
    assert not os.path.exists(out)
    wrong.finish()
    give(spy.requests[1].answer(length=size), b"x" * size)
    assert take(fetching).attempts == 2
    assert Path(out, "a.bin").read_bytes() == b"x" * size


def test_no_mirror_has_it(make: Make, spy: AgentSpy, out: str) -> None:
    """Asking again changes nothing."""
    fetching = make(retries=Retries(tries=3)).fetch(Job(URL, out, size=3))
    give(spy.requests[0].answer(length=4), b"abcd")
    error = error_of(fetching)
    assert (type(error), error.attempts) == (SizeMismatch, 1)
    assert isinstance(error, WrongRequest)
    assert str(error) == "The file's size is not the expected one: 4 bytes, and not 3"
    assert not os.path.exists(out)


def test_a_long_body_of_another_size_is_aborted(make: Make, spy: AgentSpy, out: str) -> None:
    fetching = make().fetch(Job(URL, out, size=3))
    response = spy.requests[0].answer(length=2 * DRAIN_BYTES)
    assert response.transport.calls == ["abortConnection"]
    assert type(error_of(fetching)) is SizeMismatch


def test_cancelled_while_the_wrong_body_is_read(make: Make, spy: AgentSpy, out: str) -> None:
    downloader = make()
    fetching = downloader.fetch(Job(URL, out, mirrors=(MIRROR,), size=3))
    response = spy.requests[0].answer(length=4)
    fetching.cancel()
    with pytest.raises(CancelledError):
        take(fetching)
    assert response.transport.calls == ["abortConnection"]
    assert downloader.limiter.idle and len(spy.requests) == 1


# --- bodies whose length nobody tells -----------------------------------------------------------


def test_it_proves_the_length(make: Make, spy: AgentSpy, out: str) -> None:
    """Where only the end of the connection ended the body."""
    fetching = make().fetch(Job(URL, out, size=3))
    give(spy.requests[0].answer(), b"abc", PotentialDataLoss())
    assert take(fetching).verified


def test_less_by_the_end_of_the_connection(
    make: Make, spy: AgentSpy, clock: Time, out: str
) -> None:
    """May be a lost one: it is tried again."""
    fetching = make(retries=Retries(tries=2)).fetch(Job(URL, out, size=3))
    give(spy.requests[0].answer(), b"ab", PotentialDataLoss())
    next_request(spy, clock, within=10)
    give(spy.requests[1].answer(), b"abc", PotentialDataLoss())
    assert (take(fetching).attempts, Path(out, "a.bin").read_bytes()) == (2, b"abc")


@pytest.mark.parametrize("data", [b"ab", b"abcd"])
def test_another_number_of_bytes(make: Make, spy: AgentSpy, out: str, data: bytes) -> None:
    """That the server says is all. Nothing of it is kept, and the next mirror is asked."""
    fetching = make(retries=ONCE).fetch(Job(URL, out, mirrors=(MIRROR,), size=3))
    give(spy.requests[0].answer(), data)
    assert os.listdir(out) == []
    give(spy.requests[1].answer(length=3), b"abc")
    assert take(fetching).attempts == 2
    assert os.listdir(out) == ["a.bin"]


def test_a_body_without_an_end(make: Make, spy: AgentSpy, out: str) -> None:
    """It is aborted soon after the last byte that the file has, and does not fill the disk."""
    fetching = make().fetch(Job(URL, out, size=3))
    response = spy.requests[0].answer()
    fed = 0
    while not fetching.called:
        response.feed(b"x" * 1024)
        fed += 1024
    assert response.transport.calls == ["abortConnection"]
    assert fed <= DRAIN_BYTES + 1024
    assert type(error_of(fetching)) is SizeMismatch
    assert os.listdir(out) == []


@pytest.mark.parametrize("right", [True, False])
def test_the_checksum_is_computed_all_the_same(
    make: Make, spy: AgentSpy, out: str, right: bool
) -> None:
    digest = sha256(b"abc").hexdigest()
    fetching = make().fetch(Job(URL, out, size=3, checksum=f"sha-256={digest}"))
    give(spy.requests[0].answer(), b"abc" if right else b"abd", PotentialDataLoss())
    if right:
        assert take(fetching).sha256 == digest
    else:
        assert type(error_of(fetching)) is ChecksumMismatch


# --- going on with what is there ----------------------------------------------------------------


def leave(make: Make, spy: AgentSpy, out: str, length: int | None) -> None:
    """A run that was stopped when half of the file was there, as far as that knew."""
    fetching = make(retries=ONCE).fetch(Job(URL, out))
    spy.requests.pop().answer(200, V1, length=length).feed(DATA[: LONG // 2])
    fetching.cancel()
    fetching.addErrback(lambda failure: None)


def ranges(spy: AgentSpy) -> list[str | None]:
    return [one.headers.getRawHeaders("range", [None])[0] for one in spy.requests]


@pytest.mark.parametrize("length", [None, LONG])
def test_it_goes_on(make: Make, spy: AgentSpy, out: str, length: int | None) -> None:
    """With a part of a file that may have the size."""
    leave(make, spy, out, length)
    fetching = make().fetch(Job(URL, out, size=LONG))
    assert ranges(spy) == [f"bytes={LONG // 2}-"]
    headers = {"Content-Range": f"bytes {LONG // 2}-{LONG - 1}/{LONG}", **V1}
    give(spy.requests[0].answer(206, headers, length=LONG // 2), DATA[LONG // 2 :])
    assert (take(fetching).verified, Path(out, "a.bin").read_bytes()) == (True, DATA)


def test_a_part_of_a_file_of_another_size_is_begun_anew(
    make: Make, spy: AgentSpy, out: str
) -> None:
    """Nothing of it is asked for."""
    leave(make, spy, out, LONG + 1)
    fetching = make().fetch(Job(URL, out, size=LONG))
    assert ranges(spy) == [None]
    give(spy.requests[0].answer(200, {"ETag": '"v2"'}, length=LONG), DATA)
    assert (take(fetching).bytes, Path(out, "a.bin").read_bytes()) == (LONG, DATA)


def test_all_of_a_file_of_another_size_is_begun_anew(make: Make, spy: AgentSpy, out: str) -> None:
    """The last run was stopped before it gave it its name."""
    leave(make, spy, out, LONG // 2)
    fetching = make().fetch(Job(URL, out, size=LONG))
    assert ranges(spy) == [None]
    give(spy.requests[0].answer(200, {"ETag": '"v2"'}, length=LONG), DATA)
    assert take(fetching).bytes == LONG


def test_an_answer_with_a_part_of_another_size(make: Make, spy: AgentSpy, out: str) -> None:
    """Where the part file did not know: that mirror has another file."""
    leave(make, spy, out, None)
    fetching = make().fetch(Job(URL, out, mirrors=(MIRROR,), size=LONG))
    headers = {"Content-Range": f"bytes {LONG // 2}-{LONG}/{LONG + 1}", **V1}
    give(spy.requests[0].answer(206, headers, length=LONG // 2 + 1), b"x" * (LONG // 2 + 1))
    give(spy.requests[1].answer(200, {"ETag": '"v2"'}, length=LONG), DATA)
    assert (take(fetching).attempts, Path(out, "a.bin").read_bytes()) == (2, DATA)


def test_a_server_that_says_all_of_another_size_is_there(
    make: Make, spy: AgentSpy, out: str
) -> None:
    """It is asked for the whole file then, which it may have."""
    leave(make, spy, out, None)
    fetching = make(retries=ONCE).fetch(Job(URL, out, size=LONG))
    headers = {"Content-Range": f"bytes */{LONG // 2}", **V1}
    give(spy.requests[0].answer(416, headers, length=0), b"")
    assert ranges(spy)[1] is None
    give(spy.requests[1].answer(200, V1, length=LONG // 2), DATA[: LONG // 2])
    assert type(error_of(fetching)) is SizeMismatch
    assert not Path(out, "a.bin").exists()


async def test_over_a_socket(reactor: object, origin: Origin, tmp_path: Path) -> None:
    """A wrong mirror's connection is of use to the next file."""
    downloader = Downloader(reactor)
    right, wrong = origin.add("/right", 5), origin.add("/wrong", 6)
    job = Job(wrong, str(tmp_path), "a", mirrors=(right,), size=5)
    result = await downloader.fetch(job)
    assert (result.attempts, result.final_url) == (2, right)
    assert len(origin.connections) == 1
    assert os.listdir(tmp_path) == ["a"] and Path(tmp_path, "a").stat().st_size == 5
    await downloader.close()
