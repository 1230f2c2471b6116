"""A database on a disk that hangs: nobody waits for it."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import pytest

from downloader.errors import StoreBusy, StoreError
from downloader.store.database import LIST, Database


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
