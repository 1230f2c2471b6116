"""What a run that was killed has left in its directory, read before another one goes on with it."""

from __future__ import annotations

import shutil
import sqlite3
import tempfile
from contextlib import closing
from pathlib import Path

from downloader.sansio.journal import read_journal
from downloader.sansio.names import STATE
from downloader.sansio.ranges import Ranges
from downloader.store.database import LIST
from downloader.transfer.partfile import JOURNAL, SUFFIX


class Left:
    """`files` are the bytes by name, without those of parts and journals. `complete` are the names
    that the store calls complete, `named` those of files that it knows by their inodes. `held` are
    the bytes of part files that journals tell of, `parts` the part files."""

    def __init__(self, out: Path) -> None:
        there = files_in(out)
        rows = _rows(out / STATE)
        self.complete = {path for path, status, _ in rows if status == "complete"}
        self.named = {
            path
            for path, status, inode in rows
            if status == "committing" and path in there and (out / path).stat().st_ino == inode
        }
        journals = _taken(there, SUFFIX + JOURNAL)
        self.parts = _taken(there, SUFFIX)
        told = {name: read_journal(data) for name, data in journals.items() if name in self.parts}
        self.held = {name: held.ranges if held else Ranges() for name, held in told.items()}
        self.files = there


def files_in(directory: Path) -> dict[str, bytes]:
    """Each file's bytes by its name."""
    return {file.name: file.read_bytes() for file in directory.iterdir() if file.is_file()}


def _taken(files: dict[str, bytes], suffix: str) -> dict[str, bytes]:
    """Those with this suffix, by their names without, which are no longer in `files`."""
    names = [name for name in files if name.endswith(suffix)]
    return {name.removesuffix(suffix): files.pop(name) for name in names}


def _rows(state: Path) -> list[tuple[str, str, int]]:
    """Path, status and inode of each job. Of a copy: who opens a database mends it."""
    if not (state / LIST.name).exists():
        return []
    with tempfile.TemporaryDirectory() as directory:
        copy = shutil.copytree(state, Path(directory, "copy"))
        with closing(sqlite3.connect(copy / LIST.name)) as database:
            if database.execute("PRAGMA user_version").fetchone() == (0,):
                return []  # it was about to be made
            return database.execute("SELECT path, status, inode FROM entry").fetchall()
