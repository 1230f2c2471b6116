"""The file being written: `NAME.part` until it is whole, then `NAME`.

Whatever happens, a file under its final name is whole: it gets the name by one system call after
its last byte, and never takes it from a file that was there, unless that was asked for.

One writer: the part file is locked (flock) while it is open, so that a second download of the
same name, in this process or another, is refused and not mixed in. A lock goes with its process,
so what a killed one left is taken over.
"""

from __future__ import annotations

import errno
import fcntl
import os
import stat
from collections.abc import Callable
from contextlib import suppress

from twisted.internet.defer import CancelledError

from downloader.errors import BadName, TargetBusy, TargetExists
from downloader.sansio.printable import printable
from downloader.transfer.disk import disk_error
from downloader.transfer.folder import Folder

SUFFIX = ".part"
# Whether a file can be linked that has no name, or another by now.
BY_DESCRIPTOR = os.path.isdir("/proc/self/fd")
# Others that finish or fail with a part file while we open it may be in the way so often.
LOOKS = 100
_NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
_OLD = os.O_WRONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK
# File systems without hard links answer so.
_NO_LINKS = frozenset((errno.EPERM, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK))


def write_all(fd: int, data: bytes | memoryview) -> None:
    """Write `data`, however many system calls it takes."""
    written = os.write(fd, data)
    while written < len(data):
        written += os.write(fd, memoryview(data)[written:])


def settle(fd: int) -> None:
    """Hear what closing it would say: NFS, CIFS and FUSE tell a full disk as late as that."""
    os.close(os.dup(fd))


def close_settled(fd: int) -> None:
    """Close it: the descriptor is gone, whatever that says (close(2))."""
    with suppress(OSError):
        os.close(fd)


class PartFile:
    """The bytes of `path` below `folder` as far as they have come. Empty when opened.

    Ends with exactly one of `commit`, `keep` and `discard`; each closes it, and a second end
    does nothing.
    """

    def __init__(self, folder: Folder, path: str) -> None:
        self.path = path
        self.size = 0
        self._folder = folder
        self._dir_fd, self._name = folder.parent(path)
        self._fd = -1
        try:
            self._fd = self._open()
        except BaseException:
            self._close()
            raise

    def __repr__(self) -> str:
        state = "open" if self._fd >= 0 else "closed"
        return f"<PartFile {self.path!r} {self.size} bytes {state}>"

    def write(self, data: bytes | memoryview) -> None:
        """Append `data`, all of it, so that it outlives the process."""
        try:
            write_all(self._fd, data)
        except OSError as error:
            raise disk_error(error, self.path + SUFFIX) from error
        self.size += len(data)

    def commit(
        self, path: str, overwrite: bool = False, unwanted: Callable[[], bool] | None = None
    ) -> None:
        """Give it its final name: the file is whole.

        `path` is the path it was opened for, or another in the same directory. `TargetExists`,
        with the part file still open, when that is taken; `overwrite` replaces a file of that
        name, in one step. CancelledError, with the part file still open, when `unwanted()`: in a
        thread, the wish may have passed before its turn.
        """
        part, name = self._name + SUFFIX, path.rpartition("/")[2]
        if unwanted is not None and unwanted():
            raise CancelledError
        try:
            settle(self._fd)
            if overwrite:
                self._look(part)
                os.replace(part, name, src_dir_fd=self._dir_fd, dst_dir_fd=self._dir_fd)
            else:
                self._publish(part, path, name)
        except FileExistsError as error:
            raise TargetExists(printable(path)) from error
        except OSError as error:
            raise disk_error(error, path) from error
        self._close()

    def keep(self) -> None:
        """Close it as it is; an empty one is removed, since it tells nothing."""
        if self._fd >= 0 and not self.size:
            self._unlink()
        elif self._fd >= 0:
            self._folder.may_hold_parts = True
        self._close()

    def discard(self) -> None:
        """Close and remove it: its bytes are wrong."""
        if self._fd >= 0:
            self._unlink()
        self._close()

    def _publish(self, part: str, path: str, name: str) -> None:
        """Name it without replacing: link refuses where rename would overwrite."""
        fd = self._dir_fd
        try:
            self._link(part, name)
        except OSError as error:
            if error.errno not in _NO_LINKS:
                raise
            # No such call here. Between this look and the rename another may take the name.
            if self._folder.exists(path):
                raise FileExistsError(errno.EEXIST, "exists", name) from error
            self._look(part)
            os.rename(part, name, src_dir_fd=fd, dst_dir_fd=fd)
        else:
            self._unlink()

    def _link(self, part: str, name: str) -> None:
        """Link the file that was written, not whatever has its name by now."""
        fd = self._dir_fd
        if BY_DESCRIPTOR:
            os.link(f"/proc/self/fd/{self._fd}", name, dst_dir_fd=fd, follow_symlinks=True)
        else:
            self._look(part)
            os.link(part, name, src_dir_fd=fd, dst_dir_fd=fd, follow_symlinks=False)

    def _look(self, part: str) -> None:
        """Raise if the part file's name leads to another file by now."""
        named = os.stat(part, dir_fd=self._dir_fd, follow_symlinks=False)
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
                os.close(fd)
                raise disk_error(error, self.path + SUFFIX) from error
            except BaseException:
                os.close(fd)
                raise
            os.close(fd)
        raise TargetBusy(printable(self.path))

    def _open_once(self, part: str) -> int | None:
        """A descriptor of it, or None: it was there, and whoever had it has just finished."""
        try:
            return os.open(part, _NEW, 0o666, dir_fd=self._dir_fd)
        except FileExistsError:
            pass
        try:
            return os.open(part, _OLD, dir_fd=self._dir_fd)
        except FileNotFoundError:
            return None

    def _is_mine(self, fd: int, part: str) -> bool:
        """Whether `fd` is the part file, ours alone, and empty now. False: look again."""
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise TargetBusy(printable(self.path)) from error
        except OSError:
            pass  # no locks on this file system
        here = self._opened = os.fstat(fd)
        if not stat.S_ISREG(here.st_mode) or here.st_uid != os.geteuid():
            raise BadName(f"{printable(self.path + SUFFIX)} is not a file of ours")
        try:
            named = os.stat(part, dir_fd=self._dir_fd, follow_symlinks=False)
        except FileNotFoundError:
            return False
        if (named.st_dev, named.st_ino) != (here.st_dev, here.st_ino):
            return False
        if here.st_nlink > 1:
            # Killed between link and unlink: the same bytes are under the final name by now.
            os.unlink(part, dir_fd=self._dir_fd)
            return False
        if here.st_size:
            os.ftruncate(fd, 0)
        return True

    def _unlink(self) -> None:
        part = self._name + SUFFIX
        try:
            self._look(part)
            os.unlink(part, dir_fd=self._dir_fd)
        except OSError:
            pass  # it is gone or another's, or the directory does not let us; nothing is lost

    def _close(self) -> None:
        """What is said here comes too late, and is of no use: `commit` has asked before."""
        fd, self._fd = self._fd, -1
        directory, self._dir_fd = self._dir_fd, -1
        if fd >= 0:
            close_settled(fd)
        if directory not in (-1, self._folder.fd):
            os.close(directory)
