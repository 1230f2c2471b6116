"""The queue: what is asked of it, and in which order it is fetched.

Whatever a verb answers is kept by then: a process that is killed has taken on what it said it had,
and goes on with it when it is started again. All of it is in memory too, so nobody who asks how
things stand waits for the disk.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from typing import Any

from twisted.internet.defer import Deferred, TimeoutError
from twisted.logger import Logger

from downloader.client import Downloader
from downloader.errors import DuplicateGid, NoSuchJob, NotNow, QueueFull, StoreError
from downloader.jobs import Job, Limits, Status
from downloader.queue.apart import apart, each
from downloader.queue.ends import rows_of
from downloader.queue.entry import OVER, Entry, Moved, Wanted, entry_of
from downloader.queue.meter import Meter
from downloader.queue.roots import Roots
from downloader.queue.schedule import PATIENCE, Schedule
from downloader.store import QueueStore

# Jobs that wait or run, in memory, with some 2,000 bytes each.
MOST = 100_000
# Those that have ended and are kept to be looked at, as aria2 does.
MOST_OVER = 1000

Listener = Callable[[Entry, Status], None]
_log = Logger()


class Queue:
    """The jobs that are kept in `store`, fetched by `downloader`, both of which it closes.

    `limits` are those of the downloader, and may be changed with `limit`. `wall()` is the time of
    day in seconds since 1970. At most `most` jobs are taken on, and `most_over` that have ended are
    kept. Jobs of an earlier process whose directory is none of `roots` do not run; None is any.
    """

    def __init__(
        self,
        reactor: Any,
        store: QueueStore,
        downloader: Downloader,
        limits: Limits,
        wall: Callable[[], float],
        most: int = MOST,
        most_over: int = MOST_OVER,
        roots: Sequence[str] | None = None,
    ) -> None:
        self.downloader = downloader
        self.limits = limits
        self.most_over = most_over
        self._reactor = reactor
        self._store = store
        self._wall = wall
        self._most = most
        self._roots = Roots(roots)
        self._entries: dict[str, Entry] = {}  # by gid
        self._over: dict[int, Entry] = {}  # in the order they ended
        self._next = 1  # number
        self._listeners: list[Listener] = []
        self._closed = False
        self._coming: set[str] = set()  # gids that are being kept
        self.schedule = Schedule(reactor, downloader, store, self._changed, wall)
        self.meter = Meter(reactor, downloader, lambda: self.schedule.active)

    def __repr__(self) -> str:
        return f"<Queue {len(self._entries)} jobs, {len(self._over)} of them over>"

    def start(self) -> Deferred[None]:
        """Go on where the last process ended.

        **Fires with** None when what is kept is here; jobs run from then on. **Fails with**
        StoreError. **Cancelling** is not done.
        """
        return Deferred.fromCoroutine(self._start())

    def close(self) -> Deferred[None]:
        """Stop every job, which waits then for the next `start`.

        **Fires with** None when every socket and file is closed, and what came of them is kept; a
        disk that hangs is waited for some seconds. **Fails** never. **Cancelling** it stops the
        waiting only.
        """
        self._closed = True
        self.schedule.hold()
        return apart(self._close())

    # --- looking ------------------------------------------------------------------------------

    def known(self, gid: str) -> Entry | None:
        """The job with this gid, if there is one."""
        return self._entries.get(gid)

    def find(self, gid: str) -> Entry:
        """The job with this gid, or with the one that begins so. Raises NoSuchJob."""
        entry = self.known(gid)
        if entry is not None:
            return entry
        short = 0 < len(gid) < 16
        found = [one for one in self._entries if one.startswith(gid)] if short else []
        if len(found) != 1:
            raise NoSuchJob(f"several begin with {gid[:16]}" if found else gid[:16])
        return self._entries[found[0]]

    @property
    def active(self) -> list[Entry]:
        """Those that run, in the order they were begun."""
        return self.schedule.active

    @property
    def waiting(self) -> list[Entry]:
        """Those that wait, paused ones too, in their order."""
        return [entry for entry in self.schedule.waiting if entry.gid in self._entries]

    @property
    def over(self) -> list[Entry]:
        """Those that have ended and are still known, the one that ended first in front."""
        return list(self._over.values())

    @property
    def counts(self) -> dict[Status, int]:
        """How many there are of each status."""
        found = dict.fromkeys(Status, 0)
        for entry in self._over.values():
            found[entry.status] += 1
        return {**found, **self.schedule.counts}

    def position(self, entry: Entry) -> int | None:
        """How many wait before it; None unless it waits."""
        return self.schedule.position(entry)

    def watch(self, listener: Listener) -> None:
        """From now on, `listener(entry, before)` is called when a job's status has changed, and is
        kept; a new one had none, and was REMOVED before, as one that is forgotten is now. One that
        was moved, or has another priority, was before what it is."""
        self._listeners.append(listener)

    def unwatch(self, listener: Listener) -> None:
        """Call it no more."""
        self._listeners.remove(listener)

    # --- what is asked ------------------------------------------------------------------------

    def add(self, wanted: Sequence[Wanted], position: int | None = None) -> Deferred[list[Entry]]:
        """Take on these jobs: all, or none. The first stands at `position` of those that wait,
        counted from 0, the others behind it; with None, they are the last of their priority.

        **Fires with** their entries when they are kept. **Fails with** DuplicateGid, QueueFull,
        StoreError. **Cancelling** stops the waiting only.
        """
        return apart(self._add(wanted, position))

    def pause(self, entry: Entry) -> Deferred[None]:
        """Stop it, to go on with it later.

        **Fires with** None when its connection is closed and that is kept. **Fails with** NotNow,
        StoreError. **Cancelling** stops the waiting only.
        """
        return apart(self._leave(entry, Status.PAUSED))

    def resume(self, entry: Entry) -> Deferred[None]:
        """Let it wait for its turn: one that is paused, or that failed.

        **Fires with** None when that is kept. **Fails with** NotNow, OutsideRoots, StoreError.
        **Cancelling** stops the waiting only.
        """
        return apart(self._resume(entry))

    def pause_all(self) -> Deferred[None]:
        """Pause those that run or wait.

        **Fires**, **fails** and **cancelling**: as `pause`, but for NotNow.
        """
        idle = [entry for entry in self.waiting if entry.status is not Status.PAUSED]
        # Those that run come last: as they end, others that wait would begin.
        return apart(each(self.pause, [*idle, *self.active]))

    def resume_all(self) -> Deferred[None]:
        """Resume those that are paused.

        **Fires**, **fails** and **cancelling**: as `resume`, but for NotNow.
        """
        paused = [entry for entry in self.waiting if entry.status is Status.PAUSED]
        return apart(each(self.resume, paused))

    def remove(self, entry: Entry) -> Deferred[None]:
        """Stop it for good. What has come of its file stays there.

        **Fires**, **fails** and **cancelling**: as `pause`.
        """
        return apart(self._leave(entry, Status.REMOVED))

    def prefer(self, entry: Entry, priority: int) -> Deferred[None]:
        """Let it have another priority, and be the last of it.

        **Fires with** None when that is kept. **Fails with** NotNow, StoreError. **Cancelling**
        stops the waiting only.
        """
        return apart(self._prefer(entry, priority))

    def limit(self, limits: Limits) -> None:
        """Let so many jobs run from now on, and bytes come; those that run go on."""
        self.limits = limits
        self.downloader.limiter.resize(limits.total, limits.per_host)
        each = limits.bytes_per_second_per_file
        self.downloader.throttle.set(limits.bytes_per_second, each)

    def forget(self, entries: Iterable[Entry]) -> Deferred[None]:
        """Keep no longer what came of these, which have ended.

        **Fires with** None when that is done. **Fails with** NotNow, StoreError. **Cancelling**
        stops the waiting only.
        """
        return apart(self._forget(list(entries)))

    def move(self, entry: Entry, position: int) -> Deferred[int]:
        """Let it stand at `position` of those that wait, counted from 0, or at the nearest end.

        **Fires with** the position that it has then. **Fails with** NotNow, StoreError.
        **Cancelling** stops the waiting only.
        """
        return apart(self._move(entry, position))

    def change(self, entry: Entry, job: Job, options: Sequence[tuple[str, str]]) -> Deferred[None]:
        """Let it fetch `job`, asked for with `options`, in place of its own: one that waits.

        Where its file went to another place, that is begun anew.

        **Fires with** None when that is kept. **Fails with** NotNow, StoreError. **Cancelling**
        stops the waiting only.
        """
        return apart(self._change(entry, job, tuple(options)))

    # --- how it is done -----------------------------------------------------------------------

    async def _start(self) -> None:
        rows = await self._store.load()
        if self._closed:
            return
        for row in rows:
            self._next = max(self._next, row.number + 1)
            try:
                entry = entry_of(row)
            except (ValueError, TypeError, KeyError) as error:
                raise StoreError(f"job {row.gid} makes no sense") from error
            self._entries[entry.gid] = entry
        self._keep_met(self._roots.meet(self._entries.values()))
        ended = [entry for entry in self._entries.values() if entry.is_over]
        for entry in sorted(ended, key=lambda one: one.told.ended if one.told else 0.0):
            self._over[entry.number] = entry
        self.schedule.start([entry for entry in self._entries.values() if not entry.is_over])
        self.meter.start()

    def _keep_met(self, met: Sequence[Entry]) -> None:
        lost = sum(entry.status is Status.PAUSED for entry in met)
        if lost:
            _log.warn("{lost} jobs are paused: files may not go to their directories", lost=lost)
        if met:
            self._store.save(*rows_of(met)).addErrback(_not_kept)

    async def _close(self) -> None:
        self.meter.stop()
        await self.schedule.close()
        await self.downloader.close()
        with suppress(StoreError, TimeoutError):  # a disk that hangs is nothing to wait for
            await self._store.save(()).addTimeout(PATIENCE, self._reactor)
        self._store.close()

    async def _add(self, wanted: Sequence[Wanted], position: int | None) -> list[Entry]:
        there = len(self._entries) - len(self._over) + len(self._coming)
        if there + len(wanted) > self._most:
            raise QueueFull(f"it has {self._most} jobs")
        gids = [one.gid or self._new_gid() for one in wanted]
        taken = {*self._entries, *self._coming}
        for gid in gids:
            if gid in taken:
                raise DuplicateGid(gid)
            taken.add(gid)
        entries = [self._made(one, gid) for one, gid in zip(wanted, gids, strict=True)]
        moved = self.schedule.place(entries, position)
        places = [entry.place for entry in entries]
        self._coming.update(gids)
        try:
            await self._keep_places(moved, entries)
        finally:
            self._coming.difference_update(gids)
        late = [one for one, place in zip(entries, places, strict=True) if one.place != place]
        if late:  # a place that it was given while it was being kept
            self._store.save(*rows_of(late)).addErrback(_not_kept)
        for entry in entries:
            self._entries[entry.gid] = entry
            self._changed(entry, Status.REMOVED)
        self.schedule.let(entries)
        return entries

    def _made(self, wanted: Wanted, gid: str) -> Entry:
        number, self._next = self._next, self._next + 1
        status = Status.PAUSED if wanted.paused else Status.WAITING
        more = (wanted.options, self._wall())
        return Entry(number, gid, wanted.job, status, wanted.priority, 0.0, *more)

    def _new_gid(self) -> str:
        while (gid := secrets.token_hex(8)) in self._entries or not int(gid, 16):
            pass
        return gid

    async def _leave(self, entry: Entry, status: Status) -> None:
        if entry.is_over or (entry.status is status):
            raise NotNow(f"it is {entry.status}")
        await self.schedule.leave(entry, status)

    async def _resume(self, entry: Entry) -> None:
        if entry.leaving is Status.PAUSED:  # it will be, and then not
            await self.schedule.leave(entry, Status.WAITING)
            return
        self._roots.check(entry.job.directory)
        await self.schedule.resume(entry)
        self._over.pop(entry.number, None)

    async def _move(self, entry: Entry, position: int) -> int:
        if self.schedule.position(entry) is None:
            raise NotNow(f"it is {entry.status}")
        await self._keep_places(self.schedule.move(entry, position))
        self._tell(entry, entry.status)
        found = self.schedule.position(entry)
        return 0 if found is None else found

    async def _change(self, entry: Entry, job: Job, options: tuple[tuple[str, str], ...]) -> None:
        if self.schedule.position(entry) is None:
            raise NotNow(f"it is {entry.status}")
        await self.schedule.change(entry, job, options)

    async def _prefer(self, entry: Entry, priority: int) -> None:
        if entry.is_over:
            raise NotNow(f"it is {entry.status}")
        await self._keep_places([self.schedule.prefer(entry, priority)])
        self._tell(entry, entry.status)

    async def _keep_places(self, moves: Sequence[Moved], new: Sequence[Entry] = ()) -> None:
        """Keep `new` ones, and where the others stand now; if that cannot be, they stand where they
        stood before. Those that are just being taken on are kept by who does that."""
        known = [moved.entry for moved in moves if moved.entry.gid not in self._coming]
        try:
            await self._store.save(*rows_of([*new, *known]))
        except StoreError:
            self.schedule.drop(new)
            for moved in moves:
                self.schedule.undo(moved)
            raise

    async def _forget(self, gone: Sequence[Entry]) -> None:
        if any(not entry.is_over or entry.coming for entry in gone):
            raise NotNow("it has not ended")
        for entry in gone:
            entry.coming = Status.REMOVED, None
        try:
            if gone:
                await self._store.save((), [entry.number for entry in gone])
        finally:
            for entry in gone:
                entry.coming = None
        for entry in gone:
            self._over.pop(entry.number, None)
            self._entries.pop(entry.gid, None)
            before, entry.status = entry.status, Status.REMOVED
            self._tell(entry, before)

    def _changed(self, entry: Entry, before: Status) -> None:
        """It has another status, which is kept."""
        if before is Status.ACTIVE:
            self.meter.ended(entry)
        if entry.status is Status.REMOVED and before in (Status.WAITING, Status.PAUSED):
            self._entries.pop(entry.gid, None)  # nothing had come of it, and nothing is kept
        if entry.status in OVER and entry.gid in self._entries:
            self._over[entry.number] = entry
            idle = [one for one in self._over.values() if not one.coming]
            if len(idle) > self.most_over:
                surplus = idle[: len(idle) - self.most_over]
                self.forget(surplus).addErrback(_not_kept)
        self._tell(entry, before)

    def _tell(self, entry: Entry, before: Status) -> None:
        for listener in list(self._listeners):
            try:
                listener(entry, before)
            except Exception:
                _log.failure("who watches the queue raised")


def _not_kept(failure: Any) -> None:
    _log.error("the queue could not be kept: {error}", error=failure.value)
