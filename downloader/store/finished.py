"""The files that runs of a list have brought, to be looked at and not to be changed."""

from __future__ import annotations

import os
import sqlite3
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from downloader.store.database import LIST, LOCK, check_own, locked, renamed, too_new

_ALL = "FROM entry WHERE status = 'complete'"


class Finished:
    """What the database in `directory` tells of complete files. Nobody else has it meanwhile.

    Raises StoreBusy, StoreTooNew, or StoreError. Reads block, each for some pages of a database.
    """

    def __init__(self, directory: str) -> None:
        self._directory = directory
        self._lock = -1
        try:
            path = Path(directory, LIST.name).absolute()
            check_own(os.lstat(directory), stat.S_ISDIR)
            check_own(os.lstat(path), stat.S_ISREG)
            self._lock = locked(os.path.join(directory, LOCK))
            self._database = sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True)
            (found,) = self._database.execute("PRAGMA user_version").fetchone()
            if found > LIST.version:
                raise too_new(str(path), found, LIST)
            (self.count,) = self._database.execute(f"SELECT count(*) {_ALL}").fetchone()
        except BaseException as error:
            self.close()
            raise renamed(error, directory) from error

    def __repr__(self) -> str:
        return f"<Finished {self.count} files of {self._directory!r}>"

    def rows(self) -> Iterator[tuple[Any, Any, Any]]:
        """The path, length in bytes and checksum of each, as they are kept. Raises StoreError."""
        try:
            yield from self._database.execute(f"SELECT path, size, checksum {_ALL} ORDER BY number")
        except sqlite3.Error as error:
            raise renamed(error, self._directory) from error

    def close(self) -> None:
        """Let others have it. Calling it again is harmless."""
        lock, self._lock = self._lock, -1
        if hasattr(self, "_database"):
            self._database.close()
        if lock >= 0:
            os.close(lock)
