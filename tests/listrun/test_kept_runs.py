"""What a run keeps of its files when their disk, or whoever runs it, does not do as it should."""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from twisted.internet.defer import Deferred
from twisted.internet.task import deferLater

from downloader import Downloader, Job, Limits
from downloader.errors import BadLine
from downloader.jobs import Report, Result
from downloader.listrun.kept import Kept
from downloader.listrun.run import ListRun
from downloader.listrun.source import GivenJobs
from downloader.sansio.names import STATE
from downloader.store import JobStore
from downloader.store.jobstore import Row
from downloader.testing import Origin
from downloader.transfer.disks import Disks
from downloader.transfer.system import SYSTEM

LONG = 3_000_000


class Keeping:
    """List runs in one directory, whose directories cannot be synced while `sick`."""

    def __init__(self, reactor: Any, out: Path) -> None:
        self.sick = False
        self.failed: list[Result] = []
        self.out = out
        self.stores: list[JobStore] = []
        self._reactor = reactor
        self._system = SimpleNamespace(**{**vars(SYSTEM), "fsync": self._fsync})

    def run(self, *urls: str, limits: Limits | None = None) -> ListRun:
        disks = Disks(self._reactor, in_memory=lambda _: False, system=self._system)
        downloader = Downloader(self._reactor, disks=disks, limits=limits or Limits())
        store = JobStore(self._reactor, str(self.out / STATE))
        self.stores.append(store)
        source = GivenJobs([Job(url, str(self.out)) for url in urls])
        return ListRun(
            *(self._reactor, downloader, source, self),
            kept=lambda run: Kept(store, downloader, run.skipped, self.warned),
        )

    def names(self) -> set[str]:
        return {path.name for path in self.out.iterdir()} - {STATE}

    def job_failed(self, result: Result) -> None:
        self.failed.append(result)

    def line_refused(self, bad: BadLine) -> None:
        raise AssertionError(bad)

    def warned(self, sentence: str) -> None:
        raise AssertionError(sentence)

    def _fsync(self, fd: int) -> None:
        if self.sick and stat.S_ISDIR(os.fstat(fd).st_mode):
            raise OSError(errno.EIO, "Input/output error")
        os.fsync(fd)


@pytest.fixture
def keeping(reactor: Any, tmp_path: Path) -> Keeping:
    return Keeping(reactor, tmp_path / "out")


async def test_a_file_that_may_have_its_name(keeping: Keeping, origin: Origin) -> None:
    """Its directory could not be synced: it failed. The next run finds that it is there."""
    url = origin.add("/big", LONG)
    keeping.sick = True
    counts = await keeping.run(url).start()
    assert (counts.failed, len(keeping.failed), keeping.names()) == (1, 1, {"big"})
    keeping.sick = False
    counts = await keeping.run(url).start()
    assert (counts.skipped, keeping.names(), dict(origin.requests)) == (1, {"big"}, {"/big": 1})


async def test_long_files_are_kept_together(reactor: Any, keeping: Keeping, origin: Origin) -> None:
    """Those that are whole while others are kept wait for one commit, and not for one each."""
    run = keeping.run(*[origin.add(f"/{n}", 100_000) for n in range(60)], limits=Limits(total=60))
    groups: list[int] = []
    (store,) = keeping.stores
    end = store.end

    def slow(rows: list[Row]) -> Deferred[None]:
        groups.append(sum(row.status == "committing" for row in rows))
        return deferLater(reactor, 0.01).addCallback(lambda _: end(rows))

    store.end = slow  # type: ignore[method-assign,assignment]
    counts = await run.start()
    assert (counts.complete, sum(groups)) == (60, 60)
    assert max(groups) > 1


async def test_cancelled_twice(reactor: Any, keeping: Keeping, origin: Origin) -> None:
    """The second changes nothing: what has come is kept, and the store is closed."""
    urls = [*[origin.add(f"/{n}", 300) for n in range(20)], origin.add_silent("/silent")]
    run = keeping.run(*urls)
    done: Deferred[Report] = run.start()
    while run.counts.complete < 20 or not origin.silent:
        await deferLater(reactor, 0.005)
    done.cancel()
    done.cancel()
    counts = await done
    assert (counts.complete, counts.pending) == (20, 1)
    run = keeping.run(*urls[:20])
    assert (await run.start()).skipped == 20
