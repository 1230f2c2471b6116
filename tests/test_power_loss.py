"""The power fails at any moment of a list's run, and the disk keeps what it has to and, of the
rest, what it likes: what is called complete is there, no name leads to wrong bytes, and no journal
tells of bytes that are not there. The same command then brings what is missing.

That the disks made up here would show it is shown, too, with orders that are wrong.
"""

from __future__ import annotations

import os
import random
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from support.afterloss import AfterLoss, Recording
from support.lossy import Lossy, Write
from twisted.internet.defer import Deferred

from downloader import Downloader, Durability, Job, Limits, OnConflict, Report
from downloader.listrun.kept import Kept
from downloader.sansio.journal import identity_of, read_journal
from downloader.sansio.version import Version
from downloader.store import JobStore
from downloader.transfer.commits import Commits
from downloader.transfer.disks import Disk, Disks
from downloader.transfer.folder import Folder
from downloader.transfer.journalfile import good_ranges
from downloader.transfer.partfile import PartFile

ORDERINGS = 1000
AGAIN = 30
KILLS = 25
# So much of the middle one was there.
PART = 200_000
OUT = "new/out"
# Short ones, one in some pieces, one that has a journal; the last is in a directory of its own.
SIZES = [0, 1, 100, 4096, 5000, 8192, 20_000, 65_536, 65_537, 300_000, 9 << 20, 300]
NAMES = [f"f{n}" for n in range(len(SIZES) - 1)] + ["sub/deep/last"]
MIDDLE, LONG = "f9", "f10"
JOURNAL = "f10.part.journal"
DURABLE = [Durability.BATCH, Durability.EACH]

Bytes = Mapping[str, bytes]


class Site:
    """What nginx serves below /power: `files` by the paths that they are to have, `urls` too."""

    def __init__(self, nginx: Any) -> None:
        self._root = nginx.root / "power"
        self._root.mkdir(exist_ok=True)
        self.urls = {
            name: f"http://127.0.0.1:{nginx.port}/power/{Path(name).name}" for name in NAMES
        }
        self.files = {name: random.Random(name).randbytes(size) for name, size in _sized()}
        for name, data in self.files.items():
            (self._root / Path(name).name).write_bytes(data)

    def jobs(self, directory: str, names: Sequence[str]) -> list[Job]:
        """The list."""
        return [
            Job(self.urls[name], directory, subdirectory=name.rpartition("/")[0]) for name in names
        ]

    def etag(self, name: str) -> str:
        """What nginx calls the version that it serves."""
        found = (self._root / name).stat()
        return f'"{int(found.st_mtime):x}-{found.st_size:x}"'

    def change(self, name: str, data: bytes) -> None:
        """Serve another version of it."""
        self.files = {**self.files, name: data}
        (self._root / name).write_bytes(data)
        os.utime(self._root / name, (1_000_000_000, 1_000_000_000))  # its ETag has the seconds


@pytest.fixture
def site(nginx: Any) -> Site:
    return Site(nginx)


class Fetched:
    """Runs of the site's list, in a world of their own."""

    def __init__(self, reactor: Any, folder: Path, site: Site) -> None:
        self._reactor = reactor
        self._site = site
        self.world = folder / "world"
        self.out = self.world / OUT
        self._state = folder / "state"
        self.world.mkdir(parents=True)

    async def run(
        self,
        lossy: Lossy,
        durability: Durability = Durability.BATCH,
        on_conflict: OnConflict = OnConflict.RENAME,
        disks: type[Disks] = Disks,
        names: Sequence[str] = NAMES,
    ) -> Report:
        """Fetch these files of the list; that each is complete is kept at once. Their counts."""
        downloader = Downloader(
            self._reactor,
            limits=Limits(total=4),
            on_conflict=on_conflict,
            disks=_disks(self._reactor, lossy, durability, disks),
        )
        store: Any = lossy.store(JobStore(self._reactor, str(self._state)))
        kept = Kept(store, downloader, lossy.told, pytest.fail)
        kept_of: list[Deferred[None]] = []
        jobs = kept.jobs(self._site.jobs(str(self.out), names))
        report = await downloader.fetch_all(
            jobs, lambda result: kept_of.append(kept.end([result])), kept
        )
        await downloader.close()
        for one in kept_of:
            await one
        kept.close()
        assert report.failed == 0
        return report

    async def record(
        self, deaf: Sequence[str] = (), before: AfterLoss | None = None, **options: Any
    ) -> Recording:
        """Fetch it, and what was done for that. The disk is deaf to some calls."""
        if before is not None:
            await self._build(before)
        lossy = Lossy(self.world, deaf, before)
        await self.run(lossy, **options)
        return Recording(lossy, options.get("durability") is not Durability.NONE)

    def leave_part(self, site: Site) -> dict[str, bytes]:
        """Leave a part file of the middle one as it is now, and its journal. Its bytes by the
        ETag."""
        data = site.files[MIDDLE]
        etag = site.etag(MIDDLE)
        folder = Folder(str(self.out))
        part = PartFile(folder, MIDDLE, identity_of(site.urls[MIDDLE]), sync=True)
        part.begin(Version(etag, None, len(data)), record=True)
        part.write(data[:PART])
        part.keep()
        folder.close()
        return {etag: data}

    async def go_on(self, after: AfterLoss, **options: Any) -> dict[str, bytes]:
        """Fetch it again where the power was lost. What is there then."""
        await self._build(after)
        await self.run(Lossy(self.world), **options)
        return _files(self.out)

    async def _build(self, after: AfterLoss) -> None:
        store = JobStore(self._reactor, str(self._state))
        await store.end(after.build(self.world))
        store.close()


@pytest.fixture
def fetched(reactor: Any, tmp_path: Path, site: Site) -> Fetched:
    return Fetched(reactor, tmp_path, site)


@pytest.mark.parametrize("durability", DURABLE)
async def test_nothing_wrong_after_a_loss_of_power(
    reactor: Any, tmp_path: Path, site: Site, fetched: Fetched, durability: Durability
) -> None:
    recording = await fetched.record(durability=durability)
    states = list(recording.some(ORDERINGS, seed=1))
    states += recording.some(ORDERINGS // 4, seed=2, since=JOURNAL)
    assert not [fault for after in states for fault in faults(after, site)]
    for after in random.Random(2).sample(states, AGAIN):
        again = Fetched(reactor, tmp_path / str(after.seed), site)
        assert await again.go_on(after) == site.files, after


@pytest.mark.parametrize("durability", DURABLE)
async def test_what_is_replaced_is_there_until_the_new_is(
    site: Site, fetched: Fetched, durability: Durability
) -> None:
    before = {name: b"before " + data[:5000] for name, data in site.files.items()}
    _write(fetched.out, before)
    recording = await fetched.record(durability=durability, on_conflict=OnConflict.OVERWRITE)
    states = list(recording.some(ORDERINGS, seed=3))
    assert not [fault for after in states for fault in faults(after, site, before)]
    # Nothing but the old bytes and the new ones is a file's, and it has one of them always.
    assert all(f"{OUT}/{name}" in after.names for after in states for name in NAMES)


@pytest.mark.parametrize("durability", DURABLE)
async def test_a_loss_of_power_after_a_run_that_was_killed(
    reactor: Any, tmp_path: Path, site: Site, fetched: Fetched, durability: Durability
) -> None:
    """What the killed one has left in memory only, the next one does not call complete."""
    first = await fetched.record(durability=durability)
    stops = range(first.start, len(first.ops), len(first.ops) // KILLS)
    found = []
    for stop in stops:
        again = Fetched(reactor, tmp_path / str(stop), site)
        second = await again.record(before=first.killed(stop), durability=durability)
        assert _files(again.out) == site.files
        for after in second.some(ORDERINGS // KILLS, seed=stop):
            found += faults(after, site)
    assert not found


@pytest.mark.parametrize("changed", [False, True])
async def test_a_part_file_that_was_there(
    reactor: Any, tmp_path: Path, site: Site, fetched: Fetched, changed: bool
) -> None:
    """It is gone on with; where it is of another version, its journal is silenced first. The two
    versions have the same ends, so that no sum tells them apart."""
    before = fetched.leave_part(site)
    if changed:
        site.change(MIDDLE, b"other" + site.files[MIDDLE][5:])
    recording = await fetched.record(names=[MIDDLE])
    done = recording.ops[recording.start :]
    assert (sum(len(op.data) for op in done if isinstance(op, Write)) < PART) is not changed
    states = list(recording.some(ORDERINGS, seed=4))
    assert not [fault for after in states for fault in faults(after, site, parts=before)]
    for after in random.Random(5).sample(states, AGAIN):
        again = Fetched(reactor, tmp_path / str(after.seed), site)
        found = await again.go_on(after, names=[MIDDLE])
        assert found == {MIDDLE: site.files[MIDDLE]}, after


# --- orders that are wrong --------------------------------------------------------------------


class HastyCommits(Commits):
    """Gives names before the bytes are on the disk."""

    def _commit(self, group: list[Any]) -> None:
        for entry in group:
            entry.do(self._disks.perform, entry.file.publish, entry.path, entry.overwrite)
        self._sync(group)
        self._sync_places([entry for entry in group if entry.failure is None])
        self._disks.reactor.callFromThread(self._told, group)


class ForgetfulCommits(Commits):
    """Does not sync the directories."""

    def _sync_places(self, named: list[Any]) -> None: ...


def with_commits(kind: type[Commits]) -> type[Disks]:
    class Wrong(Disks):
        def disk(self, device: int) -> Disk:
            disk = super().disk(device)
            if type(disk.commits) is not kind:
                disk.commits = kind(self)
            return disk

    return Wrong


WRONG: dict[str, tuple[dict[str, Any], str]] = {
    "nothing is synced": ({"durability": Durability.NONE}, "is wrong"),
    "names before bytes": ({"disks": with_commits(HastyCommits)}, "is wrong"),
    "no directory": ({"disks": with_commits(ForgetfulCommits)}, "is not complete"),
}


@pytest.mark.parametrize(("options", "told"), WRONG.values(), ids=WRONG)
async def test_a_wrong_order_is_found(
    site: Site, fetched: Fetched, options: dict[str, Any], told: str
) -> None:
    recording = await fetched.record(**options)
    states = list(recording.some(ORDERINGS, seed=7))
    assert any(told in fault for after in states for fault in faults(after, site))


async def test_a_journal_before_its_bytes_is_found(site: Site, fetched: Fetched) -> None:
    recording = await fetched.record(names=[LONG], deaf=["fdatasync"])
    states = recording.some(ORDERINGS, seed=8, since=JOURNAL)
    assert any("journal" in fault for after in states for fault in faults(after, site))


async def test_a_journal_that_is_not_silenced_is_found(site: Site, fetched: Fetched) -> None:
    before = fetched.leave_part(site)
    site.change(MIDDLE, b"other" + site.files[MIDDLE][5:])
    recording = await fetched.record(names=[MIDDLE], deaf=["fsync"])
    states = recording.some(ORDERINGS, seed=4)
    found = {fault for after in states for fault in faults(after, site, parts=before)}
    assert any(f"journal of {MIDDLE} is wrong" in fault for fault in found)


# --- what is looked at ------------------------------------------------------------------------


def faults(
    after: AfterLoss, site: Site, before: Bytes | None = None, parts: Bytes | None = None
) -> Iterator[str]:
    """What is wrong there; files may also be what they were `before`. `parts` are the bytes of
    other versions, by their ETags."""
    for name, data in site.files.items():
        path = f"{OUT}/{name}"
        if path in after.names and not _is_one_of(after, path, data, (before or {}).get(name)):
            yield f"{after}: {name} is wrong"
    for row in after.rows.values():
        path = f"{OUT}/{row.path}"
        if row.status == "complete" and not _is_one_of(after, path, site.files[row.path]):
            yield f"{after}: {row.path} is not complete"
    for name, url in site.urls.items():
        if not _tells_truth(after, f"{OUT}/{name}.part", url, site.files[name], parts or {}):
            yield f"{after}: the journal of {name} is wrong"


def _is_one_of(after: AfterLoss, path: str, *good: bytes | None) -> bool:
    return path in after.names and after.content(path) in good


def _tells_truth(after: AfterLoss, path: str, url: str, data: bytes, others: Bytes) -> bool:
    """Whether what a run would take over from the part file, by its journal, is of the version that
    this tells of: of `data`, unless it is one of the `others`."""
    if path not in after.names or f"{path}.journal" not in after.names:
        return True
    held = read_journal(after.content(f"{path}.journal"))
    if held is None or held.of != identity_of(url):
        return True
    part = after.content(path)
    data = others.get(held.version.etag or "", data)
    system = SimpleNamespace(
        fstat=lambda fd: SimpleNamespace(st_size=len(part)),
        pread=lambda fd, size, at: part[at : at + size],
    )
    ranges = good_ranges(system, -1, held)
    return all(part[start:stop] == data[start:stop] for start, stop in ranges)


def _disks(reactor: Any, lossy: Lossy, durability: Durability, disks: type[Disks]) -> Disks:
    return disks(
        reactor,
        seconds=lossy.seconds,
        in_memory=lambda device: False,
        system=lossy.system,
        durability=durability,
    )


def _sized() -> Iterator[tuple[str, int]]:
    return zip(NAMES, SIZES, strict=True)


def _write(directory: Path, files: Bytes) -> None:
    for name, data in files.items():
        (directory / name).parent.mkdir(parents=True, exist_ok=True)
        (directory / name).write_bytes(data)


def _files(directory: Path) -> dict[str, bytes]:
    files = (path for path in directory.rglob("*") if path.is_file())
    return {str(path.relative_to(directory)): path.read_bytes() for path in files}
