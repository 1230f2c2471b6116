"""A job without a checksum is held to the one that the server tells with the file."""

from __future__ import annotations

import os
from base64 import b64encode
from collections.abc import Callable
from hashlib import sha256, sha512
from pathlib import Path
from typing import Any

import pytest
from support.asking import OK
from support.playing import ONCE, URL, error_of, give, requested, take
from twisted.web.http import PotentialDataLoss

from downloader import Downloader, Job, Result, Retries, Status
from downloader.errors import ChecksumMismatch
from downloader.testing import AgentSpy
from downloader.transfer.partfile import WORTH

Make = Callable[..., Downloader]

MIRROR = "http://two.example/x"
V1 = {"ETag": '"v1"'}
LONG = 4 * WORTH
HALF = LONG // 2
DATA = bytes(range(256)) * (LONG // 256)
OTHER = DATA[::-1]


def telling(data: bytes, **headers: str) -> dict[str, str]:
    """Headers that tell the sha-256 of `data`."""
    return {"Repr-Digest": f"sha-256=:{b64encode(sha256(data).digest()).decode()}:", **headers}


def digest(data: bytes) -> dict[str, str]:
    """The same in the older header."""
    return {"Digest": f"SHA-256={b64encode(sha256(data).digest()).decode()}"}


@pytest.mark.parametrize("headers", [telling(b"abc"), digest(b"abc")])
def test_the_file_has_it(make: Make, spy: AgentSpy, out: str, headers: dict[str, str]) -> None:
    fetching = make().fetch(Job(URL, out))
    response = spy.requests[0].answer(200, headers, length=3)
    response.feed(b"a")
    give(response, b"bc")
    result = take(fetching)
    assert (result.status, result.verified) == (Status.COMPLETE, True)
    assert result.sha256 == sha256(b"abc").hexdigest()


@pytest.mark.parametrize("headers", [telling(b"abc"), digest(b"abc")])
@pytest.mark.parametrize("pieces", [[b"abd"], [b"a", b"bd"], [b""]])
def test_the_file_has_it_not(
    make: Make, spy: AgentSpy, out: str, headers: dict[str, str], pieces: list[bytes]
) -> None:
    """What the server did not mean to send gets no name; a mirror may have it."""
    fetching = make().fetch(Job(URL, out, mirrors=(MIRROR,)))
    response = spy.requests[0].answer(200, headers, length=sum(map(len, pieces)))
    for piece in pieces:
        response.feed(piece)
    response.finish()
    assert not os.path.exists(out) or os.listdir(out) == []
    give(spy.requests[1].answer(200, headers, length=3), b"abd")
    error = error_of(fetching)
    assert type(error) is ChecksumMismatch
    assert sha256(b"abd").hexdigest() in str(error)
    assert not os.path.exists(out) or os.listdir(out) == []


def test_it_proves_a_body_that_ends_with_its_connection(
    make: Make, spy: AgentSpy, out: str
) -> None:
    fetching = make().fetch(Job(URL, out))
    give(spy.requests[0].answer(200, telling(b"abc")), b"abc", PotentialDataLoss())
    assert take(fetching).verified


@pytest.mark.parametrize(
    "headers",
    [
        telling(b"other", **{"Content-Encoding": "gzip"}),
        {"Repr-Digest": "sha-256=:AAAA:"},
        {"Repr-Digest": "crc32c=:AAAAAA==:", "Digest": "UNIXsum=1"},
        {"Content-MD5": "AAAAAAAAAAAAAAAAAAAAAA=="},
        {"Content-Digest": telling(b"other")["Repr-Digest"]},
    ],
)
def test_what_is_told_in_no_form_that_counts(
    make: Make, spy: AgentSpy, out: str, headers: dict[str, str]
) -> None:
    """Is as if nothing had been."""
    fetching = make().fetch(Job(URL, out))
    give(spy.requests[0].answer(200, headers), b"abc", PotentialDataLoss())
    result = take(fetching)
    assert (result.status, result.verified, result.sha256) == (Status.COMPLETE, False, None)


def test_the_jobs_own_goes_first(make: Make, spy: AgentSpy, out: str) -> None:
    """A server that tells another may be wrong about its own file, as of another version."""
    own = f"sha-512={sha512(b'abc').hexdigest()}"
    fetching = make().fetch(Job(URL, out, checksum=own))
    give(spy.requests[0].answer(200, telling(b"other"), length=3), b"abc")
    assert take(fetching).verified


def test_each_answer_tells_for_itself(make: Make, spy: AgentSpy, out: str) -> None:
    """What the first mirror told is not held against the second."""
    fetching = make().fetch(Job(URL, out, mirrors=(MIRROR,)))
    give(spy.requests[0].answer(200, telling(b"one"), length=3), b"bad")
    give(spy.requests[1].answer(200, {}, length=3), b"two")
    assert take(fetching).sha256 is None
    assert Path(out, "a.bin").read_bytes() == b"two"


# --- going on with what is there ----------------------------------------------------------------


def leave(make: Make, spy: AgentSpy, out: str, headers: dict[str, str]) -> None:
    """A run that was stopped in the middle of the file."""
    fetching = make(retries=ONCE).fetch(Job(URL, out))
    spy.requests.pop().answer(200, headers, length=LONG).feed(DATA[:HALF])
    fetching.cancel()
    fetching.addErrback(lambda failure: None)


def part(start: int, stop: int, headers: dict[str, str]) -> dict[str, str]:
    return {"Content-Range": f"bytes {start}-{stop - 1}/{LONG}", **V1, **headers}


async def fetched(reactor: Any, spy: AgentSpy, out: str, *headers: dict[str, str]) -> Result:
    """Go on, with answers of these headers for as many parts."""
    downloader = Downloader(reactor, agent=spy)
    fetching = downloader.fetch(Job(URL, out))
    step = HALF // len(headers)
    for number, told in enumerate(headers):
        start, stop = HALF + number * step, HALF + (number + 1) * step
        request = await requested(reactor, spy, number + 1)
        give(request.answer(206, part(start, stop, told), length=step), DATA[start:stop])
    result: Result = await fetching
    await downloader.close()
    return result


@pytest.mark.parametrize(
    "headers", [[telling(DATA)], [digest(DATA)], [telling(DATA), {}], [{}, telling(DATA)]]
)
async def test_a_part_tells_that_of_the_whole(
    make: Make, reactor: Any, spy: AgentSpy, out: str, headers: list[dict[str, str]]
) -> None:
    """RFC 9530 §3: all of the file is read for it, and that proves more than an ETag does."""
    leave(make, spy, out, V1)
    result = await fetched(reactor, spy, out, *headers)
    assert (result.sha256, result.verified) == (sha256(DATA).hexdigest(), True)
    assert Path(out, "a.bin").read_bytes() == DATA


async def test_what_the_first_run_was_told_is_forgotten(
    make: Make, reactor: Any, spy: AgentSpy, out: str
) -> None:
    """The validator is what shows that it is of the same version."""
    leave(make, spy, out, {**V1, **telling(OTHER)})
    result = await fetched(reactor, spy, out, {})
    assert (result.sha256, result.verified) == (None, True)


async def test_a_mixture_is_fetched_as_a_whole(
    make: Make, reactor: Any, spy: AgentSpy, out: str
) -> None:
    """Though the server said that it is of the same version; it may know its own file then."""
    leave(make, spy, out, V1)
    downloader = Downloader(reactor, agent=spy, retries=ONCE)
    fetching = downloader.fetch(Job(URL, out))
    headers = part(HALF, LONG, telling(OTHER))
    first = await requested(reactor, spy)
    give(first.answer(206, headers, length=HALF), OTHER[HALF:])
    await requested(reactor, spy, 2)
    assert not spy.requests[1].headers.hasHeader("range")
    give(spy.requests[1].answer(200, telling(OTHER), length=LONG), OTHER)
    result = await fetching
    assert (result.attempts, result.sha256) == (2, sha256(OTHER).hexdigest())
    assert Path(out, "a.bin").read_bytes() == OTHER
    await downloader.close()


async def test_a_part_tells_nothing_of_what_comes_as_a_whole(
    make: Make, reactor: Any, spy: AgentSpy, out: str
) -> None:
    """The second answer may be of another version."""
    leave(make, spy, out, V1)
    downloader = Downloader(reactor, agent=spy, retries=ONCE)
    fetching = downloader.fetch(Job(URL, out))
    headers = part(HALF, LONG, telling(OTHER))
    first = await requested(reactor, spy)
    give(first.answer(206, headers, length=HALF), DATA[HALF:])
    await requested(reactor, spy, 2)
    give(spy.requests[1].answer(200, {"ETag": '"v3"'}, length=LONG), DATA)
    assert (await fetching).sha256 is None
    await downloader.close()


async def test_over_a_socket(reactor: Any, scripted: Any, tmp_path: Path) -> None:
    """With headers as they come: in any case, and more than one."""
    told = f"sha-512=:AAAA:\r\nREPR-DIGEST: {telling(b'hello')['Repr-Digest']}".encode()
    head = OK + b"Repr-digest: " + told + b"\r\nContent-Length: 5\r\n\r\n"

    async def script(connection: Any) -> None:
        for body in (b"hello", b"help!"):
            await connection.head()
            connection.send(head + body)

    server = scripted(script)
    downloader = Downloader(reactor, retries=Retries(tries=2))
    result = await downloader.fetch(Job(server.url("/a"), str(tmp_path)))
    assert (result.sha256, result.verified) == (sha256(b"hello").hexdigest(), True)
    with pytest.raises(ChecksumMismatch):
        await downloader.fetch(Job(server.url("/b"), str(tmp_path)))
    assert os.listdir(tmp_path) == ["a"]
    await downloader.close()
