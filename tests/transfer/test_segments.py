"""One file over several connections: what is asked, of whom, and what becomes of the answers."""

from __future__ import annotations

import os
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from support.playing import ONCE, URL, error_of, give, next_request, take
from support.spied import Time
from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.error import ConnectionRefusedError as Refused
from twisted.python.failure import Failure
from twisted.web.client import ResponseFailed
from twisted.web.http_headers import Headers

from downloader import Downloader, Job, Limits, Result, Retries, Splitting, Status, Timeouts
from downloader.errors import NotFound, TruncatedBody
from downloader.sansio.journal import identity_of
from downloader.sansio.version import Version
from downloader.testing import AgentSpy, SpiedRequest, SpiedResponse
from downloader.transfer.disks import Disks
from downloader.transfer.folder import Folder
from downloader.transfer.partfile import WORTH, PartFile

Make = Callable[..., Downloader]

SIZE = 8 * WORTH
HALF = SIZE // 2
DATA = bytes(range(256)) * (SIZE // 256)
V1 = {"ETag": '"v1"', "Accept-Ranges": "bytes"}
V1_RAW = {b"ETag": [b'"v1"']}
SUM = f"sha-256={sha256(DATA).hexdigest()}"
CUT = ResponseFailed([Failure(TruncatedBody())])
TWO = "http://two.example/a.bin"
# A half is not cut again.
LEAST = 3 * WORTH
HALVES = Splitting(2, 2, LEAST)
SOME = 1000


def asked(request: SpiedRequest) -> tuple[str | None, str | None]:
    """Its Range and If-Range."""
    found = [request.headers.getRawHeaders(name, [None])[0] for name in ("range", "if-range")]
    return found[0], found[1]


def span(request: SpiedRequest) -> tuple[int, int]:
    """What it asks for."""
    start, stop = (asked(request)[0] or "").removeprefix("bytes=").split("-")
    return int(start), int(stop) + 1


def whole(request: SpiedRequest, headers: dict[str, str] = V1, length: int = SIZE) -> SpiedResponse:
    return request.answer(200, headers, length=length)


def part(request: SpiedRequest, total: int = SIZE, **headers: str) -> SpiedResponse:
    """The answer that it asks for."""
    start, stop = span(request)
    told = {"Content-Range": f"bytes {start}-{stop - 1}/{total}", "ETag": '"v1"', **headers}
    return request.answer(206, told, length=stop - start)


def bring(request: SpiedRequest) -> None:
    """All that it asks for."""
    start, stop = span(request)
    give(part(request), DATA[start:stop])


def right(out: str, fetching: Deferred[Result]) -> Result:
    result = take(fetching)
    assert (result.status, result.verified, result.bytes) == (Status.COMPLETE, True, SIZE)
    assert os.listdir(out) == ["a.bin"]
    assert Path(out, "a.bin").read_bytes() == DATA
    return result


def aborted(response: SpiedResponse) -> bool:
    return response.transport.calls.count("abortConnection") == 1


def begin(
    make: Make, spy: AgentSpy, out: str, splitting: Splitting = HALVES, **options: Any
) -> tuple[Deferred[Result], SpiedResponse]:
    """A fetch whose first answer, to a plain request, is there."""
    mirrors = options.pop("mirrors", ())
    fetching = make(splitting=splitting, **options).fetch(Job(URL, out, mirrors=mirrors))
    assert asked(spy.requests[0]) == (None, None)
    return fetching, whole(spy.requests[0])


def test_two_halves(make: Make, spy: AgentSpy, out: str) -> None:
    """The first answer is taken to the middle and no further; the other one is as long as it was
    to be, and its connection good for more."""
    fetching, first = begin(make, spy, out)
    assert asked(spy.requests[1]) == (f"bytes={HALF}-{SIZE - 1}", '"v1"')
    second = part(spy.requests[1])
    second.feed(DATA[HALF : HALF + SOME])
    first.feed(DATA[: HALF + SOME])
    assert aborted(first)
    give(second, DATA[HALF + SOME :])
    assert second.transport.calls == []
    result = right(out, fetching)
    assert (result.attempts, result.http_status, result.final_url) == (2, 200, URL)


def test_progress_is_that_of_all(make: Make, spy: AgentSpy, out: str) -> None:
    downloader = make(splitting=HALVES)
    fetching = downloader.fetch(Job(URL, out))
    whole(spy.requests[0]).feed(DATA[:SOME])
    part(spy.requests[1]).feed(DATA[HALF : HALF + SOME])
    (transfer,) = downloader.active()
    progress = transfer.progress()
    assert (progress.received, progress.length, progress.attempts) == (2 * SOME, SIZE, 2)
    assert (downloader.limiter.ready("one.example:80"), len(downloader.active())) == (True, 1)
    fetching.cancel()
    fetching.addErrback(lambda failure: None)


def test_one_slot_whatever_its_streams(make: Make, spy: AgentSpy, out: str) -> None:
    downloader = make(splitting=HALVES, limits=Limits(total=2))
    fetching = downloader.fetch(Job(URL, out))
    whole(spy.requests[0])
    part(spy.requests[1])
    assert downloader.limiter.free
    fetching.cancel()
    fetching.addErrback(lambda failure: None)
    assert downloader.limiter.idle


@pytest.mark.parametrize(
    ("headers", "length", "splitting"),
    [
        ({"ETag": '"v1"', "Accept-Ranges": "none"}, SIZE, HALVES),
        ({"Accept-Ranges": "bytes"}, SIZE, HALVES),
        ({**V1, "ETag": 'W/"v1"'}, SIZE, HALVES),
        ({**V1, "Content-Encoding": "gzip"}, SIZE, HALVES),
        (V1, 2 * LEAST - 1, HALVES),
        (V1, None, HALVES),
        (V1, SIZE, Splitting(1, 5, WORTH)),
        (V1, SIZE, Splitting(5, 1, WORTH)),
        (V1, SIZE, Splitting()),
    ],
)
def test_what_comes_as_one(
    make: Make,
    spy: AgentSpy,
    out: str,
    headers: dict[str, str],
    length: int | None,
    splitting: Splitting,
) -> None:
    fetching = make(splitting=splitting).fetch(Job(URL, out))
    response = spy.requests[0].answer(200, headers, length=length)
    give(response, DATA[:length])
    assert take(fetching).bytes == (length or SIZE)
    assert len(spy.requests) == 1 and response.transport.calls == []


def test_a_server_that_does_not_tell_is_asked_once(make: Make, spy: AgentSpy, out: str) -> None:
    """The others wait for what comes of that."""
    fetching = make(splitting=Splitting(4, 4, 2 * WORTH)).fetch(Job(URL, out))
    first = whole(spy.requests[0], {"ETag": '"v1"'})
    assert len(spy.requests) == 2
    second = part(spy.requests[1])
    assert len(spy.requests) == 4
    give(second, DATA[slice(*span(spy.requests[1]))])
    bring(spy.requests[2])
    bring(spy.requests[3])
    first.feed(DATA)
    assert len(spy.requests) == 4 and aborted(first)
    right(out, fetching)


@pytest.mark.parametrize(
    ("status", "headers", "length"),
    [
        (200, V1, SIZE),
        (200, {}, 10),
        (206, {"Content-Range": f"bytes {HALF}-{SIZE - 1}/{SIZE}", "ETag": '"v2"'}, HALF),
        (206, {"Content-Range": f"bytes {HALF}-{SIZE - 1}/{SIZE}"}, HALF),
        (206, {"Content-Range": f"bytes {HALF}-{SIZE}/{SIZE + 1}", **V1}, HALF + 1),
        (206, {"Content-Range": f"bytes {HALF + 1}-{SIZE - 1}/{SIZE}", **V1}, HALF - 1),
        (206, V1, HALF),
        (416, {"Content-Range": f"bytes */{SIZE}", **V1}, 0),
        (412, {}, 0),
        (501, {}, 0),
    ],
)
def test_a_server_that_does_no_parts_brings_all(
    make: Make, spy: AgentSpy, out: str, status: int, headers: dict[str, str], length: int
) -> None:
    """Not an error, and not a byte of that answer is written; nobody asks again."""
    fetching, first = begin(make, spy, out, retries=ONCE)
    second = spy.requests[1].answer(status, headers, length=length)
    if length <= WORTH:
        give(second, b"x" * length)
    else:
        assert aborted(second)
        second.finish(CUT)
    give(first, DATA)
    assert first.transport.calls == []
    assert right(out, fetching).http_status == 200
    assert len(spy.requests) == 2


def test_no_parts_and_the_one_answer_was_left(make: Make, spy: AgentSpy, out: str) -> None:
    """It is fetched as a whole, then."""
    fetching, first = begin(make, spy, out, retries=ONCE)
    first.feed(DATA[:HALF])
    assert aborted(first)
    give(spy.requests[1].answer(200, V1, length=10), b"x" * 10)
    assert asked(spy.requests[2]) == (None, None)
    give(whole(spy.requests[2]), DATA)
    right(out, fetching)
    assert len(spy.requests) == 3


# --- mirrors -------------------------------------------------------------------------------------


def test_a_connection_to_each_mirror(make: Make, spy: AgentSpy, out: str) -> None:
    """Without -x."""
    fetching, first = begin(make, spy, out, Splitting(least=LEAST), mirrors=(TWO, "no url"))
    assert [request.absoluteURI.decode() for request in spy.requests] == [URL, TWO]
    bring(spy.requests[1])
    first.feed(DATA[:HALF])
    right(out, fetching)


def test_where_the_first_one_does_no_parts_nobody_else_is_asked(
    make: Make, spy: AgentSpy, out: str
) -> None:
    fetching = make(splitting=Splitting(least=LEAST)).fetch(Job(URL, out, mirrors=(TWO,)))
    give(whole(spy.requests[0], {**V1, "Accept-Ranges": "none"}), DATA)
    right(out, fetching)
    assert len(spy.requests) == 1


@pytest.mark.parametrize("etag", ['"other"', 'W/"v1"'])
def test_a_mirror_that_has_another_version_is_dropped(
    make: Make, spy: AgentSpy, out: str, etag: str
) -> None:
    fetching, first = begin(make, spy, out, Splitting(least=LEAST), mirrors=(TWO,))
    assert aborted(part(spy.requests[1], ETag=etag))
    give(first, DATA)
    right(out, fetching)
    assert len(spy.requests) == 2


def test_a_dead_mirror_is_dropped(make: Make, spy: AgentSpy, out: str) -> None:
    fetching, first = begin(make, spy, out, Splitting(least=LEAST), mirrors=(TWO,))
    give(spy.requests[1].answer(404, length=0), b"")
    give(first, DATA)
    right(out, fetching)
    assert len(spy.requests) == 2


def test_a_mirror_that_fails_is_asked_again(
    make: Make, spy: AgentSpy, clock: Time, out: str
) -> None:
    """After a pause, while the others go on."""
    fetching, first = begin(make, spy, out, Splitting(least=LEAST), mirrors=(TWO,))
    first.feed(DATA[:SOME])
    spy.requests[1].fail(Refused())
    assert len(spy.requests) == 2
    next_request(spy, clock, within=3)
    assert spy.requests[2].absoluteURI.decode() == TWO
    assert span(spy.requests[2]) == (HALF, SIZE)
    bring(spy.requests[2])
    first.feed(DATA[SOME:HALF])
    right(out, fetching)


def test_mirrors_that_are_waited_for_are_forgotten_in_the_end(
    make: Make, spy: AgentSpy, out: str
) -> None:
    """No timer of theirs is left."""
    mirrors = (TWO, "http://three.example/a.bin")
    fetching, first = begin(make, spy, out, Splitting(least=WORTH), mirrors=mirrors)
    for request in spy.requests[1:]:
        request.fail(Refused())
    assert len(spy.requests) == 3
    give(first, DATA)
    right(out, fetching)


def test_the_first_mirror_dies_and_the_others_bring_all(
    make: Make, spy: AgentSpy, out: str
) -> None:
    mirrors = (TWO, "http://three.example/a.bin")
    fetching, first = begin(make, spy, out, Splitting(least=LEAST), mirrors=mirrors, retries=ONCE)
    give(first, DATA[:SOME], CUT)
    answered = 1
    while answered < len(spy.requests):
        bring(spy.requests[answered])
        answered += 1
    right(out, fetching)
    assert {request.absoluteURI.decode() for request in spy.requests[1:]} == set(mirrors)


# --- what fails ----------------------------------------------------------------------------------


def test_a_stalled_part_is_fetched_by_another(
    make: Make, spy: AgentSpy, clock: Time, out: str
) -> None:
    fetching, first = begin(make, spy, out, timeouts=Timeouts(stall=8.0))
    second = part(spy.requests[1])
    second.feed(DATA[HALF : HALF + SOME])
    for sent in range(20):
        first.feed(DATA[sent * SOME : (sent + 1) * SOME])
        clock.advance(1)
        if len(spy.requests) > 2:
            break
    assert aborted(second)
    assert span(spy.requests[2]) == (HALF + SOME, SIZE)
    bring(spy.requests[2])
    first.feed(DATA[(sent + 1) * SOME : HALF])
    right(out, fetching)


def test_all_fail_and_the_next_try_goes_on(
    make: Make, spy: AgentSpy, clock: Time, out: str
) -> None:
    """With the slot given back in between; what has come is asked for no more, but for cuts."""
    downloader = make(splitting=HALVES, retries=Retries(tries=2))
    fetching = downloader.fetch(Job(URL, out))
    first = whole(spy.requests[0])
    second = part(spy.requests[1])
    second.feed(DATA[HALF : HALF + WORTH])
    give(first, DATA[:WORTH], CUT)
    assert not downloader.limiter.idle
    second.finish(CUT)
    assert downloader.limiter.idle and not fetching.called
    next_request(spy, clock, within=3)
    assert asked(spy.requests[2]) == (f"bytes={WORTH}-{HALF - 1}", '"v1"')
    third = part(spy.requests[2])
    assert span(spy.requests[3]) == (HALF + WORTH, SIZE)
    bring(spy.requests[3])
    give(third, DATA[WORTH:HALF])
    right(out, fetching)


def test_nobody_is_left(make: Make, spy: AgentSpy, out: str) -> None:
    """Each mirror has been asked as often as it may be, by the streams and by the job itself."""
    splitting = Splitting(least=LEAST)
    fetching, first = begin(make, spy, out, splitting, mirrors=(TWO,), retries=ONCE)
    spy.requests[1].fail(Refused())
    assert not fetching.called
    give(first, DATA[:SOME], CUT)
    give(spy.requests[2].answer(404, length=0), b"")
    error = error_of(fetching)
    assert (type(error), error.attempts) == (NotFound, 3)
    assert [one.absoluteURI.decode() for one in spy.requests] == [URL, TWO, TWO]


def test_the_last_failure_is_told(make: Make, spy: AgentSpy, out: str) -> None:
    """Whichever stream it was that had no successor."""
    fetching, first = begin(make, spy, out, retries=ONCE)
    give(part(spy.requests[1]), DATA[HALF : HALF + SOME], CUT)
    assert not fetching.called
    give(first, DATA[:SOME], CUT)
    assert type(error_of(fetching)) is TruncatedBody
    assert len(spy.requests) == 2


def test_a_server_that_takes_no_second_connection(make: Make, spy: AgentSpy, out: str) -> None:
    """What it gives is taken, and it is not asked again as long as it gives."""
    fetching, first = begin(make, spy, out, Splitting(4, 4, WORTH), retries=ONCE)
    for request in list(spy.requests[1:]):
        give(request.answer(503, length=0), b"")
    assert len(spy.requests) == 4
    give(first, DATA)
    right(out, fetching)


def test_a_part_that_begins_earlier_is_taken_from_where_it_is_wanted(
    make: Make, spy: AgentSpy, out: str
) -> None:
    fetching, first = begin(make, spy, out)
    early = HALF - SOME
    headers = {**V1, "Content-Range": f"bytes {early}-{SIZE - 1}/{SIZE}"}
    second = spy.requests[1].answer(206, headers, length=SIZE - early)
    second.feed(b"x" * (SOME - 1))
    give(second, b"x" + DATA[HALF:])
    first.feed(DATA[:HALF])
    right(out, fetching)


def test_a_part_that_ends_early_is_followed_by_another(make: Make, spy: AgentSpy, out: str) -> None:
    fetching, first = begin(make, spy, out)
    middle = HALF + WORTH
    headers = {**V1, "Content-Range": f"bytes {HALF}-{middle - 1}/{SIZE}"}
    give(spy.requests[1].answer(206, headers, length=WORTH), DATA[HALF:middle])
    assert span(spy.requests[2]) == (middle, SIZE)
    bring(spy.requests[2])
    first.feed(DATA[:HALF])
    right(out, fetching)


def test_a_part_without_a_byte_is_a_failure(make: Make, spy: AgentSpy, out: str) -> None:
    """Else it would be asked for again and again."""
    fetching, first = begin(make, spy, out, retries=ONCE)
    headers = {**V1, "Content-Range": f"bytes {HALF}-{SIZE - 1}/{SIZE}"}
    give(spy.requests[1].answer(206, headers), b"")
    assert len(spy.requests) == 2
    give(first, DATA)
    right(out, fetching)


def test_parts_of_one_byte_use_up_the_tries(
    make: Make, spy: AgentSpy, clock: Time, out: str
) -> None:
    """Those of the streams, and then the job's own."""
    splitting, retries = Splitting(4, 4, WORTH), Retries(tries=3)
    fetching, first = begin(make, spy, out, splitting, retries=retries)
    give(first, DATA[:WORTH], CUT)
    answered = 1
    while not fetching.called and answered < 100:
        for request in spy.requests[answered:]:
            start = int((asked(request)[0] or "bytes=0-")[6:].split("-")[0])
            headers = {**V1, "Content-Range": f"bytes {start}-{start}/{SIZE}"}
            give(request.answer(206, headers, length=1), DATA[start : start + 1])
            answered += 1
        clock.advance(1)
    assert type(error_of(fetching)) is TruncatedBody


def test_the_end_of_a_part_that_is_cut(make: Make, spy: AgentSpy, clock: Time, out: str) -> None:
    """It stops where the other begins, and not a byte behind that is written."""
    fetching, first = begin(make, spy, out, Splitting(2, 2, 2 * WORTH))
    second = part(spy.requests[1])
    clock.advance(1)
    first.feed(DATA[:HALF])
    assert aborted(first)
    start, stop = span(spy.requests[2])
    assert (start, stop) == (HALF + HALF // 2, SIZE)
    bring(spy.requests[2])
    second.feed(DATA[HALF:start] + b"x" * SOME)
    assert aborted(second)
    right(out, fetching)


# --- the next run --------------------------------------------------------------------------------


def left(out: str, *ranges: tuple[int, int]) -> None:
    """A run over several connections that was killed."""
    folder = Folder(out)
    part = PartFile(folder, "a.bin", identity_of(URL))
    part.begin(Version('"v1"', None, SIZE), True)
    for start, stop in ranges:
        part.write(DATA[start:stop], start)
    part.keep()
    folder.close()


GAPS = ((0, WORTH), (3 * WORTH, HALF), (6 * WORTH, 7 * WORTH))


def test_gaps_one_after_the_other(make: Make, spy: AgentSpy, out: str) -> None:
    """-s 1."""
    left(out, *GAPS)
    fetching = make(splitting=Splitting(1, 1)).fetch(Job(URL, out))
    for start, stop in ((WORTH, 3 * WORTH), (HALF, 6 * WORTH), (7 * WORTH, SIZE)):
        request = spy.requests[-1]
        told = f"bytes={start}-" + ("" if stop == SIZE else str(stop - 1))
        assert asked(request) == (told, '"v1"')
        headers = {**V1, "Content-Range": f"bytes {start}-{stop - 1}/{SIZE}"}
        give(request.answer(206, headers, length=stop - start), DATA[start:stop])
    right(out, fetching)
    assert len(spy.requests) == 3


def test_gaps_at_a_time(make: Make, spy: AgentSpy, out: str) -> None:
    left(out, *GAPS)
    fetching = make(splitting=Splitting(2, 2, 2 * WORTH)).fetch(Job(URL, out))
    first = part(spy.requests[0])
    assert [span(one) for one in spy.requests] == [(WORTH, 3 * WORTH), (HALF, 6 * WORTH)]
    bring(spy.requests[1])
    assert span(spy.requests[2]) == (7 * WORTH, SIZE)
    bring(spy.requests[2])
    give(first, DATA[WORTH : 3 * WORTH])
    result = right(out, fetching)
    assert (result.attempts, result.http_status) == (len(spy.requests), 206)


def test_gaps_of_another_version(make: Make, spy: AgentSpy, out: str) -> None:
    """All of it comes anew, over several connections again."""
    left(out, *GAPS)
    fetching = make(splitting=HALVES).fetch(Job(URL, out))
    first = whole(spy.requests[0], {**V1, "ETag": '"v2"'})
    assert asked(spy.requests[1]) == (f"bytes={HALF}-{SIZE - 1}", '"v2"')
    second = part(spy.requests[1], ETag='"v2"')
    first.feed(DATA[:HALF])
    give(second, DATA[HALF:])
    right(out, fetching)


def test_stopped_in_the_middle(make: Make, spy: AgentSpy, out: str) -> None:
    """What each of them brought is there the next time."""
    fetching, first = begin(make, spy, out)
    second = part(spy.requests[1])
    first.feed(DATA[:WORTH])
    second.feed(DATA[HALF : HALF + WORTH])
    fetching.cancel()
    fetching.addErrback(lambda failure: None)
    assert aborted(first) and aborted(second)
    spy.requests.clear()
    fetching = make().fetch(Job(URL, out))
    assert asked(spy.requests[0]) == (f"bytes={WORTH}-{HALF - 1}", '"v1"')
    bring(spy.requests[0])
    assert asked(spy.requests[1])[0] == f"bytes={HALF + WORTH}-"
    headers = {**V1, "Content-Range": f"bytes {HALF + WORTH}-{SIZE - 1}/{SIZE}"}
    give(spy.requests[1].answer(206, headers, length=3 * WORTH), DATA[HALF + WORTH :])
    right(out, fetching)


def test_cancelled_while_one_is_being_asked(make: Make, spy: AgentSpy, out: str) -> None:
    fetching, first = begin(make, spy, out)
    fetching.cancel()
    fetching.addErrback(lambda failure: None)
    assert aborted(first) and spy.requests[1].cancelled


class Sudden(SpiedResponse):
    """One in whose first moment something happens."""

    def __init__(self, request: SpiedRequest, happens: Callable[[], None]) -> None:
        start, stop = span(request)
        super().__init__(request, 206, Headers(V1_RAW), stop - start)
        told = f"bytes {start}-{stop - 1}/{SIZE}"
        self.headers.addRawHeader("Content-Range", told)
        self._happens = happens

    def deliverBody(self, protocol: Any) -> None:
        self._happens()
        super().deliverBody(protocol)


async def test_cancelled_while_a_body_begins(reactor: Any, spy: AgentSpy, out: str) -> None:
    """By something that this sets off: whoever is at work then cannot be cancelled, but stops."""
    disks = Disks(reactor, in_memory=lambda device: False)
    downloader = Downloader(reactor, agent=spy, disks=disks, splitting=HALVES)
    fetching = downloader.fetch(Job(URL, out))
    fetching.addErrback(lambda failure: failure.trap(CancelledError))
    first = whole(spy.requests[0])
    second = Sudden(spy.requests[1], fetching.cancel)
    spy.requests[1].deferred.callback(second)
    assert aborted(first) and aborted(second)
    await downloader.close()


def test_a_name_that_the_server_offers(make: Make, spy: AgentSpy, out: str) -> None:
    downloader = make(splitting=HALVES, content_disposition=True)
    fetching = downloader.fetch(Job(URL, out))
    first = whole(spy.requests[0], {**V1, "Content-Disposition": 'attachment; filename="b"'})
    bring(spy.requests[1])
    first.feed(DATA[:HALF])
    assert take(fetching).path == f"{out}/b"
    assert os.listdir(out) == ["b"]


# --- rates ---------------------------------------------------------------------------------------


def test_the_rate_of_a_file_is_that_of_all_its_parts(
    make: Make, spy: AgentSpy, clock: Time, out: str
) -> None:
    """What one of them brings too much pauses all, and it is no stall."""
    limits = Limits(bytes_per_second_per_file=WORTH)
    timeouts = Timeouts(stall=2.0)
    fetching, first = begin(make, spy, out, limits=limits, timeouts=timeouts)
    second = part(spy.requests[1])
    first.feed(DATA[:HALF])
    assert aborted(first)
    assert second.transport.paused
    seconds = 0
    while second.transport.paused:
        clock.advance(0.1)
        seconds += 1
    assert 20 <= seconds <= 40
    for request in spy.requests[2:]:
        request.fail(Refused())
    give(second, DATA[HALF:])
    for _ in range(100):
        clock.advance(0.1)
    right(out, fetching)
