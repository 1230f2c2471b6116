"""The door through which the operating system's errors about files become ours."""

from __future__ import annotations

import errno
import os

from downloader.errors import BadName, DiskError, DiskFull, DownloadError, TooManyOpenFiles
from downloader.sansio.printable import printable

# What passes when somebody makes space; EFBIG does not.
FULL = frozenset((errno.ENOSPC, errno.EDQUOT))
# This process's, or the system's.
NO_DESCRIPTORS = frozenset((errno.EMFILE, errno.ENFILE))
# ENXIO: a FIFO that nobody reads has the name.
_NAME = frozenset(
    (errno.ENAMETOOLONG, errno.ELOOP, errno.EISDIR, errno.EINVAL, errno.EILSEQ, errno.ENXIO)
)


def disk_error(error: OSError, path: str) -> DownloadError:
    """What `error` means for the job that wanted `path`; to be raised from `error`."""
    detail = f"{printable(path)}: {error.strerror or error}"
    if error.errno in FULL:
        return DiskFull(detail)
    if error.errno in NO_DESCRIPTORS:
        return TooManyOpenFiles(detail)
    if error.errno in _NAME:
        return BadName(detail)
    return DiskError(detail)


def inode_of(found: os.stat_result) -> int:
    """The number of its inode, with a sign, as databases have it: some file systems use 64 bits."""
    number = found.st_ino
    return number - (1 << 64) if number >> 63 else number
