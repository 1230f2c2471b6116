"""A database on a disk that hangs, for which nobody waits, and what may stand beside one."""

from __future__ import annotations

import fcntl
import os
import shutil
import threading
from pathlib import Path
from typing import Any

import pytest

from downloader.errors import StoreBusy, StoreError
from downloader.store.database import LIST, LOCK, QUEUE, Database, Schema, is_busy, locked


async def test_closing_waits_for_nothing(reactor: Any, tmp_path: Path) -> None:
    """What was begun goes on, nobody else may have it meanwhile, and then it is closed."""
    release = threading.Event()
    database = Database(reactor, str(tmp_path / "state"), LIST, durable=True)
    done = database.run(lambda cursor: release.wait(30) and cursor.connection)
    database.close()
    assert repr(database).endswith("open>")
    with pytest.raises(StoreBusy):
        Database(reactor, str(tmp_path / "state"), LIST, durable=True)
    release.set()
    await done
    assert repr(database).endswith("closed>")
    Database(reactor, str(tmp_path / "state"), LIST, durable=True).close()


async def test_one_that_is_closed_takes_nothing(reactor: Any, tmp_path: Path) -> None:
    """It says so at once: there is nobody left to do it."""
    database = Database(reactor, str(tmp_path / "state"), LIST, durable=True)
    database.close()
    with pytest.raises(StoreError, match="it is closed"):
        await database.run(lambda cursor: None)


async def test_who_waits_no_longer_leaves_it_to_itself(reactor: Any, tmp_path: Path) -> None:
    """It is done, though, and before what comes later."""
    release = threading.Event()
    database = Database(reactor, str(tmp_path / "state"), LIST, durable=True)
    order: list[int] = []
    first = database.run(lambda cursor: release.wait(30) and order.append(1))
    first.addErrback(lambda _: None)
    first.cancel()
    release.set()
    await database.run(lambda cursor: order.append(2))
    assert order == [1, 2]
    database.close()
    assert repr(database).endswith("closed>")


async def test_its_thread_holds_up_no_end(reactor: Any, tmp_path: Path) -> None:
    before = set(threading.enumerate())
    database = Database(reactor, str(tmp_path / "state"), LIST, durable=True)
    await database.run(lambda cursor: None)
    (thread,) = set(threading.enumerate()) - before
    assert thread.daemon
    database.close()
    assert thread not in threading.enumerate()


@pytest.mark.parametrize("schema", [LIST, QUEUE])
@pytest.mark.parametrize(
    ("name", "mode", "sentence"),
    [
        ("-journal", 0o600, "it is not of this database, which has none"),
        ("-wal", 0o666, "others may write to it"),
        ("-shm", 0o620, "others may write to it"),
    ],
)
def test_what_others_put_beside_it_is_not_played_back(
    reactor: Any, tmp_path: Path, schema: Schema, name: str, mode: int, sentence: str
) -> None:
    """SQLite would; it stays as it is."""
    state = tmp_path / "state"
    Database(reactor, str(state), schema, durable=True).close()
    beside = state / f"{schema.name}{name}"
    beside.write_bytes(b"theirs")
    beside.chmod(mode)
    with pytest.raises(StoreError, match=sentence):
        Database(reactor, str(state), schema, durable=True)
    assert beside.read_bytes() == b"theirs"
    beside.unlink()
    Database(reactor, str(state), schema, durable=True).close()


@pytest.mark.parametrize("name", ["-journal", "-wal", "-shm"])
def test_a_link_beside_it_is_refused(reactor: Any, tmp_path: Path, name: str) -> None:
    state = tmp_path / "state"
    Database(reactor, str(state), LIST, durable=True).close()
    (state / f"{LIST.name}{name}").symlink_to(tmp_path / "nothing")
    with pytest.raises(StoreError):
        Database(reactor, str(state), LIST, durable=True)
    assert not (tmp_path / "nothing").exists()


async def test_what_a_killed_process_left_is_its_own(reactor: Any, tmp_path: Path) -> None:
    """A copy of the files as they are while it is open: its -wal is played back."""
    state, copy = tmp_path / "state", tmp_path / "copy"
    database = Database(reactor, str(state), LIST, durable=True)
    await database.run(lambda cursor: cursor.execute("CREATE TABLE mine (word)"))
    shutil.copytree(state, copy)
    database.close()
    assert (copy / f"{LIST.name}-wal").stat().st_size
    database = Database(reactor, str(copy), LIST, durable=True)
    await database.run(lambda cursor: cursor.execute("SELECT * FROM mine"))
    database.close()


# --- its lock -------------------------------------------------------------------------------


def looking(directory: Path) -> int:
    """The descriptor of one who looks whether `directory` is busy, and has not finished."""
    fd = os.open(directory / LOCK, os.O_RDONLY | os.O_CREAT, 0o600)
    fcntl.flock(fd, fcntl.LOCK_SH | fcntl.LOCK_NB)
    return fd


def test_who_looks_is_no_owner(tmp_path: Path) -> None:
    """Nor for another who looks, however many there are."""
    fd = looking(tmp_path)
    assert not is_busy(str(tmp_path))
    os.close(fd)
    fd = locked(str(tmp_path / LOCK))
    assert is_busy(str(tmp_path))
    os.close(fd)
    assert not is_busy(str(tmp_path))


def test_who_looks_keeps_nobody_from_it(tmp_path: Path) -> None:
    """It has the lock for a moment, after which it is asked for again."""
    fd = looking(tmp_path)
    os.close(locked(str(tmp_path / LOCK), lambda seconds: os.close(fd)))


def test_who_has_it_is_waited_for_in_vain(tmp_path: Path) -> None:
    """For 100 milliseconds."""
    waited = list[float]()
    fd = locked(str(tmp_path / LOCK))
    with pytest.raises(StoreBusy):
        locked(str(tmp_path / LOCK), waited.append)
    assert sum(waited) == pytest.approx(0.1)
    os.close(fd)
