"""kill -9 at every call that changes a file, and at every step with the store: the same command
then brings what is missing, and nothing that should not be there."""

from __future__ import annotations

import json
import os
import random
import signal
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from downloader.sansio.names import STATE

PROGRAM = Path(__file__).parent / "support" / "killed.py"
ROOT = PROGRAM.parent.parent.parent
# Short ones, one in some pieces, one that has a journal.
SIZES = [0, 1, 4096, 4096, 65_536, 200_000, 9 * 1024 * 1024]


@pytest.fixture(scope="module")
def served(nginx: Any) -> dict[str, bytes]:
    """What nginx serves below /killed: each file's bytes by its name."""
    files = {f"f{n}": random.Random(n).randbytes(size) for n, size in enumerate(SIZES)}
    (nginx.root / "killed").mkdir()
    for name, data in files.items():
        (nginx.root / "killed" / name).write_bytes(data)
    return files


FILES = 1000
KILLS = 50


def test_killed_at_every_call(nginx: Any, served: dict[str, bytes], tmp_path: Path) -> None:
    urls = [f"http://127.0.0.1:{nginx.port}/killed/{name}\n" for name in served]
    (tmp_path / "list").write_text("".join(urls))
    out = tmp_path / "out"
    program = subprocess.run(
        [sys.executable, PROGRAM, "list", out],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        check=True,
    )
    rounds = [json.loads(line) for line in program.stdout.splitlines()]
    kinds = {one["killed_at"] for one in rounds}
    assert {"write", "pwrite", "link", "unlink", "before plan", "after end", ""} <= kinds
    for one in rounds:
        assert one["code"] == 0, one
        here = out / str(one["k"])
        found = files_in(here)
        assert found.pop("bystander") == b"mine"
        assert found.keys() == served.keys(), one
        assert found == served, one


def test_killed_at_any_moment(nginx: Any, tmp_path: Path) -> None:
    """Fifty times on the way through one list: what was complete is not asked for again."""
    chance = random.Random(7)
    files = {f"f{n}": chance.randbytes(chance.randrange(5000)) for n in range(FILES)}
    (nginx.root / "any").mkdir()
    for name, data in files.items():
        (nginx.root / "any" / name).write_bytes(data)
    urls = [f"http://127.0.0.1:{nginx.few_port}/any/{name}\n" for name in files]
    (tmp_path / "list").write_text("".join(urls))
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "f5").write_bytes(b"mine")
    complete: set[str] = set()
    for _ in range(KILLS):
        seen = len(nginx.few_log)
        process = subprocess.Popen(
            [sys.executable, "-m", "downloader", "fetch", "-i", "list", "-d", "out", "-q"],
            cwd=tmp_path,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
        )
        try:
            process.wait(chance.uniform(0.3, 0.7))
        except subprocess.TimeoutExpired:
            process.kill()
        assert process.wait() in (0, -signal.SIGKILL)
        asked = {line[0].rpartition("/")[2] for line in nginx.few_log[seen:]}
        assert not asked & complete
        complete = kept_as_complete(tmp_path / "out" / STATE / "state.sqlite")
    subprocess.run(
        [sys.executable, "-m", "downloader", "fetch", "-i", "list", "-d", "out", "-q"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        check=True,
    )
    found = {
        file.name: file.read_bytes() for file in (tmp_path / "out").iterdir() if file.is_file()
    }
    assert found.pop("f5") == b"mine"
    assert found.pop("f5.1") == files.pop("f5")
    assert found == files


def kept_as_complete(file: Path) -> set[str]:
    """The files that the store calls complete, by the names in their URLs."""
    if not file.exists():
        return set()
    with closing(sqlite3.connect(file)) as database:
        rows = database.execute("SELECT path FROM entry WHERE status = 'complete'").fetchall()
    return {path.partition(".")[0] for (path,) in rows}


def files_in(directory: Path) -> dict[str, bytes]:
    return {file.name: file.read_bytes() for file in directory.iterdir() if file.is_file()}
