"""Many jobs from one source, as many at a time as the limiter lets."""

from __future__ import annotations

from collections.abc import AsyncIterable, Callable, Iterable
from typing import Any, Generic

from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.logger import Logger
from twisted.python.failure import Failure

from downloader.errors import DownloadError
from downloader.jobs import Job, PutJob, Report, Result, Status
from downloader.sansio.url import redacted
from downloader.sansio.window import WINDOW, Window, weight
from downloader.transfer.limiter import Limiter
from downloader.transfer.recorder import Recorder
from downloader.transfer.way import JobT, Way, cancel_all

_log = Logger()

# None says: no job yet, but ask again; so a source that reads on for long lets others have turns.
# An asynchronous source may give several at a time, as a list.
Jobs = Iterable[Job | None] | AsyncIterable[Job | list[Job] | None]
PutJobs = Iterable[PutJob | None] | AsyncIterable[PutJob | list[PutJob] | None]

# Lines read or jobs ended in one turn of the reactor, before others get theirs: a list of files
# that are all there already needs no network and would otherwise be done in one long turn.
A_TURN = 200
# What a list of jobs counts for at least: others may have been passed over to make it.
A_LIST = 32
# Jobs that are read before there is room for them, where they have to be kept first.
AHEAD = 256
# With that many lines read and nothing to start, the next are read so much later, in seconds: a
# host that has just begun earns its slots in less, and a dead one's lines are passed at 10,000/s.
READ_AHEAD_PAUSE = 0.02


class Run(Generic[JobT]):
    """Pulls jobs from their source one by one, only as there is room for them.

    `transfer(job)` makes its Way, in the order of the source; `transfers` holds those that
    run, here and elsewhere. `done` fires with the Report when the source is at its end and every
    job ended. It fails with what the source or `on_result` raised, after cancelling every job;
    cancelling it does that too. With a `recorder`, no job begins before its path is kept.
    """

    def __init__(
        self,
        clock: IReactorTime,
        limiter: Limiter,
        transfer: Callable[[JobT], Way[JobT]],
        transfers: dict[Way[Any], None],
        jobs: Iterable[JobT | None] | AsyncIterable[JobT | list[JobT] | None],
        on_result: Callable[[Result], None] | None,
        recorder: Recorder | None = None,
    ) -> None:
        self.done: Deferred[Report] = Deferred(lambda _: self._stop(Failure(CancelledError())))
        self.report = Report()
        self._clock = clock
        self._limiter = limiter
        self._transfer = transfer
        self._transfers = transfers
        self._on_result = on_result
        self._is_async = isinstance(jobs, AsyncIterable)
        self._source: Any = jobs.__aiter__() if isinstance(jobs, AsyncIterable) else iter(jobs)
        self._pulling: Deferred[Any] | None = None
        self._recorder = recorder
        self._turn = 0  # what may still be done in this one
        self._unplanned: list[Way[JobT]] = []  # read, and not with the recorder
        self._planning: list[Way[JobT]] = []  # with the recorder
        self._window: Window[Way[JobT]] = Window()
        self._running: set[Way[JobT]] = set()
        self._held_up: dict[Way[JobT], Deferred[None]] = {}
        self._held = 0  # the weight of all these
        self._exhausted = False
        self._stopped = False
        self._in_pump = False
        self._in_source = False
        self._call: IDelayedCall | None = None
        self._began = clock.seconds()
        limiter.watch(self.wake)

    def __repr__(self) -> str:
        return f"<Run {self.report.lines} done, {len(self._running)} running, {self._window!r}>"

    def pump(self) -> None:
        """Start what can start; read on while nothing can and there is room."""
        if self._in_pump:
            return
        self._in_pump = True
        try:
            self._turn = A_TURN
            while self._turn > 0 and self._step():
                self._turn -= 1
            if self._turn <= 0 and self._call is None:
                self._pump_later(READ_AHEAD_PAUSE if len(self._window) else 0)
        except BaseException:
            self._stop(Failure())
        finally:
            self._in_pump = False
        if self._unplanned and not self._planning and not self._stopped:
            self._plan()
        self._finish_if_over()

    def wake(self) -> None:
        """Somebody else gave a slot back: see to it in the next turn, not within their call."""
        if self._call is None and not self._stopped and not self.done.called:
            self._pump_later()

    def _step(self) -> bool:
        """One thing; False when there is nothing to do until something happens."""
        if self._stopped or not (self._limiter.free or self._may_read):
            return False
        if len(self._window) and self._limiter.free:
            transfer = self._window.take(self._may_start)
            if transfer is not None:
                self._start(transfer)
                return True
        if self._exhausted or self._pulling is not None:
            return False
        if len(self._window) and self._call is not None:
            return False  # enough was read ahead for the moment
        return self._may_read and self._held < WINDOW and self._pull()

    @property
    def _may_read(self) -> bool:
        """Whether to read on: what is to be kept first takes a while, so some of it is read without
        room for another job, and no more than that."""
        if self._recorder is None:
            return self._limiter.free
        unkept = len(self._unplanned) + len(self._planning)
        waiting = 0 if self._limiter.free else len(self._window)
        return unkept + waiting < AHEAD

    def _may_start(self, host: str, transfer: Way[JobT]) -> bool:
        """Whether it would start at once, or fail at once."""
        limiter = self._limiter
        return limiter.ready(host) or limiter.is_hopeless(host, transfer.since or 0)

    def _pull(self) -> bool:
        """Read one job; False when it is not there yet, or there is no further one."""
        if self._is_async:
            pulling = Deferred.fromCoroutine(self._pull_async())
            self._pulling = None if pulling.called else pulling
            return pulling.called
        for job in self._source:
            if job is not None:
                self._add(job)
            return True
        self._exhausted = True
        return False

    async def _pull_async(self) -> None:
        try:
            job = await self._next()
            if self._stopped:  # cancelled, it has given a job all the same
                self._close_source()
            elif isinstance(job, list):
                self._turn -= max(len(job), A_LIST)
                for one in job:
                    if self._stopped:  # by whoever heard of the one before
                        break
                    self._add(one)
            elif job is not None:
                self._add(job)
        except StopAsyncIteration:
            self._exhausted = True
        except BaseException:
            self._stop(Failure())
        self._pulling = None
        self.pump()

    async def _next(self) -> JobT | list[JobT] | None:
        self._in_source = True
        try:
            job: JobT | list[JobT] | None = await anext(self._source)
            return job
        finally:
            self._in_source = False

    def _add(self, job: JobT) -> None:
        try:
            transfer = self._transfer(job)
        except DownloadError as error:
            error.url = redacted(job.url)
            self._count(Result(job, Status.ERROR, final_url=error.url, error=error))
            return
        if transfer.satisfied:
            self._count(transfer.skipped())
        else:
            self._held += weight(job)
            if self._recorder is not None:
                transfer.since = self._limiter.looks
                self._unplanned.append(transfer)
            elif len(self._window) or not self._limiter.ready(transfer.host):
                transfer.since = self._limiter.looks
                self._window.add(transfer.host, transfer)
            else:
                self._start(transfer)

    def _plan(self) -> None:
        """Let the paths of what was read be kept."""
        assert self._recorder is not None
        self._planning, self._unplanned = self._unplanned, []
        planning = self._recorder.plan([(one.job, one.name) for one in self._planning])
        planning.addCallbacks(self._planned, self._stop)

    def _planned(self, _: None) -> None:
        planned, self._planning = self._planning, []
        if not self._stopped:
            for transfer in planned:
                self._window.add(transfer.host, transfer)
            self.pump()

    def _start(self, transfer: Way[JobT]) -> None:
        waiting = transfer.held_up()
        if waiting is not None:
            self._held_up[transfer] = waiting
            waiting.addCallbacks(lambda _: self._let_in(transfer), lambda failure: None)
            return
        self._running.add(transfer)
        self._transfers[transfer] = None
        transfer.start().addBoth(self._ended, transfer)

    def _let_in(self, transfer: Way[JobT]) -> None:
        """What held it up is over."""
        del self._held_up[transfer]
        self._window.add(transfer.host, transfer)
        self.wake()

    def _ended(self, result: Result | Failure, transfer: Way[JobT]) -> None:
        self._running.discard(transfer)
        self._held -= weight(transfer.job)
        del self._transfers[transfer]
        if not self._stopped:
            self._settle(result, transfer)
        if self._limiter.shared or self._stopped:
            self._limiter.tell()  # in turns, or this run would take every slot it gives back
        else:
            self.pump()

    def _settle(self, result: Result | Failure, transfer: Way[JobT]) -> None:
        """Count what came of a job. A SystemExit that met it ends the whole run."""
        try:
            if isinstance(result, Failure):
                result.trap(CancelledError)
                result = transfer.removed()
            self._count(result)
        except BaseException:
            self._stop(Failure())

    def _count(self, result: Result) -> None:
        self.report.count(result)
        if self._on_result is not None:
            self._on_result(result)

    def _pump_later(self, seconds: float = 0) -> None:
        self._call = self._clock.callLater(seconds, self._pump_now)

    def _pump_now(self) -> None:
        self._call = None
        self.pump()

    def _stop(self, reason: Failure) -> None:
        """Cancel everything; the Deferred fails at once, since nothing is left to wait for."""
        if self._stopped:
            return
        self._stopped = True
        self._limiter.unwatch(self.wake)
        self._window.clear()
        self._unplanned.clear()
        if self._call is not None:
            self._call.cancel()
            self._call = None
        if not self._in_source:
            self._close_source()
        elif self._pulling is not None:
            self._pulling.cancel()
        held_up, self._held_up = self._held_up, {}
        for waiting in held_up.values():
            waiting.cancel()
        cancel_all(self._running)
        if not self.done.called:
            self.done.errback(reason)

    def _close_source(self) -> None:
        """Let an asynchronous generator clean up; one that runs cannot be closed."""
        if self._is_async and hasattr(self._source, "aclose"):
            closing = Deferred.fromCoroutine(self._aclose())
            closing.addErrback(lambda failure: _log.failure("a list did not close", failure))

    async def _aclose(self) -> None:
        await self._source.aclose()

    def _finish_if_over(self) -> None:
        if self._stopped or self.done.called or self._running or len(self._window):
            return
        if self._unplanned or self._planning or self._held_up:
            return
        if self._exhausted and self._call is None:
            self._limiter.unwatch(self.wake)
            self.report.seconds = self._clock.seconds() - self._began
            self.done.callback(self.report)
