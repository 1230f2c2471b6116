"""Every call that may fail, failing once: the result is true, and the same again succeeds."""

from __future__ import annotations

import errno
import itertools
import os
from collections.abc import Callable
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from support.hostileparts import leave
from support.torture import WRITES, Faults, FaultyAgent, FaultyStore

from downloader import Downloader, Job, Limits, OnConflict, Result, Retries, Status
from downloader.errors import DiskError, DiskFull, TryAgainLater
from downloader.http1.agent import Agent
from downloader.listrun.forms import FetchForm
from downloader.listrun.kept import Kept
from downloader.listrun.run import ListRun
from downloader.listrun.source import open_list
from downloader.sansio.names import STATE
from downloader.store import JobStore
from downloader.testing import Connection
from downloader.transfer.disks import Disks

SHORT = bytes(range(100))
LONG = bytes(range(251)) * 800
HALF = len(LONG) // 2
MINE = b"mine"
SUM = f"sha-256={sha256(LONG).hexdigest()}"
# Files that are served, by the first letter of their names: `c` ones are cut once.
FILES = {"s": SHORT, "l": LONG, "c": LONG}
NETWORK = ("resolve", "connect", "send")
STORE = ("find", "plan", "end")


@dataclass(frozen=True)
class Scenario:
    """`names` are fetched; `before` are files that are there, with their bytes.

    `half` are those of which half is there. With `listed`, a list has them and its state is kept,
    and with `again` it has been run before, and the files `lost` are gone since.
    """

    names: tuple[str, ...]
    before: dict[str, bytes] = field(default_factory=dict)
    half: tuple[str, ...] = ()
    conflict: OnConflict = OnConflict.RENAME
    subdirectory: str = ""
    checksum: str | None = None
    listed: bool = False
    again: bool = False
    lost: tuple[str, ...] = ()
    slow: bool = False


MANY = tuple(f"s{n}" for n in range(6))
SCENARIOS = {
    "a short file": Scenario(("s",)),
    "short files together": Scenario(MANY),
    "a long file": Scenario(("l",)),
    "a long file on a slow disk": Scenario(("l", "s"), slow=True),
    "a file that is cut": Scenario(("c",)),
    "a file that is gone on with": Scenario(("l",), half=("l",)),
    "nested directories": Scenario(("s", "l"), subdirectory="a/b"),
    "overwriting": Scenario(("s", "l"), {"s": MINE, "l": MINE}, conflict=OnConflict.OVERWRITE),
    "names that are taken": Scenario(("s", "l"), {"s": MINE, "l": MINE}),
    "a checksum": Scenario(("l",), half=("l",), checksum=SUM),
    "a list": Scenario(("s1", "s2", "l", "s3"), listed=True),
    "a list again": Scenario(("s1", "s2", "l", "l2"), listed=True, again=True, lost=("s2", "l2")),
}


class Torture:
    """One scenario in one directory, as often as it takes."""

    def __init__(self, reactor: Any, server: Any, scenario: Scenario, root: Path) -> None:
        self.scenario = scenario
        self.root = root
        self.out = root / "out"
        self._reactor = reactor
        self._server = server
        self._list = root / "list"

    async def prepare(self) -> None:
        """What is there before."""
        scenario = self.scenario
        self.out.mkdir(parents=True)
        for name, data in scenario.before.items():
            (self.out / name).write_bytes(data)
        for job in self._jobs():
            if job.url.rpartition("/")[2] in scenario.half:
                leave(job, LONG[:HALF], len(LONG))
        self._list.write_text("".join(f"{job.url}\n" for job in self._jobs()))
        if scenario.again:
            await self.run(Faults())
            for name in scenario.lost:
                (self.out / name).unlink()

    async def run(self, faults: Faults) -> list[Result]:
        """What came of each job."""
        ticks = itertools.count()
        clock = {"seconds": lambda: next(ticks) / 50} if self.scenario.slow else {}
        disks = Disks(
            self._reactor, in_memory=lambda _: False, system=faults.system, look_every=0.01, **clock
        )
        agent = Agent(self._reactor)
        downloader = Downloader(
            self._reactor,
            agent=FaultyAgent(agent, faults),
            limits=Limits(total=8),
            retries=Retries(tries=2, wait=0, max_wait=0),
            on_conflict=self.scenario.conflict,
            disks=disks,
        )
        results: list[Result] = []
        do = self._run_list if self.scenario.listed else self._run_jobs
        await do(downloader, faults, results)
        await downloader.close()
        await agent.close()
        assert downloader.limiter.idle
        return results

    async def _run_jobs(self, downloader: Downloader, _: Faults, results: list[Result]) -> None:
        await downloader.fetch_all(self._jobs(), results.append).addTimeout(20, self._reactor)

    async def _run_list(
        self, downloader: Downloader, faults: Faults, results: list[Result]
    ) -> None:
        store: Any = FaultyStore(JobStore(self._reactor, str(self.out / STATE)), faults)
        watcher = Watcher(results)
        run = ListRun(
            self._reactor,
            downloader,
            open_list(self._reactor, str(self._list), FetchForm(str(self.out))),
            watcher,
            kept=lambda one: Kept(store, downloader, one.skipped, watcher.warned),
        )
        counts = await run.start().addTimeout(20, self._reactor)
        assert counts.complete + counts.failed + counts.skipped == len(self.scenario.names)
        assert counts.failed == len(results)

    def _jobs(self) -> list[Job]:
        scenario = self.scenario
        return [
            Job(
                self._server.url(f"/{self.root.name}/{name}"),
                str(self.out),
                checksum=scenario.checksum,
                subdirectory=scenario.subdirectory,
            )
            for name in scenario.names
        ]

    def wrong(self) -> list[str]:
        """The files under final names that should not be there as they are."""
        found = []
        for path in self.out.rglob("*"):
            inner = path.relative_to(self.out).parts
            if path.is_dir() or inner[0] == STATE or path.name.endswith((".part", ".journal")):
                continue
            good = {FILES[path.name[0]]}
            if path.name in self.scenario.before:
                mine = self.scenario.before[path.name]
                good = {mine, *good} if self.scenario.conflict is OnConflict.OVERWRITE else {mine}
            if path.read_bytes() not in good:
                found.append(str(path))
        return found

    def missing(self) -> list[str]:
        """What should be there in the end, and is not; and part files that should not.

        One that is a second name of a whole file may be, and a journal that is alone.
        """
        whole = {path.name.partition(".")[0] for path in self._whole()}
        parts = [path for path in self.left() if path.suffix == ".part"]
        left = [path.name for path in parts if path.stat().st_nlink == 1]
        return [*set(self.scenario.names) - whole, *left]

    def left(self) -> list[Path]:
        """The part files and journals."""
        return [path for path in self.out.rglob("*") if path.suffix in (".part", ".journal")]

    def remove(self) -> None:
        """Remove what was fetched."""
        for path in self._whole():
            path.unlink()

    def _whole(self) -> list[Path]:
        there = [path for path in self.out.rglob("*") if path.is_file() and path.suffix != ".part"]
        return [path for path in there if path.read_bytes() == FILES.get(path.name[0])]


class Watcher:
    """Hears of what failed."""

    def __init__(self, results: list[Result]) -> None:
        self.job_failed = results.append

    def line_refused(self, bad: Any) -> None: ...

    def warned(self, sentence: str) -> None: ...


def serving(cut: set[str]) -> Callable[[Connection], Any]:
    """An honest server of FILES, but for what it cuts; `cut` are the paths that it has."""

    async def serve(connection: Connection) -> None:
        while True:
            head = await connection.head()
            path = head.split(b" ")[1].decode()
            data = FILES[path.rpartition("/")[2][0]]
            start, status = 0, b"200 OK\r\n"
            for line in head.split(b"\r\n"):
                if line.lower().startswith(b"range: bytes="):
                    start = int(line.partition(b"=")[2].partition(b"-")[0])
                    place = (start, len(data) - 1, len(data))
                    status = b"206 Part\r\nContent-Range: bytes %d-%d/%d\r\n" % place
            fields = b'ETag: "v1"\r\nContent-Length: %d\r\n\r\n' % (len(data) - start)
            stop = len(data)
            if "/c" in path and path not in cut:
                cut.add(path)
                stop = HALF
            connection.send(b"HTTP/1.1 " + status + fields + data[start:stop])
            if stop < len(data):
                connection.close()

    return serve


def open_below(root: Path) -> list[str]:
    """The descriptors of files below `root`."""
    found = []
    for fd in os.listdir("/proc/self/fd"):
        try:
            found.append(os.readlink(f"/proc/self/fd/{fd}"))
        except FileNotFoundError:
            continue
    return [path for path in found if path.startswith(str(root))]


def untrue(faults: Faults, number: int, results: list[Result]) -> list[str]:
    """The results that do not say what went wrong."""
    # Where it was full while files were synced, they fail: nobody knows what the disk has of them.
    kinds: tuple[type[Exception], ...] = (DiskError, *[DiskFull] * (number == errno.ENOSPC))
    if faults.met in NETWORK:
        kinds = (TryAgainLater,)
    elif faults.met in STORE:
        kinds = ()
    return [
        repr(result.error)
        for result in results
        if result.error is not None and not isinstance(result.error, kinds)
    ]


@pytest.mark.parametrize("name", SCENARIOS)
async def test_every_call_fails_once(
    reactor: Any, scripted: Any, tmp_path: Path, name: str
) -> None:
    server = scripted(serving(set()))
    met, wrong = set(), []
    for k in itertools.count():
        for number in (errno.EIO, errno.ENOSPC):
            torture = Torture(reactor, server, SCENARIOS[name], tmp_path / f"{k}-{number}")
            await torture.prepare()
            faults = Faults(k, number)
            results = await torture.run(faults)
            found = [*untrue(faults, number, results), *torture.wrong(), *open_below(torture.root)]
            for _ in range(2):
                results = await torture.run(Faults())
                found += [repr(one.error) for one in results if one.status is not Status.COMPLETE]
                found += [*torture.wrong(), *torture.missing(), *open_below(torture.root)]
                torture.remove()
            found += map(str, torture.left())
            if found:
                wrong.append((k, faults.met, errno.errorcode[number], found))
            if faults.met not in WRITES:
                break
        met.add(faults.met)
        if not faults.met:
            break
    assert not wrong, "\n".join(map(str, wrong))
    assert {"open", "close", "resolve", "connect", "send"} <= met
