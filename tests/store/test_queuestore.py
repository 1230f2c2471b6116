"""The queue's rows: kept together, in the order of the queue, and one process at a time."""

from __future__ import annotations

from collections.abc import Callable, Generator
from pathlib import Path
from typing import Any

import pytest
from support.held import HeldStore
from twisted.internet.defer import CancelledError, DeferredList

from downloader.errors import StoreBusy, StoreError
from downloader.store import QueueRow, QueueStore

Open = Callable[[], QueueStore]


@pytest.fixture
def open_store(reactor: Any, tmp_path: Path) -> Generator[Callable[..., Any], None, None]:
    """Open the store, which is closed at the end, or before it is opened again."""
    opened: list[QueueStore] = []

    def close() -> None:
        while opened:
            opened.pop().close()

    def one(kind: type[QueueStore] = QueueStore) -> QueueStore:
        close()
        opened.append(kind(reactor, str(tmp_path / "state")))
        return opened[-1]

    yield one
    close()


def row(number: int, priority: int = 0, place: float | None = None, **more: Any) -> QueueRow:
    place = float(number) if place is None else place
    return QueueRow(number, f"{number:016x}", "waiting", priority, place, "{}", **more)


async def test_rows_come_back_in_the_queues_order(open_store: Any) -> None:
    """By priority, the highest first, then by place, then by number; with all they hold."""
    full = row(9, 5, 1.5, path="a/b", inode=-7, size=2**62, told='{"bytes": 1}')
    rows = [row(1), row(2, 5, 2.5), row(3, place=-1.0), row(4, place=-1.0), full]
    await open_store().save(rows)
    found = await open_store().load()
    assert found == [full, rows[1], rows[2], rows[3], rows[0]]


async def test_a_later_row_takes_the_place_of_an_earlier_one(open_store: Any) -> None:
    store = open_store()
    await store.save([row(1), row(2)])
    await store.save([row(1, 3)], [2])
    assert await open_store().load() == [row(1, 3)]


async def test_what_is_asked_while_something_is_kept_goes_together(open_store: Any) -> None:
    """The last word counts; each hears when it is kept."""
    store = open_store()
    asked = [
        store.save([row(1)]),
        *(store.save([row(2)]), store.save([row(3)], [2]), store.save([row(3, 7)], [1])),
    ]
    assert await DeferredList(asked) == [(True, None)] * 4
    assert await open_store().load() == [row(3, 7)]


async def test_what_cannot_be_kept_is_not_kept_in_part(open_store: Any) -> None:
    """And what comes later is."""
    store = open_store()
    with pytest.raises(StoreError):
        await store.save([row(1), row(2)._replace(gid=None)])
    await store.save([row(3)])
    assert await open_store().load() == [row(3)]


async def test_rows_that_make_no_sense_fail_like_a_store(
    open_store: Any, logged_failures: Any
) -> None:
    """It is a bug, which is logged; nobody waits for ever."""
    store = open_store()
    with pytest.raises(StoreError):
        await store.save([row(2**70)])
    assert [failure.type for failure in logged_failures.flush()] == [OverflowError]
    assert await store.load() == []


async def test_who_waits_no_longer_has_it_kept(open_store: Any) -> None:
    store = open_store(HeldStore)
    store.hold()
    done = store.save([row(1)])
    done.cancel()
    with pytest.raises(CancelledError):
        await done
    store.release.set()
    await store.save([])
    assert await open_store().load() == [row(1)]


async def test_closing_loses_nothing_that_was_asked(
    open_store: Any, reactor: Any, tmp_path: Path
) -> None:
    """It is done first, however late; until then the state is nobody else's."""
    store = open_store(HeldStore)
    store.hold()
    first, second = store.save([row(1)]), store.save([row(2)])
    store.close()
    with pytest.raises(StoreBusy):
        QueueStore(reactor, str(tmp_path / "state"))
    store.release.set()
    await first
    await second
    assert await open_store().load() == [row(1), row(2)]


async def test_what_is_asked_of_one_that_is_closed_fails(open_store: Any) -> None:
    store = open_store()
    store.close()
    for asked in (store.load, lambda: store.save([row(1)])):
        with pytest.raises(StoreError, match="it is closed"):
            await asked()
