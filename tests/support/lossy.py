"""The system calls on files, made and written down: what a loss of power is worked out from, in
`support.afterloss`.

Inodes have numbers of their own here, since a file system gives those of removed files out again.
"""

from __future__ import annotations

import fcntl
import os
import stat
import threading
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, NamedTuple

from twisted.internet.defer import Deferred

from downloader.jobs import Job, Result
from downloader.store.jobstore import Row
from downloader.transfer.system import SYSTEM

if TYPE_CHECKING:
    from support.afterloss import AfterLoss

ROOT = 0
_O_TMPFILE = getattr(os, "O_TMPFILE", 0)


class Write(NamedTuple):
    """`data` is written to the file `inode`, from `at` on."""

    inode: int
    at: int
    data: bytes


class Truncate(NamedTuple):
    """The file `inode` gets this size."""

    inode: int
    size: int


class Enter(NamedTuple):
    """One change of directories, whole or not at all: which name leads to which inode, or none."""

    changes: Sequence[tuple[int, str, int | None]]


class Sync(NamedTuple):
    """The file or directory `inode` is on the disk; None: everything is."""

    inode: int | None


class Begin(NamedTuple):
    """A transaction of the store has begun, which keeps these rows."""

    number: int
    rows: Sequence[Row]


class Commit(NamedTuple):
    """It is committed."""

    number: int


Op = Write | Truncate | Enter | Sync | Begin | Commit


class Lossy:
    """Makes the calls and writes down in `ops` what they change below `root`, where nothing else is
    done meanwhile. What is there now is on the disk.

    `system` is for `Disks`, `seconds` a clock by which a disk writes 4 MiB/s. Calls in `deaf` are
    made, but the disk does not hear of them. `before` is what a process that was killed has left
    there, and not all of it is on the disk.
    """

    def __init__(
        self, root: Path, deaf: Iterable[str] = (), before: AfterLoss | None = None
    ) -> None:
        self.ops: list[Op] = []
        self.directories: set[int] = set()
        # Those of the file system, by ours.
        self.numbers: dict[int, int] = {}
        self._lock = threading.RLock()
        self._deaf = frozenset(deaf)
        self._inodes: dict[tuple[int, int], int] = {}
        self._written = 0
        if before is None:
            self._new(os.stat(root))
            self._find(root, ROOT)
            self.ops.append(Sync(None))
        else:
            self._take_over(root, before)
        self.start = len(self.ops)
        calls = {name: self._alone(name) for name in _WRITTEN_DOWN}
        self.system: Any = SimpleNamespace(**{**vars(SYSTEM), **calls})

    def seconds(self) -> float:
        return self._written / (4 << 20)

    def store(self, store: Any) -> RecordedStore:
        """The store `store`, whose transactions are written down, too."""
        return RecordedStore(store, self)

    def told(self, result: Result) -> None:
        """Somebody has heard that this file is there."""
        assert isinstance(result.job, Job) and result.job.record and result.path
        record = result.job.record
        path = os.path.relpath(result.path, result.job.directory)
        self.write_down(Begin(-1, [Row(record.number, record.key, path, "complete")]))
        self.write_down(Commit(-1))

    def write_down(self, op: Op) -> None:
        with self._lock:
            self.ops.append(op)

    def _take_over(self, root: Path, before: AfterLoss) -> None:
        self.ops += before.ops
        self.directories |= before.recording.directories
        self.numbers.update(before.recording.numbers)
        for path, inode in {"": ROOT, **before.directories, **before.names}.items():
            found = os.stat(root / path)
            self._inodes[found.st_dev, found.st_ino] = inode
            self.numbers[inode] = found.st_ino

    def _find(self, directory: Path, inode: int) -> None:
        """Write down what is there."""
        for path in sorted(directory.iterdir()):
            new = self._new(path.lstat())
            self.ops.append(Enter([(inode, path.name, new)]))
            if path.is_dir():
                self._find(path, new)
            else:
                self.ops.append(Write(new, 0, path.read_bytes()))

    def _new(self, found: os.stat_result) -> int:
        inode = self._inodes[found.st_dev, found.st_ino] = len(self.numbers)
        self.numbers[inode] = found.st_ino
        if stat.S_ISDIR(found.st_mode):
            self.directories.add(inode)
        return inode

    def _of(self, found: os.stat_result) -> int:
        return self._inodes[found.st_dev, found.st_ino]

    def _alone(self, name: str) -> Callable[..., Any]:
        call = getattr(self, f"_{name}")

        def alone(*arguments: Any, **keywords: Any) -> Any:
            with self._lock:
                return call(*arguments, **keywords)

        return alone

    # --- the calls ----------------------------------------------------------------------------

    def _open(self, path: str, flags: int, mode: int = 0o777, *, dir_fd: int | None = None) -> int:
        nameless = flags & _O_TMPFILE == _O_TMPFILE != 0
        there = nameless or not flags & os.O_CREAT or _is_there(path, dir_fd)
        fd = os.open(path, flags, mode, dir_fd=dir_fd)
        if nameless:
            self._new(os.fstat(fd))
        elif not there:
            self._enter(dir_fd, path, self._new(os.fstat(fd)))
        return fd

    def _write(self, fd: int, data: Any) -> int:
        if fcntl.fcntl(fd, fcntl.F_GETFL) & os.O_APPEND:
            at = os.fstat(fd).st_size
        else:
            at = os.lseek(fd, 0, os.SEEK_CUR)
        return self._wrote(fd, data, at, os.write(fd, data))

    def _pwrite(self, fd: int, data: Any, at: int) -> int:
        return self._wrote(fd, data, at, os.pwrite(fd, data, at))

    def _wrote(self, fd: int, data: Any, at: int, size: int) -> int:
        self._written += size
        self.ops.append(Write(self._of(os.fstat(fd)), at, bytes(data[:size])))
        return size

    def _ftruncate(self, fd: int, size: int) -> None:
        os.ftruncate(fd, size)
        self.ops.append(Truncate(self._of(os.fstat(fd)), size))

    def _link(
        self,
        source: str,
        name: str,
        *,
        src_dir_fd: int | None = None,
        dst_dir_fd: int | None = None,
        follow_symlinks: bool = True,
    ) -> None:
        found = os.stat(source, dir_fd=src_dir_fd, follow_symlinks=follow_symlinks)
        os.link(
            *(source, name),
            src_dir_fd=src_dir_fd,
            dst_dir_fd=dst_dir_fd,
            follow_symlinks=follow_symlinks,
        )
        self._enter(dst_dir_fd, name, self._of(found))

    def _unlink(self, name: str, *, dir_fd: int | None = None) -> None:
        os.unlink(name, dir_fd=dir_fd)
        self._enter(dir_fd, name, None)

    def _rename(
        self, source: str, name: str, *, src_dir_fd: int | None, dst_dir_fd: int | None
    ) -> None:
        inode = self._of(os.stat(source, dir_fd=src_dir_fd, follow_symlinks=False))
        os.replace(source, name, src_dir_fd=src_dir_fd, dst_dir_fd=dst_dir_fd)
        one, other = self._directory(src_dir_fd, source), self._directory(dst_dir_fd, name)
        self.ops.append(Enter([(*one, None), (*other, inode)]))

    _replace = _rename

    def _mkdir(self, name: str, *, dir_fd: int | None = None) -> None:
        os.mkdir(name, dir_fd=dir_fd)
        self._enter(dir_fd, name, self._new(os.stat(name, dir_fd=dir_fd)))

    def _makedirs(self, path: str, *, exist_ok: bool) -> None:
        if exist_ok and os.path.isdir(path):
            return
        self._makedirs(os.path.dirname(path), exist_ok=True)
        self._mkdir(path)

    def _fsync(self, fd: int) -> None:
        self._synced("fsync", fd)

    def _fdatasync(self, fd: int) -> None:
        self._synced("fdatasync", fd)

    def _syncfs(self, fd: int) -> None:
        self._synced("syncfs", fd)

    def _synced(self, name: str, fd: int) -> None:
        """The disk of a test need not be waited for; what is above the root is as it was."""
        found = os.fstat(fd)
        inode = self._inodes.get((found.st_dev, found.st_ino))
        if name not in self._deaf and inode is not None:
            self.ops.append(Sync(None if name == "syncfs" else inode))

    def _enter(self, dir_fd: int | None, path: str, inode: int | None) -> None:
        self.ops.append(Enter([(*self._directory(dir_fd, path), inode)]))

    def _directory(self, dir_fd: int | None, path: str) -> tuple[int, str]:
        head, name = os.path.split(path)
        return self._of(os.stat(head or ".", dir_fd=dir_fd)), name


_WRITTEN_DOWN = (
    *("fdatasync", "fsync", "ftruncate", "link", "makedirs", "mkdir", "open", "pwrite"),
    *("rename", "replace", "syncfs", "unlink", "write"),
)


def _is_there(path: str, dir_fd: int | None) -> bool:
    try:
        os.stat(path, dir_fd=dir_fd, follow_symlinks=False)
    except FileNotFoundError:
        return False
    return True


class RecordedStore:
    """A store whose transactions are written down when they begin and when they are committed."""

    def __init__(self, store: Any, lossy: Lossy) -> None:
        self._store = store
        self._lossy = lossy
        self._number = len(lossy.ops)  # of no transaction before
        self.find, self.close = store.find, store.close

    def plan(self, rows: Sequence[tuple[int, int, str]]) -> Deferred[None]:
        return self._recorded(self._store.plan, rows, [Row(*row, "planned") for row in rows])

    def end(self, rows: Sequence[Row]) -> Deferred[None]:
        return self._recorded(self._store.end, rows, rows)

    def _recorded(self, call: Any, given: Any, rows: Sequence[Row]) -> Deferred[None]:
        number, self._number = self._number, self._number + 1
        self._lossy.write_down(Begin(number, list(rows)))
        done: Deferred[None] = call(given)
        done.addCallback(lambda _: self._lossy.write_down(Commit(number)))
        return done
