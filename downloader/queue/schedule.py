"""Whose turn it is: jobs of the queue are begun as there is room, and stopped when they are told.

======== ================= ==================== ================= ==================
job is   begun             ends                 pause, remove     the process ends
======== ================= ==================== ================= ==================
waiting  active            -                    paused, gone      waiting
active   -                 complete, error      once closed:      waiting; its file
                                                paused, removed   is gone on with
paused   -                 -                    gone (remove)     paused
======== ================= ==================== ================= ==================

What is told to stop may be whole just then: it is complete, and who told it hears NotNow.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from typing import Any

from twisted.internet.defer import (
    CancelledError,
    Deferred,
    DeferredList,
    TimeoutError,
    fail,
    succeed,
)
from twisted.internet.interfaces import IDelayedCall
from twisted.logger import Logger
from twisted.python.failure import Failure

from downloader.client import Downloader
from downloader.errors import Closed, NotNow, StoreError
from downloader.jobs import Job, Result, Status
from downloader.queue.ends import outcome, rows_of
from downloader.queue.entry import OVER, Entry, Moved, Told
from downloader.queue.paths import Paths
from downloader.sansio.order import Order
from downloader.store import QueueStore

# Jobs at a time, those between two tries too: what waits for its next try has no slot.
MOST_ACTIVE = 4096
# Seconds that a stopped job's connection and file are waited for.
PATIENCE = 3.0
_log = Logger()


class Schedule:
    """Which jobs run.

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
        self._order = Order()
        self._entries: dict[int, Entry] = {}  # that are not over
        self._paths = Paths(self._entries, downloader, store, wall)
        self._running: dict[int, Deferred[Any]] = {}
        self._stopped: dict[int, list[Any]] = {}
        self._ending: dict[int, list[Deferred[None]]] = {}  # who waits for their end
        self._call: IDelayedCall | None = None
        self._started = self._closed = False

    def __repr__(self) -> str:
        return f"<Schedule {len(self._running)} running, {self._order!r}>"

    @property
    def active(self) -> list[Entry]:
        """Those that run, in the order they were begun."""
        return [self._entries[number] for number in self._running if number in self._entries]

    @property
    def waiting(self) -> list[Entry]:
        """Those that wait, paused ones too, in their order."""
        return [self._entries[number] for number in self._order.numbers]

    @property
    def counts(self) -> dict[Status, int]:
        """How many run, wait and are paused."""
        waiting = self._order.ready
        paused = len(self._order) - waiting
        active = len(self._running)
        return {Status.ACTIVE: active, Status.WAITING: waiting, Status.PAUSED: paused}

    def position(self, entry: Entry) -> int | None:
        """How many wait before it; None unless it waits."""
        return self._order.position(entry.number) if entry.number in self._order else None

    def start(self, entries: Sequence[Entry]) -> None:
        """Begin with these, of an earlier process."""
        for entry in entries:
            self._entries[entry.number] = entry
            self._order.add(entry.number, entry.priority, entry.place)
            self._paths.reserve(entry)
        self._started = True
        self._downloader.limiter.watch(self._wake)
        self.let(entries)

    def hold(self) -> None:
        """Begin nothing any more."""
        self._closed = True
        self._downloader.limiter.unwatch(self._wake)
        if self._call is not None:
            self._call.cancel()
            self._call = None

    async def close(self) -> None:
        """Stop all; they wait for the next process."""
        self.hold()
        ends = [self._end_of(entry) for entry in self.active]
        for entry in self.active:
            self._stop(entry)
        with suppress(TimeoutError):  # a disk that hangs is nothing to wait for
            await DeferredList(ends, consumeErrors=True).addTimeout(2 * PATIENCE, self._reactor)
        self._paths.close()

    # --- what the queue asks ----------------------------------------------------------------------

    def place(self, entries: Sequence[Entry], position: int | None) -> list[Moved]:
        """Give these a place. Returns others whose place is another now."""
        own = {entry.number for entry in entries}
        moved: dict[int, Moved] = {}
        for n, entry in enumerate(entries):
            self._entries[entry.number] = entry
            entry.place = self._order.end(entry.priority)
            self._order.add(entry.number, entry.priority, entry.place)
            if position is not None:
                for one in self.move(entry, position + n):
                    before = moved.get(one.entry.number, one).before
                    moved[one.entry.number] = one._replace(before=before)
        return [one for number, one in moved.items() if number not in own]

    def drop(self, entries: Iterable[Entry]) -> None:
        """Forget these, which wait."""
        for entry in entries:
            self._order.discard(entry.number)
            self._paths.release(entry)
            self._entries.pop(entry.number, None)

    def let(self, entries: Iterable[Entry]) -> None:
        """Those of them that are not paused may begin."""
        for entry in entries:
            is_waiting = entry.status is Status.WAITING and not entry.coming
            if is_waiting and entry.number in self._order:
                entry.since = self._downloader.limiter.looks
                self._order.let(entry.number, entry.server)
        self._wake()

    def move(self, entry: Entry, position: int) -> list[Moved]:
        """Let it stand there. Returns those whose place is another now."""
        turns = self._order.move(entry.number, position)
        return [self._place(self._entries[turn.number], -turn.less, turn.place) for turn in turns]

    def prefer(self, entry: Entry, priority: int) -> Moved:
        """Let it be the last of another priority."""
        return self._stand(entry, priority, self._order.end(priority))

    def undo(self, moved: Moved) -> None:
        """Let it stand where it did, unless it has ended or was moved on since."""
        entry = moved.entry
        if entry.number in self._entries and (entry.priority, entry.place) == moved.now:
            self._stand(entry, *moved.before)

    def _stand(self, entry: Entry, priority: int, place: float) -> Moved:
        """Let it have this priority and place, whether it waits or runs."""
        moved = self._place(entry, priority, place)
        if entry.number in self._order:
            self._order.discard(entry.number)
            self._order.add(entry.number, priority, place)
            self.let([entry])
        return moved

    def _place(self, entry: Entry, priority: int, place: float) -> Moved:
        moved = Moved(entry, (entry.priority, entry.place), (priority, place))
        entry.priority, entry.place = priority, place
        return moved

    async def change(self, entry: Entry, job: Job, options: tuple[tuple[str, str], ...]) -> None:
        """It is to fetch `job`, and waits. Over when that is kept."""
        await entry.changing.acquire()
        try:
            if entry.number not in self._order:
                raise NotNow(f"it is {entry.status}")
            await self._change(entry, job, options)
        finally:
            entry.changing.release()

    async def _change(self, entry: Entry, job: Job, options: tuple[tuple[str, str], ...]) -> None:
        self._order.hold(entry.number)
        before = (entry.job, entry.options, entry.path, entry.inode, entry.size)
        self._paths.release(entry)
        entry.job, entry.options = job, options
        if _where(job) != _where(before[0]):
            entry.path = entry.inode = entry.size = None
        self._paths.reserve(entry)
        try:
            await self._store.save([entry.row()])
        except StoreError:
            self._paths.release(entry)
            entry.job, entry.options, entry.path, entry.inode, entry.size = before
            self._paths.reserve(entry)
            raise
        finally:
            self.let([entry])

    async def leave(self, entry: Entry, status: Status) -> None:
        """It is to be paused, or removed; of one that runs, it may be to wait again. Over when it
        is, and that is kept."""
        await entry.changing.acquire()
        try:
            if entry.status is not Status.ACTIVE:
                await self._leave(entry, status)
                return
        finally:
            entry.changing.release()
        if entry.leaving is Status.REMOVED is not status:
            raise NotNow("it is being removed")
        stopping, entry.leaving = entry.leaving is None, status
        end = self._end_of(entry)
        if stopping:
            self._stop(entry)
        await end
        if entry.is_over and entry.status is not status:  # it was so far just before
            raise NotNow(f"it is {entry.status}")

    async def _leave(self, entry: Entry, status: Status) -> None:
        """One that waits; nothing is left of it when it is removed."""
        if entry.is_over or entry.status is status:
            raise NotNow(f"it is {entry.status}")
        self._order.hold(entry.number)
        try:
            await self._become(entry, status)
        except StoreError:
            self.let([entry])
            raise
        before, entry.status = entry.status, status
        if status is Status.REMOVED:
            self.drop([entry])
        self._changed(entry, before)

    async def _become(self, entry: Entry, status: Status, told: Told | None = None) -> None:
        """Keep what it is to be. Who keeps it for another reason meanwhile keeps that too."""
        entry.coming = status, told
        try:
            await self._store.save(*rows_of([entry]))
        finally:
            entry.coming = None

    async def resume(self, entry: Entry) -> None:
        """It may have its turn again: one that was paused, or that failed."""
        await entry.changing.acquire()
        try:
            if entry.coming or entry.status not in (Status.PAUSED, Status.ERROR):
                raise NotNow(f"it is {entry.status}")
            failed = entry.number not in self._order
            if failed:
                self.place([entry], None)
                self._paths.reserve(entry)
            try:
                await self._become(entry, Status.WAITING)
            except StoreError:
                if failed:
                    self.drop([entry])
                raise
            before, entry.status, entry.told = entry.status, Status.WAITING, None
            if failed:
                entry.troubles = []
            self._changed(entry, before)
            self.let([entry])
        finally:
            entry.changing.release()

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
        """Whether it would start at once, or fail at once; no further one for a full disk."""
        entry, limiter = self._entries[number], self._downloader.limiter
        if self._downloader.space.is_full(entry.job.directory):
            return False
        return limiter.ready(server) or limiter.is_hopeless(server, entry.since)

    def _begin(self, entry: Entry) -> None:
        self._order.discard(entry.number)
        before, entry.status = entry.status, Status.ACTIVE
        entry.received, entry.rate, entry.leaving = 0, 0.0, None
        entry.goes_on = entry.path is not None
        done = self._begun(entry)
        self._running[entry.number] = done
        self._changed(entry, before)

        def ended(result: Any) -> None:
            if isinstance(result, Failure) and result.check(CancelledError, Closed):
                self._paths.reserve(entry)  # before anybody else can have it
            # It is not what `done` waits for: who cancels that is not to cancel this.
            ending = Deferred.fromCoroutine(self._ended(entry, result))
            ending.addErrback(lambda failure: _log.failure("a bug in the queue", failure))

        done.addBoth(ended)

    def _begun(self, entry: Entry) -> Deferred[Any]:
        """Its download, or what stands for it."""
        limiter = self._downloader.limiter
        if self._paths.is_there(entry):  # the last process was killed just when it had its name
            return succeed(None)
        if not limiter.ready(entry.server) and limiter.is_hopeless(entry.server, entry.since):
            return fail(limiter.hopeless(entry.server))
        return self._paths.fetch(entry)

    async def _ended(self, entry: Entry, result: Result | Failure | None) -> None:
        """Its download is over, as `result` says; None is a file that was there."""
        if isinstance(result, Failure) and result.check(Closed):
            self.hold()  # the downloader was closed, and the queue will be
        ways = self._stopped.pop(entry.number, ())
        was_stopped = isinstance(result, Failure) and bool(result.check(CancelledError))
        if was_stopped:
            await self._closing(ways)
        leaving, (status, told) = entry.leaving, outcome(entry, result, self._wall())
        await self._end_as(entry, status, told)
        while was_stopped and entry.leaving is not leaving:  # told otherwise meanwhile
            leaving, (status, told) = entry.leaving, outcome(entry, result, self._wall())
            await self._end_as(entry, status, told)
        before, entry.status, entry.told, entry.rate = entry.status, status, told, 0.0
        entry.leaving = None
        del self._running[entry.number]
        if status in OVER:
            del self._entries[entry.number]
        else:
            self._order.add(entry.number, entry.priority, entry.place)
            self._paths.reserve(entry)
        self._changed(entry, before)
        for end in self._ending.pop(entry.number, ()):
            end.callback(None)
        if not self._closed:
            self.let([entry] if status is Status.WAITING else [])

    async def _end_as(self, entry: Entry, status: Status, told: Told | None) -> None:
        """Keep it, or say why that cannot be: what came of it is true all the same."""
        try:
            await self._become(entry, status, told)
        except StoreError as error:
            _log.error("{gid} is not kept: {error}", gid=entry.gid, error=error)

    def _stop(self, entry: Entry) -> None:
        if self._running[entry.number].called:
            return  # what came of it is being kept
        ways = [way for way in self._downloader.active() if self._paths.of(way.job) is entry]
        self._stopped[entry.number] = ways
        self._running[entry.number].cancel()

    async def _closing(self, ways: Iterable[Any]) -> None:
        """Wait until nothing of these is open: neither their connections nor their files."""
        for closed in (self._downloader.quiet(), *(way.closing() for way in ways)):
            if closed is not None:
                with suppress(Exception):  # a disk that hangs holds up nobody
                    await closed.addTimeout(PATIENCE, self._reactor)

    def _end_of(self, entry: Entry) -> Deferred[None]:
        end: Deferred[None] = Deferred(lambda _: self._ending[entry.number].remove(end))
        self._ending.setdefault(entry.number, []).append(end)
        return end


def _where(job: Job) -> tuple[str, str, str | None]:
    return job.directory, job.subdirectory, job.name
