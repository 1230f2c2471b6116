"""Which thread does what is done to files: what is in memory, what is slow, what is waited for."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
from support.asking import until
from support.hanging import Files
from support.spied import Time

from downloader.transfer.disks import CALM, SLOW, THREADS, Disk, Disks, is_in_memory
from downloader.transfer.lane import Lane


@pytest.fixture
def disk(clock: Time, hanging: Files) -> Disk:
    return Disks(clock, hanging, hanging.now, lambda device: False).disk(1)


def mounts() -> dict[str, str]:
    """What is mounted where, by the system's older table."""
    lines = Path("/proc/self/mounts").read_text("utf-8", "replace").splitlines()
    return {fields[1]: fields[2] for fields in map(str.split, lines)}


def test_what_is_in_memory() -> None:
    """A tmpfs is, and nothing else that is mounted here."""
    found = {kind for path, kind in mounts().items() if os.access(path, os.X_OK) and known(path)}
    assert found <= {"tmpfs", "ramfs"}
    assert not is_in_memory(0)


def known(path: str) -> bool:
    return is_in_memory(os.stat(path).st_dev)


def test_one_for_each_file_system(clock: Time) -> None:
    disks = Disks(clock, in_memory=lambda device: device == 2)
    assert disks.disk(1) is disks.disk(1) is not disks.disk(2)
    shown = "[<Disk on a disk, quick>, <Disk in memory, quick>]"
    assert repr(disks) == f"<Disks {shown}, 0 files in threads>"


@pytest.mark.parametrize(("cost", "slow"), [(0.0, False), (SLOW, False), (2 * SLOW, True)])
def test_slow_is_what_took_long(disk: Disk, hanging: Files, cost: float, slow: bool) -> None:
    hanging.cost = cost
    assert disk.do(Path.exists, Path("/")) is True
    assert disk.slow is slow


def test_slow_for_a_while(disk: Disk, hanging: Files) -> None:
    """From the last slow operation on, however many quick ones there were since."""
    for _ in range(3):
        disk.took(hanging.time - 2 * SLOW)
        hanging.time += CALM * 0.9
        disk.took(hanging.time)
        assert disk.slow
    hanging.time += CALM * 0.2
    assert not disk.slow


def test_one_that_fails_counts_too(disk: Disk, hanging: Files) -> None:
    hanging.cost = 2 * SLOW
    with pytest.raises(FileNotFoundError):
        disk.do(Path.stat, Path("/none"))
    assert disk.slow


async def test_slow_while_something_hangs(reactor: Any, hanging: Files) -> None:
    """It need not have come back; and `settled` waits for it."""
    disks = Disks(reactor, hanging, hanging.now, lambda device: False, patience=60)
    disk = disks.disk(1)
    lane = Lane(disk)
    hanging.hang("exists ")
    lane.put(disk.do, Path.exists, Path("/"))
    await until(reactor, lambda: hanging.held)
    assert not disk.slow
    hanging.time += 2 * SLOW
    assert disk.slow and repr(lane) == "<Lane 0 waiting, busy>"
    settled, twice = disks.settled(), disks.settled()
    assert not settled.called
    hanging.release()
    await settled
    await twice
    assert lane.idle and disk.slow
    assert disks.settled().called


async def test_patience_ends(reactor: Any, hanging: Files) -> None:
    disks = Disks(reactor, hanging, in_memory=lambda device: False, patience=0.01)
    disk = disks.disk(1)
    hanging.hang("exists ")
    Lane(disk).put(disk.do, Path.exists, Path("/"))
    await disks.settled()
    assert hanging.done == []
    hanging.release()
    await until(reactor, lambda: disks.settled().called)


async def test_lanes_are_apart(reactor: Any, hanging: Files) -> None:
    """What hangs in one holds up no other file, and no other disk, whatever their number."""
    disks = Disks(reactor, hanging, in_memory=lambda device: False, patience=60)
    done: list[int] = []
    hanging.hang("exists ")
    for _ in range(20):
        Lane(disks.disk(1)).put(disks.disk(1).do, Path.exists, Path("/"))
    lane = Lane(disks.disk(2))
    for number in range(100):
        lane.put(done.append, number)
    await until(reactor, lambda: len(done) == 100)
    assert done == list(range(100))
    hanging.release()
    await disks.settled()


async def test_lanes_take_turns(reactor: Any) -> None:
    """Those that always have something to do keep no other from its thread."""
    disks = Disks(reactor, in_memory=lambda device: False, patience=60)
    done: list[int] = []
    busy = [Lane(disks.disk(1)) for _ in range(THREADS)]

    def again(lane: Lane) -> None:
        if not done:
            lane.put(again, lane)

    for lane in busy:
        again(lane)
    Lane(disks.disk(1)).put(done.append, 1)
    await until(reactor, lambda: done)
    await disks.settled()
