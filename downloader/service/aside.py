"""Where a watched file goes when it was read: `done`, or `failed`, with the reasons beside it.

All of it may wait for a disk: it is for a thread.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Sequence
from contextlib import suppress

from downloader.sansio.names import MAX_BYTES
from downloader.sansio.printable import printable
from downloader.store.database import check_own

DONE, FAILED = "done", "failed"
_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_WRITE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
# Which file it is, and of which time: what is the same at two looks is all there.
Seen = tuple[int, int, int, int, int]


def seen_of(found: os.stat_result) -> Seen:
    """Which file it is."""
    times = (found.st_mtime_ns, found.st_ctime_ns)
    return (found.st_dev, found.st_ino, found.st_size, *times)


def set_aside(directory: str, name: str, seen: Seen, place: str, reasons: Sequence[str]) -> bool:
    """Move the file `name` of `directory` to `place` in it, and write down `reasons` if there are
    any. Whether it was still the one that was `seen`: another one stays. Raises OSError; then
    nothing has come there."""
    aside = _opened(os.path.join(directory, place))
    is_moved = False
    try:
        target = _free(name, aside)
        try:
            if reasons:
                _write(f"{target}.reason", aside, reasons)
            is_moved = _move(os.path.join(directory, name), seen, target, aside)
        finally:
            if not is_moved:
                with suppress(FileNotFoundError):
                    os.unlink(f"{target}.reason", dir_fd=aside)
        return is_moved
    finally:
        os.close(aside)


def _opened(aside: str) -> int:
    """A descriptor of the directory, which is made if there is none. It is ours and no link, or
    others would say where files go."""
    with suppress(FileExistsError):  # whatever it is
        os.mkdir(aside, 0o700)
    fd = os.open(aside, _DIRECTORY)
    try:
        check_own(os.fstat(fd), stat.S_ISDIR)
    except OSError:
        os.close(fd)
        raise
    return fd


def _move(path: str, seen: Seen, target: str, aside: int) -> bool:
    try:
        is_same = seen_of(os.lstat(path)) == seen
    except FileNotFoundError:
        return False
    if is_same:
        os.rename(path, target, dst_dir_fd=aside)
    return is_same


def _write(name: str, aside: int, reasons: Sequence[str]) -> None:
    fd = os.open(name, _WRITE, 0o600, dir_fd=aside)
    with os.fdopen(fd, "w", encoding="utf-8", errors="replace") as file:
        file.writelines(f"{printable(reason)}\n" for reason in reasons)


def _free(name: str, aside: int) -> str:
    """`name`, cut if nothing can stand behind it, and numbered if there is one already, or reasons
    for one."""
    data = os.fsencode(name)
    start = name if len(data) <= MAX_BYTES else data[:MAX_BYTES].decode("utf-8", "ignore")
    number, found = 0, start
    while _is_there(found, aside) or _is_there(f"{found}.reason", aside):
        number += 1
        found = f"{start}.{number}"
    return found


def _is_there(name: str, aside: int) -> bool:
    with suppress(FileNotFoundError):
        os.lstat(name, dir_fd=aside)
        return True
    return False
