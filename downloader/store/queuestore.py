"""The jobs of a queue: what was taken on, in which order, and what came of it."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Sequence
from sqlite3 import Cursor
from typing import Any, NamedTuple

from twisted.internet.defer import Deferred
from twisted.logger import Logger
from twisted.python.failure import Failure

from downloader.errors import StoreError
from downloader.store.database import QUEUE, Database

_log = Logger()
_LOAD = """
SELECT number, gid, status, priority, place, wanted, path, inode, size, told
FROM job ORDER BY priority DESC, place, number
"""
_SAVE = "INSERT OR REPLACE INTO job VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
_DROP = "DELETE FROM job WHERE number = ?"


class QueueRow(NamedTuple):
    """One job, as it is kept; see `schema`. `wanted` and `told` are JSON."""

    number: int
    gid: str
    status: str
    priority: int
    place: float
    wanted: str
    path: str | None = None
    inode: int | None = None
    size: int | None = None
    told: str | None = None


class QueueStore:
    """The rows of the queue that is kept in `directory`; errors are those of `Database`.

    What is to be kept while something else is goes to the disk together, with one commit.
    """

    def __init__(
        self,
        reactor: Any,
        directory: str,
        durable: bool = True,
        fsync: Callable[[int], None] = os.fsync,
    ) -> None:
        self._database = Database(reactor, directory, QUEUE, durable, fsync)
        self._rows: dict[int, QueueRow | None] = {}  # to be kept next; None is to be forgotten
        self._waiting: list[Deferred[None]] = []
        self._busy = self._closing = False

    def __repr__(self) -> str:
        return f"<QueueStore {self._database!r}>"

    @property
    def directory(self) -> str:
        """Where it is."""
        return self._database.directory

    def load(self) -> Deferred[list[QueueRow]]:
        """All rows, in the order of the queue.

        **Fires with** them. **Fails with** StoreError. **Cancelling** stops the waiting only.
        """
        return self._database.run(_load)

    def save(self, rows: Iterable[QueueRow], gone: Iterable[int] = ()) -> Deferred[None]:
        """Keep `rows` in place of what is known of their numbers, and forget the numbers `gone`.

        **Fires with** None when that is committed, along with what was asked for before. **Fails
        with** StoreError; then nothing of it is kept. **Cancelling** stops the waiting only.
        """
        self._rows.update((row.number, row) for row in rows)
        self._rows.update(dict.fromkeys(gone))
        done: Deferred[None] = Deferred(lambda _: None)
        self._waiting.append(done)
        if not self._busy:
            self._next()
        return done

    def close(self) -> None:
        """Close it: at once, or once all that was asked for is done. What is asked for after that
        fails with StoreError."""
        self._closing = True
        if not self._busy:
            self._database.close()

    def _next(self) -> None:
        rows, self._rows = self._rows, {}
        waiting, self._waiting = self._waiting, []
        self._busy = bool(waiting)
        if waiting:
            saving = self._database.run(_save, list(rows.items()))
            saving.addBoth(self._saved, waiting)
        elif self._closing:
            self._database.close()

    def _saved(self, result: Any, waiting: Sequence[Deferred[None]]) -> None:
        self._next()  # before anybody hears, who may want more
        if isinstance(result, Failure) and not result.check(StoreError):
            _log.failure("a bug met what was to be kept", result)
            result = Failure(StoreError(type(result.value).__name__))
        for done in waiting:
            if not done.called:
                done.callback(result)


# --- in the database's thread ---------------------------------------------------------------------


def _load(cursor: Cursor) -> list[QueueRow]:
    return [QueueRow(*row) for row in cursor.execute(_LOAD)]


def _save(cursor: Cursor, rows: Sequence[tuple[int, QueueRow | None]]) -> None:
    cursor.executemany(_SAVE, [row for _, row in rows if row is not None])
    cursor.executemany(_DROP, [(number,) for number, row in rows if row is None])
