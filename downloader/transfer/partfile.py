"""The file being written: `NAME.part` until it is whole, then `NAME`.

Whatever happens, a file under its final name is whole: it gets the name by one system call after
its last byte, and never takes it from a file that was there, unless that was asked for.

One writer: the part file is locked (flock) while it is open, so that a second download of the
same name, in this process or another, is refused and not mixed in. A lock goes with its process,
so what a killed one left is taken over: gone on with, if its journal tells what it is of, or begun
anew.
"""

from __future__ import annotations

import errno
import fcntl
import os
import stat
from collections.abc import Callable, Hashable
from contextlib import suppress
from time import monotonic

from twisted.internet.defer import CancelledError

from downloader.errors import BadName, TargetBusy, TargetExists
from downloader.sansio.journal import MAX_JOURNAL, head_record, held_record
from downloader.sansio.printable import printable
from downloader.sansio.ranges import Ranges
from downloader.sansio.version import Version
from downloader.transfer.disk import FULL, disk_error, inode_of
from downloader.transfer.folder import Folder
from downloader.transfer.journalfile import JournalFile, good_ranges, marks_of
from downloader.transfer.system import BY_DESCRIPTOR, NO_LINKS, close_settled, settle, write_all_at

SUFFIX = ".part"
JOURNAL = ".journal"
# What is lost at most when the process is killed: the bytes of so many seconds, and so many.
WINDOW = 8 * 1024 * 1024
EVERY = 1.0
# Less than that is asked for again rather than gone on with: it costs less than a journal.
WORTH = 64 * 1024
# Others that finish or fail with a part file while we open it may be in the way so often.
LOOKS = 100
_NEW = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
_OLD = os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK


class PartFile:
    """The bytes of `path` below `folder` as far as they have come: `ranges`.

    Opened, it has none, unless its journal says that it holds some of `of` (see `sansio.journal`):
    then these are of `version`. With `sync`, the journal tells of nothing that a loss of power
    could take. `seconds()` is a clock. `has_journal` says whether one may be there.

    Ends with exactly one of `commit`, `keep` and `discard`; each closes it, and a second end
    does nothing.
    """

    def __init__(
        self,
        folder: Folder,
        path: str,
        of: str | None = None,
        sync: bool = False,
        seconds: Callable[[], float] = monotonic,
    ) -> None:
        self.path = path
        self._os = folder.os
        self.ranges = Ranges()
        self.version = Version()
        self._of = of
        self._sync = sync
        self._seconds = seconds
        self._recording = False  # whether a journal is wanted
        self.has_journal = False
        self._headed = False  # whether the journal has its head
        self._recorded = 0
        self._recorded_at = seconds()
        self._full = False
        self._folder = folder
        self._dir_fd, self._name = folder.parent(path)
        self._journal = JournalFile(folder.os, self._dir_fd, self._name + SUFFIX + JOURNAL)
        self._fd = -1
        try:
            self._fd = self._open()
        except BaseException:
            self._close()
            raise

    def __repr__(self) -> str:
        state = "open" if self._fd >= 0 else "closed"
        return f"<PartFile {self.path!r} {self.size} bytes {state}>"

    @property
    def size(self) -> int:
        """How many bytes it holds."""
        return self.ranges.size

    @property
    def inode(self) -> int:
        """The number of its inode."""
        return inode_of(self._opened)

    @property
    def fd(self) -> int:
        """It, open."""
        return self._fd

    @property
    def place(self) -> Hashable:
        """Its directory."""
        return self._folder, self.path.rpartition("/")[0]

    def begin(self, version: Version, record: bool) -> None:
        """What comes is of `version`, and what is here is not. With `record`, a later run can go
        on with it: keep a journal, once there is enough to be worth it."""
        try:
            if self._headed or self.size:
                self._forget(self._fd)
        except OSError as error:
            raise disk_error(error, self.path + SUFFIX) from error
        self.ranges = Ranges()
        self.version = version
        self._recording = record and self._of is not None
        self._headed = False
        self._recorded = 0

    def write(self, data: bytes | memoryview, at: int | None = None) -> None:
        """Write `data`, all of it, so that it outlives the process: behind what is there from the
        first byte on, or `at` its place in the file."""
        start = self.ranges.prefix if at is None else at
        try:
            write_all_at(self._os, self._fd, data, start)
        except OSError as error:
            # What is on the disk now is not known, but that a full one has what came before.
            self._full = error.errno in FULL
            self._recording = self._recording and self._full
            raise disk_error(error, self.path + SUFFIX) from error
        self.ranges.add(start, start + len(data))
        try:
            if self._recording and self.size - self._recorded >= WINDOW:
                now = self._seconds()
                if now - self._recorded_at >= EVERY:
                    self._recorded_at = now
                    self._record()
        except OSError as error:
            self.doubt()
            raise disk_error(error, self.path + SUFFIX) from error

    def drop(self, start: int, stop: int) -> None:
        """These bytes are not there: they are wrong. A later run is told so at once."""
        self.ranges.remove(start, stop)
        try:
            if self._headed:
                self._record()
        except OSError as error:
            raise disk_error(error, self.path + SUFFIX) from error

    def read(self, at: int, size: int) -> bytes:
        """The bytes from `at` on, `size` at most; none at the end."""
        try:
            return bytes(self._os.pread(self._fd, size, at))
        except OSError as error:
            raise disk_error(error, self.path + SUFFIX) from error

    def settle(self) -> None:
        """Hear what closing it would say."""
        try:
            settle(self._os, self._fd)
        except OSError as error:
            raise disk_error(error, self.path) from error

    def sync(self) -> None:
        """Wait until the disk has it. What is on the disk after an error, nobody knows."""
        try:
            self._os.fsync(self._fd)
        except OSError as error:
            self.doubt()
            raise disk_error(error, self.path) from error

    def doubt(self) -> None:
        """What is on the disk is not known: the journal tells of nothing more."""
        self._recording = False

    def publish(self, path: str, overwrite: bool = False) -> None:
        """Give it its final name: the file is whole. It is to be closed then.

        `path` is the path it was opened for, or another in the same directory. `TargetExists` when
        that is taken; `overwrite` replaces a file of that name, in one step.
        """
        part, name = self._name + SUFFIX, path.rpartition("/")[2]
        try:
            if overwrite:
                self._look(part)
                self._os.replace(part, name, src_dir_fd=self._dir_fd, dst_dir_fd=self._dir_fd)
            else:
                self._publish(part, path, name)
        except FileExistsError as error:
            raise TargetExists(printable(path)) from error
        except OSError as error:
            raise disk_error(error, path) from error
        self._recording = False
        self._remove_journal()

    def sync_place(self) -> None:
        """Wait until the disk has its directory."""
        self._folder.sync(self.path)

    def commit(
        self, path: str, overwrite: bool = False, unwanted: Callable[[], bool] | None = None
    ) -> None:
        """`settle`, `publish` and close it.

        CancelledError when `unwanted()`: in a thread, the wish may have passed before its turn.
        After any error it is still open.
        """
        if unwanted is not None and unwanted():
            raise CancelledError
        self.settle()
        self.publish(path, overwrite)
        self.close()

    def close(self) -> None:
        """Close it, when it has its name."""
        self._close()

    def keep(self) -> None:
        """Close it as it is; an empty one is removed, since it tells nothing."""
        if self._fd >= 0 and not self.size:
            self._unlink()
        elif self._fd >= 0:
            self._folder.may_hold_parts = True
            if self._recording and self._recorded != self.size >= WORTH:
                with suppress(OSError):
                    if not self._full or self._make_room():
                        self._record()
        self._close()

    def discard(self) -> None:
        """Close and remove it: its bytes are wrong."""
        if self._fd >= 0:
            self._unlink()
        self._close()

    def _make_room(self) -> bool:
        """Give up the end, else the journal has no room; False where it has told of that before."""
        if self.size - self._recorded <= WORTH:
            return False
        *_, (_, stop) = self.ranges
        self.ranges.remove(stop - WORTH, stop)
        self._os.ftruncate(self._fd, max(stop for _, stop in self.ranges))
        return True

    def _record(self) -> None:
        """Write down what is here, when it is on the disk."""
        if self._sync:
            self._os.fdatasync(self._fd)
        records = held_record(marks_of(self._os, self._fd, self.ranges))
        if self._journal.size + len(records) >= MAX_JOURNAL:  # one that long is not read
            self._journal.empty(self._sync)
            self._headed = False
        if not self._headed:
            assert self._of is not None
            records = head_record(self._of, self.version) + records
            self._headed = self.has_journal = True
        self._journal.append(records)
        self._recorded = self.size

    def _publish(self, part: str, path: str, name: str) -> None:
        """Name it without replacing: link refuses where rename would overwrite."""
        fd = self._dir_fd
        try:
            self._link(part, name)
        except OSError as error:
            if error.errno not in NO_LINKS:
                raise
            # No such call here. Between this look and the rename another may take the name.
            if self._folder.exists(path):
                raise FileExistsError(errno.EEXIST, "exists", name) from error
            self._look(part)
            self._os.rename(part, name, src_dir_fd=fd, dst_dir_fd=fd)
        else:
            self._unlink()

    def _link(self, part: str, name: str) -> None:
        """Link the file that was written, not whatever has its name by now."""
        fd = self._dir_fd
        if BY_DESCRIPTOR:
            self._os.link(f"/proc/self/fd/{self._fd}", name, dst_dir_fd=fd, follow_symlinks=True)
        else:
            self._look(part)
            self._os.link(part, name, src_dir_fd=fd, dst_dir_fd=fd, follow_symlinks=False)

    def _look(self, part: str) -> None:
        """Raise if the part file's name leads to another file by now."""
        named = self._os.stat(part, dir_fd=self._dir_fd, follow_symlinks=False)
        if not os.path.samestat(named, self._opened):
            raise OSError(errno.ESTALE, "another file has taken its place")

    def _open(self) -> int:
        """Open and lock the part file, new or left behind; again when it changes underneath."""
        part = self._name + SUFFIX
        for _ in range(LOOKS):
            try:
                fd = self._open_once(part)
            except OSError as error:
                raise disk_error(error, self.path + SUFFIX) from error
            if fd is None:
                continue
            try:
                if self._is_mine(fd, part):
                    return fd
            except OSError as error:
                close_settled(self._os, fd)
                raise disk_error(error, self.path + SUFFIX) from error
            except BaseException:
                close_settled(self._os, fd)
                raise
            close_settled(self._os, fd)
        raise TargetBusy(printable(self.path))

    def _open_once(self, part: str) -> int | None:
        """A descriptor of it, or None: it was there, and whoever had it has just finished."""
        with suppress(FileExistsError):
            return int(self._os.open(part, _NEW, 0o666, dir_fd=self._dir_fd))
        with suppress(FileNotFoundError):
            return int(self._os.open(part, _OLD, dir_fd=self._dir_fd))
        return None

    def _is_mine(self, fd: int, part: str) -> bool:
        """Whether `fd` is the part file, and ours alone, from now on. False: look again."""
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise TargetBusy(printable(self.path)) from error
        except OSError:
            pass  # no locks on this file system
        here = self._opened = self._os.fstat(fd)
        if not stat.S_ISREG(here.st_mode) or here.st_uid != os.geteuid():
            raise BadName(f"{printable(self.path + SUFFIX)} is not a file of ours")
        try:
            named = self._os.stat(part, dir_fd=self._dir_fd, follow_symlinks=False)
        except FileNotFoundError:
            return False
        if (named.st_dev, named.st_ino) != (here.st_dev, here.st_ino):
            return False
        if here.st_nlink > 1:
            # Killed between link and unlink: the same bytes are under the final name by now.
            self._os.unlink(part, dir_fd=self._dir_fd)
            return False
        self._take_over(fd, here.st_size)
        return True

    def _take_over(self, fd: int, size: int) -> None:
        """Go on with what is there, as far as the journal tells that it is ours and good."""
        if not size and not self._folder.may_hold_parts:
            return
        self.has_journal = True
        held = self._journal.read() if size and self._of else None
        if held is not None and held.of == self._of:
            self.ranges = good_ranges(self._os, fd, held)
        if held is not None and self.ranges.size:
            self.version = held.version
            self._recording = self._headed = True
            self._recorded = self.size
            *_, (_, stop) = self.ranges
            self._os.ftruncate(fd, stop)
        else:
            self._forget(fd)

    def _forget(self, fd: int) -> None:
        """The journal first: it may not tell of bytes that are not those it was written for."""
        self._journal.empty(self._sync)
        self._os.ftruncate(fd, 0)

    def _unlink(self) -> None:
        part = self._name + SUFFIX
        try:
            self._look(part)
            self._os.unlink(part, dir_fd=self._dir_fd)
            self._remove_journal()
        except OSError:
            # It is gone or another's, or the directory does not let us; nothing is lost.
            self._folder.may_hold_parts = True

    def _remove_journal(self) -> None:
        if self.has_journal:
            self.has_journal = False
            if not self._journal.remove():  # it tells of other bytes than the next part file's
                self._folder.may_hold_parts = True

    def _close(self) -> None:
        """What is said here comes too late, and is of no use: `commit` has asked before."""
        fd, self._fd = self._fd, -1
        directory, self._dir_fd = self._dir_fd, -1
        if fd >= 0:
            close_settled(self._os, fd)
        if directory not in (-1, self._folder.fd):
            close_settled(self._os, directory)
