"""Directories that downloads go to, held open: every path is walked from there, link by link.

The root is the user's word and may be a link. What is below it came from a URL, a list or a
server, so each step is taken with O_NOFOLLOW from the descriptor of the one before; whoever
swaps a directory for a link meanwhile gains nothing (CVE-2004-2014, CVE-2014-4877).
"""

from __future__ import annotations

import errno
import os
import stat
from collections import OrderedDict

from downloader.errors import BadName, DiskError, DownloadError, TooManyOpenFiles
from downloader.sansio.names import STATE
from downloader.sansio.printable import printable
from downloader.transfer.disk import NO_DESCRIPTORS, disk_error, inode_of
from downloader.transfer.disks import Disk, Disks
from downloader.transfer.system import SYSTEM, System, close_settled

# Roots that are kept open between jobs; a list may name a directory for each line.
KEPT = 64
_TO_READ = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
# What O_NOFOLLOW, with O_DIRECTORY or without, meets; EMLINK on FreeBSD.
_IN_THE_WAY = frozenset((errno.ELOOP, errno.ENOTDIR, errno.EMLINK))
# File systems whose directories cannot be synced answer so; they have no better to offer.
_NO_SYNC = frozenset((errno.EINVAL, errno.EBADF, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS))
_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC


class Folder:
    """One root directory, open while `users` need it, and the `disk` that it is on.

    `may_hold_parts` says whether part files that were left may be in it, `takes_nameless`
    whether a file can be written there without a name, as far as is known. `os` makes the calls.
    """

    disk: Disk

    def __init__(self, path: str, system: System = SYSTEM) -> None:
        self.path = path
        self.os = system
        self.users = 0
        self.may_hold_parts = True
        self.takes_nameless = True
        self.fd = -1
        try:
            self.os.makedirs(path, exist_ok=True)
            self.fd = self.os.open(path, _DIRECTORY)
            self._unsynced = leading_to(path)
            with self.os.scandir(self.fd) as entries:
                self.may_hold_parts = any(entry.name != STATE for entry in entries)
        except OSError as error:
            if self.fd >= 0:
                self.close()
            raise disk_error(error, path) from error
        except ValueError as error:
            raise BadName(f"{printable(path)}: {error}") from error

    def __repr__(self) -> str:
        return f"<Folder {self.path!r} {self.users} users>"

    def exists(self, path: str) -> bool:
        """Whether anything has this path, a dangling link too."""
        try:
            self.os.stat(path, dir_fd=self.fd, follow_symlinks=False)
        except (FileNotFoundError, NotADirectoryError):
            return False
        except OSError as error:
            raise disk_error(error, path) from error
        return True

    def holds(self, path: str, data: bytes) -> bool:
        """Whether the file `path`, this user's, has these bytes and no others."""
        found = self.inode(path)
        if found is None or found[1] != len(data):
            return False
        directory, name = self.parent(path)
        fd = -1
        try:
            fd = self.os.open(name, _TO_READ, dir_fd=directory)
            return bool(self.os.read(fd, len(data) + 1) == data)
        except OSError:
            return False
        finally:
            if directory != self.fd:
                close_settled(self.os, directory)
            if fd >= 0:
                close_settled(self.os, fd)

    def inode(self, path: str) -> tuple[int, int] | None:
        """The number of the file's inode and its length; None where there is no regular file, or
        another user's, or a link on the way to it. Raises our errors when nobody can tell."""
        try:
            if "/" not in path:
                found = self.os.stat(path, dir_fd=self.fd, follow_symlinks=False)
            else:
                fd = open_below(self.fd, path, _TO_READ)
                try:
                    found = self.os.fstat(fd)
                finally:
                    self.os.close(fd)
        except (FileNotFoundError, NotADirectoryError, ValueError):
            return None
        except OSError as error:
            if error.errno in _IN_THE_WAY:
                return None
            raise disk_error(error, path) from error
        ours = stat.S_ISREG(found.st_mode) and found.st_uid == os.geteuid()
        return (inode_of(found), found.st_size) if ours else None

    def is_there(self) -> bool:
        """Whether its path still leads to it: it may have been removed, and made again."""
        try:
            return os.path.samestat(self.os.stat(self.path), self.os.fstat(self.fd))
        except OSError:
            return False

    def parent(self, path: str) -> tuple[int, str]:
        """A descriptor of the directory that `path` is in, made if need be, and the last name.

        The descriptor is the caller's to close unless it is the folder's own `fd`.
        """
        if "/" not in path:
            return self.fd, path
        *parents, name = path.split("/")
        fd = self.fd
        try:
            for parent in parents:
                fd = self._enter(fd, parent)
        except OSError as error:
            raise _below_error(error, path) from error
        return fd, name

    def sync_file(self, path: str) -> None:
        """Let nothing be lost any more of the file `path`, whoever wrote it, nor of its name."""
        directory, name = self.parent(path)
        try:
            fd = self.os.open(name, _TO_READ, dir_fd=directory)
            try:
                self.os.fsync(fd)
            finally:
                self.os.close(fd)
        except OSError as error:
            raise disk_error(error, path) from error
        finally:
            if directory != self.fd:
                self.os.close(directory)
        self.sync(path)

    def sync(self, path: str) -> None:
        """Let nothing be lost any more of the directories that lead to the file `path`, nor of what
        they hold."""
        try:
            self._sync_each(path)
        except OSError as error:
            if error.errno not in NO_DESCRIPTORS or self.os.syncfs is None:
                raise disk_error(error, path) from error
            self._sync_all(path)
        self._unsynced = []

    def _sync_all(self, path: str) -> None:
        """The file system, which takes no descriptor more."""
        try:
            self.os.syncfs(self.fd)
        except OSError as error:
            raise disk_error(error, path) from error

    def _sync_each(self, path: str) -> None:
        fd = self.fd
        try:
            for above in reversed(self._unsynced):
                self._sync_named(above)
            self._sync_open(fd)
            for parent in path.split("/")[:-1]:
                outer, fd = fd, self.fd  # _enter closes it, whatever comes of that
                fd = self._enter(outer, parent)
                self._sync_open(fd)
        finally:
            if fd != self.fd:
                close_settled(self.os, fd)

    def _sync_named(self, path: str) -> None:
        try:
            fd = self.os.open(path, _DIRECTORY)
        except PermissionError:
            return  # we have made nothing in it
        try:
            self._sync_open(fd)
        finally:
            close_settled(self.os, fd)

    def _sync_open(self, fd: int) -> None:
        try:
            self.os.fsync(fd)
        except OSError as error:
            if error.errno not in _NO_SYNC:
                raise

    def close(self) -> None:
        """Give the descriptor back."""
        close_settled(self.os, self.fd)

    def _enter(self, fd: int, name: str) -> int:
        try:
            try:
                return int(self.os.open(name, _DIRECTORY | os.O_NOFOLLOW, dir_fd=fd))
            except FileNotFoundError:
                try:
                    self.os.mkdir(name, dir_fd=fd)
                except FileExistsError:
                    pass  # another job was faster
                return int(self.os.open(name, _DIRECTORY | os.O_NOFOLLOW, dir_fd=fd))
        finally:
            if fd != self.fd:
                close_settled(self.os, fd)


def leading_to(path: str) -> list[str]:
    """The directories with an entry on the way to `path` that may be of our making, the innermost
    first. Whoever made it need not have synced it: a job of another root that is not there yet, or
    a process that was killed."""
    path = os.path.realpath(path)
    here = os.stat(path)
    above = []
    while here.st_uid == os.geteuid() and (parent := os.path.dirname(path)) != path:
        child, here = here, os.stat(parent)
        if here.st_dev != child.st_dev:
            break
        above.append(parent)
        path = parent
    return above


class Folders:
    """The roots in use, and some that may be used again."""

    def __init__(self, disks: Disks) -> None:
        self._disks = disks
        self._open: OrderedDict[str, Folder] = OrderedDict()
        self._closed = False

    def __contains__(self, path: str) -> bool:
        """Whether the root `path` is open."""
        return path in self._open

    def use(self, path: str) -> Folder:
        """The root `path`, made if it is not there; to be given back with `unuse`."""
        folder = self._open.get(path)
        if folder is None:
            folder = self._open[path] = self._opened(path)
        folder.users += 1
        self._trim()
        return folder

    def unuse(self, folder: Folder) -> None:
        """One user less."""
        folder.users -= 1
        if not folder.users:
            self._open.move_to_end(folder.path)
            if self._closed:
                self._open.pop(folder.path).close()
            self._trim()

    def forget_moved(self, path: str) -> bool:
        """Whether `path` leads elsewhere by now; then the next `use` opens what is there."""
        folder = self._open.get(path)
        if folder is None or folder.users or folder.is_there():
            return False
        self._open.pop(path).close()
        return True

    def close(self) -> None:
        """Close every root, those in use when nobody uses them any more."""
        self._closed = True
        for path in [path for path, folder in self._open.items() if not folder.users]:
            self._open.pop(path).close()

    def _opened(self, path: str) -> Folder:
        began = self._disks.seconds()
        folder = Folder(path, self._disks.os)
        folder.disk = self._disks.disk(os.fstat(folder.fd).st_dev)
        folder.disk.took(began)
        return folder

    def _trim(self) -> None:
        if len(self._open) > KEPT:
            path = next((p for p, folder in self._open.items() if not folder.users), None)
            if path is not None:
                self._open.pop(path).close()


def open_below(root: int, path: str, flags: int) -> int:
    """A descriptor of the file `path` below the directory `root`, opened with `flags`: along no
    link, and nothing is made. Raises OSError, or ValueError for a path that is not below it."""
    *parents, name = path.split("/")
    if {"", ".", ".."} & {*parents, name}:
        raise ValueError("it is not below the directory")
    fd = root
    try:
        for parent in parents:
            above, fd = fd, os.open(parent, _DIRECTORY | os.O_NOFOLLOW, dir_fd=fd)
            if above != root:
                os.close(above)
        return os.open(name, flags | os.O_NOFOLLOW, dir_fd=fd)
    except OSError as error:
        if error.errno in _IN_THE_WAY:
            raise OSError(error.errno, "a link is in the way, or a file") from error
        raise
    finally:
        if fd != root:
            os.close(fd)


def _below_error(error: OSError, path: str) -> DownloadError:
    if isinstance(error, NotADirectoryError):
        return BadName(f"a file or link is in the way of {path}")
    found = disk_error(error, path)
    return (
        found if isinstance(found, (DiskError, TooManyOpenFiles)) else BadName(str(error.strerror))
    )
