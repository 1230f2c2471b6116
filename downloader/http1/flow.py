"""The body that a connection is reading: paused, resumed, waiting for somebody, or in bulk."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from twisted.python.failure import Failure

from downloader.deadlines import Deadline, Deadlines
from downloader.errors import StallTimeout
from downloader.http1.bulk import Buffers, BulkRead, bulk_read
from downloader.http1.response import Response
from downloader.sansio.pipeline import BIG

# How long an answer's body may wait for somebody to ask for it before its connection is closed,
# in seconds: a caller that dropped the response would otherwise keep a paused socket for ever.
UNCLAIMED = 60.0


class Flow:
    """What a `Response` knows as its source, one for all of a connection.

    `buffers` are for reading in bulk, after which `skipped(rest, over)` is called with what came
    behind the body, and whether the connection is over. `fail` closes it with a reason, `abort`
    without one.
    """

    def __init__(
        self,
        deadlines: Deadlines,
        buffers: Buffers,
        *,
        skipped: Callable[[bytes, bool], None],
        fail: Callable[[Failure], None],
        abort: Callable[[], None],
    ) -> None:
        self.transport: Any = None
        self.paused = False
        self.abort = abort
        self._deadlines = deadlines
        self._buffers = buffers
        self._skipped = skipped
        self._fail = fail
        self._stopped = False
        self._bulk: BulkRead | None = None
        self._unclaimed: Deadline | None = None

    def __repr__(self) -> str:
        return f"<Flow {'paused' if self.paused else self._bulk or 'going'}>"

    def pause_body(self) -> None:
        """Stop reading."""
        if not self._stopped:
            self.paused = True
            self.transport.pauseProducing()

    def resume_body(self) -> None:
        """Read on."""
        if self.paused and not self._stopped:
            self.paused = False
            self.transport.resumeProducing()

    def body_claimed(self) -> None:
        """Somebody reads the body now."""
        if self._unclaimed is not None:
            self._unclaimed.cancel()
            self._unclaimed = None

    def body_ended(self) -> None:
        """It has come whole, whether its reader has paused or nobody has asked for it yet."""
        self.body_claimed()
        self.resume_body()

    def hold(self, response: Response) -> None:
        """The body of `response` goes on behind what was read."""
        if not response.announced:
            response.announce()
        if self._stopped:
            return
        if not response.claimed:
            self.pause_body()
            if self._unclaimed is None:
                self._unclaimed = self._deadlines.set(UNCLAIMED, self._late)

    def hasten(self, response: Response) -> None:
        """A read is through: take what is left of a long body past the parser, if that may be."""
        if response.left > BIG and response.takes_views and not (self._stopped or self._bulk):
            self._bulk = bulk_read(
                self.transport,
                self._buffers,
                self._deadlines,
                response.left,
                response.view_received,
                self._bulk_ended,
            )

    def stop(self) -> None:
        """The connection is being closed."""
        self._stopped = True
        self.body_claimed()
        if self._bulk is not None:
            self._bulk.stop()
            self._bulk = None

    def _bulk_ended(self, rest: bytes, over: bool) -> None:
        self._bulk = None
        if not self._stopped:
            self._skipped(rest, over)

    def _late(self) -> None:
        self._unclaimed = None
        self._fail(Failure(StallTimeout(f"nobody read the body for {UNCLAIMED:g} s")))
