"""Which names a run has given away, so that no two jobs get the same.

A list may have more lines than memory has room for their names. The latest are kept in a dict; when
it is full, they go to a private SQLite database that has no name on the disk and goes away with its
connection. A filter in memory knows most names that the database has not, so that it is seldom
asked (Bloom, 1970: a name has two bits, and is there only if both are set).
"""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import TYPE_CHECKING

from downloader.sansio.names import STATE, beside_files, choose, collision_key, parents

if TYPE_CHECKING:
    import sqlite3

# What is known of a name: its kind, and the next number to try for those who ask for it too.
Entry = tuple[int, int]

# A name that was asked for and never given out: a file that was there before has it. Only its
# next number is remembered, so that it can be given out once that file is gone.
_FILE, _DIRECTORY, _ASKED = 0, 1, 2
_NEW = {kind: (kind, 1) for kind in (_FILE, _DIRECTORY)}
# Names in the dict, some 150 bytes each.
LATEST = 16_384
# Bits of the filter, 2 MiB: of a million names, it takes one in seventy for an old one.
_BITS = 1 << 24


class TakenNames:
    """The names given out so far; the same calls in the same order give the same names.

    The `latest` of them, about so many, are kept in memory.
    """

    def __init__(self, latest: int = LATEST) -> None:
        self._most = latest
        self._latest: dict[str, Entry] = {}
        self._filter = bytearray()
        self._opened: sqlite3.Connection | None = None
        self._empty: dict[str, bool] = {}

    def __repr__(self) -> str:
        return f"<TakenNames {len(self._latest)} latest>"

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
        entry = self._get(key)
        free, following = choose(
            path,
            entry[1] if entry else 1,
            lambda name: exists(name) or not self._insert(_key(directory, name), _FILE),
        )
        entry = self._get(key)
        self._put(key, (entry[0] if entry else _ASKED, following))
        return free

    def reserve(self, directory: str, path: str) -> bool:
        """Give `path` below `directory` away. False when somebody has it, who keeps it."""
        for parent in parents(path) if "/" in path else ():
            self._insert(_key(directory, parent), _DIRECTORY)
        return self._insert(_key(directory, path), _FILE)

    def release(self, directory: str, path: str) -> None:
        """The name may be given away again."""
        key = _key(directory, path)
        self._latest.pop(key, None)
        if self._may_be_old(key):
            self._database.execute("DELETE FROM taken WHERE key = ?", (_raw(key),))

    def began_empty(self, directory: str) -> bool:
        """Whether nothing was in `directory` when it was asked for first. A file that somebody
        puts there later is met when the name is given to ours."""
        empty = self._empty.get(directory)
        if empty is None:
            if len(self._empty) >= self._most:
                self._empty.clear()
            empty = self._empty[directory] = _is_empty(directory)
        return empty

    def close(self) -> None:
        """Forget all names."""
        self._latest.clear()
        if self._opened is not None:
            self._opened.close()

    def _insert(self, key: str, kind: int) -> bool:
        """Take `key`; False when it was taken."""
        entry = self._get(key)
        if entry is None:
            self._put(key, _NEW[kind])
        elif entry[0] == _ASKED:
            self._put(key, (kind, entry[1]))
        else:
            return False
        return True

    def _is_file(self, key: str) -> bool:
        entry = self._get(key)
        return entry is not None and entry[0] == _FILE

    def _get(self, key: str) -> Entry | None:
        entry = self._latest.get(key)
        if entry is None and self._may_be_old(key):
            query = "SELECT kind, next FROM taken WHERE key = ?"
            entry = self._database.execute(query, (_raw(key),)).fetchone()
        return entry

    def _put(self, key: str, entry: Entry) -> None:
        self._latest[key] = entry
        if len(self._latest) >= self._most:
            self._spill()

    # --- names that are not among the latest ------------------------------------------------

    @property
    def _database(self) -> sqlite3.Connection:
        if self._opened is None:
            self._opened = _private_database()
        return self._opened

    def _may_be_old(self, key: str) -> bool:
        if not self._filter:
            return False
        one, other = _bits(key)
        bits = self._filter
        return bool(bits[one >> 3] >> (one & 7) & bits[other >> 3] >> (other & 7) & 1)

    def _spill(self) -> None:
        if not self._filter:
            self._filter = bytearray(_BITS // 8)
        for key in self._latest:
            for bit in _bits(key):
                self._filter[bit >> 3] |= 1 << (bit & 7)
        self._database.execute("BEGIN")
        self._database.executemany(
            "INSERT OR REPLACE INTO taken VALUES (?, ?, ?)",
            ((_raw(key), *entry) for key, entry in self._latest.items()),
        )
        self._database.execute("COMMIT")
        self._latest.clear()


def _private_database() -> sqlite3.Connection:
    import sqlite3  # late: most runs need none

    database = sqlite3.connect("", isolation_level=None)
    database.execute("PRAGMA journal_mode = OFF")
    database.execute("PRAGMA synchronous = OFF")
    database.execute("PRAGMA cache_size = -2048")  # KiB; the rest spills to an unlinked file
    database.execute(
        "CREATE TABLE taken (key BLOB PRIMARY KEY, kind INTEGER NOT NULL, next INTEGER NOT NULL)"
        " WITHOUT ROWID"
    )
    return database


def _bits(key: str) -> tuple[int, int]:
    value = hash(key)
    return value & (_BITS - 1), value >> 32 & (_BITS - 1)


def _key(directory: str, path: str) -> str:
    return f"{directory}\0{collision_key(path)}"


def _raw(key: str) -> bytes:
    # A directory need not be UTF-8, and SQLite's text must.
    return key.encode("utf-8", "surrogateescape")


def _is_empty(directory: str) -> bool:
    try:
        with os.scandir(directory) as entries:
            return all(entry.name == STATE for entry in entries)
    except FileNotFoundError:
        return True
    except (OSError, ValueError):
        return False
