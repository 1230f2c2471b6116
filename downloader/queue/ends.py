"""What comes of a job, and what is kept of it."""

from __future__ import annotations

import os
from collections.abc import Iterable

from twisted.internet.defer import CancelledError
from twisted.logger import Logger
from twisted.python.failure import Failure

from downloader.errors import Closed, DownloadError, InternalError
from downloader.jobs import Result, Status
from downloader.queue.entry import Entry, Told
from downloader.sansio.url import redacted
from downloader.store import QueueRow

_log = Logger()


def outcome(
    entry: Entry, result: Result | Failure | None, now: float
) -> tuple[Status, Told | None]:
    """What a job that ran is now, and what came of it. `result` is what its download ended with,
    None for a file that was there."""
    if result is None:
        entry.received = entry.length = entry.size or 0
        return Status.COMPLETE, Told(bytes=entry.size or 0, ended=now)
    if isinstance(result, Result):
        if result.path is not None:
            entry.path = os.path.relpath(result.path, entry.job.directory)
        entry.received = result.bytes
        entry.length = result.bytes
        complete = result.status is Status.COMPLETE
        return Status.COMPLETE if complete else Status.ERROR, _told(result, now)
    if result.check(CancelledError, Closed):
        leaving = entry.leaving or Status.WAITING
        return leaving, Told(ended=now) if leaving is Status.REMOVED else None
    error = result.value
    if not isinstance(error, DownloadError):
        _log.failure("a bug met by {gid}", result, gid=entry.gid)
        error = InternalError(type(error).__name__)
    failed = Result(
        *(entry.job, Status.ERROR, None, error.url, error.http_status, entry.received),
        attempts=error.attempts,
        error=error,
    )
    return Status.ERROR, _told(failed, now)


def _told(result: Result, ended: float) -> Told:
    """What is kept of `result`."""
    error = result.error
    return Told(
        error=None if error is None else type(error).__name__,
        message=None if error is None else str(error),
        http_status=result.http_status,
        final_url=None if result.final_url is None else redacted(result.final_url),
        bytes=result.bytes,
        seconds=result.seconds,
        attempts=result.attempts,
        verified=result.verified,
        checksum=result.checksum,
        ended=ended,
    )


def rows_of(entries: Iterable[Entry]) -> tuple[list[QueueRow], list[int]]:
    """The rows to keep of these, and the numbers of those that are to be forgotten: of a job that
    is removed before it began, nothing is left."""
    kept, gone = [], []
    for entry in entries:
        status = entry.coming[0] if entry.coming else entry.status
        if status is Status.REMOVED and entry.status is not Status.ACTIVE:
            gone.append(entry.number)
        else:
            kept.append(entry.row())
    return kept, gone
