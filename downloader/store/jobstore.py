"""The jobs of a list: which line became which file.

What goes in is one statement for many rows, and what comes out is one JSON text. Python's sqlite3
gives up the interpreter for each row it steps over, and has to wait for the reactor's thread each
time; one statement for all is one such wait.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Sequence
from sqlite3 import SQLITE_LIMIT_VARIABLE_NUMBER, Cursor
from typing import Any, NamedTuple

from twisted.internet.defer import Deferred, succeed

from downloader.jobs import Record
from downloader.store.database import LIST, Database

# Rows of an earlier form of the list have their numbers behind those of any list.
_EARLIER = 1 << 40
# Rows of one statement, each of nine values at most.
_MOST = 256

_PLAN = "INSERT OR REPLACE INTO entry (number, key, path, status) VALUES "
_PLANNED = "(?, ?, ?, 'planned')"
_END = """
INSERT OR REPLACE INTO entry
    (number, key, path, status, inode, size, etag, modified, checksum) VALUES
"""
_ENDED = "(?, ?, ?, ?, ?, ?, ?, ?, ?)"
_ROW = "json_array(number, key, path, status, inode, size, etag, modified, checksum)"
_IN_PLACE = f"""
SELECT json_group_array(json({_ROW}))
FROM entry WHERE number BETWEEN ? AND ?
"""
_MOVED = f"""
SELECT {_ROW} FROM entry WHERE key = ? AND number >= {_EARLIER} ORDER BY number LIMIT 1
"""


class Row(NamedTuple):
    """One job, as it is kept; see `schema`."""

    number: int
    key: int
    path: str
    status: str
    inode: int | None = None
    size: int | None = None
    etag: str | None = None
    modified: str | None = None
    checksum: str | None = None


class JobStore:
    """The rows of one list, kept in `directory`; arguments and errors are those of `Database`."""

    def __init__(
        self,
        reactor: Any,
        directory: str,
        durable: bool = True,
        fsync: Callable[[int], None] = os.fsync,
    ) -> None:
        self._database = Database(reactor, directory, LIST, durable, fsync)
        self._moved = False  # known, and changed, in the database's thread only
        # Behind it there is nothing to find; None while that is not known, or not so.
        self._last: int | None = None

    def __repr__(self) -> str:
        return f"<JobStore {self._database!r}>"

    @property
    def directory(self) -> str:
        """Where it is."""
        return self._database.directory

    def find(self, records: Sequence[Record]) -> Deferred[list[Row | None]]:
        """The rows of the jobs with these `records`, whose numbers follow each other.

        A job is known by its number and key. From the first one on that is not where it was, the
        list has changed: then jobs are known by their keys, equal ones in their order, and their
        rows get the new numbers.

        **Fires with** a row or None for each. **Fails with** StoreError. **Cancelling** stops the
        waiting only.
        """
        if self._last is not None and records[0].number > self._last:
            return succeed([None] * len(records))
        return self._database.run(self._find, records)

    def plan(self, rows: Sequence[tuple[int, int, str]]) -> Deferred[None]:
        """Keep which paths these jobs will have: `(number, key, path)` each.

        **Fires**, **fails** and **cancelling**: as `end`.
        """
        return self._database.run(_insert, _PLAN, _PLANNED, rows)

    def end(self, rows: Sequence[Row]) -> Deferred[None]:
        """Keep what came of these jobs, in place of what is known of them.

        **Fires with** None when that is committed. **Fails with** StoreError. **Cancelling** stops
        the waiting only.
        """
        return self._database.run(_insert, _END, _ENDED, rows)

    def close(self) -> None:
        """Close it: at once, or once what was begun is done."""
        self._database.close()

    # --- in the database's thread -------------------------------------------------------------

    def _find(self, cursor: Cursor, records: Sequence[Record]) -> list[Row | None]:
        if self._last is None and not self._moved:
            (last,) = cursor.execute("SELECT max(number) FROM entry").fetchone()
            self._last = -1 if last is None else last
            self._moved = self._last >= _EARLIER
        there = self._in_place(cursor, records)
        found: list[Row | None] = []
        for record in records:
            row = there.get(record.number)
            if row is not None and row.key != record.key:
                self._move(cursor, record.number)
                there = {}
                row = None
            if row is None and self._moved:
                row = self._take(cursor, record)
            found.append(row)
        return found

    def _in_place(self, cursor: Cursor, records: Sequence[Record]) -> dict[int, Row]:
        span = (records[0].number, records[-1].number)
        (text,) = cursor.execute(_IN_PLACE, span).fetchone()
        return {row[0]: Row(*row) for row in json.loads(text)}

    def _move(self, cursor: Cursor, number: int) -> None:
        """The list has changed from here on: what is known is of an earlier form."""
        (last,) = cursor.execute("SELECT max(number) FROM entry").fetchone()
        behind = max(_EARLIER, last + 1)  # those of still earlier ones
        cursor.execute(
            "UPDATE entry SET number = number + ? WHERE number BETWEEN ? AND ?",
            (behind, number, _EARLIER - 1),
        )
        self._moved, self._last = True, None
        cursor.execute("CREATE INDEX IF NOT EXISTS entry_key ON entry (key)")

    def _take(self, cursor: Cursor, record: Record) -> Row | None:
        """The row of a job that was elsewhere, put where it is now."""
        found = cursor.execute(_MOVED, (record.key,)).fetchone()
        if found is None:
            return None
        row = Row(*json.loads(found[0]))
        cursor.execute("UPDATE entry SET number = ? WHERE number = ?", (record.number, row.number))
        return row._replace(number=record.number)


def _insert(cursor: Cursor, statement: str, row: str, rows: Sequence[Sequence[Any]]) -> None:
    """In few sizes, each half of the one before: SQLite keeps statements, as large as they are."""
    values_at_most = cursor.connection.getlimit(SQLITE_LIMIT_VARIABLE_NUMBER)
    first, most = 0, min(_MOST, values_at_most // 9)
    while first < len(rows):
        while most > len(rows) - first:
            most //= 2
        values = [value for one in rows[first : first + most] for value in one]
        cursor.execute(statement + ", ".join([row] * most), values)
        first += most
