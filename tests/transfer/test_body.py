"""The way of a body to its file: how it ends, and how it is noticed that it does not."""

from __future__ import annotations

import os
from collections.abc import Callable, Generator
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from twisted.internet.defer import CancelledError
from twisted.internet.error import ConnectionDone
from twisted.internet.task import Clock
from twisted.python.failure import Failure
from twisted.web.client import ResponseDone, ResponseFailed
from twisted.web.http import PotentialDataLoss

from downloader.deadlines import Deadlines
from downloader.errors import DiskFull, StallTimeout, TruncatedBody
from downloader.jobs import Timeouts
from downloader.testing import SpiedTransport
from downloader.transfer.body import FileBody
from downloader.transfer.folder import Folders
from downloader.transfer.writer import PartWriter

Make = Callable[..., FileBody]


@pytest.fixture
def part(folders: Folders, out: str) -> Generator[PartWriter, None, None]:
    opened = PartWriter(folders, out, "a", long=True)
    yield opened
    opened.keep()


@pytest.fixture
def make(part: PartWriter, clock: Clock) -> Generator[Make, None, None]:
    """Begin a body; once it is over no delayed call of it may be left."""
    made: list[FileBody] = []

    def begin(length: int | None = None, digest: Any = None, **timeouts: float) -> FileBody:
        options: Any = {"stall": 8.0, **timeouts}
        made.append(FileBody(lambda: part, length, Deadlines(clock), Timeouts(**options), digest))
        made[-1].makeConnection(SpiedTransport())
        assert not made[-1].done.called
        return made[-1]

    yield begin
    assert all(body.done.called for body in made)
    assert clock.getDelayedCalls() == []


def written(part: PartWriter) -> int:
    return os.stat(f"{part.folder.path}/a.part").st_size


def end(body: FileBody, error: BaseException) -> None:
    body.connectionLost(Failure(error))


def outcome(body: FileBody) -> Any:
    """True, False, or the class of its failure."""
    found: list[Any] = []
    body.done.addBoth(found.append)
    (result,) = found
    return result.type if isinstance(result, Failure) else result


def aborted(body: FileBody) -> bool:
    return body.transport.calls.count("abortConnection") == 1


def test_a_length_that_is_kept_is_proof(make: Make, part: PartWriter) -> None:
    body = make(6)
    body.dataReceived(b"abc")
    body.dataReceived(b"def")
    assert repr(body) == "<FileBody 6 of 6>"
    end(body, ResponseDone())
    assert outcome(body) is True
    assert (body.received, written(part)) == (6, 6)
    assert repr(body) == "<FileBody 6 of 6 over>"
    assert body.transport.calls == []


def test_the_last_chunk_is_proof(make: Make) -> None:
    body = make(None)
    body.dataReceived(b"abc")
    end(body, ResponseDone())
    assert outcome(body) is True


@pytest.mark.parametrize("data", [b"", b"abc"])
def test_the_end_of_the_connection_proves_nothing(make: Make, data: bytes) -> None:
    body = make(None)
    body.dataReceived(data)
    end(body, PotentialDataLoss())
    assert outcome(body) is False


@pytest.mark.parametrize("length", [0, None])
def test_a_body_of_no_bytes(make: Make, length: int | None) -> None:
    body = make(length)
    end(body, ResponseDone())
    assert outcome(body) is True


@pytest.mark.parametrize("error", [ResponseDone, PotentialDataLoss])
@pytest.mark.parametrize("came", [0, 2, 4])
def test_another_length_than_told_is_truncation(
    make: Make, came: int, error: type[Exception]
) -> None:
    """Whatever the agent says of it; more than was told is no better than less."""
    body = make(3)
    body.dataReceived(b"x" * came)
    end(body, error())
    with pytest.raises(TruncatedBody, match=f"{came} of 3 bytes"):
        body.done.result.raiseException()
    assert outcome(body) is TruncatedBody


def test_what_the_agent_fails_with_is_passed_on(make: Make) -> None:
    body = make(3)
    body.dataReceived(b"ab")
    end(body, ResponseFailed([Failure(ConnectionDone())]))
    assert outcome(body) is ResponseFailed
    assert body.transport.calls == []


def test_only_the_first_end_counts(make: Make, part: PartWriter) -> None:
    body = make(3)
    body.dataReceived(b"ab")
    body.dataReceived(b"c")
    end(body, ResponseDone())
    end(body, ResponseFailed([]))
    body.dataReceived(b"late")
    body.done.cancel()
    assert outcome(body) is True
    assert written(part) == 3
    assert body.transport.calls == []


def test_cancelling_aborts_and_what_comes_late_is_dropped(make: Make, part: PartWriter) -> None:
    body = make(10)
    body.dataReceived(b"abc")
    body.done.cancel()
    assert outcome(body) is CancelledError
    assert aborted(body)
    body.dataReceived(b"late")
    end(body, ResponseFailed([]))
    assert written(part) == 3


@pytest.mark.parametrize("why", ["stall", "disk", "cancel"])
def test_the_transport_is_aborted_before_anybody_goes_on(
    make: Make, part: PartWriter, clock: Clock, why: str
) -> None:
    """Whoever waits for the end may ask the same server next, and needs its connection closed."""
    body = make(10**6)
    seen: list[str] = []
    body.done.addErrback(lambda _: seen.extend(body.transport.calls))
    if why == "stall":
        drip(body, clock, [0] * 20)
    elif why == "disk":
        part.keep()
        body.dataReceived(b"abc")
    else:
        body.done.cancel()
    assert seen == ["abortConnection"]


def test_the_digest_hears_every_byte(make: Make) -> None:
    digest = sha256()
    body = make(6, digest.update)
    body.dataReceived(b"abc")
    body.dataReceived(b"def")
    end(body, ResponseDone())
    assert outcome(body) is True
    assert digest.hexdigest() == sha256(b"abcdef").hexdigest()


def test_a_full_disk_ends_it_and_is_what_is_told(make: Make, part: PartWriter) -> None:
    """The transport is aborted at once, and its own end afterwards is not heard."""
    body = make(10**6)
    body.dataReceived(b"abc")
    full = os.open("/dev/full", os.O_WRONLY)
    os.dup2(full, part._part._fd)
    os.close(full)
    body.dataReceived(b"def")
    body.dataReceived(b"ghi")
    end(body, ResponseFailed([]))
    assert outcome(body) is DiskFull
    assert aborted(body)
    assert body.received == 3


def test_a_transport_without_abort_is_told_to_stop(part: PartWriter, clock: Clock) -> None:
    """Twisted's body transports have stopProducing only, which closes."""

    class Stock:
        stopped = 0

        def stopProducing(self) -> None:
            self.stopped += 1

    body = FileBody(part, 3, Deadlines(clock), Timeouts())
    transport: Any = Stock()
    body.makeConnection(transport)
    body.done.cancel()
    assert outcome(body) is CancelledError
    assert transport.stopped == 1


# --- stalls: at least lowest_speed * 8 bytes, and one, in any 8 seconds ------------------------


def drip(body: FileBody, clock: Clock, speeds: list[int]) -> int:
    """Bring so many bytes in each second; returns after how many seconds it was over."""
    for second, count in enumerate(speeds):
        if count:
            body.dataReceived(b"x" * count)
        clock.advance(1)
        if body.done.called:
            return second + 1
    return 0


def test_silence_is_a_stall(make: Make, clock: Clock) -> None:
    body = make(100)
    assert drip(body, clock, [0] * 20) == 8
    with pytest.raises(StallTimeout, match="0 bytes in 8 s"):
        body.done.result.raiseException()
    assert outcome(body) is StallTimeout
    assert aborted(body)


def test_fast_then_silent_is_a_stall_one_window_later(make: Make, clock: Clock) -> None:
    """What came before counts for nothing; it is seen at most a quarter of a window late."""
    body = make(10**9)
    seconds = drip(body, clock, [100_000] * 20 + [0] * 20)
    assert 20 + 8 <= seconds <= 20 + 8 + 2
    assert outcome(body) is StallTimeout


def test_one_byte_in_each_window_is_enough_without_a_lowest_speed(make: Make, clock: Clock) -> None:
    body = make(10)
    assert drip(body, clock, [1, 0, 0, 0, 0, 0] * 10) == 0
    end(body, ResponseDone())
    assert outcome(body) is True


def test_a_drip_below_the_lowest_speed_is_a_stall(make: Make, clock: Clock) -> None:
    body = make(10**9, lowest_speed=10)
    assert drip(body, clock, [9] * 100) == 8
    assert outcome(body) is StallTimeout


def test_a_drip_at_the_lowest_speed_goes_on(make: Make, clock: Clock) -> None:
    body = make(1000, lowest_speed=10)
    assert drip(body, clock, [10] * 100) == 0
    end(body, ResponseDone())
    assert outcome(body) is True


def test_bursts_are_judged_by_the_window_and_not_by_the_second(make: Make, clock: Clock) -> None:
    body = make(80 * 10, lowest_speed=10)
    assert drip(body, clock, [80, 0, 0, 0, 0, 0, 0, 0] * 10) == 0
    end(body, ResponseDone())
    assert outcome(body) is True


@pytest.mark.parametrize("reasons", [("disk",), ("rate",), ("disk", "rate")])
def test_while_we_pause_it_is_no_stall(make: Make, clock: Clock, reasons: tuple[str, ...]) -> None:
    """The watch stands still until every reason is gone, and goes on from where it was."""
    body = make(10**9)
    assert drip(body, clock, [1, 0, 0, 0, 0, 0]) == 0
    for reason in reasons:
        body.pause(reason)
        body.pause(reason)
    for reason in reasons:
        assert drip(body, clock, [0] * 100) == 0
        body.resume(reason)
        body.resume(reason)
    assert body.transport.calls[-1:] == ["resumeProducing"]
    assert body.transport.calls.count("resumeProducing") == 1
    assert 2 <= drip(body, clock, [0] * 100) <= 8
    assert outcome(body) is StallTimeout


def test_a_pause_before_anybody_waits(make: Make, clock: Clock, part: PartWriter) -> None:
    """The watch that begins with `done` stands still from the start."""
    body = FileBody(lambda: part, 10, Deadlines(clock), Timeouts(stall=8))
    body.makeConnection(SpiedTransport())
    body.pause()
    assert not body.done.called
    assert drip(body, clock, [0] * 100) == 0
    body.resume()
    assert drip(body, clock, [0] * 100) > 0
    assert outcome(body) is StallTimeout


def test_the_part_file_of_a_stall_is_a_prefix(make: Make, clock: Clock, out: str) -> None:
    body = make(100)
    body.dataReceived(b"the beginning")
    drip(body, clock, [0] * 20)
    assert outcome(body) is StallTimeout
    assert Path(out, "a.part").read_bytes() == b"the beginning"
