"""A file whose bytes are all there: it is written without a name, and then given its name.

Until then it has none (O_TMPFILE), so that a process that is killed leaves nothing behind.
"""

from __future__ import annotations

import errno
import os

from downloader.errors import TargetExists
from downloader.sansio.printable import printable
from downloader.transfer.disk import disk_error
from downloader.transfer.folder import Folder
from downloader.transfer.partfile import (
    BY_DESCRIPTOR,
    SUFFIX,
    close_settled,
    settle,
    write_all,
)

_NAMELESS = getattr(os, "O_TMPFILE", 0) and os.O_WRONLY | os.O_TMPFILE | os.O_CLOEXEC
# File systems without nameless files, or without links, answer so; old kernels with EISDIR.
_UNKNOWN = frozenset(
    (
        *(errno.EOPNOTSUPP, errno.ENOTSUP, errno.EISDIR, errno.EINVAL, errno.EPERM),
        *(errno.ENOSYS, errno.EMLINK, errno.ENOENT),
    )
)


def write_whole(folder: Folder, path: str, data: bytes) -> bool:
    """Make the file `path` below `folder` of `data`. False, and nothing is done, where that cannot
    be done so: it takes a part file then.

    `TargetExists` when the name is taken.
    """
    if not (_NAMELESS and BY_DESCRIPTOR and folder.takes_nameless):
        return False
    directory, name = folder.parent(path)
    try:
        if folder.may_hold_parts and os.access(name + SUFFIX, os.F_OK, dir_fd=directory):
            return False  # somebody is at work there, or has left it to be taken over
        return _written(folder, directory, name, data)
    except FileExistsError as error:
        raise TargetExists(printable(path)) from error
    except OSError as error:
        raise disk_error(error, path) from error
    finally:
        if directory != folder.fd:
            os.close(directory)


def _written(folder: Folder, directory: int, name: str, data: bytes) -> bool:
    try:
        fd = os.open(".", _NAMELESS, 0o666, dir_fd=directory)
    except OSError as error:
        return _unknown(folder, error)
    try:
        write_all(fd, data)
        settle(fd)
        os.link(f"/proc/self/fd/{fd}", name, dst_dir_fd=directory, follow_symlinks=True)
    except FileExistsError:
        raise
    except OSError as error:
        return _unknown(folder, error)
    finally:
        close_settled(fd)
    return True


def _unknown(folder: Folder, error: OSError) -> bool:
    if error.errno not in _UNKNOWN:
        raise error
    folder.takes_nameless = False
    return False
