"""The Protocol that takes a response's body to its part file."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Any

from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.protocol import Protocol, connectionDone
from twisted.python.failure import Failure
from twisted.web.client import ResponseDone
from twisted.web.http import PotentialDataLoss

from downloader.deadlines import Deadline, Deadlines
from downloader.drain import abort_body
from downloader.errors import StallTimeout, TruncatedBody
from downloader.jobs import Timeouts
from downloader.transfer.partfile import PartFile

# A stall window is looked at this often, so a stall is seen at most a quarter late.
QUARTERS = 4


class FileBody(Protocol):
    """Writes what comes to `part`, and watches that enough comes.

    `done` fires with True when the body's length was proven, with False when only the end of
    the connection ended it. It fails with StallTimeout, TruncatedBody, a disk error, or what the
    agent says. Cancelling it aborts the transport. It fires once, whatever is heard afterwards.
    `digest` is called with each piece, to compute a checksum on the way.
    """

    transport: Any

    def __init__(
        self,
        part: PartFile,
        length: int | None,
        deadlines: Deadlines,
        timeouts: Timeouts,
        digest: Callable[[bytes], None] | None = None,
    ) -> None:
        self.done: Deferred[bool] = Deferred(self._cancelled)
        self.received = 0
        self._part = part
        self._length = length
        self._deadlines = deadlines
        self._tick = timeouts.stall / QUARTERS
        self._least = max(1.0, timeouts.lowest_speed * timeouts.stall)
        self._digest = digest
        self._window = deque([0], QUARTERS)
        self._watch: Deadline | None = None
        self._over = False

    def __repr__(self) -> str:
        return f"<FileBody {self.received} of {self._length}{' over' if self._over else ''}>"

    def connectionMade(self) -> None:
        self._watch = self._deadlines.set(self._tick, self._look)

    def dataReceived(self, data: bytes) -> None:
        if self._over:
            return
        try:
            self._part.write(data)
            if self._digest is not None:
                self._digest(data)
        except Exception:
            self._stop(Failure())
            return
        self.received += len(data)

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        if self._over:
            return
        if isinstance(reason.value, ResponseDone) and self._length in (None, self.received):
            self._end(True)
        elif reason.check(PotentialDataLoss) and self._length is None:
            self._end(False)
        elif reason.check(ResponseDone, PotentialDataLoss):
            self._end(Failure(TruncatedBody(f"{self.received} of {self._length} bytes")))
        else:
            self._end(reason)

    def _look(self) -> None:
        """Compare with what had come one window ago."""
        if len(self._window) == QUARTERS and self.received - self._window[0] < self._least:
            window = self._tick * QUARTERS
            self._stop(
                Failure(StallTimeout(f"{self.received - self._window[0]} bytes in {window:g} s"))
            )
            return
        self._window.append(self.received)
        self._watch = self._deadlines.set(self._tick, self._look)

    def _cancelled(self, done: Deferred[bool]) -> None:
        self._stop(Failure(CancelledError()))

    def _stop(self, reason: Failure) -> None:
        """End it from this side: first the transport, then whoever waits and goes on."""
        self._over = True
        abort_body(self.transport)
        self._end(reason)

    def _end(self, result: bool | Failure) -> None:
        self._over = True
        if self._watch is not None:
            self._watch.cancel()
            self._watch = None
        if isinstance(result, Failure):
            self.done.errback(result)
        else:
            self.done.callback(result)
