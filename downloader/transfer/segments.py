"""The streams of one job: a file that comes over several connections at a time.

Which bytes each of them fetches is decided in `sansio.segments`; here they are fetched, and all
written to one part file. One coroutine is one stream, and one reads the pieces that have checksums.
They are below the job's own: when that is cancelled, or something on this machine fails one of
them, all are cancelled and nobody is waited for.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Awaitable, Callable, Coroutine, Iterable
from typing import Any, NamedTuple

from twisted.internet.defer import CancelledError, Deferred
from twisted.python.failure import Failure
from twisted.web.iweb import UNKNOWN_LENGTH, IResponse

from downloader.deadlines import Deadline
from downloader.drain import drain
from downloader.errors import ChecksumMismatch, LocalProblem, TruncatedBody
from downloader.sansio.pieces import PieceChecks
from downloader.sansio.ranges import Gap, Range
from downloader.sansio.resume import Answer, Decision, Take
from downloader.sansio.segments import Mirror, Segments, Stream
from downloader.transfer.door import translate
from downloader.transfer.partfile import WORTH
from downloader.transfer.segmentbody import SegmentBody
from downloader.transfer.setup import Setup
from downloader.transfer.throttle import OneFlow
from downloader.transfer.writer import PartWriter

# Asks for a stream's bytes; what the answer's head means. Raises what a refusal means.
Ask = Callable[[Stream], Awaitable[tuple[IResponse, Decision]]]
Checks = PieceChecks[Mirror | None]


class First(NamedTuple):
    """A response that is there already, and its head. The body begins at `take.start`; the bytes of
    `gap` are wanted of it, up to the file's end where that is None."""

    answer: Answer
    response: IResponse
    take: Take
    gap: Gap


class Streams:
    """Fetches what `segments` tell, into `part`, and has `checks` made if there are any.

    `total` is the file's length in bytes.
    """

    def __init__(
        self,
        setup: Setup,
        segments: Segments,
        part: PartWriter,
        ask: Ask,
        total: int,
        checks: Checks | None = None,
    ) -> None:
        self._setup = setup
        self._segments = segments
        self._part = part
        self._ask = ask
        self._total = total
        self._checks = checks
        self._unread: deque[int] = deque()  # pieces that are whole; the first is being read
        self._flow = OneFlow(setup.throttle) if setup.throttle is not None else None
        self._running: set[Deferred[None]] = set()
        self._done: Deferred[bool] = Deferred(lambda _: self._stop())
        self._over = False
        self._beginning = False
        self._retry: Deadline | None = None

    def __repr__(self) -> str:
        return f"<Streams {self._segments!r}{' over' if self._over else ''}>"

    @property
    def received(self) -> int:
        """How many bytes of the file are there, those among them that were there before."""
        return self._total - self._segments.left

    def start(self, first: First | None, held: Iterable[Range]) -> Deferred[bool]:
        """Fetch what is missing; `held` is not.

        **Fires with** True when every byte is there and every piece right; with False when that is
        not so, and the first mirror brings no parts. **Fails with** an error of ours: what failed
        last, once nothing else is under way, or a LocalProblem at once. **Cancelling** it aborts
        every stream.
        """
        for start, stop in held:
            self._arrived(start, stop, None)
        if first is not None:
            self._run(self._fetch(self._stream_of(first), first))
        self._go_on()
        return self._done

    def _stream_of(self, first: First) -> Stream:
        start, stop = first.gap
        limit, parts = first.take.stop or self._total, first.answer.parts
        return self._segments.first(start, stop or self._total, limit, parts, self._now())

    # --- one stream -------------------------------------------------------------------------

    async def _fetch(self, stream: Stream, first: First | None = None) -> None:
        """Fetch its bytes, of an answer that is there or not. Raises what fails on this machine."""
        error = None
        try:
            if first is not None:
                await self._receive(stream, first.response, first.take.start)
            elif not await self._ask_and_receive(stream):
                self._segments.refused(stream)
                return
        except CancelledError:
            raise
        except Exception as failed:
            error = translate(failed)
            if isinstance(error, LocalProblem):
                raise
        self._segments.ended(stream, self._now(), error)

    async def _ask_and_receive(self, stream: Stream) -> bool:
        """False when the answer is no part of this version."""
        response, decision = await self._ask(stream)
        if not isinstance(decision, Take) or decision.version is None or decision.stop is None:
            await drain(response, self._setup.deadlines)
            return False
        short = decision.stop < stream.stop
        self._segments.answered(stream, decision.stop)
        await self._receive(stream, response, decision.start, short)
        return True

    async def _receive(
        self, stream: Stream, response: IResponse, start: int, short: bool = False
    ) -> None:
        """Take its bytes. `short` says that the answer brings only the first of them."""
        setup = self._setup
        length = None if response.length is UNKNOWN_LENGTH else response.length
        body = SegmentBody(
            *(self._segments, stream, self._came, lambda: self._part),
            *(length, setup.deadlines, setup.timeouts, None, self._flow),
            *(self._part, start),
        )
        if self._part.failure is None:
            self._go_on()  # others may be asked now
        response.deliverBody(body)
        done = body.done
        if self._over:  # since just now: then nobody could cancel this
            done.cancel()
        try:
            await done
        finally:
            if self._flow is not None:
                self._flow.ended(body)
        if (stream.left or short) and (stream.alone or stream.at - stream.start < WORTH):
            raise TruncatedBody("less than was asked for")

    # --- one piece --------------------------------------------------------------------------

    def _came(self, stream: Stream, before: int) -> None:
        self._arrived(before, stream.at, stream.mirror, stream.alone)

    def _arrived(self, start: int, stop: int, mirror: Mirror | None, alone: bool = False) -> None:
        """Read the pieces that are whole now."""
        if self._checks is not None:
            reads = bool(self._unread)
            self._unread += self._checks.arrived(start, stop, mirror, alone)
            if self._unread and not reads:
                self._run(self._read_all(self._checks))

    async def _read_all(self, checks: Checks) -> None:
        while self._unread:
            await self._read(checks, self._unread[0])
            self._unread.popleft()

    async def _read(self, checks: Checks, number: int) -> None:
        """Read a piece; fetch it again if it is wrong, and raise if nobody can be asked for it."""
        start, stop = checks.span(number)
        checksum = checks.checksum(number)
        await self._part.read(checksum.update, start, stop)
        if checksum.matches:
            checks.right(number)
            self._segments.right(start)
            return
        self._part.drop(start, stop)
        if not self._segments.wrong(start, stop, checks.wrong(number)):
            raise ChecksumMismatch(f"the bytes from {start} to {stop}")

    # --- all of them ------------------------------------------------------------------------

    def _run(self, coroutine: Coroutine[Any, Any, None]) -> None:
        running = Deferred.fromCoroutine(coroutine)
        self._running.add(running)
        running.addBoth(self._ran, running)
        if self._over:
            running.cancel()

    def _ran(self, result: Failure | None, running: Deferred[None]) -> None:
        self._running.discard(running)
        if isinstance(result, Failure):
            self._finish(result)
        else:
            self._go_on()

    def _go_on(self) -> None:
        """Begin what can begin; it is over when nothing is under way then."""
        if self._beginning or self._over:
            return
        self._beginning = True
        while not self._over and (stream := self._segments.next(self._now())) is not None:
            self._run(self._fetch(stream))
        self._beginning = False
        if self._over:
            return
        if self._running or self._segments.streams:
            self._try_later()
        else:
            self._conclude()

    def _try_later(self) -> None:
        """See to mirrors that failed, when they may be asked again."""
        if self._retry is not None:
            self._retry.cancel()
        wait = self._segments.wait(self._now())
        self._retry = None if wait is None else self._setup.deadlines.set(wait, self._go_on)

    def _conclude(self) -> None:
        error = self._segments.error
        if self._segments.over and (self._checks is None or self._checks.done):
            self._finish(True)
        elif self._segments.mirrors[0].parts is False or error is None:
            self._finish(False)
        else:
            self._finish(Failure(error))

    def _finish(self, result: bool | Failure) -> None:
        if not self._over:
            self._stop()
            self._done.callback(result)  # a Failure makes it fail

    def _stop(self) -> None:
        self._over = True
        if self._retry is not None:
            self._retry.cancel()
        for running in list(self._running):
            running.cancel()

    def _now(self) -> float:
        return self._setup.clock.seconds()
