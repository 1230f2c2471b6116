"""Giving whole files their names, in groups, so that a loss of power takes none that has one.

The order is what makes it true: the bytes of a group are on the disk, then its files get their
names, then the directories are on the disk, and then those who wait hear of it. A group is what has
come while the one before it was under way, so the first file waits for nobody, and thousands of
small ones wait together.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Any, Protocol

from twisted.internet.defer import CancelledError, Deferred
from twisted.python.failure import Failure

from downloader.errors import DiskError, DownloadError
from downloader.threads import Threads

# Files of one group: each has a descriptor, or two, and a process 1,024 as a rule.
MOST = 128
# With so many it is quicker to sync the file system than each of them.
MANY = 4
LINGER = 0.25

Over = Callable[[Failure | None], None]


class Whole(Protocol):
    """A file that is whole and has not its name."""

    @property
    def fd(self) -> int:
        """It, open."""

    @property
    def place(self) -> Hashable:
        """Its directory: what is equal for files that one `sync_place` is enough for."""

    def sync(self) -> None:
        """Wait until the disk has it. Raises our errors."""

    def publish(self, path: str, overwrite: bool) -> None:
        """Give it its name. Raises our errors, `TargetExists` among them."""

    def sync_place(self) -> None:
        """Wait until the disk has its directory. Raises our errors."""


class _Entry:
    """One file that waits; `failure` is why it has not got its name."""

    __slots__ = ("done", "failure", "file", "over", "overwrite", "path", "unwanted")

    def __init__(self, file: Whole, path: str, overwrite: bool, over: Over) -> None:
        self.file = file
        self.path = path
        self.overwrite = overwrite
        self.over = over
        self.unwanted = False
        self.failure: Failure | None = None
        self.done: Deferred[None] = Deferred(self._cancel)

    def do(self, operation: Callable[..., None], *arguments: Any) -> None:
        """Do it, unless something went wrong before or nobody wants it any more."""
        if self.failure is None:
            try:
                if self.unwanted:
                    raise CancelledError
                operation(*arguments)
            except Exception:
                self.failure = Failure()

    def end(self) -> None:
        """The thread is done with the file."""
        if self.unwanted:
            self.over(Failure(CancelledError()))
        else:
            self.over(self.failure)
            self.done.callback(self.failure)

    def _cancel(self, done: Deferred[None]) -> None:
        self.unwanted = True


class Commits:
    """The files of one disk that wait for their names.

    With `each`, each file is synced for itself. `coming` counts the jobs that are at it: those that
    wait here, and those that have something to do before.
    """

    def __init__(self, disks: Any, each: bool = False) -> None:
        self._disks = disks
        self._each = each
        self._threads = Threads("disk", 1, LINGER)
        self._waiting: list[_Entry] = []
        self._busy = False
        self.coming = 0

    def __repr__(self) -> str:
        return f"<Commits {len(self._waiting)} waiting{', busy' if self._busy else ''}>"

    @property
    def crowded(self) -> bool:
        """Whether enough are coming for one group."""
        return self.coming >= MOST

    @contextmanager
    def expecting(self) -> Iterator[None]:
        """A job is coming."""
        self.coming += 1
        try:
            yield
        finally:
            self.coming -= 1

    def add(self, file: Whole, path: str, overwrite: bool, over: Over) -> Deferred[None]:
        """Give `file` its name, with others. `over(failure)` is called when it is not used here any
        more; that may be after a cancel.

        **Fires with** None when it has its name, and keeps it when the power fails. **Fails with**
        our errors: `TargetExists`, or what the disk says; the file may have its name then, when it
        was its directory that could not be synced. **Cancelling** fails it at once; a system call
        that is being made cannot be taken back.
        """
        entry = _Entry(file, path, overwrite, over)
        self._waiting.append(entry)
        if not self._busy:
            self._busy = True
            self._disks.began()
            self._next()
        return entry.done

    def _next(self) -> None:
        """Begin with the group that has come together."""
        group, self._waiting = self._waiting[:MOST], self._waiting[MOST:]
        if not group:
            self._busy = False
            self._disks.ended()
            return
        try:
            self._threads.run(lambda: self._commit(group))
        except RuntimeError:  # no more threads may be made: better slowly than not at all
            self._commit(group)

    def _told(self, group: Sequence[_Entry]) -> None:
        for entry in group:
            entry.end()
        self._next()

    # --- in the thread ------------------------------------------------------------------------

    def _commit(self, group: list[_Entry]) -> None:
        try:
            self._sync(group)
            for entry in group:
                entry.do(self._disks.perform, entry.file.publish, entry.path, entry.overwrite)
            self._sync_places([entry for entry in group if entry.failure is None])
        except Exception:  # a bug: each of them hears of it, and those behind them go on
            for entry in group:
                entry.failure = entry.failure or Failure()
        self._disks.reactor.callFromThread(self._told, group)

    def _sync(self, group: list[_Entry]) -> None:
        """All of them. When they are many, the file systems first, and then each of them, which
        takes no time then, and tells of whom it is true."""
        if not self._each and len(group) >= MANY and self._disks.os.syncfs is not None:
            self._sync_systems(group)
        for entry in group:
            entry.do(self._disks.perform, entry.file.sync)

    def _sync_systems(self, group: list[_Entry]) -> None:
        system, done = self._disks.os, set()
        for entry in group:
            with suppress(OSError):  # whatever it is, each of them says it of itself
                device = system.fstat(entry.file.fd).st_dev
                if device not in done:
                    done.add(device)
                    system.syncfs(entry.file.fd)

    def _sync_places(self, named: list[_Entry]) -> None:
        places: dict[Hashable, list[_Entry]] = {}
        for entry in named:
            places.setdefault(entry.file.place, []).append(entry)
        for entries in places.values():
            try:
                self._disks.perform(entries[0].file.sync_place)
            except DownloadError as error:
                # Not DiskFull, which is waited for: the files have their names.
                for entry in entries:
                    entry.do(_fail, DiskError(error.detail))


def _fail(error: DownloadError) -> None:
    raise error
