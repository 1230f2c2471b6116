"""One SQLite database in a directory of its own, for one process at a time.

It is in WAL mode, and reached through adbapi with one thread, which is its only writer. What it
holds is a `Schema`: each number in its directory is a version of it; a database of an earlier one
is brought up to date, one of a later one is left alone.
"""

from __future__ import annotations

import errno
import fcntl
import os
import sqlite3
import stat
import threading
import time
from collections.abc import Callable
from contextlib import closing, suppress
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

from twisted.enterprise.adbapi import ConnectionPool
from twisted.internet.defer import Deferred, fail

from downloader.errors import StoreBusy, StoreError, StoreFull, StoreTooNew
from downloader.sansio.printable import printable

T = TypeVar("T")
LOCK = "lock"
_PRIVATE_DIRECTORY = 0o700
_OWN = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
# The second: there is no space for the memory that its processes would share.
_FULL = frozenset((sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR_SHMSIZE))

# Who only looks whether a lock is held has it for a moment, too: so it is asked for more than once.
_TRIES, _BETWEEN = 10, 0.01  # the latter in seconds

# Where a database says how it is written and read, and what it says in WAL mode.
_VERSIONS, _IS_WAL = 18, b"\2\2"


class Schema(NamedTuple):
    """What a database holds: its file's name, and `version` scripts in the directory `scripts`."""

    name: str
    scripts: str
    version: int


LIST = Schema("state.sqlite", "list", 1)
QUEUE = Schema("queue.sqlite", "queue", 1)


class Database:
    """The database of `schema` in `directory`, which is made if need be, for its owner only.

    Raises StoreBusy, StoreTooNew, or StoreError. `durable` says whether what was committed is to
    survive a loss of power, too; `fsync` waits until the disk has a directory.
    """

    def __init__(
        self,
        reactor: Any,
        directory: str,
        schema: Schema,
        durable: bool,
        fsync: Callable[[int], None] = os.fsync,
    ) -> None:
        self.directory = directory
        self.path = os.path.join(directory, schema.name)
        self._lock = -1
        try:
            os.makedirs(directory, _PRIVATE_DIRECTORY, exist_ok=True)
            check_own(os.lstat(directory), stat.S_ISDIR)
            self._lock = locked(os.path.join(directory, LOCK))
            _prepare(self.path, schema)
            if durable:
                _sync_names(directory, fsync)
        except BaseException as error:
            self._unlock()
            raise renamed(error, directory) from error
        self._pool: Any = _Pool(  # type: ignore[no-untyped-call]
            "sqlite3",
            self.path,
            cp_reactor=reactor,
            cp_min=1,
            cp_max=1,
            cp_noisy=False,
            check_same_thread=False,  # it is closed from the reactor's
            cp_openfun=lambda connection: _set(connection, durable),
        )
        self._pool.start()
        self._busy = 0
        self._closing = False

    def __repr__(self) -> str:
        return f"<Database {self.path!r} {'closed' if self._lock < 0 else 'open'}>"

    def run(self, work: Callable[..., T], *arguments: Any) -> Deferred[T]:
        """Call `work(cursor, *arguments)` in the database's thread, in one transaction.

        **Fires with** what it returns, when that is committed. **Fails with** StoreError, as when
        it is closed, or StoreFull: then it may be done again. **Cancelling** stops the waiting
        only.
        """
        if self._lock < 0:
            return fail(StoreError(f"{printable(self.path)}: it is closed"))
        self._busy += 1
        begun: Any = self._pool.runInteraction(_done, work, *arguments)
        done: Any = Deferred()  # of its own: the thread goes on when nobody waits any more
        begun.addBoth(self._ended, done)
        done.addErrback(self._renamed)
        return done  # type: ignore[no-any-return]

    def close(self) -> None:
        """Close it: at once, or once what was begun is done. Calling it again is harmless."""
        self._closing = True
        if self._lock >= 0 and not self._busy:
            self._pool.close()
            self._unlock()

    def _ended(self, result: Any, done: Deferred[Any]) -> None:
        self._busy -= 1
        if self._closing:
            self.close()
        if not done.called:
            done.callback(result)

    def _renamed(self, failure: Any) -> None:
        failure.trap(sqlite3.Error)
        code = getattr(failure.value, "sqlite_errorcode", None)
        error = StoreFull if code in _FULL else StoreError
        raise error(f"{printable(self.path)}: {failure.value}") from failure.value

    def _unlock(self) -> None:
        lock, self._lock = self._lock, -1
        if lock >= 0:
            os.close(lock)


class _Pool(ConnectionPool):
    """Its thread may wait for a disk that hangs, and then nobody's end waits for the thread."""

    def start(self) -> None:
        if not self.running:
            daemon: Any = partial(threading.Thread, daemon=True)
            self.threadpool.threadFactory = daemon
            super().start()  # type: ignore[no-untyped-call]
            self._reactor.removeSystemEventTrigger(self.shutdownID)
            self.shutdownID = None


def check_own(found: os.stat_result, is_kind: Callable[[int], bool]) -> None:
    """Else somebody may tell us which files we have."""
    ours = is_kind(found.st_mode) and found.st_uid == os.geteuid()
    if not ours or found.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
        raise PermissionError(errno.EPERM, "others may write to it, or it is not ours")


def _done(cursor: Any, work: Callable[..., T], *arguments: Any) -> T:
    try:
        return work(cursor, *arguments)
    except BaseException:
        cursor.close()  # else who holds the error holds the file open
        raise


def locked(path: str, sleep: Callable[[float], object] = time.sleep) -> int:
    """A descriptor of the lock `path`, which goes with its process. Raises StoreBusy, OSError.

    It may block for 100 milliseconds, in `sleep`.
    """
    fd = os.open(path, _OWN, 0o600)
    try:
        check_own(os.fstat(fd), stat.S_ISREG)
        _lock(fd, sleep)
    except OSError as error:
        os.close(fd)
        if isinstance(error, BlockingIOError):
            raise StoreBusy(printable(os.path.dirname(path))) from error
        raise
    return fd


def _lock(fd: int, sleep: Callable[[float], object]) -> None:
    for _ in range(_TRIES):
        with suppress(BlockingIOError):
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return
        sleep(_BETWEEN)
    fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)


def is_busy(directory: str) -> bool:
    """Whether another process has the state in `directory`, as far as can be seen. Any number of
    them may look at a time."""
    try:
        fd = os.open(os.path.join(directory, LOCK), os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError:
        return False
    try:
        fcntl.flock(fd, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except OSError:
        return True
    finally:
        os.close(fd)
    return False


def too_new(path: str, found: int, schema: Schema) -> StoreTooNew:
    """The database `path` is of version `found`."""
    return StoreTooNew(f"{printable(path)} is of version {found}, and {schema.version} is known")


def renamed(error: BaseException, directory: str) -> BaseException:
    """Why `directory` cannot be used, if `error` is the system's or SQLite's; else `error`."""
    if isinstance(error, (OSError, sqlite3.Error)):
        said = getattr(error, "strerror", None) or error
        return StoreError(f"{printable(directory)}: {said}")
    return error


def _sync_names(directory: str, fsync: Callable[[int], None]) -> None:
    """SQLite syncs what is in its files; theirs are nothing without their names."""
    for path in (directory, os.path.dirname(directory) or "."):
        fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            fsync(fd)
        finally:
            os.close(fd)


def _prepare(path: str, schema: Schema) -> None:
    """Make it, or bring it up to date."""
    fd = os.open(path, _OWN, 0o600)
    try:
        check_own(os.fstat(fd), stat.S_ISREG)
        is_new = os.pread(fd, 2, _VERSIONS) != _IS_WAL
    finally:
        os.close(fd)
    _check_beside(path)
    with closing(sqlite3.connect(path, isolation_level=None)) as database:
        if is_new:  # a kill just now is to leave no -journal either
            database.execute("PRAGMA journal_mode = MEMORY")
        database.execute("PRAGMA journal_mode = WAL")
        (found,) = database.execute("PRAGMA user_version").fetchone()
        if found > schema.version:
            raise too_new(path, found, schema)
        for version in range(found + 1, schema.version + 1):
            script = Path(__file__).parent / "schema" / schema.scripts / f"{version}.sql"
            text = script.read_text("utf-8")
            database.executescript(f"BEGIN; {text} PRAGMA user_version = {version}; COMMIT")


def _check_beside(path: str) -> None:
    """SQLite plays back what it finds beside a database. In WAL mode a -journal is nothing of ours.

    Raises StoreError, OSError.
    """
    journal = f"{path}-journal"
    if os.path.lexists(journal):
        raise StoreError(f"{printable(journal)}: it is not of this database, which has none")
    for name in (f"{path}-wal", f"{path}-shm"):
        if os.path.lexists(name):
            check_own(os.lstat(name), stat.S_ISREG)


def _set(connection: sqlite3.Connection, durable: bool) -> None:
    connection.execute(f"PRAGMA synchronous = {'FULL' if durable else 'NORMAL'}")
    connection.execute("PRAGMA cache_size = -4096")  # KiB
