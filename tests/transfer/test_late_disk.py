"""A file system that tells of an error only at close, as NFS, CIFS and FUSE may (close(2))."""

from __future__ import annotations

import errno
import os
import stat
from collections import Counter
from collections.abc import Callable, Generator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from support.playing import error_of, take
from twisted.internet.defer import Deferred

from downloader import Downloader, Durability, Job, OnConflict
from downloader.errors import DiskError, DiskFull
from downloader.testing import AgentSpy, Origin
from downloader.transfer.disks import Disks
from downloader.transfer.folder import Folder
from downloader.transfer.partfile import PartFile
from downloader.transfer.system import SYSTEM, System

Make = Callable[..., Downloader]
URL = "http://h.example/a"
NAMES = ["a", "host/deep/a"]
BODIES = [[b"abcdef"], [b"abc", b"def"]]
WAYS = ["a whole file", "a part file"]


class LateDisk:
    """The files below `root` tell what `number` means when they are closed: each `times` times,
    after `fine` closes that went well.

    As in Linux the descriptor is gone all the same, and another's file gets its number at once:
    `robbed` are those of these others that somebody has closed.
    """

    def __init__(self, root: str) -> None:
        self.number = 0
        self.times = 1
        self.fine = 0
        self.told = 0
        self._root = root
        self._closes: Counter[int] = Counter()  # by inode
        self._others: list[tuple[int, os.stat_result]] = []
        self._close = os.close

    def close(self, fd: int) -> None:
        """In the place of os.close."""
        tells = self.number and self._is_file_below(fd)
        inode = os.fstat(fd).st_ino if tells else 0
        self._close(fd)
        self._closes[inode] += 1
        if not tells or not self.fine < self._closes[inode] <= self.fine + self.times:
            return
        self.told += 1
        other = os.open(__file__, os.O_RDONLY | os.O_CLOEXEC)
        self._others.append((other, os.fstat(other)))
        raise OSError(self.number, os.strerror(self.number))

    def _is_file_below(self, fd: int) -> bool:
        try:
            below = os.readlink(f"/proc/self/fd/{fd}").startswith(f"{self._root}/")
            return below and stat.S_ISREG(os.fstat(fd).st_mode)
        except OSError:
            return False

    @property
    def robbed(self) -> list[int]:
        return [fd for fd, was in self._others if not _is_still(fd, was)]

    def mend(self) -> None:
        """It works again; those others are closed by whom they belong to."""
        self.number = 0
        others, self._others = self._others, []
        for fd, _ in others:
            self._close(fd)


def _is_still(fd: int, was: os.stat_result) -> bool:
    try:
        return os.path.samestat(os.fstat(fd), was)
    except OSError:
        return False


@pytest.fixture
def late(out: str) -> Generator[LateDisk, None, None]:
    """Such a disk; no real file system here fails at close."""
    disk = LateDisk(out)
    yield disk
    disk.mend()


@pytest.fixture
def system(late: LateDisk) -> System:
    """The system calls, with its own close."""
    return SimpleNamespace(**{**vars(SYSTEM), "close": late.close})


def fetch(downloader: Downloader, spy: AgentSpy, job: Job, pieces: list[bytes]) -> Deferred[Any]:
    """Fetch `job`, whose body comes in these pieces."""
    fetching = downloader.fetch(job)
    response = spy.requests[-1].answer(200, length=sum(map(len, pieces)))
    for piece in pieces:
        response.feed(piece)
    response.finish()
    return fetching


def files(out: str) -> list[str]:
    return sorted(path.name for path in Path(out).rglob("*") if path.is_file())


@pytest.mark.parametrize("times", [1, 2], ids=["once", "each time"])
@pytest.mark.parametrize("number", [errno.EDQUOT, errno.ENOSPC, errno.EIO])
@pytest.mark.parametrize("pieces", BODIES, ids=WAYS)
@pytest.mark.parametrize("name", NAMES)
def test_it_gets_no_name(
    make: Make,
    spy: AgentSpy,
    late: LateDisk,
    out: str,
    name: str,
    pieces: Any,
    number: int,
    times: int,
) -> None:
    """Bytes that the disk may have lost are no file; nobody else's descriptor is closed."""
    late.number, late.times = number, times
    error = error_of(fetch(make(), spy, Job(URL, out, name=name), pieces))
    assert type(error) is (DiskError if number == errno.EIO else DiskFull)
    assert late.told and late.robbed == []
    assert "a" not in files(out)
    late.mend()
    take(fetch(make(), spy, Job(URL, out, name=name), pieces))
    assert files(out) == ["a"] and Path(out, name).read_bytes() == b"abcdef"


@pytest.mark.parametrize("pieces", BODIES, ids=WAYS)
@pytest.mark.parametrize("name", NAMES)
def test_what_was_there_stays(
    make: Make, spy: AgentSpy, late: LateDisk, out: str, name: str, pieces: Any
) -> None:
    """A file that was to be overwritten is as it was."""
    path = Path(out, name)
    path.parent.mkdir(parents=True)
    path.write_bytes(b"before")
    late.number = errno.EDQUOT
    downloader = make(on_conflict=OnConflict.OVERWRITE)
    assert type(error_of(fetch(downloader, spy, Job(URL, out, name=name), pieces))) is DiskFull
    assert path.read_bytes() == b"before" and late.told and late.robbed == []


@pytest.mark.parametrize("name", NAMES)
def test_a_part_file_that_is_only_kept(
    make: Make, spy: AgentSpy, late: LateDisk, out: str, name: str
) -> None:
    """Nothing is promised of it: what is told is why the transfer ended."""
    late.number, late.times = errno.EIO, 2
    downloader = make()
    fetching = downloader.fetch(Job(URL, out, name=name))
    spy.requests[-1].answer(200, length=6).feed(b"abc")
    fetching.cancel()
    fetching.addErrback(lambda failure: None)
    assert late.told == 1 and late.robbed == []
    assert files(out) == ["a.part"]


def test_a_part_file_is_closed_once(late: LateDisk, folder: Folder) -> None:
    """However often it is ended."""
    part = PartFile(folder, "host/a")
    part.write(b"abc")
    late.number, late.times = errno.EIO, 9
    part.keep()
    part.keep()
    part.discard()
    assert (late.told, late.robbed) == (1, [])


@pytest.mark.parametrize("pieces", BODIES, ids=WAYS)
@pytest.mark.parametrize("name", NAMES)
def test_what_is_told_after_the_name_was_given(
    make: Make, spy: AgentSpy, late: LateDisk, out: str, name: str, pieces: Any
) -> None:
    """By then the disk had said that it has all, so the file is whole, and no failure has a file
    under its name."""
    late.number, late.fine = errno.EIO, 1
    result = take(fetch(make(), spy, Job(URL, out, name=name), pieces))
    assert (result.bytes, late.told, late.robbed) == (6, 1, [])
    assert files(out) == ["a"] and Path(out, name).read_bytes() == b"abcdef"


async def test_in_a_thread(
    reactor: Any, late: LateDisk, system: System, out: str, origin: Origin
) -> None:
    """Where a long body is written on a disk."""
    url = origin.add("/deep/a", 3_000_000)
    late.number = errno.EDQUOT
    disks = Disks(
        reactor, in_memory=lambda device: False, system=system, durability=Durability.NONE
    )
    downloader = Downloader(reactor, disks=disks)
    try:
        with pytest.raises(DiskFull):
            await downloader.fetch(Job(url, out, name="deep/a"))
        assert late.told and late.robbed == []
        assert files(out) == ["a.part"]
    finally:
        await downloader.close()
