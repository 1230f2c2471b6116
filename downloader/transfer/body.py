"""The Protocol that takes a response's body to its part file."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.protocol import Protocol, connectionDone
from twisted.python.failure import Failure
from twisted.web.client import ResponseDone
from twisted.web.http import PotentialDataLoss

from downloader.deadlines import Deadlines
from downloader.drain import DRAIN_BYTES, abort_body
from downloader.errors import StallTimeout, TruncatedBody
from downloader.jobs import Timeouts
from downloader.transfer.stall import StallWatch
from downloader.transfer.throttle import OneFlow, Throttle
from downloader.transfer.writer import PartWriter

# A body up to this length is looked at as one piece; its connection is worth reading to its end.
SHORT = DRAIN_BYTES
_NONE: frozenset[str] = frozenset()


class FileBody(Protocol):
    """Takes what comes to a part file, and watches that enough comes.

    `open_part` opens the part file, which is `part` then: at once when the body is long, else at
    the first piece that is not all of it. A short body that comes in one piece is `whole`, and
    needs none. `part` may be given too: what is there is gone on with then, at `start`. When it
    cannot be written as fast as it comes, the transport is paused.

    `result` is None until it is over, then what `done` fires with.
    `done` fires with True when the body's length was proven, with False when only the end of
    the connection ended it. It fails with StallTimeout, TruncatedBody, a disk error, or what the
    agent says. Cancelling it aborts the transport. It fires once, whatever is heard afterwards.
    The watch begins when `done` is asked for, and stands still while the body is paused: that is
    our doing; `throttle` too says when that is. What is `done` may still have to be written.
    `digest` is called with each piece, to compute a checksum on the way; one that it raises at is
    not written.
    """

    transport: Any

    def __init__(
        self,
        open_part: Callable[[], PartWriter],
        length: int | None,
        deadlines: Deadlines,
        timeouts: Timeouts,
        digest: Callable[[bytes | memoryview], object] | None = None,
        throttle: Throttle | OneFlow | None = None,
        part: PartWriter | None = None,
        start: int = 0,
    ) -> None:
        self.received = 0
        self.whole = b""
        self.part = part
        self.start = start
        self._open_part = open_part
        self._length = length
        self._deadlines = deadlines
        self._timeouts = timeouts
        self._digest = digest
        self._throttle = throttle
        self._ending: Failure | None = None  # an end that came before its turn
        self._done: Deferred[bool] | None = None
        self.result: bool | Failure | None = None
        self._failure: Failure | None = None
        self._dropped = 0
        self._pauses: frozenset[str] = _NONE
        self._watch: StallWatch | None = None  # short bodies need none
        if part is not None:
            part.watch(self._written)

    def __repr__(self) -> str:
        return (
            f"<FileBody {self.received} of {self._length}{'' if self.result is None else ' over'}>"
        )

    @property
    def done(self) -> Deferred[bool]:
        """Fires when the body is over; see the class."""
        if self._done is None:
            self._done = Deferred(self._cancelled)
            if self.result is not None:
                _fire(self._done, self.result)
            else:
                self._watch = StallWatch(
                    self._deadlines, self._timeouts, lambda: self.received, self._stalled
                )
                if not self._pauses:
                    self._watch.go_on()
        return self._done

    def told(self) -> bool:
        """What it came to, now that it is over: what `done` fires with is returned or raised."""
        assert self.result is not None
        if isinstance(self.result, Failure):
            self.result.raiseException()
        return self.result

    def viewReceived(self, data: memoryview) -> None:
        """A piece of a long body, good during this call."""
        if self.result is None and self._failure is None:
            self._take(data)
            self._spend(len(data))

    def dataReceived(self, data: bytes) -> None:
        if self.result is not None or not data:
            return
        if self._failure is not None:
            self._drop(len(data), self._failure)
        elif self.part is None and len(data) == self._length and not self.whole:
            self._keep(data)
        else:
            self._take(data)
        self._spend(len(data))

    def connectionMade(self) -> None:
        if self._length is None or self._length > SHORT:
            self._take(b"")
        if self._throttle is not None and self._throttle.on and self.result is None:
            self.viewReceived = None  # type: ignore[assignment]  # small reads keep a rate better
            self._throttle.begun(self)

    def _spend(self, size: int) -> None:
        if self._throttle is not None and self._throttle.on and self.result is None:
            last = self.received == self._length and "rate" not in self._pauses
            self._throttle.received(self, size, last)

    def pause(self, why: str = "rate") -> None:
        """Take no more for now; for as long as there is a reason."""
        if self._watch is not None:
            self._watch.stop()
        self._pauses |= {why}
        self.transport.pauseProducing()

    def resume(self, why: str = "rate") -> None:
        """Go on, as far as this reason goes."""
        if why not in self._pauses:
            return
        self._pauses -= {why}
        if self._ending is not None:
            self.connectionLost(self._ending)
        elif not self._pauses:
            if self._watch is not None:
                self._watch.go_on()
            self.transport.resumeProducing()

    def _keep(self, data: bytes) -> None:
        self.whole = data
        self.received = len(data)
        if self._digest is not None:
            self._digest(data)

    def _take(self, data: bytes | memoryview) -> None:
        """Write a piece. When that fails, a body that is nearly over is read to its end all the
        same: its connection is worth more than that."""
        try:
            part = self.part or self._open()
            if self._digest is not None:
                self._digest(data)
            part.write(data, self.start + self.received)
        except Exception:
            self._failure = Failure()
            self._drop(len(data), self._failure)
            return
        if part.failure is not None:
            self._failure = part.failure
            self._drop(len(data), self._failure)
            return
        self.received += len(data)
        if part.full:
            self.pause("disk")

    def _open(self) -> PartWriter:
        self.part = self._open_part()
        self.part.watch(self._written)
        if self.whole:  # more came behind what was to be all
            self.part.write(self.whole)
        return self.part

    def _written(self) -> None:
        """The part file has got further, or has failed, while we waited."""
        if self.result is not None or self.part is None:
            return
        if self.part.failure is not None and self._failure is None:
            self._failure = self.part.failure
            self._drop(0, self._failure)
        if self.result is None and not self.part.full:
            self.resume("disk")

    def _drop(self, size: int, failure: Failure) -> None:
        self._dropped += size
        left = self._length is not None and self._length - self.received - self._dropped
        if max(self._dropped, left) > DRAIN_BYTES:
            self._stop(failure)

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        if self.result is not None:
            return
        if "rate" in self._pauses and reason.check(ResponseDone, PotentialDataLoss):
            self._ending = reason  # not every agent's transport holds what it has when it is paused
            return
        if self._failure is not None:
            self._end(self._failure)
        elif isinstance(reason.value, ResponseDone) and self._length in (None, self.received):
            self._end(True)
        elif reason.check(PotentialDataLoss) and self._length is None:
            self._end(False)
        elif reason.check(ResponseDone, PotentialDataLoss):
            self._end(Failure(TruncatedBody(f"{self.received} of {self._length} bytes")))
        else:
            self._end(reason)

    def _stalled(self, error: StallTimeout) -> None:
        self._stop(Failure(error))

    def _cancelled(self, done: Deferred[bool]) -> None:
        self._stop(Failure(CancelledError()))

    def _stop(self, reason: bool | Failure) -> None:
        """End it from this side: first the transport, then whoever waits and goes on."""
        self.result = reason
        abort_body(self.transport)
        self._end(reason)

    def _end(self, result: bool | Failure) -> None:
        self.result = result
        self._open_part = _open_no_more  # whoever opens it holds this body
        if self._watch is not None:
            self._watch.stop()
            self._watch = None
        if self.part is not None:
            self.part.unwatch(self._written)
        if self._throttle is not None and self._throttle.on:
            self._throttle.ended(self)
        if self._done is not None:
            _fire(self._done, result)


def _open_no_more() -> PartWriter:
    raise RuntimeError("the body is over")


def _fire(done: Deferred[bool], result: bool | Failure) -> None:
    if isinstance(result, Failure):
        done.errback(result)
    else:
        done.callback(result)
