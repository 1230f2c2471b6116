"""A file of which something is there already: what is asked, and what becomes of the answer."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from support.playing import ONCE, URL, error_of, give, next_request, refuse, requested, take
from support.spied import Time
from twisted.internet.defer import CancelledError
from twisted.python.failure import Failure
from twisted.web.client import ResponseFailed

from downloader import Downloader, Job, Result, Retries, Status, Terms
from downloader.errors import BadResponse, ChecksumMismatch, ServerBusy, TruncatedBody
from downloader.testing import AgentSpy, SpiedRequest
from downloader.transfer.disks import Disks
from downloader.transfer.partfile import WORTH
from downloader.transfer.system import SYSTEM

Make = Callable[..., Downloader]

SIZE = 4 * WORTH
HALF = SIZE // 2
OLD = bytes(range(256)) * (SIZE // 256)
NEW = OLD[::-1]
V1 = {"ETag": '"v1"'}
SUM = f"sha-256={sha256(OLD).hexdigest()}"
CUT = ResponseFailed([Failure(TruncatedBody())])


def ranged(start: int, stop: int = SIZE, total: int = SIZE, **headers: str) -> dict[str, str]:
    return {"Content-Range": f"bytes {start}-{stop - 1}/{total}", **V1, **headers}


def asked(request: SpiedRequest) -> tuple[str | None, str | None]:
    """Its Range and If-Range."""
    found = [request.headers.getRawHeaders(name, [None])[0] for name in ("range", "if-range")]
    return found[0], found[1]


def left_half(
    make: Make,
    spy: AgentSpy,
    out: str,
    headers: dict[str, str] = V1,
    length: int | None = SIZE,
    **options: Any,
) -> None:
    """A run that was stopped in the middle of the file."""
    fetching = make(retries=ONCE).fetch(Job(URL, out, **options))
    response = spy.requests.pop().answer(200, headers, length=length)
    response.feed(OLD[:HALF])
    fetching.cancel()
    fetching.addErrback(lambda failure: None)


def right(out: str, result: Result, data: bytes = OLD) -> bool:
    """Whether the file has these bytes, and nothing lies beside it."""
    assert (result.status, result.verified, result.bytes) == (Status.COMPLETE, True, len(data))
    assert os.listdir(out) == ["a.bin"]
    return Path(out, "a.bin").read_bytes() == data


def test_a_retry_goes_on(make: Make, spy: AgentSpy, clock: Time, out: str) -> None:
    fetching = make(retries=Retries(tries=2)).fetch(Job(URL, out))
    give(spy.requests[0].answer(200, V1, length=SIZE), OLD[:HALF], CUT)
    next_request(spy, clock, within=5)
    assert asked(spy.requests[1]) == (f"bytes={HALF}-", '"v1"')
    give(spy.requests[1].answer(206, ranged(HALF), length=SIZE - HALF), OLD[HALF:])
    result = take(fetching)
    assert right(out, result)
    assert (result.attempts, result.http_status) == (2, 206)


def test_the_next_run_goes_on(make: Make, spy: AgentSpy, out: str) -> None:
    left_half(make, spy, out)
    downloader = make()
    fetching = downloader.fetch(Job(URL, out))
    assert asked(spy.requests[0]) == (f"bytes={HALF}-", '"v1"')
    response = spy.requests[0].answer(206, ranged(HALF), length=SIZE - HALF)
    response.feed(OLD[HALF:-1])
    (transfer,) = downloader.active()
    progress = transfer.progress()
    assert (progress.received, progress.length) == (SIZE - 1, SIZE)
    give(response, OLD[-1:])
    assert right(out, take(fetching))


def test_what_comes_on_top_is_kept_too(make: Make, spy: AgentSpy, out: str) -> None:
    """Stopped a second time."""
    left_half(make, spy, out)
    fetching = make(retries=ONCE).fetch(Job(URL, out))
    give(spy.requests[0].answer(206, ranged(HALF), length=SIZE - HALF), OLD[HALF : 3 * WORTH], CUT)
    error_of(fetching)
    fetching = make().fetch(Job(URL, out))
    assert asked(spy.requests[1]) == (f"bytes={3 * WORTH}-", '"v1"')
    give(spy.requests[1].answer(206, ranged(3 * WORTH), length=WORTH), OLD[3 * WORTH :])
    assert right(out, take(fetching))


def test_all_is_there_and_nobody_is_asked(make: Make, spy: AgentSpy, out: str) -> None:
    """Stopped between the last byte and the name."""
    fetching = make(retries=ONCE).fetch(Job(URL, out))
    spy.requests.pop().answer(200, V1, length=SIZE).feed(OLD)
    fetching.cancel()
    fetching.addErrback(lambda failure: None)
    result = take(make().fetch(Job(URL, out)))
    assert right(out, result)
    assert (spy.requests, result.attempts) == ([], 0)


@pytest.mark.parametrize("status", [200, 203])
def test_a_server_that_sends_all_of_it(make: Make, spy: AgentSpy, out: str, status: int) -> None:
    """It takes the place of what was there."""
    left_half(make, spy, out)
    fetching = make().fetch(Job(URL, out))
    give(spy.requests[0].answer(status, {"ETag": '"v2"'}, length=SIZE), NEW)
    assert right(out, take(fetching), NEW)


def test_all_of_it_in_one_short_piece(make: Make, spy: AgentSpy, out: str) -> None:
    left_half(make, spy, out)
    fetching = make().fetch(Job(URL, out))
    give(spy.requests[0].answer(200, {"ETag": '"v2"'}, length=3), b"new")
    assert right(out, take(fetching), b"new")


@pytest.mark.parametrize(
    ("status", "headers", "length"),
    [
        (206, ranged(HALF, ETag='"v2"'), HALF),
        (206, ranged(HALF, total=SIZE + 1), HALF),
        (206, ranged(HALF + 1), HALF - 1),
        (206, V1, HALF),
        (206, ranged(HALF, **{"Content-Encoding": "gzip"}), HALF),
        (200, ranged(HALF, ETag='"v2"'), HALF),
        (400, {}, 0),
        (412, {}, 0),
        (416, {}, 0),
        (416, {"Content-Range": f"bytes */{HALF - 1}", **V1}, 0),
        (501, {}, 0),
    ],
)
def test_what_is_no_part_of_it_is_asked_for_as_a_whole(
    make: Make, spy: AgentSpy, out: str, status: int, headers: dict[str, str], length: int
) -> None:
    """At once, in the same try; not a byte of it is written."""
    left_half(make, spy, out)
    fetching = make(retries=ONCE).fetch(Job(URL, out))
    give(spy.requests[0].answer(status, headers, length=length), b"x" * length)
    assert asked(spy.requests[1]) == (None, None)
    give(spy.requests[1].answer(200, {"ETag": '"v2"'}, length=SIZE), NEW)
    result = take(fetching)
    assert right(out, result, NEW)
    assert result.attempts == 2


def test_parts_are_not_asked_for_again_of_who_has_none(
    make: Make, spy: AgentSpy, clock: Time, out: str
) -> None:
    left_half(make, spy, out)
    fetching = make(retries=Retries(tries=2)).fetch(Job(URL, out))
    refuse(spy, 416)
    give(spy.requests[1].answer(200, V1, length=SIZE), OLD[:HALF], CUT)
    next_request(spy, clock, within=5)
    assert asked(spy.requests[2]) == (None, None)
    give(spy.requests[2].answer(200, V1, length=SIZE), OLD)
    assert right(out, take(fetching))


def test_a_part_that_begins_earlier(make: Make, spy: AgentSpy, out: str) -> None:
    left_half(make, spy, out)
    fetching = make().fetch(Job(URL, out))
    start = HALF - 1000
    give(spy.requests[0].answer(206, ranged(start), length=SIZE - start), OLD[start:])
    assert right(out, take(fetching))


def test_parts_that_end_too_early_are_put_together(make: Make, spy: AgentSpy, out: str) -> None:
    """Each request is a start of its own, but no try is used up while much comes."""
    left_half(make, spy, out)
    fetching = make(retries=ONCE).fetch(Job(URL, out))
    middle = HALF + WORTH
    give(spy.requests[0].answer(206, ranged(HALF, middle), length=WORTH), OLD[HALF:middle])
    assert asked(spy.requests[1]) == (f"bytes={middle}-", '"v1"')
    give(spy.requests[1].answer(206, ranged(middle), length=SIZE - middle), OLD[middle:])
    assert right(out, take(fetching))


def test_a_part_without_new_bytes_costs_a_try(make: Make, spy: AgentSpy, out: str) -> None:
    """Else it could go on for ever."""
    left_half(make, spy, out)
    fetching = make(retries=ONCE).fetch(Job(URL, out))
    give(spy.requests[0].answer(206, ranged(HALF, HALF + 1000), length=None), b"")
    assert type(error_of(fetching)) is TruncatedBody
    assert len(spy.requests) == 1


def test_parts_of_one_byte_use_up_the_tries(
    make: Make, spy: AgentSpy, clock: Time, out: str
) -> None:
    """Else a server could have itself asked for ever."""
    left_half(make, spy, out)
    fetching = make(retries=Retries(tries=3)).fetch(Job(URL, out))
    for start in range(HALF, HALF + 3):
        next_request(spy, clock, within=15) if start > HALF else None
        assert asked(spy.requests[-1])[0] == f"bytes={start}-"
        headers = ranged(start, start + 1)
        give(spy.requests[-1].answer(206, headers, length=1), OLD[start : start + 1])
    assert type(error_of(fetching)) is TruncatedBody
    assert len(spy.requests) == 3


def test_the_length_was_not_known(make: Make, spy: AgentSpy, out: str) -> None:
    left_half(make, spy, out, length=None)
    fetching = make().fetch(Job(URL, out))
    give(spy.requests[0].answer(206, ranged(HALF), length=SIZE - HALF), OLD[HALF:])
    assert right(out, take(fetching))


def test_the_length_was_not_known_and_all_was_there(make: Make, spy: AgentSpy, out: str) -> None:
    """S6: 416 says how long it is."""
    left_half(make, spy, out, length=None)
    fetching = make().fetch(Job(URL, out))
    headers = {"Content-Range": f"bytes */{HALF}", **V1}
    give(spy.requests[0].answer(416, headers, length=0), b"")
    assert right(out, take(fetching), OLD[:HALF])


def test_a_part_with_more_behind_it(make: Make, spy: AgentSpy, out: str) -> None:
    """Chunks tell no length: what is behind the range is of no file, and not written."""
    left_half(make, spy, out)
    fetching = make(retries=ONCE).fetch(Job(URL, out))
    response = spy.requests.pop().answer(206, ranged(HALF))
    give(response, OLD[HALF:] + NEW)
    assert type(error_of(fetching)) is BadResponse
    assert not os.path.exists(os.path.join(out, "a.bin"))
    fetching = make().fetch(Job(URL, out))
    assert asked(spy.requests[0]) == (f"bytes={HALF}-", '"v1"')
    give(spy.requests[0].answer(206, ranged(HALF)), OLD[HALF:])
    assert right(out, take(fetching))


@pytest.mark.parametrize("status", [404, 503])
def test_a_refusal_costs_nothing_of_what_is_there(
    make: Make, spy: AgentSpy, out: str, status: int
) -> None:
    left_half(make, spy, out)
    fetching = make(retries=ONCE).fetch(Job(URL, out))
    refuse(spy, status)
    error = error_of(fetching)
    assert (error.http_status, isinstance(error, ServerBusy)) == (status, status == 503)
    make().fetch(Job(URL, out)).addErrback(lambda failure: None)
    assert asked(spy.requests[1]) == (f"bytes={HALF}-", '"v1"')


@pytest.mark.parametrize(
    "headers", [{}, {"ETag": 'W/"v1"'}, {**V1, "Content-Encoding": "gzip"}, {"ETag": "v1"}]
)
def test_without_a_strong_validator_it_is_begun_anew(
    make: Make, spy: AgentSpy, out: str, headers: dict[str, str]
) -> None:
    left_half(make, spy, out, headers)
    make().fetch(Job(URL, out)).addErrback(lambda failure: None)
    assert asked(spy.requests[0]) == (None, None)


def test_a_date_that_is_old_enough(make: Make, spy: AgentSpy, out: str) -> None:
    date = "Mon, 02 Nov 2026 10:00:00 GMT"
    headers = {"Last-Modified": date, "Date": "Mon, 02 Nov 2026 10:05:00 GMT"}
    left_half(make, spy, out, headers)
    fetching = make().fetch(Job(URL, out))
    assert asked(spy.requests[0]) == (f"bytes={HALF}-", date)
    fields = {"Content-Range": f"bytes {HALF}-{SIZE - 1}/{SIZE}", "Last-Modified": date}
    give(spy.requests[0].answer(206, fields, length=SIZE - HALF), OLD[HALF:])
    assert right(out, take(fetching))


def test_another_url_is_another_file(make: Make, spy: AgentSpy, out: str) -> None:
    """Equal names and equal ETags make them none."""
    left_half(make, spy, out)
    make().fetch(Job("http://two.example/a.bin", out)).addErrback(lambda failure: None)
    assert asked(spy.requests[0]) == (None, None)


@pytest.mark.parametrize(("etag", "same"), [('"v1"', True), ('"other"', False)])
def test_a_mirror_goes_on_if_it_has_the_same(
    make: Make, spy: AgentSpy, out: str, etag: str, same: bool
) -> None:
    job = Job(URL, out, mirrors=("http://two.example/a.bin",))
    fetching = make(retries=ONCE).fetch(job)
    give(spy.requests[0].answer(200, V1, length=SIZE), OLD[:HALF], CUT)
    assert asked(spy.requests[1]) == (f"bytes={HALF}-", '"v1"')
    give(spy.requests[1].answer(206, ranged(HALF, ETag=etag), length=SIZE - HALF), OLD[HALF:])
    if not same:
        give(spy.requests[2].answer(200, {"ETag": etag}, length=SIZE), NEW)
    assert right(out, take(fetching), OLD if same else NEW)


# --- with a checksum ------------------------------------------------------------------------


async def test_what_was_gone_on_with_has_its_checksum(
    make: Make, reactor: Any, spy: AgentSpy, out: str
) -> None:
    """Which is of all of it; and a weak validator is enough then."""
    left_half(make, spy, out, {}, checksum=SUM)
    downloader = Downloader(reactor, agent=spy)
    fetching = downloader.fetch(Job(URL, out, checksum=SUM))
    first = await requested(reactor, spy)
    assert asked(first) == (f"bytes={HALF}-", None)
    give(first.answer(206, ranged(HALF), length=SIZE - HALF), OLD[HALF:])
    result = await fetching
    assert right(out, result)
    assert result.sha256 == sha256(OLD).hexdigest()
    await downloader.close()


async def test_a_mixture_is_noticed_and_fetched_as_a_whole(
    make: Make, reactor: Any, spy: AgentSpy, out: str
) -> None:
    left_half(make, spy, out, {}, checksum=SUM)
    downloader = Downloader(reactor, agent=spy, retries=ONCE)
    fetching = downloader.fetch(Job(URL, out, checksum=SUM))
    first = await requested(reactor, spy)
    give(first.answer(206, ranged(HALF), length=SIZE - HALF), NEW[HALF:])
    await requested(reactor, spy, 2)
    assert asked(spy.requests[1]) == (None, None)
    give(spy.requests[1].answer(200, length=SIZE), OLD)
    assert right(out, await fetching)
    await downloader.close()


async def test_cancelled_while_its_checksum_is_computed(
    make: Make, reactor: Any, spy: AgentSpy, out: str
) -> None:
    left_half(make, spy, out, {}, checksum=SUM)
    downloader = Downloader(reactor, agent=spy)
    fetching = downloader.fetch(Job(URL, out, checksum=SUM))
    first = await requested(reactor, spy)
    give(first.answer(206, ranged(HALF), length=SIZE - HALF), OLD[HALF:])
    assert not fetching.called
    fetching.cancel()
    with pytest.raises(CancelledError):
        await fetching
    await downloader.close()
    assert "a.bin" not in os.listdir(out)
    assert downloader.limiter.idle


def test_a_whole_file_with_a_wrong_checksum_is_none(make: Make, spy: AgentSpy, out: str) -> None:
    left_half(make, spy, out, checksum=SUM)
    fetching = make(retries=ONCE).fetch(Job(URL, out, checksum=SUM))
    give(spy.requests[0].answer(200, V1, length=SIZE), NEW)
    assert type(error_of(fetching)) is ChecksumMismatch
    assert os.listdir(out) == []


def test_a_part_that_says_it_is_all(make: Make, spy: AgentSpy, out: str) -> None:
    """S3: with nothing there, and nothing asked but the whole."""
    fetching = make().fetch(Job(URL, out))
    give(spy.requests[0].answer(200, ranged(0, HALF), length=HALF), OLD[:HALF])
    assert type(error_of(fetching)) is BadResponse
    assert not os.path.exists(out)


def test_what_cannot_be_kept_is_not_asked_for_without_end(
    make: Make, clock: Time, spy: AgentSpy, out: str
) -> None:
    """A part that ended early costs no try, if the next can go on behind it: it cannot here."""
    left_half(make, spy, out)
    before = len(spy.requests)

    def full(fd: int, data: bytes) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    system = SimpleNamespace(**{**vars(SYSTEM), "write": full})
    disks = Disks(clock, seconds=clock.seconds, in_memory=lambda _: True, system=system)
    fetching = make(retries=ONCE, disks=disks).fetch(Job(URL, out))
    for request in range(before, before + 2):
        assert asked(spy.requests[request])[0] == f"bytes={HALF}-"
        answer = spy.requests[request].answer(206, ranged(HALF, HALF + WORTH), length=WORTH)
        give(answer, OLD[HALF : HALF + WORTH])
    assert type(error_of(fetching)) is TruncatedBody


@pytest.mark.parametrize("terms", [None, Terms(tries=2)])
def test_what_was_there_is_counted_once(
    make: Make, spy: AgentSpy, out: str, terms: Terms | None
) -> None:
    """Not what this run itself has brought, in a try before: a rate is of what came. Nor is it
    forgotten of a job with terms of its own."""
    left_half(make, spy, out)
    before = len(spy.requests)
    downloader = make()
    fetching = downloader.fetch(Job(URL, out, terms=terms))
    answer = spy.requests[before].answer(206, ranged(HALF), length=SIZE - HALF)
    give(answer, OLD[HALF : HALF + WORTH], CUT)
    assert downloader.found == HALF
    fetching.addErrback(lambda _: None)
    fetching.cancel()
