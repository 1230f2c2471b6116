"""A list fetched as a service: it starts, stops and goes on with the process around it."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

from twisted.application.service import Service
from twisted.internet.defer import Deferred, succeed
from twisted.internet.task import LoopingCall
from twisted.logger import Logger

from downloader.client import Downloader
from downloader.errors import BadLine, ListError
from downloader.jobs import Result
from downloader.listrun.forms import FetchForm
from downloader.listrun.run import ListRun
from downloader.listrun.source import open_list
from downloader.listrun.words import failure_text, reason_text, refusal_text

# Seconds between two lines about a run that goes on; an hour of it is a page of log.
PROGRESS_EVERY = 60.0


class LogWatcher:
    """Writes what happens in a run to the log."""

    log = Logger()

    def job_failed(self, result: Result) -> None:
        self.log.warn("failed: {failure}", failure=failure_text(result))

    def line_refused(self, bad: BadLine) -> None:
        self.log.warn("{refusal}", refusal=refusal_text(bad))

    def warned(self, sentence: str) -> None:
        self.log.warn("{sentence}", sentence=sentence)


class DownloadService(Service):
    """Fetches the list in the file `list_path` into `directory`, once for each start.

    `make_downloader()` gives each start a downloader of its own. With one that skips files
    which are there already, a start after a stop goes on where that one ended. The service
    stays up when the list is done.
    """

    log = Logger()

    def __init__(
        self,
        reactor: Any,
        list_path: str,
        directory: str,
        make_downloader: Callable[[], Downloader],
    ) -> None:
        self._reactor = reactor
        self._list_path = list_path
        self._directory = directory
        self._make_downloader = make_downloader
        self._run: ListRun | None = None
        self._done: Deferred[None] = succeed(None)

    def __repr__(self) -> str:
        return f"<DownloadService {self._list_path!r} {self._run or 'idle'}>"

    def startService(self) -> None:
        """Begin to fetch the list, when a stop that is under way has come to its end."""
        super().startService()  # type: ignore[no-untyped-call]
        self._done.addCallback(lambda _: Deferred.fromCoroutine(self._serve()))
        self._done.addErrback(lambda failure: self.log.failure("fetching failed", failure))

    def stopService(self) -> Deferred[None]:
        """Cancel everything.

        **Fires with** None when every socket and file is closed. **Fails** never.
        **Cancelling** it stops the waiting only.
        """
        super().stopService()  # type: ignore[no-untyped-call]
        if self._run is not None:
            self._run.stop()
        return self._after_done()

    def _after_done(self) -> Deferred[None]:
        waiting: Deferred[None] = Deferred(lambda _: None)

        def tell(result: None) -> None:
            if not waiting.called:
                waiting.callback(None)

        self._done.addCallback(tell)
        return waiting

    async def _serve(self) -> None:
        if not self.running:  # stopped again while it waited for an earlier stop
            return
        try:
            os.makedirs(self._directory, exist_ok=True)
            source = open_list(self._reactor, self._list_path, FetchForm(self._directory))
        except (ListError, OSError) as error:
            reason = reason_text(error)
            self.log.error("cannot fetch {list}: {reason}", list=self._list_path, reason=reason)
            return
        self._run = run = ListRun(self._reactor, self._make_downloader(), source, LogWatcher())
        telling = LoopingCall(self._tell_progress, run)
        telling.clock = self._reactor
        telling.start(PROGRESS_EVERY, now=False)
        self.log.info("fetching {list} into {dir}", list=self._list_path, dir=self._directory)
        try:
            await run.start()
        finally:
            telling.stop()
            self._run = None
        self._tell_end(run)

    def _tell_progress(self, run: ListRun) -> None:
        self.log.info(
            "{finished} files so far, {failed} failed",
            finished=run.finished,
            failed=run.counts.failed,
        )

    def _tell_end(self, run: ListRun) -> None:
        word = "stopped" if run.interrupted else "done"
        self.log.info("{word}: {summary}", word=word, summary=run.summary)
        if run.source.error is not None:
            self.log.error("the list could not be read to its end: {error}", error=run.source.error)
