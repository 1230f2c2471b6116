"""Whose turn it is: jobs of the queue are begun as there is room, and stopped when they are told.

======== ================= ==================== ================= ==================
job is   begun             ends                 pause, remove     the process ends
======== ================= ==================== ================= ==================
waiting  active            -                    paused, gone      waiting
active   -                 complete, error      once closed:      waiting; its file
                                                paused, removed   is gone on with
paused   -                 -                    gone (remove)     paused
======== ================= ==================== ================= ==================

What is told to stop may be whole just then: it is complete.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import Any

from twisted.internet.defer import CancelledError, Deferred, succeed
from twisted.internet.interfaces import IDelayedCall
from twisted.logger import Logger
from twisted.python.failure import Failure

from downloader.client import Downloader
from downloader.errors import BadUrl, DownloadError, InternalError, StoreError
from downloader.jobs import AnyJob, Job, Record, Result, Status
from downloader.queue.entry import OVER, Entry, Told, told_of
from downloader.sansio.order import Order
from downloader.sansio.url import parse_url
from downloader.store import QueueStore

# Jobs at a time, those between two tries too: what waits for its next try has no slot.
MOST_ACTIVE = 4096
# Failed tries that are remembered of each job.
TROUBLES = 20
# Seconds that a stopped job's connection and file are waited for.
PATIENCE = 3.0
_log = Logger()


class Turns:
    """Which jobs run; a Recorder for them.

    They are kept in `store`. `changed(entry, before)` is called when the status of one has changed,
    which is kept by then. `wall()` is the time of day in seconds since 1970.
    """

    def __init__(
        self,
        reactor: Any,
        downloader: Downloader,
        store: QueueStore,
        changed: Callable[[Entry, Status], None],
        wall: Callable[[], float],
    ) -> None:
        self._reactor = reactor
        self._downloader = downloader
        self._store = store
        self._changed = changed
        self._wall = wall
        self._names = downloader.names()
        self._order = Order()
        self._entries: dict[int, Entry] = {}  # that are not over
        self._running: dict[int, Deferred[Any]] = {}
        self._stopped: dict[int, list[Any]] = {}
        self._ending: dict[int, list[Deferred[None]]] = {}  # who waits for their end
        self._call: IDelayedCall | None = None
        self._started = self._closed = False

    def __repr__(self) -> str:
        return f"<Turns {len(self._running)} running, {self._order!r}>"

    @property
    def active(self) -> list[Entry]:
        """Those that run, in the order they were begun."""
        return [self._entries[number] for number in self._running]

    @property
    def waiting(self) -> list[Entry]:
        """Those that wait, paused ones too, in their order."""
        return [self._entries[number] for number in self._order.numbers]

    def position(self, entry: Entry) -> int | None:
        """How many wait before it; None unless it waits."""
        return self._order.position(entry.number) if entry.number in self._order else None

    def start(self, entries: Sequence[Entry]) -> None:
        """Begin with these, of an earlier process."""
        for entry in entries:
            self._entries[entry.number] = entry
            self._order.add(entry.number, entry.priority, entry.place)
            self._reserve(entry)
        self._started = True
        self._downloader.limiter.watch(self._wake)
        self.let(entries)

    async def close(self) -> None:
        """Stop all; they wait for the next process."""
        self._closed = True
        self._downloader.limiter.unwatch(self._wake)
        if self._call is not None:
            self._call.cancel()
            self._call = None
        ends = [self._end_of(entry) for entry in self.active]
        for entry in self.active:
            self._stop(entry)
        for end in ends:
            await end
        self._names.close()

    # --- what the queue asks ----------------------------------------------------------------------

    def place(self, entries: Sequence[Entry], position: int | None) -> list[Entry]:
        """Give these a place. Returns others whose place is another now."""
        moved: dict[int, Entry] = {}
        for n, entry in enumerate(entries):
            self._entries[entry.number] = entry
            entry.place = self._order.end(entry.priority)
            self._order.add(entry.number, entry.priority, entry.place)
            if position is not None:
                moved.update((one.number, one) for one in self.move(entry, position + n))
        return [one for number, one in moved.items() if number not in {e.number for e in entries}]

    def drop(self, entries: Iterable[Entry]) -> None:
        """Forget these, which wait."""
        for entry in entries:
            self._order.discard(entry.number)
            self._release(entry)
            self._entries.pop(entry.number, None)

    def let(self, entries: Iterable[Entry]) -> None:
        """Those of them that are not paused may begin."""
        for entry in entries:
            if entry.status is Status.WAITING and entry.number in self._order:
                entry.since = self._downloader.limiter.looks
                self._order.let(entry.number, _server(entry.job))
        self._wake()

    def move(self, entry: Entry, position: int) -> list[Entry]:
        """Let it stand there. Returns those whose place is another now."""
        moved = []
        for turn in self._order.move(entry.number, position):
            one = self._entries[turn.number]
            one.priority, one.place = -turn.less, turn.place
            moved.append(one)
        return moved

    def prefer(self, entry: Entry, priority: int) -> None:
        """Let it be the last of another priority."""
        entry.priority = priority
        if entry.number in self._order:
            self._order.discard(entry.number)
            entry.place = self._order.end(priority)
            self._order.add(entry.number, priority, entry.place)
            self.let([entry])

    async def change(self, entry: Entry, job: Job, options: tuple[tuple[str, str], ...]) -> None:
        """It is to fetch `job`, and waits. Over when that is kept."""
        self._order.hold(entry.number)
        before = (entry.job, entry.options, entry.path, entry.inode, entry.size)
        self._release(entry)
        entry.job, entry.options = job, options
        if _place(job) != _place(before[0]):
            entry.path = entry.inode = entry.size = None
        self._reserve(entry)
        try:
            await self._store.save([entry.row()])
        except StoreError:
            self._release(entry)
            entry.job, entry.options, entry.path, entry.inode, entry.size = before
            self._reserve(entry)
            raise
        finally:
            self.let([entry])

    async def leave(self, entry: Entry, status: Status) -> None:
        """It is to be paused, or removed. Over when it is, and that is kept."""
        before = entry.status
        if before is Status.ACTIVE:
            stopping, entry.leaving = entry.leaving is None, status
            end = self._end_of(entry)
            if stopping:
                self._stop(entry)
            await end
            return
        self._order.hold(entry.number)
        try:
            gone = [entry.number] if status is Status.REMOVED else []
            await self._store.save([] if gone else [entry.row(status)], gone)
        except StoreError:
            self.let([entry])
            raise
        entry.status = status
        if status is Status.REMOVED:
            self.drop([entry])
        self._changed(entry, before)

    async def resume(self, entry: Entry) -> None:
        """It may have its turn again."""
        await self._store.save([entry.row(Status.WAITING)])
        before, entry.status, entry.told = entry.status, Status.WAITING, None
        if entry.number not in self._order:
            entry.troubles = []
            self.place([entry], None)
            self._reserve(entry)
        self._changed(entry, before)
        self.let([entry])

    # --- the downloads' recorder ----------------------------------------------------------------

    def plan(self, jobs: Sequence[tuple[AnyJob, str]]) -> Deferred[None]:
        done = succeed(None)
        for job, path in jobs:
            entry = self._of(job)
            if entry is not None and entry.path != path:
                entry.path = path
                done = self._kept(entry)
        return done

    def intend(self, job: Job, path: str, inode: int, size: int) -> Deferred[None]:
        entry = self._of(job)
        if entry is None:
            return succeed(None)
        entry.path, entry.inode, entry.size = path, inode, size
        return self._kept(entry)

    def troubled(self, job: Job, error: DownloadError) -> None:
        entry = self._of(job)
        if entry is not None:
            entry.troubles = [*entry.troubles[1 - TROUBLES :], (self._wall(), str(error))]

    def _of(self, job: AnyJob) -> Entry | None:
        record = job.record if isinstance(job, Job) else None
        return None if record is None else self._entries.get(record.number)

    def _kept(self, entry: Entry) -> Deferred[None]:
        """Fires when it is kept, or cannot be: the file is what counts."""
        return self._store.save([entry.row()]).addErrback(_not_kept, entry)

    # --- turns ------------------------------------------------------------------------------------

    def _wake(self) -> None:
        """Something has changed: see to it in the reactor's next turn."""
        if self._call is None and self._started and not self._closed:
            self._call = self._reactor.callLater(0, self._feed)

    def _feed(self) -> None:
        """Begin what may be begun."""
        self._call = None
        limiter = self._downloader.limiter
        while limiter.free and len(self._running) < MOST_ACTIVE and not self._closed:
            number = self._order.first(self._may_start)
            if number is None:
                return
            self._begin(self._entries[number])

    def _may_start(self, server: str, number: int) -> bool:
        """Whether it would start at once, or fail at once."""
        limiter = self._downloader.limiter
        return limiter.ready(server) or limiter.is_hopeless(server, self._entries[number].since)

    def _begin(self, entry: Entry) -> None:
        self._order.discard(entry.number)
        self._release(entry)
        before, entry.status = entry.status, Status.ACTIVE
        entry.received, entry.rate, entry.leaving = 0, 0.0, None
        done: Deferred[Any] = succeed(None)
        if not self._is_there(entry):  # else the last process was killed just when it had its name
            job = replace(entry.job, record=Record(entry.number, 0, entry.path))
            done = self._downloader.fetch(job, self, self._names)
        self._running[entry.number] = done
        self._changed(entry, before)
        done.addBoth(self._over, entry)

    def _over(self, result: Result | Failure | None, entry: Entry) -> None:
        """Its download is. What follows is not: who stops it now stops nothing of that."""
        ending = Deferred.fromCoroutine(self._ended(entry, result))
        ending.addErrback(lambda failure: _log.failure("a bug in the queue", failure))

    def _is_there(self, entry: Entry) -> bool:
        if entry.path is None or entry.inode is None:
            return False
        earlier, directory = self._downloader.earlier, entry.job.directory
        return earlier.is_there(directory, entry.path, entry.size, entry.inode)

    async def _ended(self, entry: Entry, result: Result | Failure | None) -> None:
        """Its download is over, as `result` says; None is a file that was there."""
        if isinstance(result, Failure) and result.check(CancelledError):
            await self._closing(entry)
        kept = None
        while kept is None or kept[0] is not self._outcome(entry, result)[0]:  # told otherwise
            kept = status, told = self._outcome(entry, result)
            await self._store.save([entry.row(status, told)]).addErrback(_not_kept, entry)
        before, entry.status, entry.told, entry.rate = entry.status, status, told, 0.0
        entry.leaving = None
        del self._running[entry.number]
        if status in OVER:
            del self._entries[entry.number]
        else:
            self._order.add(entry.number, entry.priority, entry.place)
            self._reserve(entry)
        self._changed(entry, before)
        for end in self._ending.pop(entry.number, ()):
            end.callback(None)
        if not self._closed:
            self.let([entry] if status is Status.WAITING else [])

    def _outcome(self, entry: Entry, result: Result | Failure | None) -> tuple[Status, Told | None]:
        now = self._wall()
        if result is None:
            entry.received = entry.length = entry.size or 0
            return Status.COMPLETE, Told(bytes=entry.size or 0, ended=now)
        if isinstance(result, Result):
            entry.received = result.bytes
            entry.length = result.bytes
            complete = result.status is Status.COMPLETE
            return Status.COMPLETE if complete else Status.ERROR, told_of(result, now)
        if result.check(CancelledError):
            leaving = entry.leaving or Status.WAITING
            return leaving, Told(ended=now) if leaving is Status.REMOVED else None
        error = result.value
        if not isinstance(error, DownloadError):
            _log.failure("a bug met by {gid}", result, gid=entry.gid)
            error = InternalError(type(error).__name__)
        return Status.ERROR, Told(
            error=type(error).__name__,
            message=str(error),
            http_status=error.http_status,
            final_url=error.url,
            bytes=entry.received,
            attempts=error.attempts,
            ended=now,
        )

    def _stop(self, entry: Entry) -> None:
        ways = [way for way in self._downloader.active() if self._of(way.job) is entry]
        self._stopped[entry.number] = ways
        self._running[entry.number].cancel()

    async def _closing(self, entry: Entry) -> None:
        """Wait until nothing of it is open: neither its connection nor its file."""
        ways = self._stopped.pop(entry.number, ())
        for closed in (self._downloader.quiet(), *(way.closing() for way in ways)):
            if closed is not None:
                with suppress(Exception):  # a disk that hangs holds up nobody
                    await closed.addTimeout(PATIENCE, self._reactor)

    # --- names ------------------------------------------------------------------------------------

    def _reserve(self, entry: Entry) -> None:
        """Its name is its own while it waits: a part of it may be there."""
        if entry.path is not None:
            self._names.reserve(entry.job.directory, entry.path)

    def _release(self, entry: Entry) -> None:
        if entry.path is not None:
            self._names.release(entry.job.directory, entry.path)

    def _end_of(self, entry: Entry) -> Deferred[None]:
        end: Deferred[None] = Deferred(lambda _: self._ending[entry.number].remove(end))
        self._ending.setdefault(entry.number, []).append(end)
        return end


def _place(job: Job) -> tuple[str, str, str | None]:
    return job.directory, job.subdirectory, job.name


def _server(job: Job) -> str:
    try:
        return parse_url(job.url).server
    except BadUrl:
        return ""  # told when it is begun


def _not_kept(failure: Failure, entry: Entry) -> None:
    if failure.check(CancelledError):  # who waited is to stop; it may be kept all the same
        failure.raiseException()
    _log.error("{gid} is not kept: {error}", gid=entry.gid, error=failure.value)
