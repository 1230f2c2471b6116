"""Which file each job of a queue has, and the keeping of that before there is one."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from twisted.internet.defer import Deferred, succeed
from twisted.logger import Logger
from twisted.python.failure import Failure

from downloader.client import Downloader
from downloader.errors import DownloadError, StoreError
from downloader.jobs import AnyJob, Job, Record, Result
from downloader.queue.entry import Entry
from downloader.store import QueueStore

# Failed tries that are remembered of each job.
TROUBLES = 20
_log = Logger()


class Paths:
    """The files of `entries`, by number; the downloads' Recorder. A name is its job's own while
    that waits: a part of the file may be there."""

    def __init__(
        self,
        entries: Mapping[int, Entry],
        downloader: Downloader,
        store: QueueStore,
        wall: Callable[[], float],
    ) -> None:
        self._entries = entries
        self._downloader = downloader
        self._store = store
        self._wall = wall
        self._names = downloader.names()
        self._own: set[int] = set()  # of jobs that wait, and whose names are reserved

    def __repr__(self) -> str:
        return f"<Paths {self._names!r}>"

    def fetch(self, entry: Entry) -> Deferred[Result]:
        """Fetch its file; see `Downloader.fetch`. Where another has its name by now, it gets a new
        one."""
        if entry.path is not None and not self.reserve(entry):
            entry.path = entry.inode = entry.size = None
        self.release(entry)
        job = replace(entry.job, record=Record(entry.number, 0, entry.path))
        return self._downloader.fetch(job, self, self._names)

    def is_there(self, entry: Entry) -> bool:
        """Whether its file has its name by now, as far as that was kept."""
        if entry.path is None or entry.inode is None:
            return False
        earlier, directory = self._downloader.earlier, entry.job.directory
        return earlier.is_there(directory, entry.path, entry.size, entry.inode)

    def reserve(self, entry: Entry) -> bool:
        """Let no other have its name. False when one has."""
        if entry.path is not None and entry.number not in self._own:
            if not self._names.reserve(entry.job.directory, entry.path):
                return False
            self._own.add(entry.number)
        return True

    def release(self, entry: Entry) -> None:
        """Its name may be given out: to itself, as a rule."""
        if entry.path is not None and entry.number in self._own:
            self._own.discard(entry.number)
            self._names.release(entry.job.directory, entry.path)

    def of(self, job: AnyJob) -> Entry | None:
        """The entry that `job` was made for."""
        record = job.record if isinstance(job, Job) else None
        return None if record is None else self._entries.get(record.number)

    def close(self) -> None:
        """Forget all names."""
        self._names.close()

    # --- the downloads' recorder --------------------------------------------------------------

    def plan(self, jobs: Sequence[tuple[AnyJob, str]]) -> Deferred[None]:
        done = succeed(None)
        for job, path in jobs:
            entry = self.of(job)
            if entry is not None and entry.path != path:
                entry.path = path
                done = self._kept(entry)
        return done

    def intend(self, job: Job, path: str, inode: int, size: int) -> Deferred[None]:
        entry = self.of(job)
        if entry is None:
            return succeed(None)
        entry.path, entry.inode, entry.size = path, inode, size
        return self._kept(entry)

    def troubled(self, job: Job, error: DownloadError) -> None:
        entry = self.of(job)
        if entry is not None:
            entry.troubles = [*entry.troubles[1 - TROUBLES :], (self._wall(), str(error))]

    def _kept(self, entry: Entry) -> Deferred[None]:
        """Fires when it is kept, or cannot be: the file is what counts."""
        return self._store.save([entry.row()]).addErrback(_not_kept, entry)


def _not_kept(failure: Failure, entry: Entry) -> None:
    failure.trap(StoreError)
    _log.error("{gid} is not kept: {error}", gid=entry.gid, error=failure.value)
