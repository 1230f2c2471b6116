"""A list run that is kept: what an earlier run has fetched is not asked for again.

Before a job begins, its path is kept; when it has ended, what came of it is. In between the file
may get its name and the process be killed. Then the next run finds a path that was planned, and a
file that has it: a long one is known by its inode, which was kept just before; a short one is
fetched again, and if it is the same, it is the one.

Should the store fail, the run goes on without it: the files are what counts. On a full disk it
waits for space, as the files do.
"""

from __future__ import annotations

import os
import re
from collections.abc import AsyncIterable, AsyncIterator, Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import replace
from hashlib import blake2b
from typing import Any, TypeVar

from twisted.internet.defer import CancelledError, Deferred, succeed

from downloader.client import Downloader
from downloader.errors import BadName, DownloadError, FetchedBefore, StoreError, StoreFull
from downloader.jobs import AnyJob, Job, Record, Result, Status
from downloader.sansio.names import checked_name
from downloader.sansio.url import redacted
from downloader.store import JobStore
from downloader.store.jobstore import Row

T = TypeVar("T")
# Jobs that are looked for at a time, and how many Nones of a source they wait for: about as many.
BATCH = 256
TURNS = 16
# Names that are safe at a glance, as most are.
_PLAIN = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,63}[A-Za-z0-9_](?<!\.part)(?<!\.journal)")
# The last: nobody knows whether the file got its name.
_FAILED = frozenset(("failed", "committing"))
# One for all of them, which are many.
_FETCHED_BEFORE = FetchedBefore()


class Kept:
    """Stands between a source, its run and the `store`; a Recorder for the run.

    `warn` is told once when the store fails, `skip` of each job that was fetched before. With
    `only_failed`, jobs are given that failed in an earlier run, and no others; with `again`, also
    those that were fetched. With `if_changed`, these are given to be replaced by a new version if
    there is one. `plans` says that a job's path is known before its server is asked. `names` are
    for the run: nobody gets the name of a file that is skipped.
    """

    def __init__(
        self,
        store: JobStore,
        downloader: Downloader,
        skip: Callable[[Result], None],
        warn: Callable[[str], None],
        only_failed: bool = False,
        again: bool = False,
        plans: bool = True,
        if_changed: bool = False,
    ) -> None:
        self._store: JobStore | None = store
        self._downloader = downloader
        self._earlier = downloader.earlier
        self._skip = skip
        self._warn = warn
        self._only_failed = only_failed
        self._again = again
        self._plans = plans
        self._if_changed = if_changed
        self.names = downloader.names()
        self._number = 0
        self._intended: list[tuple[Row, Deferred[None]]] = []  # that are to be kept next
        self._intending = False
        self._committing: set[int] = set()  # jobs whose files may have their names by now
        self._stopping = False
        self._waiting: dict[Deferred[None], None] = {}  # for space

    def __repr__(self) -> str:
        return f"<Kept {self._number} jobs in {self._store!r}>"

    async def jobs(self, source: Any) -> AsyncIterator[list[Job] | None]:
        """The jobs of `source` that are still to be fetched, with what is kept of them."""
        batches = _async_batches if isinstance(source, AsyncIterable) else _batches
        async for batch in batches(source):
            yield await self._wanted([self._numbered(job) for job in batch]) if batch else None

    # --- the run's recorder -------------------------------------------------------------------

    def plan(self, jobs: Sequence[tuple[AnyJob, str]]) -> Deferred[None]:
        rows = [
            (job.record.number, job.record.key, path)
            for job, path in jobs
            if isinstance(job, Job) and job.record is not None and job.record.path != path
        ]
        if not rows or not self._plans:
            return succeed(None)
        return self._do(lambda store: store.plan(rows))

    def intend(self, job: Job, path: str, inode: int, size: int) -> Deferred[None]:
        if job.record is None:
            return succeed(None)
        status = "replacing" if job.record.replace else "committing"
        row = Row(job.record.number, job.record.key, path, status, inode, size)
        done: Deferred[None] = Deferred()
        self._intended.append((row, done))
        if not self._intending:
            self._keep_intended()
        return done

    def troubled(self, job: Job, error: DownloadError) -> None:
        """Of a list, what came of it at last is told, and nothing else."""

    def _keep_intended(self, _: None = None) -> None:
        """Together, what has come while others were kept."""
        intended, self._intended = self._intended, []
        self._intending = bool(intended)
        if intended:
            rows = [row for row, _ in intended]
            self._committing.update(row.number for row in rows)
            keeping = self._do(lambda store: store.end(rows))
            keeping.addBoth(_fire, [done for _, done in intended])
            keeping.addCallback(self._keep_intended)

    def end(self, results: Sequence[Result]) -> Deferred[None]:
        """Keep what came of these jobs.

        **Fires with** None when that is done, or cannot be. **Cancelling** is not done.
        """
        rows = [row for row in map(self._row, results) if row is not None]
        return self._do(lambda store: store.end(rows)) if rows else succeed(None)

    def close(self) -> None:
        """Close the store."""
        store, self._store = self._store, None
        if store is not None:
            store.close()

    def stop(self) -> None:
        """Wait for space no longer."""
        self._stopping = True
        for waiting in list(self._waiting):
            waiting.cancel()

    def _do(self, call: Callable[[JobStore], Deferred[None]]) -> Deferred[None]:
        return Deferred.fromCoroutine(self._done(call))

    async def _done(self, call: Callable[[JobStore], Deferred[T]]) -> T | None:
        """What `call` fires with, once there is space for it; None where it cannot be done."""
        while self._store is not None:
            store = self._store
            try:
                return await call(store)
            except StoreError as error:
                if self._stopping or not self._may_be_full(error, store):
                    self._give_up(error)
                else:
                    await self._space(store)
        return None

    def _may_be_full(self, error: StoreError, store: JobStore) -> bool:
        """A quota that is used up is an error of any kind to SQLite."""
        return isinstance(error, StoreFull) or self._downloader.space.is_full(store.directory)

    async def _space(self, store: JobStore) -> None:
        """Wait for it, until `stop`."""
        waiting = self._downloader.space.wait(store.directory)
        self._waiting[waiting] = None
        try:
            await waiting
        except CancelledError:
            if not self._stopping:
                raise
        finally:
            del self._waiting[waiting]

    def _give_up(self, error: object) -> None:
        if self._store is not None:
            self.close()
            self._warn(f"{error}; this run goes on without, and the next does not know of it")

    # --- rows ---------------------------------------------------------------------------------

    def _numbered(self, job: Job) -> Job:
        number, self._number = self._number, self._number + 1
        record = Record(number, _key(job))
        if job.record is not None:  # of another run, or the same job twice
            return replace(job, record=record)
        # It was just made from a line, for this run: a copy of each takes a twentieth of the run.
        object.__setattr__(job, "record", record)
        return job

    async def _wanted(self, batch: Sequence[Job]) -> list[Job]:
        """Those of `batch` that are to be fetched; the others are skipped."""
        records = [job.record for job in batch if job.record is not None]
        rows = await self._done(lambda store: store.find(records))
        wanted = []
        found: list[Row] = []
        for job, kept in zip(batch, rows or [None] * len(batch), strict=True):
            self._earlier.meet(job.url)
            row = _safe(kept)
            is_there = row is not None and self._is_there(job, row) and self._is_proven(job, row)
            if row is not None and is_there and not self._if_changed:
                if not self._earlier.gives_way:
                    self.names.reserve(job.directory, row.path)
                self._skip(_skipped(job, row))
                if row.status != "complete":
                    found.append(row._replace(status="complete"))
            elif not self._only_failed or (row is not None and row.status in _FAILED):
                record = job.record
                if row is not None and record is not None:
                    job = replace(job, record=self._known(record, row, is_there))
                wanted.append(job)
        if found:
            await self._do(lambda store: store.end(found))
        return wanted

    def _known(self, record: Record, row: Row, is_there: bool) -> Record:
        """What is known of a job that is to be fetched."""
        # What was about to be replaced when a run was killed was ours as well, of whatever version.
        if not (row.status == "replacing" or (self._if_changed and is_there)):
            return replace(record, path=row.path or None) if self._plans else record
        known = replace(record, path=row.path, replace=True)
        if row.status != "complete":
            return known
        return replace(known, etag=row.etag, last_modified=row.modified)

    def _is_there(self, job: Job, row: Row) -> bool:
        is_there = self._earlier.is_there
        if not row.path or (self._again and not self._if_changed):
            return False
        if row.status == "complete":
            return is_there(job.directory, row.path, row.size)
        if row.status in ("committing", "replacing"):
            return is_there(job.directory, row.path, row.size, row.inode)
        return False

    def _is_proven(self, job: Job, row: Row) -> bool:
        """Whether it is known to have the checksum that the run's checksum file has for it."""
        if self._downloader.checksums is None:
            return True  # the job's own is a part of its key
        with suppress(DownloadError):  # told by who fetches it
            return row.checksum == self._earlier.checksum_of(job)
        return False

    def _row(self, result: Result) -> Row | None:
        job = result.job
        if not isinstance(job, Job) or job.record is None:
            return None
        if result.status is Status.REMOVED:
            return None
        may_have_it = job.record.number in self._committing
        self._committing.discard(job.record.number)
        if result.status is Status.ERROR and (job.record.replace or may_have_it):
            return None  # the file is there as before, or the next run has to look whether it is
        is_complete = result.status is Status.COMPLETE
        return Row(
            job.record.number,
            job.record.key,
            "" if result.path is None else _below(job.directory, result.path),
            "complete" if is_complete else "failed",
            None,
            result.bytes if is_complete else None,
            *(result.etag, result.last_modified, result.checksum),
        )


async def _batches(source: Iterable[Job | None]) -> AsyncIterator[list[Job]]:
    """What `source` gives, about `BATCH` at a time, and nothing for most Nones: others have a turn.
    Behind a job may come much that is none, and it is not to wait for that."""
    batch: list[Job] = []
    turns = 0
    for job in source:
        if job is not None:
            batch.append(job)
        else:
            turns += 1
        if len(batch) == BATCH or turns == TURNS:
            yield batch
            batch, turns = [], 0
        elif job is None:
            yield []
    yield batch


async def _async_batches(source: AsyncIterable[Job | None]) -> AsyncIterator[list[Job]]:
    """What `source` has at a time: after a None, it may wait for more."""
    batch: list[Job] = []
    async for job in source:
        if job is not None:
            batch.append(job)
        if job is None or len(batch) == BATCH:
            yield batch
            batch = []
    yield batch


def _key(job: Job) -> int:
    """A digest of what the line asks for."""
    name, checksum = job.name or "", job.checksum or ""
    urls = "\0".join(job.urls) if job.mirrors else job.url
    text = f"{urls}\0{job.subdirectory}\0{name}\0{checksum}".encode("utf-8", "surrogateescape")
    return int.from_bytes(blake2b(text, digest_size=8).digest(), "big") >> 1  # SQLite's are signed


def _skipped(job: Job, row: Row) -> Result:
    path = f"{job.directory}/{row.path}"
    return Result(job, Status.REMOVED, path, redacted(job.url), error=_FETCHED_BEFORE)


def _safe(row: Row | None) -> Row | None:
    """`row`, if its path is one that we give: the database may have been changed by others."""
    if row is None or not row.path or _PLAIN.fullmatch(row.path):
        return row
    try:
        return row if checked_name(row.path) == row.path else None
    except BadName:
        return None


def _below(directory: str, path: str) -> str:
    """`path`, which is below `directory`, from there on."""
    if path.startswith(f"{directory}/"):
        return path[len(directory) + 1 :]
    return os.path.relpath(path, directory)


def _fire(result: Any, waiting: Iterable[Deferred[None]]) -> None:
    """A failure is a bug, and each of them hears of it; who was cancelled meanwhile does not."""
    for done in waiting:
        if not done.called:
            done.callback(result)
