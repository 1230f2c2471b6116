"""Names for files that keep them when the power fails: in which order things are done, and what
becomes of a file when one of them fails."""

from __future__ import annotations

import errno
import os
import threading
from collections.abc import Callable, Generator
from pathlib import Path
from typing import Any

import pytest
import pytest_twisted
from support.clean import LoggedFailures
from support.recording import Recorded
from twisted.internet.defer import CancelledError, Deferred, DeferredList

from downloader import Downloader, Durability, Job, OnConflict, Result, Retries
from downloader.errors import DiskError, DiskFull, InternalError, TargetExists
from downloader.testing import AgentSpy, SpiedResponse
from downloader.transfer.body import SHORT
from downloader.transfer.commits import MANY
from downloader.transfer.disks import Disks
from downloader.transfer.folder import leading_to

Make = Callable[..., Downloader]

SYNCS = ("fsync", "syncfs", "link", "replace", "unlink")
LONG = b"x" * (SHORT + 1)
WAYS = {"a whole file": [b"abc"], "a part file": [LONG[:10], LONG[10:]]}


@pytest.fixture
def files() -> Recorded:
    return Recorded()


@pytest.fixture
def spy() -> AgentSpy:
    return AgentSpy()


@pytest.fixture
def make(reactor: Any, files: Recorded, spy: AgentSpy) -> Generator[Make, None, None]:
    """A Downloader whose files are on a disk, as far as it knows."""
    made: list[Downloader] = []

    def one(durability: Durability = Durability.BATCH, **options: Any) -> Downloader:
        disks = Disks(
            reactor, in_memory=lambda device: False, system=files.system, durability=durability
        )
        options = {"agent": spy, "disks": disks, "retries": Retries(tries=1), **options}
        made.append(Downloader(reactor, **options))
        return made[-1]

    yield one
    for downloader in made:
        pytest_twisted.blockon(downloader.close())
        assert downloader.limiter.idle


@pytest.fixture
def out(tmp_path: Path) -> str:
    (tmp_path / "out").mkdir()
    return str(tmp_path / "out")


def begin(downloader: Downloader, spy: AgentSpy, out: str, name: str) -> Deferred[Result]:
    return downloader.fetch(Job(f"http://h.example/{name}", out, name=name))


def bring(response: SpiedResponse, pieces: list[bytes]) -> None:
    for piece in pieces:
        response.feed(piece)
    response.finish()


def fetch(
    downloader: Downloader, spy: AgentSpy, out: str, name: str, pieces: list[bytes]
) -> Deferred[Result]:
    """Fetch a file that comes in these pieces."""
    fetching = begin(downloader, spy, out, name)
    bring(spy.requests[-1].answer(200, length=sum(map(len, pieces))), pieces)
    return fetching


def above(path: str) -> list[str]:
    """The first file of a root waits for the directories above it, too."""
    return [f"fsync {Path(one).name}" for one in reversed(leading_to(path))]


# --- the order ------------------------------------------------------------------------------


async def test_a_whole_file(make: Make, spy: AgentSpy, files: Recorded, out: str) -> None:
    """Its bytes, its name, its directory; and then its caller hears of it."""
    await fetch(make(), spy, out, "a", [b"abc"])
    assert files.of(*SYNCS) == ["fsync nameless", "link a", *above(out), "fsync out"]
    assert os.listdir(out) == ["a"]


async def test_a_part_file(make: Make, spy: AgentSpy, files: Recorded, out: str) -> None:
    await fetch(make(), spy, out, "a", WAYS["a part file"])
    assert files.of(*SYNCS) == ["fsync a.part", "link a", "unlink a.part", *above(out), "fsync out"]
    assert Path(out, "a").read_bytes() == LONG


async def test_one_that_takes_the_place_of_another(
    make: Make, spy: AgentSpy, files: Recorded, out: str
) -> None:
    Path(out, "a").write_bytes(b"old")
    await fetch(make(on_conflict=OnConflict.OVERWRITE), spy, out, "a", [b"new"])
    assert files.of(*SYNCS) == ["fsync a.part", "replace a", *above(out), "fsync out"]
    assert Path(out, "a").read_bytes() == b"new"


async def test_directories_that_were_made(
    make: Make, spy: AgentSpy, files: Recorded, tmp_path: Path
) -> None:
    """Each that has a new entry, and those on the way to it; those above the root only once."""
    downloader, out = make(), str(tmp_path / "one" / "two")
    await fetch(downloader, spy, out, "three/a", [b"abc"])
    made = [f"fsync {tmp_path.name}", "fsync one", "fsync two", "fsync three"]
    assert files.of("fsync") == ["fsync nameless", *above(str(tmp_path)), *made]
    files.calls.clear()
    await fetch(downloader, spy, out, "b", [b"abc"])
    assert files.of("fsync") == ["fsync nameless", "fsync two"]


async def test_a_directory_that_another_root_has_made(
    make: Make, spy: AgentSpy, files: Recorded, tmp_path: Path
) -> None:
    """Whoever is complete first waits for it."""
    downloader, new = make(), tmp_path / "new"
    late = begin(downloader, spy, str(new / "one"), "a")
    response = spy.requests[-1].answer(200, length=len(LONG))
    response.feed(LONG[:10])
    assert os.listdir(new) == ["one"]
    await fetch(downloader, spy, str(new / "two"), "b", [b"abc"])
    assert files.of("fsync")[-3:] == [f"fsync {tmp_path.name}", "fsync new", "fsync two"]
    bring(response, [LONG[10:]])
    await late


async def hold_back(
    make: Make, reactor: Any, spy: AgentSpy, files: Recorded, out: str, n: int
) -> list[Any]:
    """`n` files that come together while another is being synced; what became of them."""
    downloader = make()
    waiting: list[Deferred[Result]] = []

    def bring_others() -> None:
        reactor.callFromThread(come)
        arrived.wait(60)

    def come() -> None:
        for number in range(n):
            waiting.append(fetch(downloader, spy, out, f"b{number}", [b"abc"]))
        arrived.set()

    arrived = threading.Event()
    files.meet("fsync nameless", bring_others)
    await fetch(downloader, spy, out, "a", [b"abc"])
    files.calls.clear()
    return await DeferredList(waiting, consumeErrors=True)


async def test_those_that_come_meanwhile_are_a_group(
    make: Make, reactor: Any, spy: AgentSpy, files: Recorded, out: str
) -> None:
    """Synced together before any of them has its name; each says of itself how that went."""
    results = await hold_back(make, reactor, spy, files, out, MANY)
    assert all(ok for ok, _ in results)
    synced = ["syncfs nameless", *["fsync nameless"] * MANY]
    links = [f"link b{n}" for n in range(MANY)]
    assert files.of(*SYNCS) == [*synced, *links, "fsync out"]


async def test_few_are_synced_one_by_one(
    make: Make, reactor: Any, spy: AgentSpy, files: Recorded, out: str
) -> None:
    """The file system may have much else to write."""
    results = await hold_back(make, reactor, spy, files, out, MANY - 1)
    assert all(ok for ok, _ in results)
    assert len(files.of("fsync")) == MANY
    assert files.of("syncfs") == []


async def test_each_for_itself(
    make: Make, reactor: Any, spy: AgentSpy, files: Recorded, out: str
) -> None:
    each = lambda: make(Durability.EACH)  # noqa: E731
    await hold_back(each, reactor, spy, files, out, MANY)
    assert len(files.of("fsync")) == MANY + 1
    assert files.of("syncfs") == []


@pytest.mark.parametrize("pieces", WAYS.values(), ids=WAYS)
async def test_nothing_is_synced_where_nobody_wants_it(
    make: Make, spy: AgentSpy, files: Recorded, out: str, pieces: list[bytes]
) -> None:
    await fetch(make(Durability.NONE), spy, out, "a", pieces)
    assert files.of("fsync", "fdatasync", "syncfs") == []


async def test_those_that_wait_hold_no_slot(
    make: Make, spy: AgentSpy, files: Recorded, out: str
) -> None:
    """The next file is asked for while the disk is at work."""
    downloader = make()
    free: list[bool] = []
    files.meet("fsync nameless", lambda: free.append(downloader.limiter.idle))
    await fetch(downloader, spy, out, "a", [b"abc"])
    assert free == [True]


# --- faults ---------------------------------------------------------------------------------


@pytest.mark.parametrize("call", ["fsync nameless", "link a"])
@pytest.mark.parametrize(("number", "ours"), [(errno.EIO, DiskError), (errno.ENOSPC, DiskFull)])
async def test_a_whole_file_that_fails(
    make: Make, spy: AgentSpy, files: Recorded, out: str, call: str, number: int, ours: type
) -> None:
    """It is no file; and it is not tried again: after a failed fsync the next would lie."""
    files.fail(call, number)
    with pytest.raises(ours):
        await fetch(make(retries=Retries(tries=3)), spy, out, "a", [b"abc"])
    assert os.listdir(out) == []
    assert len(spy.requests) == 1


@pytest.mark.parametrize("call", ["fsync a.part", "link a"])
async def test_a_part_file_that_fails(
    make: Make, spy: AgentSpy, files: Recorded, out: str, call: str
) -> None:
    files.fail(call, errno.EIO)
    with pytest.raises(DiskError):
        await fetch(make(), spy, out, "a", WAYS["a part file"])
    assert "a" not in os.listdir(out)


async def test_a_directory_that_cannot_be_synced(
    make: Make, spy: AgentSpy, files: Recorded, out: str
) -> None:
    """The file is whole and has its name, but nobody says that it is there to stay."""
    files.fail("fsync out", errno.EIO)
    with pytest.raises(DiskError):
        await fetch(make(), spy, out, "a", [b"abc"])


async def test_a_file_system_that_cannot_be_synced_as_one(
    make: Make, reactor: Any, spy: AgentSpy, files: Recorded, out: str
) -> None:
    """It does not say of which file that is, but each of them does."""
    files.fail("syncfs nameless", errno.EIO)
    results = await hold_back(make, reactor, spy, files, out, MANY)
    assert all(ok for ok, _ in results)
    assert len(files.of("fsync")) == MANY + 1


async def test_files_that_cannot_be_looked_at(
    make: Make, reactor: Any, spy: AgentSpy, files: Recorded, out: str
) -> None:
    """Their file system is not known then: each is synced for itself."""
    fstat = files.system.fstat

    def stale(fd: int) -> os.stat_result:
        if threading.current_thread() is not threading.main_thread():
            raise OSError(errno.ESTALE, "Stale file handle")
        found: os.stat_result = fstat(fd)
        return found

    files.system.fstat = stale
    results = await hold_back(make, reactor, spy, files, out, MANY)
    assert all(ok for ok, _ in results)
    assert not files.of("syncfs")


async def test_a_bug_is_heard_by_each_and_the_next_go_on(
    make: Make,
    reactor: Any,
    spy: AgentSpy,
    files: Recorded,
    out: str,
    logged_failures: LoggedFailures,
) -> None:
    def broken(fd: int) -> None:
        raise ZeroDivisionError

    files.system.syncfs = broken
    results = await hold_back(make, reactor, spy, files, out, MANY)
    assert [failure.type for ok, failure in results] == [InternalError] * MANY
    files.system.syncfs = None
    assert await fetch(make(), spy, out, "later", [b"abc"])
    assert len(logged_failures.flush(ZeroDivisionError)) == MANY


async def test_files_that_cannot_be_synced(
    make: Make, reactor: Any, spy: AgentSpy, files: Recorded, out: str
) -> None:
    files.meet("syncfs nameless", lambda: files.fail("fsync nameless", errno.EIO))
    results = await hold_back(make, reactor, spy, files, out, MANY)
    assert [failure.type for ok, failure in results] == [DiskError] * MANY
    assert os.listdir(out) == ["a"]


async def test_one_that_fails_alone(
    make: Make, reactor: Any, spy: AgentSpy, files: Recorded, out: str
) -> None:
    files.fail("link b1", errno.EIO)
    results = await hold_back(make, reactor, spy, files, out, MANY)
    assert [ok for ok, _ in results] == [n != 1 for n in range(MANY)]


# --- names that are taken, and jobs that are not wanted any more ------------------------------


@pytest.mark.parametrize("pieces", WAYS.values(), ids=WAYS)
@pytest.mark.parametrize("conflict", [OnConflict.RENAME, OnConflict.SKIP])
async def test_a_name_that_is_taken_at_the_last_moment(
    make: Make, spy: AgentSpy, files: Recorded, out: str, pieces: list[bytes], conflict: Any
) -> None:
    files.meet("link a", lambda: Path(out, "a").write_bytes(b"theirs"))
    fetching = fetch(make(on_conflict=conflict), spy, out, "a", pieces)
    if conflict is OnConflict.SKIP:
        with pytest.raises(TargetExists):
            await fetching
    else:
        assert (await fetching).path == f"{out}/a.1"
    assert Path(out, "a").read_bytes() == b"theirs"


@pytest.mark.parametrize(("name", "pieces"), WAYS.items(), ids=WAYS)
async def test_cancelled_while_it_is_synced(
    make: Make, reactor: Any, spy: AgentSpy, files: Recorded, out: str, name: str, pieces: Any
) -> None:
    """It fails at once, and no name is given to it; what came of a long one is kept."""
    go_on = threading.Event()
    call = "fsync a.part" if name == "a part file" else "fsync nameless"
    files.meet(call, lambda: (reactor.callFromThread(told.callback, None), go_on.wait(60)))
    told: Deferred[None] = Deferred()
    downloader = make()
    fetching = fetch(downloader, spy, out, "a", pieces)
    await told
    fetching.cancel()
    with pytest.raises(CancelledError):
        await fetching
    go_on.set()
    await downloader.close()
    assert os.listdir(out) == (["a.part"] if name == "a part file" else [])
