"""A file whose bytes are all there: it is written without a name, and then given its name.

Until then it has none (O_TMPFILE), so that a process that is killed leaves nothing behind.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Hashable

from downloader.errors import TargetExists
from downloader.sansio.printable import printable
from downloader.transfer.disk import disk_error
from downloader.transfer.folder import Folder
from downloader.transfer.partfile import SUFFIX
from downloader.transfer.system import BY_DESCRIPTOR, close_settled, settle, write_all

_NAMELESS = getattr(os, "O_TMPFILE", 0) and os.O_WRONLY | os.O_TMPFILE | os.O_CLOEXEC
# File systems without nameless files, or without links, answer so; old kernels with EISDIR.
_UNKNOWN = frozenset(
    (
        *(errno.EOPNOTSUPP, errno.ENOTSUP, errno.EISDIR, errno.EINVAL, errno.EPERM),
        *(errno.ENOSYS, errno.EMLINK, errno.ENOENT),
    )
)


class NoNameless(Exception):
    """It cannot be done so here: it takes a part file."""


class WholeFile:
    """The file `path` below `folder`, made of `data`; it has no name before `publish`.

    NoNameless, and nothing is done, where that cannot be. To be closed.
    """

    def __init__(self, folder: Folder, path: str, data: bytes) -> None:
        if not (_NAMELESS and BY_DESCRIPTOR and folder.takes_nameless):
            raise NoNameless
        self._folder = folder
        self.path = path
        self._os = folder.os
        self._fd = self._dir_fd = -1
        try:
            self._dir_fd, name = folder.parent(path)
            if folder.may_hold_parts and self._os.access(
                name + SUFFIX, os.F_OK, dir_fd=self._dir_fd
            ):
                raise NoNameless  # somebody is at work there, or has left it to be taken over
            self._fd = self._os.open(".", _NAMELESS, 0o666, dir_fd=self._dir_fd)
            write_all(self._os, self._fd, data)
        except OSError as error:
            self.close()
            raise self._known(error) from error
        except BaseException:
            self.close()
            raise

    def __repr__(self) -> str:
        return f"<WholeFile {self.path!r} {'open' if self._fd >= 0 else 'closed'}>"

    @property
    def fd(self) -> int:
        """It, open."""
        return self._fd

    @property
    def place(self) -> Hashable:
        """Its directory."""
        return self._folder, self.path.rpartition("/")[0]

    def settle(self) -> None:
        """Hear what closing it would say."""
        try:
            settle(self._os, self._fd)
        except OSError as error:
            raise disk_error(error, self.path) from error

    def sync(self) -> None:
        """Wait until the disk has it."""
        try:
            self._os.fsync(self._fd)
        except OSError as error:
            raise disk_error(error, self.path) from error

    def publish(self, path: str, overwrite: bool = False) -> None:
        """Give it its name: `path`, or another in the same directory. `TargetExists`; a file that
        is to be replaced takes a part file."""
        if overwrite:
            raise NoNameless
        name = path.rpartition("/")[2]
        link = f"/proc/self/fd/{self._fd}"
        try:
            self._os.link(link, name, dst_dir_fd=self._dir_fd, follow_symlinks=True)
        except FileExistsError as error:
            raise TargetExists(printable(path)) from error
        except OSError as error:
            raise self._known(error) from error

    def sync_place(self) -> None:
        """Wait until the disk has its directory."""
        self._folder.sync(self.path)

    def close(self) -> None:
        """Close it; without a name it is gone."""
        fd, self._fd = self._fd, -1
        directory, self._dir_fd = self._dir_fd, -1
        if fd >= 0:
            close_settled(self._os, fd)
        if directory not in (-1, self._folder.fd):
            close_settled(self._os, directory)

    def _known(self, error: OSError) -> Exception:
        if error.errno not in _UNKNOWN:
            return disk_error(error, self.path)
        self._folder.takes_nameless = False
        return NoNameless()


def write_whole(folder: Folder, path: str, data: bytes) -> bool:
    """Make the file `path` of `data`, and give it its name. False where that cannot be done so.

    `TargetExists` when the name is taken.
    """
    try:
        file = WholeFile(folder, path, data)
    except NoNameless:
        return False
    try:
        file.settle()
        file.publish(path)
    except NoNameless:
        return False
    finally:
        file.close()
    return True
