"""The system calls on files, as what makes them knows them: the module os, and syncfs.

They are an argument, so that a test can let any of them fail, or write down what is done.
"""

from __future__ import annotations

import errno
import os
import sys
from types import SimpleNamespace
from typing import Any

# What has these calls.
System = Any

_CALLS = (
    *("access", "close", "dup", "fdatasync", "fstat", "fsync", "ftruncate", "link", "makedirs"),
    *("mkdir", "open", "pread", "pwrite", "read", "rename", "replace", "scandir", "stat"),
    *("statvfs", "unlink", "write"),
)
# Whether a file can be linked that has no name, or another by now.
BY_DESCRIPTOR = os.path.isdir("/proc/self/fd")
# File systems without hard links answer so.
NO_LINKS = frozenset((errno.EPERM, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK))


def _syncfs(fd: int) -> None:
    """Wait until the file system that `fd` is on has all that was written to it (syncfs(2))."""
    import ctypes  # late: it takes as long as many a run

    if ctypes.CDLL(None, use_errno=True).syncfs(fd):
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))


# `syncfs` is None on other systems than Linux.
SYSTEM = SimpleNamespace(
    **{name: getattr(os, name) for name in _CALLS if hasattr(os, name)},
    syncfs=_syncfs if sys.platform == "linux" else None,
)
if not hasattr(SYSTEM, "fdatasync"):  # macOS
    SYSTEM.fdatasync = os.fsync


def write_all(system: System, fd: int, data: bytes | memoryview) -> None:
    """Write `data`, however many system calls it takes."""
    written = system.write(fd, data)
    while written < len(data):
        written += system.write(fd, memoryview(data)[written:])


def write_all_at(system: System, fd: int, data: bytes | memoryview, at: int) -> None:
    """Write `data` to the place `at`, however many system calls it takes."""
    written = system.pwrite(fd, data, at)
    while written < len(data):
        written += system.pwrite(fd, memoryview(data)[written:], at + written)


def settle(system: System, fd: int) -> None:
    """Hear what closing it would say: NFS, CIFS and FUSE tell a full disk as late as that."""
    system.close(system.dup(fd))


def close_settled(system: System, fd: int) -> None:
    """Close it: the descriptor is gone, whatever that says (close(2))."""
    try:  # each short file comes by here, and suppress() takes as long as the call
        system.close(fd)
    except OSError:
        pass
