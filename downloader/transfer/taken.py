"""Which names a run has given away, so that no two jobs get the same.

A list may have more lines than memory has room for their names, so they are kept in a private
SQLite database that has no name on the disk and goes away with its connection.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable

from downloader.sansio.names import beside_files, choose, collision_key, parents

# A name that was asked for and never given out: a file that was there before has it. Only its
# next number is remembered, so that it can be given out once that file is gone.
_FILE, _DIRECTORY, _ASKED = 0, 1, 2


class TakenNames:
    """The names given out so far; the same calls in the same order give the same names."""

    def __init__(self) -> None:
        self._database = sqlite3.connect("", isolation_level=None)
        execute = self._database.execute
        execute("PRAGMA journal_mode = OFF")
        execute("PRAGMA synchronous = OFF")
        execute("PRAGMA cache_size = -2048")  # KiB; the rest spills to an unlinked file
        execute(
            "CREATE TABLE taken (key BLOB PRIMARY KEY, kind INTEGER NOT NULL,"
            " next INTEGER NOT NULL DEFAULT 1) WITHOUT ROWID"
        )

    def assign(self, directory: str, path: str, exists: Callable[[str], bool]) -> str:
        """Give `path` below `directory` away, or its first alternative that is free.

        `exists(path)` tells of files that were there before; a name they have is not free.
        """
        if "/" in path:
            path = beside_files(path, lambda head: self._is_file(_key(directory, head)))
            for parent in parents(path):
                self._insert(_key(directory, parent), _DIRECTORY)
        key = _key(directory, path)
        if not exists(path) and self._insert(key, _FILE):
            return path
        free, following = choose(
            path,
            self._next(key),
            lambda name: exists(name) or not self._insert(_key(directory, name), _FILE),
        )
        self._database.execute(
            "INSERT INTO taken VALUES (?, ?, ?)"
            " ON CONFLICT (key) DO UPDATE SET next = excluded.next",
            (key, _ASKED, following),
        )
        return free

    def release(self, directory: str, path: str) -> None:
        """The name may be given away again."""
        self._database.execute("DELETE FROM taken WHERE key = ?", (_key(directory, path),))

    def close(self) -> None:
        """Forget all names."""
        self._database.close()

    def _insert(self, key: bytes, kind: int) -> bool:
        """Take `key`; False when it was taken."""
        cursor = self._database.execute(
            "INSERT INTO taken (key, kind) VALUES (?, ?)"
            f" ON CONFLICT (key) DO UPDATE SET kind = excluded.kind WHERE kind = {_ASKED}",
            (key, kind),
        )
        return cursor.rowcount == 1

    def _is_file(self, key: bytes) -> bool:
        row = self._database.execute("SELECT kind FROM taken WHERE key = ?", (key,)).fetchone()
        return row is not None and row[0] == _FILE

    def _next(self, key: bytes) -> int:
        row = self._database.execute("SELECT next FROM taken WHERE key = ?", (key,)).fetchone()
        return int(row[0]) if row else 1


def _key(directory: str, path: str) -> bytes:
    # A directory need not be UTF-8, and SQLite's text must.
    return f"{directory}\0{collision_key(path)}".encode("utf-8", "surrogateescape")
