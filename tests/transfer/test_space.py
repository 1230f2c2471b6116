"""Waiting for space: who is told, when it is looked at, and that nothing is left of it."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest
from support.filling import Filling
from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.task import Clock

from downloader.transfer.space import Space, can_write, device_of

EVERY = 3.0


class Looking:
    """Looks that the test answers; a directory's disk is the number it begins with."""

    def __init__(self) -> None:
        self.clock = Clock()
        self.asked: list[tuple[str, Deferred[bool]]] = []
        self.told: list[str] = []
        self.space = Space(self.clock, self._look, lambda d: int(d[0]), self.told.append, EVERY)

    def _look(self, directory: str) -> Deferred[bool]:
        answer: Deferred[bool] = Deferred()
        self.asked.append((directory, answer))
        return answer

    def answer(self, found: bool) -> None:
        self.asked.pop(0)[1].callback(found)


@pytest.fixture
def looking() -> Looking:
    return Looking()


def test_all_that_wait_for_a_disk_go_on_together(looking: Looking) -> None:
    """In their order, and it is said once that it is full and once that it is not."""
    order: list[int] = []
    for number in range(3):
        waiting = looking.space.wait(f"1/{number}")
        waiting.addCallback(lambda _, number=number: order.append(number))
    assert looking.space.is_full("1/other") and not looking.space.is_full("2/other")
    for _ in range(4):
        looking.clock.advance(EVERY)
        looking.answer(False)
    assert order == []
    looking.clock.advance(EVERY)
    looking.answer(True)
    assert order == [0, 1, 2]
    assert not looking.space.is_full("1/0")
    assert looking.told == [
        "the disk is full: 1/0; going on when there is space",
        "there is space again: 1/0; going on",
    ]
    assert looking.clock.getDelayedCalls() == []


def test_disks_are_waited_for_one_by_one(looking: Looking) -> None:
    first, second = looking.space.wait("1"), looking.space.wait("2")
    looking.clock.advance(EVERY)
    looking.answer(False)
    looking.answer(True)
    assert second.called and not first.called
    first.cancel()
    first.addErrback(lambda failure: failure.trap(CancelledError))


@pytest.mark.parametrize("during_a_look", [False, True])
def test_nobody_looks_when_nobody_waits(looking: Looking, during_a_look: bool) -> None:
    waiting = [looking.space.wait("1"), looking.space.wait("1")]
    if during_a_look:
        looking.clock.advance(EVERY)
    for one in waiting:
        one.cancel()
        one.addErrback(lambda failure: failure.trap(CancelledError))
    if during_a_look:
        looking.answer(True)
    assert looking.clock.getDelayedCalls() == []
    assert not looking.space.is_full("1")
    assert len(looking.told) == 1


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT])
@pytest.mark.parametrize("call", ["write", "fsync", "open", "statvfs"])
def test_a_trial_meets_what_statvfs_does_not_tell(tmp_path: Path, call: str, number: int) -> None:
    """And leaves nothing."""
    disk = Filling()
    disk.fill(number, frozenset((call,)))
    assert not can_write(disk.system, str(tmp_path))
    disk.empty()
    assert can_write(disk.system, str(tmp_path / "not" / "there"))
    assert os.listdir(tmp_path) == []


def test_another_fault_is_for_the_jobs_to_meet(tmp_path: Path) -> None:
    disk = Filling()
    disk.fill(errno.EROFS, frozenset(("open",)))
    assert can_write(disk.system, str(tmp_path))


def test_a_directory_that_is_not_there_is_on_the_disk_above(tmp_path: Path) -> None:
    assert device_of(str(tmp_path / "a" / "b")) == os.stat(tmp_path).st_dev
    assert device_of("not-there") == os.stat(".").st_dev
