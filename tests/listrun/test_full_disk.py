"""A disk that is full stops a list, and no file of it fails: it goes on when there is space."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Generator
from pathlib import Path
from typing import Any

import pytest
import pytest_twisted
from support.filling import WRITES, Filling, Small
from support.versions import Versions, field
from twisted.internet.defer import Deferred
from twisted.internet.task import deferLater

from downloader import Downloader, Durability, Job, Limits, Retries, Timeouts
from downloader.errors import BadLine, DiskFull
from downloader.jobs import Report, Result
from downloader.listrun.forms import FetchForm
from downloader.listrun.kept import Kept
from downloader.listrun.run import ListRun
from downloader.listrun.source import open_list
from downloader.sansio.names import STATE
from downloader.store import JobStore
from downloader.testing import Origin, content
from downloader.transfer.disks import Disks

SYNCS = frozenset(("fsync", "syncfs"))
LINKS = frozenset(("link",))


class Pausing:
    """A list run on a disk that the test fills: into `out`, and told to this watcher."""

    def __init__(self, reactor: Any, folder: Path, **options: Any) -> None:
        self.disk: Filling = options.pop("disk", None) or Filling()
        self.warnings: list[str] = []
        self.failed: list[Result] = []
        self.out = folder / "out"
        self._reactor = reactor
        disks = Disks(
            reactor, in_memory=lambda _: False, system=self.disk.system,
            durability=options.pop("durability", Durability.BATCH), look_every=0.01,
        )  # fmt: skip
        retries = Retries(tries=1)
        self.downloader = Downloader(reactor, disks=disks, **{"retries": retries, **options})
        self.store = JobStore(reactor, str(self.out / STATE))
        self.list = folder / "list"
        self.run: ListRun

    def job_failed(self, result: Result) -> None:
        self.failed.append(result)

    def line_refused(self, bad: BadLine) -> None:
        raise AssertionError(bad)

    def warned(self, sentence: str) -> None:
        self.warnings.append(sentence)

    def start(self, urls: list[str]) -> Deferred[Report]:
        self.list.write_text("".join(f"{url}\n" for url in urls))
        source = open_list(self._reactor, str(self.list), FetchForm(str(self.out)))
        downloader, store = self.downloader, self.store
        self.run = ListRun(
            self._reactor, downloader, source, self,
            kept=lambda run: Kept(store, downloader, run.skipped, self.warned),
        )  # fmt: skip
        return self.run.start()

    async def until(self, condition: Callable[[], Any]) -> None:
        while not condition():
            await deferLater(self._reactor, 0.005)

    @property
    def full(self) -> str:
        return f"the disk is full: {self.out}; going on when there is space"

    @property
    def on(self) -> str:
        return f"there is space again: {self.out}; going on"

    def files(self) -> dict[str, bytes]:
        return {p.name: p.read_bytes() for p in self.out.iterdir() if p.is_file()}


@pytest.fixture
def pausing(reactor: Any, tmp_path: Path) -> Generator[Callable[..., Pausing], None, None]:
    made: list[Pausing] = []

    def one(**options: Any) -> Pausing:
        made.append(Pausing(reactor, tmp_path, **options))
        return made[-1]

    yield one
    for each in made:
        pytest_twisted.blockon(each.downloader.close())
        assert each.downloader.limiter.idle
        assert each.downloader.active() == []


@pytest.fixture
def versions(reactor: Any) -> Generator[Versions, None, None]:
    server = Versions(reactor)
    yield server
    pytest_twisted.blockon(server.stop())


def expected(sizes: dict[str, int]) -> dict[str, bytes]:
    return {path[1:]: b"".join(content(path, size)) for path, size in sizes.items()}


@pytest.mark.parametrize("durability", list(Durability))
@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT])
@pytest.mark.parametrize("calls", [WRITES, SYNCS, LINKS], ids=["write", "sync", "link"])
async def test_the_list_goes_on_when_there_is_space(
    pausing: Callable[..., Pausing],
    origin: Origin,
    calls: frozenset[str],
    number: int,
    durability: Durability,
) -> None:
    """Short and long files, with one try each; not one has failed."""
    run = pausing(durability=durability)
    sizes = {f"/f{n}": 1000 if n % 2 else 200_000 for n in range(12)}
    run.disk.fill(number, calls | {"fsync"})
    done = run.start([origin.add(path, size) for path, size in sizes.items()])
    if calls is SYNCS and durability is Durability.NONE:
        run.disk.empty()  # nothing is synced
    else:
        await run.until(lambda: run.downloader.space.is_full(str(run.out)))
        await run.until(lambda: not any(way.status == "active" for way in run.downloader.active()))
        assert not done.called and run.run.counts.complete == 0
        run.disk.empty()
    counts = await done
    assert (counts.complete, counts.failed, counts.pending) == (12, 0, 0)
    assert run.files() == expected(sizes)
    assert run.failed == []


async def test_it_is_told_once_and_nothing_new_is_asked(
    pausing: Callable[..., Pausing], origin: Origin
) -> None:
    run = pausing(limits=Limits(total=3, per_host=3))
    sizes = {f"/f{n}": 1000 for n in range(60)}
    run.disk.fill(errno.ENOSPC)
    done = run.start([origin.add(path, size) for path, size in sizes.items()])
    await run.until(lambda: run.disk.failed.count("write") >= 10)  # looks, for most of them
    asked = sum(origin.requests.values())
    assert asked <= 3
    looked = len(run.disk.failed)
    await run.until(lambda: len(run.disk.failed) > looked + 5)
    assert sum(origin.requests.values()) == asked
    assert run.warnings == [run.full]
    run.disk.empty()
    assert (await done).complete == 60
    assert run.warnings == [run.full, run.on]
    assert max(origin.requests.values()) == 2
    assert run.files() == expected(sizes)


@pytest.mark.parametrize("room", [1_500_000, 2_000_000 - 4096, 2_097_152])
@pytest.mark.parametrize("durability", [Durability.NONE, Durability.BATCH])
async def test_what_has_come_is_kept_and_gone_on_with(
    pausing: Callable[..., Pausing], versions: Versions, durability: Durability, room: int
) -> None:
    """A long file is asked for from where the disk was full, but for what its journal takes, and
    for the piece that did not fit; and it has one try."""
    disk = Small(room)
    run = pausing(disk=disk, durability=durability)
    data = os.urandom(3_000_000)
    done = run.start([versions.put("/long", data, b'"one"')])
    await run.until(lambda: run.warnings)
    held = (run.out / "long.part").stat().st_size
    disk.room += 10_000_000
    assert (await done).complete == 1
    assert run.files() == {"long": data}
    assert held > 0
    assert field(versions.heads[-1], b"range") == b"bytes=%d-" % held
    assert run.warnings == [run.full, run.on]


@pytest.mark.parametrize("state", ["full", "space again"])
async def test_stopping_while_it_waits(
    pausing: Callable[..., Pausing], origin: Origin, state: str
) -> None:
    """At once, with what is unfinished pending; the fixtures look for calls that were left."""
    run = pausing()
    run.disk.fill(errno.ENOSPC)
    done = run.start([origin.add(f"/f{n}", 1000) for n in range(40)])
    await run.until(lambda: run.warnings)
    if state == "space again":
        run.disk.empty()
        await run.until(lambda: len(run.warnings) == 2)
    run.run.stop()
    counts = await done
    assert counts.failed == 0 and counts.lines == 40
    if state == "full":
        assert counts.pending == 40
        assert run.warnings == [run.full]


async def test_the_time_allowed_stands_still(
    reactor: Any, pausing: Callable[..., Pausing], origin: Origin
) -> None:
    run = pausing(timeouts=Timeouts(total=0.5))
    run.disk.fill(errno.ENOSPC)
    done = run.start([origin.add("/f", 1000)])
    await run.until(lambda: run.warnings)
    await deferLater(reactor, 0.8)
    run.disk.empty()
    assert (await done).complete == 1


async def test_another_disk_goes_on(
    pausing: Callable[..., Pausing], origin: Origin, tmp_path: Path
) -> None:
    """What is behind the lines of a full disk starts, if it goes elsewhere."""
    run = pausing(limits=Limits(total=2, per_host=2))
    elsewhere = "/dev/shm"
    results: list[Result] = []
    here = [Job(origin.add(f"/f{n}", 1000), str(run.out)) for n in range(20)]
    name = f"{tmp_path.name}-{os.getpid()}"
    there = Job(origin.add("/other", 1000), elsewhere, name)
    space = run.downloader.space
    waiting = space.wait(str(tmp_path))
    done = run.downloader.fetch_all([*here, there], results.append)
    try:
        await run.until(lambda: results)
        assert [result.job for result in results] == [there]
        assert dict(origin.requests) == {"/other": 1}
        await waiting
        assert (await done).complete == 21
    finally:
        Path(elsewhere, name).unlink(missing_ok=True)
        run.store.close()


async def test_one_fetch_fails_at_once(pausing: Callable[..., Pausing], origin: Origin) -> None:
    """Without a list nobody would hear why it takes so long."""
    run = pausing()
    run.disk.fill(errno.ENOSPC)
    with pytest.raises(DiskFull):
        await run.downloader.fetch(Job(origin.add("/f", 1000), str(run.out)))
    run.store.close()


# --- the store on that disk -----------------------------------------------------------------


async def pages(store: JobStore, more: int) -> None:
    """Let the database have so many pages more than it has: the others are "full"."""

    def bound(cursor: Any) -> None:
        (used,) = cursor.execute("PRAGMA page_count").fetchone()
        cursor.execute(f"PRAGMA max_page_count = {used + more}")

    await store._database.run(bound)


@pytest.mark.parametrize("stop", [False, True])
async def test_the_store_waits_for_space_too(
    pausing: Callable[..., Pausing], origin: Origin, stop: bool
) -> None:
    """And the next run knows all; but who presses Ctrl-C is not kept waiting."""
    run = pausing()
    await pages(run.store, 0)
    urls = [origin.add(f"/{n:0200}", 10) for n in range(300)]
    done = run.start(urls)
    await run.until(lambda: len(run.warnings) >= 2)
    assert set(run.warnings) == {
        w.replace(str(run.out), f"{run.out}/{STATE}") for w in (run.full, run.on)
    }
    if stop:
        run.run.stop()
        assert (await done).failed == 0
        assert "without" in run.warnings[-1] or run.run.counts.complete == 0
        return
    await pages(run.store, 10_000)
    assert (await done).complete == 300
    assert not any("without" in warning for warning in run.warnings)
