"""One list, from its first line to its summary: what the command and the service share."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any, Protocol

from twisted.internet.defer import CancelledError, Deferred, TimeoutError, succeed
from twisted.internet.task import LoopingCall
from twisted.logger import Logger

from downloader.client import Downloader
from downloader.errors import BadLine
from downloader.jobs import Report, Result, Status
from downloader.listrun.kept import Kept
from downloader.listrun.report import FailedFile, ReportFile
from downloader.listrun.source import Source
from downloader.listrun.words import Failures, summary_text, weak_text
from downloader.sansio.checksum import is_weak

# A reader of the report is never further behind than this many seconds.
FLUSH_EVERY = 1.0
# What has ended is kept, and then told in the report, after so many seconds, or so many jobs.
KEEP_EVERY = 0.5
KEEP_MOST = 1024
# Seconds that this may take when a run was stopped.
KEEP_WITHIN = 3.0
# Seconds to count what is left of a list that was stopped: some 50 MB of it, and soon enough
# for who pressed Ctrl-C.
REST_WITHIN = 0.5
_log = Logger()


class Watcher(Protocol):
    """Who is told what happens, at once: the terminal, or a log."""

    def job_failed(self, result: Result) -> None:
        """`result` is final; what failed is in its `error`."""

    def line_refused(self, bad: BadLine) -> None:
        """A line of the list makes no job."""

    def warned(self, sentence: str) -> None:
        """Something else that a reader should know."""


class ListRun:
    """Fetches what `source` lists, or with `uploads` sends it, and accounts for each line.

    `counts` is true at every moment except for `pending`, which is settled at the end; of those
    that it counts as skipped, `cancelled` were cancelled on their own. `interrupted` tells whether
    `stop` ended the run. `failures` is for the last words. `downloader` is closed at the end.
    `kept(run)` makes what keeps the run; None, and nothing is kept. `told(result)` is called with
    what stands in the report.
    """

    def __init__(
        self,
        reactor: Any,
        downloader: Downloader,
        source: Source,
        watcher: Watcher,
        report: ReportFile | None = None,
        failed: FailedFile | None = None,
        uploads: bool = False,
        kept: Callable[[ListRun], Kept] | None = None,
        told: Callable[[Result], None] | None = None,
    ) -> None:
        self.downloader = downloader
        downloader.warned = watcher.warned
        self.source = source
        self.counts = Report()
        self.cancelled = 0
        self.failures = Failures()
        self.interrupted = False
        self._reactor = reactor
        self._watcher = watcher
        self._report = report
        self._failed = failed
        self._told = told
        self.uploads = uploads
        self._do_all: Any = downloader.upload_all if uploads else downloader.fetch_all
        self._fetching: Deferred[Report] | None = None
        self._settled = False
        self._kept = None if kept is None else kept(self)
        self._ended: list[Result] = []  # that are not kept yet
        self._untold: list[list[Result]] = []  # that are being kept
        self._keeping: Deferred[None] = succeed(None)
        self._warned_of_weak = False

    def __repr__(self) -> str:
        state = "running" if self._fetching else "idle"
        if self._settled:
            state = "stopped" if self.interrupted else "done"
        return f"<ListRun {state} {self.counts}>"

    def start(self) -> Deferred[Report]:
        """Fetch the list, and close the downloader.

        **Fires with** the counts, also after `stop`, when every socket and file is closed.
        **Fails with** an error that is a bug. **Cancelling** is `stop`.
        """
        return Deferred.fromCoroutine(self._run())

    def stop(self) -> None:
        """Cancel every job and read no further; `start`'s Deferred fires when all is settled."""
        self.interrupted = True
        if self._fetching is not None:
            self._fetching.cancel()
        if self._kept is not None:
            self._kept.stop()

    @property
    def finished(self) -> int:
        """How many jobs have ended."""
        return self.counts.complete + self.counts.failed + self.counts.skipped

    @property
    def doing(self) -> str:
        """What it does, in one word."""
        return "sending" if self.uploads else "fetching"

    steps = ""

    @property
    def failed(self) -> int:
        """How many jobs failed."""
        return self.counts.failed

    @property
    def received(self) -> int:
        """The bytes of complete files and of those that are on their way."""
        active: int = sum(way.progress().received for way in self.active())
        return self.counts.bytes + active

    @property
    def found(self) -> int:
        """How many of these earlier runs had left."""
        return self.downloader.found

    def active(self) -> Sequence[Any]:
        """The jobs that run now, or wait for their next try."""
        return self.downloader.active()

    @property
    def ended(self) -> int:
        """How many lines have come to an end, refused ones too: `count` at last."""
        return self.finished + self.counts.invalid

    def count(self, seconds: float) -> int | None:
        """How many lines there are for `ended` to reach, or None while that is not known.

        Each call may go on counting for so many `seconds`.
        """
        return self.counts.lines if self._settled else self.source.count(seconds)

    @property
    def summary(self) -> str:
        """What came of the list, in one line."""
        return summary_text(self.counts, self.cancelled, self.found)

    async def _run(self) -> Report:
        started = self._reactor.seconds()
        flushing = LoopingCall(self._flush)
        flushing.clock = self._reactor
        flushing.start(FLUSH_EVERY if self._kept is None else KEEP_EVERY, now=False)
        try:
            await self._fetch()
        finally:
            flushing.stop()
            self.counts.seconds = self._reactor.seconds() - started
            await _whatever_comes(Deferred.fromCoroutine(self._end()))
        return self.counts

    async def _end(self) -> None:
        await self.downloader.close()
        await self._keep_rest()
        self._settle()

    async def _fetch(self) -> None:
        if self.interrupted:
            return
        jobs: Any = self.source.jobs(self._refuse, self._watcher.warned)
        if self._kept is None:
            fetching: Deferred[Report] = self._do_all(jobs, self._count)
        else:
            kept = self._kept
            fetching = self.downloader.fetch_all(kept.jobs(jobs), self._count, kept, kept.names)
        self._fetching = fetching
        try:
            await fetching
        except CancelledError:
            self.interrupted = True

    def _count(self, result: Result) -> None:
        self.counts.count(result)
        # What was skipped says why.
        self.cancelled += result.status is Status.REMOVED and result.error is None
        if result.checksum is not None and not self._warned_of_weak:
            self._look_at(result.checksum, result.job)
        if result.status is Status.ERROR:
            self.failures.add(result)
            self._watcher.job_failed(result)
        if self._kept is None:
            self._tell(result)
        else:
            self._ended.append(result)
            if len(self._ended) >= KEEP_MOST:
                self._keep()

    def skipped(self, result: Result) -> None:
        """A job that is not asked for again."""
        self.counts.count(result)
        self._tell(result)

    def _tell(self, result: Result) -> None:
        if self._told is not None:
            self._told(result)
        if self._report is not None:
            self._report.add(result)
        if self._failed is not None and result.status is Status.ERROR:
            self._failed.add(result)

    def _keep(self) -> None:
        """Keep what has ended, and then tell it: who reads the report may rely on that."""
        if not self._ended or self._kept is None:
            return
        ended, self._ended = self._ended, []
        self._untold.append(ended)
        before, keeping = self._keeping, self._kept.end(ended)
        keeping.addCallback(lambda _: before)  # which may have taken longer
        self._keeping = keeping.addCallback(self._tell_next)

    def _tell_next(self, _: None = None) -> None:
        for result in self._untold.pop(0) if self._untold else ():
            self._tell(result)

    async def _keep_rest(self) -> None:
        if self._kept is None:
            return
        self._keep()
        if self.interrupted:  # a disk that hangs is nothing to wait for then
            self._keeping.addTimeout(KEEP_WITHIN, self._reactor)
        try:
            await self._keeping
        except TimeoutError:
            late = f"the disk did not answer for {KEEP_WITHIN:g} s"
            self._watcher.warned(f"{late}; the next run does not know of all that was fetched")
            while self._untold:
                self._tell_next()
        self._kept.close()

    def _look_at(self, checksum: str, job: Any) -> None:
        """Warn of the first one that is weak, which quiet users hear of too."""
        given = job.checksum is not None or self.downloader.checksums is not None
        if is_weak(checksum) and given:  # what a server tells of its own file is no promise
            self._warned_of_weak = True
            listed = "--checksum" if job.line is None else "the list"
            source = listed if job.checksum else "--checksum-file"
            _log.warn("{sentence}", sentence=weak_text(checksum.partition("=")[0], source))

    def _refuse(self, bad: BadLine) -> None:
        self.counts.invalid += 1
        self._watcher.line_refused(bad)
        if not self.source.taken:
            self.downloader.note_refused()
        if self._report is not None:
            self._report.add_bad(bad)

    def _flush(self) -> None:
        self._keep()
        for output in (self._report, self._failed):
            if output is not None:
                output.file.flush()

    def _settle(self) -> None:
        """Close the books: what was read but not finished is pending, and so is the rest."""
        self.counts.pending = self.source.taken - self.finished + self.source.rest(REST_WITHIN)
        self._settled = True
        self.source.close()
        if self._report is not None:
            self._report.end(self.counts, self.interrupted)
        for output in (self._report, self._failed):
            if output is not None:
                output.file.close()


async def _whatever_comes(done: Deferred[None]) -> None:
    """Wait for `done`, also when that is cancelled."""
    while not done.called:
        waiting: Deferred[None] = Deferred()
        done.addBoth(_passed_to, waiting)
        with suppress(CancelledError):
            await waiting
    await done


def _passed_to(result: Any, waiting: Deferred[None]) -> Any:
    if not waiting.called:
        waiting.callback(None)
    return result
