"""A part file that its body is never held up by: done here or in threads, as `disks` says.

Whichever it is, the order is kept: opened, written piece by piece, committed or kept. A write that
fails is the last one: nothing is written behind it, and the file is never committed. What is
asked for in the reactor's thread is answered there.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from contextlib import suppress
from typing import Any, TypeVar

from twisted.internet.defer import CancelledError, Deferred
from twisted.python.failure import Failure

from downloader.errors import DownloadError
from downloader.sansio.version import Version
from downloader.transfer.folder import Folder, Folders
from downloader.transfer.lane import Lane
from downloader.transfer.partfile import PartFile

T = TypeVar("T")
# With so many bytes not written yet it is full: its body is to be paused until half are. What
# was being read comes too, so that a body holds twice as much at most.
FULL = 1024 * 1024
# Bytes that are read, and looked at, at a time.
_PIECE = 1024 * 1024
# What a piece that waits costs beside its bytes.
_ENTRY = 256


class PartWriter:
    """Writes the part file of `path` below the root `directory`; `long` says it may be long.

    It goes on with what its journal says is there of `of`; with None, it begins anew.

    Nothing but `commit` raises what the disk says. `failure` is what went wrong first, and `full`
    whether no more should be given to it; when either changes later, those who `watch` are called.
    Ends with `commit`, `keep` or `discard`, as PartFile does; then the folder is given back.
    """

    def __init__(
        self,
        folders: Folders,
        directory: str,
        path: str,
        long: bool,
        of: str | None = None,
    ) -> None:
        self.path = path
        self._of = of
        self.failure: Failure | None = None
        self.full = False
        self._watchers: dict[Callable[[], None], None] = {}
        self.folder: Folder = folders.use(directory)
        self._folders = folders
        self._in_use = True
        self._disk = self.folder.disk
        self._long = long
        self._lane = Lane(self._disk)
        self._part: PartFile | None = None
        self._opening = True
        self._early: list[tuple[Any, ...]] = []  # what is to be done once it is open
        self._failed: Failure | None = None  # as the thread that writes knows it
        self._taken = 0  # counted in the reactor's thread only
        self._written = 0  # counted in the disk's threads only
        self._unwanted = False
        self._ended = False
        self._committing = False
        self._how: Callable[[PartFile], None] = PartFile.close
        self._closed = False
        self._waiting: list[Deferred[None]] = []
        Deferred.fromCoroutine(self._open())

    def __repr__(self) -> str:
        state = "failed" if self._failed else "closed" if self._closed else "open"
        return f"<PartWriter {self.path!r} {state}, {self.held} bytes held>"

    @property
    def held(self) -> int:
        """What waits to be written, in bytes, about."""
        return self._taken - self._written

    def watch(self, watcher: Callable[[], None]) -> None:
        """From now on, `watcher()` is called when `failure` or `full` has changed."""
        self._watchers[watcher] = None

    def unwatch(self, watcher: Callable[[], None]) -> None:
        """Call `watcher` no more."""
        self._watchers.pop(watcher, None)

    async def found(self) -> PartFile | None:
        """What it goes on with, to be looked at only; None when it begins anew."""
        await self.written()
        return self._part if self._part is not None and self._part.size else None

    def begin(self, version: Version, record: bool) -> None:
        """What is written from now on is of `version`; see PartFile."""
        if self._is_quick() and not self._has_journal:
            self._change("begin", version, record)
            self.failure = self._failed
        else:
            self._put(self._change, "begin", version, record)

    def write(self, data: bytes | memoryview, at: int | None = None) -> None:
        """Write `data`, which need not stay as it is after this call, as PartFile does."""
        if self.failure is not None:
            return
        if (self._disk.in_memory or not self._long) and self._is_quick():
            self._change("write", data, at)
            self.failure = self._failed
            return
        size = len(data) + _ENTRY
        self._taken += size
        # Before it is handed over: a thread looks at this after each piece.
        self.full = self.full or self.held > FULL
        self._put(self._write_held, bytes(data), at, size)

    def drop(self, start: int, stop: int) -> None:
        """These bytes are not there, as PartFile says; those that are written later are."""
        self._put(self._change_there, "drop", start, stop)

    async def is_at(self, path: str) -> bool:
        """Whether the file `path` has these bytes, on a disk that keeps it; one that is long is
        never looked at."""
        if self._disk.commits is None:
            return await self._do(self._is_at, path)
        return await self._do_in_thread(self._is_at, path)

    async def written(self) -> None:
        """Wait until all that was given to it is written; raises what the disk said."""
        await self._do(self._check_failed)

    @property
    def inode(self) -> int:
        """The number of the open file's inode."""
        assert self._part is not None
        return self._part.inode

    @property
    def size(self) -> int:
        """How many bytes are written."""
        assert self._part is not None
        return self._part.size

    async def read(
        self, use: Callable[[bytes], object], start: int = 0, stop: int = sys.maxsize
    ) -> None:
        """Call `use` with each piece of what is written there, in a thread."""
        done: Deferred[None] = Deferred()
        self._put(self._read_there, done, use, start, stop)
        try:
            await done
        except CancelledError:
            self._unwanted = True
            raise

    async def commit(self, path: str, overwrite: bool = False) -> None:
        """Give it its final name, as PartFile.publish, once all is written without an error; on a
        disk that keeps it, when it is there.

        Cancelled, it gives no name to anything any more, but for a system call that is being made.
        """
        try:
            if self._disk.commits is None:
                await self._do(self._commit, path, overwrite)
                self._ended = True
                self._give_back()
            else:
                await self.written()
                assert self._part is not None
                self._committing = True
                await self._disk.commits.add(self._part, path, overwrite, self._committed)
        except CancelledError:
            self._unwanted = True
            raise

    def _committed(self, failure: Failure | None) -> None:
        """The file is ours again: it has its name, or may get another, or is to be ended."""
        self._committing = False
        if self._ended:
            self._put(self._close_there, self._how)
        elif failure is None:
            self._ended = True
            self._close(PartFile.close)
            self._give_back()

    def keep(self) -> None:
        """Close it as it is, once what it was given is written."""
        self._end(PartFile.keep)

    def discard(self) -> None:
        """Close and remove it."""
        self._end(PartFile.discard)

    def closed(self) -> Deferred[None] | None:
        """None when it is closed; else what fires then, a Deferred of its own for each caller."""
        if self._closed:
            return None
        self._waiting.append(Deferred())
        return self._waiting[-1]

    # --- in the reactor's thread --------------------------------------------------------------

    def _is_quick(self) -> bool:
        """Whether things may be done here: nothing waits, and none will take long."""
        return not self._opening and self._lane.idle and not self._disk.slow

    @property
    def _has_journal(self) -> bool:
        """Whether it waits for the disk to be begun anew."""
        return self._part is not None and self._part.has_journal and not self._disk.in_memory

    def _put(self, *call: Any) -> None:
        if self._opening:
            self._early.append(call)
        else:
            self._lane.put(*call)

    async def _do(self, call: Callable[..., T], *arguments: Any) -> T:
        """Do it here or there; what it returns or raises comes out of this."""
        if self._is_quick():
            return call(*arguments)
        return await self._do_in_thread(call, *arguments)

    async def _do_in_thread(self, call: Callable[..., T], *arguments: Any) -> T:
        done: Deferred[T] = Deferred()
        self._put(self._do_there, done, call, *arguments)
        return await done

    async def _open(self) -> None:
        try:
            try:
                await self._make()
            except DownloadError:
                if not self._has_moved():
                    raise
                await self._make()
        except Exception:
            self.failure = self._failed = Failure()
        self._opening = False
        for call in self._early:
            self._lane.put(*call)
        self._early.clear()
        self._tell()

    async def _make(self) -> None:
        syncs = self._disk.commits is not None
        make = (PartFile, self.folder, self.path, self._of, syncs, self._disk.disks.seconds)
        # What was left is read, and the disk may be waited for.
        reads = self._long and self.folder.may_hold_parts and not self._disk.in_memory
        if not (self._disk.slow or reads):
            self._part = self._disk.do(*make)
            return
        done: Deferred[PartFile] = Deferred()
        self._lane.put(self._do_there, done, self._disk.do, *make)
        self._part = await done

    def _has_moved(self) -> bool:
        """The directory may have been removed since it was opened, and is made again then."""
        self._unuse()
        moved = self._folders.forget_moved(self.folder.path)
        self.folder = self._folders.use(self.folder.path)
        self._in_use = True
        return moved

    def _unuse(self) -> None:
        if self._in_use:
            self._in_use = False
            self._folders.unuse(self.folder)

    def _end(self, operation: Callable[[PartFile], None]) -> None:
        if self._ended:
            return
        self._ended = self._unwanted = True
        self._how = operation
        if self._committing:
            return
        # A journal waits for the disk.
        may_wait = self._disk.commits is not None and self._long
        if self._is_quick() and not may_wait:
            self._close(operation)
            self._give_back()
        else:
            self._put(self._close_there, operation)

    def _give_back(self) -> None:
        self._closed = True
        self._watchers.clear()
        self._unuse()
        waiting, self._waiting = self._waiting, []
        for one in waiting:
            _fire(one, None)

    def _tell(self) -> None:
        self.failure = self._failed
        for watcher in list(self._watchers):
            watcher()

    # --- in whatever thread -------------------------------------------------------------------

    def _change(self, method: str, *arguments: Any) -> None:
        if self._failed is None and self._part is not None:
            try:
                self._disk.do(getattr(self._part, method), *arguments)
            except Exception:
                self._failed = Failure()

    def _commit(self, path: str, overwrite: bool) -> None:
        self._check_failed()
        assert self._part is not None
        self._disk.do(self._part.commit, path, overwrite, self._is_unwanted)

    def _is_at(self, path: str) -> bool:
        part = self._part
        if part is None or part.size > _PIECE:
            return False
        if not self.folder.holds(path, part.read(0, part.size)):
            return False
        if self._disk.commits is not None:  # who was killed may not have got as far
            self._disk.do(self.folder.sync_file, path)
        return True

    def _check_failed(self) -> None:
        if self._failed is not None:
            self._failed.raiseException()

    def _is_unwanted(self) -> bool:
        return self._unwanted

    def _close(self, operation: Callable[[PartFile], None]) -> None:
        if self._part is not None:
            with suppress(OSError):  # nothing is promised of what is only kept
                self._disk.do(operation, self._part)

    # --- in a thread of the disk --------------------------------------------------------------

    def _write_held(self, data: bytes, at: int | None, size: int) -> None:
        self._change_there("write", data, at)
        self._written += size
        if self.full and self.held <= FULL // 2:
            self.full = False
            self._call(self._tell)

    def _change_there(self, method: str, *arguments: Any) -> None:
        failed = self._failed
        self._change(method, *arguments)
        if self._failed is not failed:
            self._call(self._tell)

    def _read_there(
        self, done: Deferred[None], use: Callable[[bytes], object], at: int, stop: int
    ) -> None:
        """A piece, and then the others, if that is wanted still."""
        try:
            self._check_failed()
            assert self._part is not None
            size = 0 if self._unwanted else min(_PIECE, stop - at)
            piece = self._disk.do(self._part.read, at, size) if size else b""
            use(piece)
        except Exception:
            self._call(_fire, done, Failure())
            return
        if piece:
            self._lane.put(self._read_there, done, use, at + len(piece), stop)
        else:
            self._call(_fire, done, None)

    def _do_there(self, done: Deferred[T], call: Callable[..., T], *arguments: Any) -> None:
        try:
            result: T | Failure = call(*arguments)
        except Exception:
            result = Failure()
        self._call(_fire, done, result)

    def _close_there(self, operation: Callable[[PartFile], None]) -> None:
        self._close(operation)
        self._call(self._give_back)

    def _call(self, call: Callable[..., None], *arguments: Any) -> None:
        self._disk.disks.reactor.callFromThread(call, *arguments)


def _fire(done: Deferred[Any], result: Any) -> None:
    """Unless whoever waits was cancelled meanwhile; a Failure makes it fail."""
    if not done.called:
        done.callback(result)
