"""Rows that survive: where they are found again, and who may have them."""

from __future__ import annotations

import os
import sqlite3
import stat
from collections.abc import Callable, Generator
from pathlib import Path
from typing import Any

import pytest

from downloader.errors import StoreBusy, StoreError, StoreTooNew
from downloader.jobs import Record
from downloader.store import JobStore
from downloader.store.jobstore import Row

Open = Callable[[], JobStore]


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    return tmp_path / "state"


@pytest.fixture
def open_store(reactor: Any, directory: Path) -> Generator[Open, None, None]:
    """Open the store, which is closed at the end, or before it is opened again."""
    opened: list[JobStore] = []

    def close() -> None:
        while opened:
            opened.pop().close()

    def one() -> JobStore:
        close()
        opened.append(JobStore(reactor, str(directory)))
        return opened[-1]

    yield one
    close()


def records(*keys: int, first: int = 0) -> list[Record]:
    return [Record(first + n, key) for n, key in enumerate(keys)]


def row(number: int, key: int, status: str = "complete", **more: Any) -> Row:
    return Row(number, key, f"f{key}", status, **more)


async def paths(store: JobStore, *keys: int, first: int = 0) -> list[str | None]:
    found = await store.find(records(*keys, first=first))
    return [None if one is None else one.path for one in found]


async def test_what_was_kept_is_found(open_store: Open) -> None:
    store = open_store()
    full = Row(1, 20, "sub/ä", "complete", 77, 2**40, '"e"', "Mon", "sha-256=00")
    await store.plan([(0, 10, "f10")])
    await store.end([full])
    store = open_store()
    assert await store.find(records(10, 20, 30)) == [Row(0, 10, "f10", "planned"), full, None]


async def test_what_came_of_a_job_takes_the_place_of_its_plan(open_store: Open) -> None:
    store = open_store()
    await store.plan([(0, 10, "f10")])
    await store.end([row(0, 10, "failed")])
    await store.end([row(0, 10)])
    assert await store.find(records(10)) == [row(0, 10)]


async def test_numbers_up_to_63_bits(open_store: Open) -> None:
    store = open_store()
    await store.end([row(0, 2**63 - 1)])
    assert await paths(open_store(), 2**63 - 1) == [f"f{2**63 - 1}"]


# --- a list that has changed ------------------------------------------------------------------


async def test_a_longer_list(open_store: Open) -> None:
    store = open_store()
    await store.end([row(0, 10), row(1, 20)])
    assert await paths(open_store(), 10, 20, 30) == ["f10", "f20", None]


@pytest.mark.parametrize(
    ("now", "found"),
    [
        ([5, 10, 20, 30], [None, "f10", "f20", "f30"]),
        ([20, 30], ["f20", "f30"]),
        ([30, 20, 10], ["f30", "f20", "f10"]),
        ([10, 25, 30], ["f10", None, "f30"]),
        ([10, 10], ["f10", None]),
    ],
)
@pytest.mark.parametrize("at_a_time", [1, 2, 9])
async def test_lines_are_known_wherever_they_are(
    open_store: Open, now: list[int], found: list[str | None], at_a_time: int
) -> None:
    """However many are looked for at a time; and the next run finds them in their new places."""
    await open_store().end([row(n, key) for n, key in enumerate((10, 20, 30))])
    for _ in range(2):
        store = open_store()
        seen = []
        for first in range(0, len(now), at_a_time):
            seen += await paths(store, *now[first : first + at_a_time], first=first)
        assert seen == found
        missing = [n for n, path in enumerate(found) if path is None]
        await store.plan([(n, now[n], f"f{now[n]}") for n in missing])
        found = [f"f{key}" for key in now]


async def test_equal_lines_keep_their_order(open_store: Open) -> None:
    rows = [Row(n, 10, f"a.{n}", "complete") for n in range(3)]
    await open_store().end(rows)
    store = open_store()
    assert await paths(store, 5, 10, 10, 10) == [None, "a.0", "a.1", "a.2"]


async def test_one_list_and_then_another(open_store: Open) -> None:
    """Again and again in the same directory: each finds its own."""
    one, other = [10, 20, 30], [40, 50]
    for _ in range(3):
        for keys in (one, other):
            store = open_store()
            seen = await paths(store, *keys)
            await store.end([row(n, key) for n, key in enumerate(keys) if seen[n] is None])
    assert await paths(open_store(), *one) == ["f10", "f20", "f30"]


async def test_killed_while_a_changed_list_was_read(open_store: Open) -> None:
    """Half of its lines are in their new places."""
    await open_store().end([row(n, key) for n, key in enumerate((10, 20, 30, 40))])
    assert await paths(open_store(), 5, 10) == [None, "f10"]
    assert await paths(open_store(), 5, 10, 20, 30, 40) == [None, "f10", "f20", "f30", "f40"]


# --- whose it is ------------------------------------------------------------------------------


def test_one_process_at_a_time(open_store: Open, reactor: Any, directory: Path) -> None:
    open_store()
    with pytest.raises(StoreBusy, match="state"):
        JobStore(reactor, str(directory))


@pytest.mark.parametrize("mask", [0o000, 0o022, 0o077])
def test_it_is_its_owners(open_store: Open, directory: Path, mask: int) -> None:
    """Whatever the umask: paths tell what was fetched."""
    before = os.umask(mask)
    try:
        open_store()
    finally:
        os.umask(before)
    assert stat.S_IMODE(directory.stat().st_mode) & 0o077 == 0
    for file in directory.iterdir():
        assert stat.S_IMODE(file.stat().st_mode) & 0o077 == 0


def test_one_of_a_newer_version_is_left_alone(open_store: Open, directory: Path) -> None:
    open_store().close()
    file = directory / "state.sqlite"
    with sqlite3.connect(file) as database:
        database.execute("PRAGMA user_version = 99")
    database.close()
    before = file.read_bytes()
    with pytest.raises(StoreTooNew, match="99"):
        open_store()
    assert file.read_bytes() == before


def test_what_is_no_database_is_told(open_store: Open, directory: Path) -> None:
    """And never taken for an empty one."""
    directory.mkdir()
    (directory / "state.sqlite").write_bytes(b"not a database" * 100)
    with pytest.raises(StoreError, match="not a database"):
        open_store()
    assert (directory / "state.sqlite").read_bytes().startswith(b"not a database")


@pytest.mark.parametrize("name", ["state.sqlite", "lock"])
def test_a_link_in_its_place_is_refused(open_store: Open, directory: Path, name: str) -> None:
    directory.mkdir()
    other = directory.parent / "other"
    other.write_bytes(b"theirs")
    (directory / name).symlink_to(other)
    with pytest.raises(StoreError):
        open_store()
    assert other.read_bytes() == b"theirs"


async def test_a_database_that_is_damaged_later(open_store: Open, directory: Path) -> None:
    store = open_store()
    await store.end([row(n, n) for n in range(2000)])
    open_store().close()
    with (directory / "state.sqlite").open("r+b") as file:
        file.seek(4096)
        file.write(os.urandom(3 * 4096))
    with pytest.raises(StoreError):
        await open_store().find(records(*range(2000)))


@pytest.mark.parametrize("durable", [True, False])
def test_its_names_are_on_the_disk_before_it_is_used(
    reactor: Any, directory: Path, durable: bool
) -> None:
    """A loss of power takes no directory with rows that were committed in it."""
    synced: list[str] = []

    def fsync(fd: int) -> None:
        synced.append(os.readlink(f"/proc/self/fd/{fd}"))

    JobStore(reactor, str(directory), durable, fsync).close()
    assert synced == ([str(directory), str(directory.parent)] if durable else [])
