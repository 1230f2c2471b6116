"""kill -9 at every call that changes a file, at every step with the store, and at any moment: the
same command then brings what is missing, and nothing that should not be there."""

from __future__ import annotations

import itertools
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import urllib.request
from collections.abc import Callable, Generator, Iterator, Set
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from zlib import crc32

import pytest
import pytest_twisted
from support.killed import SYNCS
from support.late import Late
from support.left import Left, files_in
from twisted.internet.defer import Deferred, gatherResults
from twisted.internet.task import deferLater
from twisted.internet.threads import deferToThread

from downloader.sansio.journal import head_record, held_record, identity_of, tail_of
from downloader.sansio.ranges import Range
from downloader.sansio.version import Version

PROGRAM = Path(__file__).parent / "support" / "killed.py"
ENVIRONMENT = {**os.environ, "PYTHONPATH": str(PROGRAM.parent.parent.parent)}

# --- at every call ----------------------------------------------------------------------------

SIZES = [0, 1, *(4096 + n for n in range(12)), 65_536, 65_537, 100_000, 150_000]
# It comes over several connections, and is long enough to have a journal on the way.
LONG = 10 * 1024 * 1024
# It has a journal before the run, which tells of so many bytes of so many.
BEGUN, BEGUN_SIZE = 200_000, 300_000
# Its name is another's.
TAKEN = "f4"
BYSTANDERS = {TAKEN: b"mine", "bystander": b"mine"}
STEPS = {f"{when} {what}" for when in ("before", "after") for what in ("plan", "complete")}


@dataclass
class Killed:
    """A run that was killed, and the one that went on with it, under the name `run`."""

    run: str
    left: Left
    told: list[int] = field(default_factory=list)


class Runs:
    """Runs of one list in children of killed.py, which is open for them until `close`."""

    def __init__(self, urls: list[str], directory: Path) -> None:
        (directory / "list").write_text("".join(f"{url}\n" for url in urls))
        self._program = subprocess.Popen(
            [sys.executable, PROGRAM, directory / "list"],
            env=ENVIRONMENT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def run(self, out: Path, name: str, last: int | None = None) -> Any:
        """One of them; see killed.py."""
        assert self._program.stdin and self._program.stdout
        print(
            json.dumps({"out": str(out), "name": name, "last": last}),
            file=self._program.stdin,
            flush=True,
        )
        return json.loads(self._program.stdout.readline())

    def close(self) -> None:
        self._program.communicate()


@pytest.fixture(scope="module")
def served(nginx: Any) -> dict[str, bytes]:
    """What nginx serves below /ranges/: each file's bytes by its name."""
    sizes = [*SIZES, LONG, BEGUN_SIZE]
    files = {f"f{n}": random.Random(n).randbytes(size) for n, size in enumerate(sizes)}
    (nginx.root / "ranges").mkdir()
    for name, data in files.items():
        (nginx.root / "ranges" / name).write_bytes(data)
    return files


@pytest.fixture
def runs(
    nginx: Any, served: dict[str, bytes], tmp_path: Path
) -> Generator[Callable[..., Any], None, None]:
    """Run the list of what is served."""
    children = Runs([nginx.url(f"/ranges/{name}") for name in served], tmp_path)
    yield children.run
    children.close()


def begun(out: Path, url: str, data: bytes) -> None:
    """The first bytes of a file, as an earlier run has left them."""
    with urllib.request.urlopen(url) as answer:
        told = answer.headers
    version = Version(told["ETag"], told["Last-Modified"], len(data))
    mark = (0, BEGUN, crc32(data[tail_of(0, BEGUN) : BEGUN]))
    name = url.rpartition("/")[2]
    (out / f"{name}.part").write_bytes(data[:BEGUN])
    journal = head_record(identity_of(url), version) + held_record([mark])
    (out / f"{name}.part.journal").write_bytes(journal)


def test_killed_at_every_call(
    nginx: Any, served: dict[str, bytes], runs: Callable[..., Any], tmp_path: Path
) -> None:
    """Twenty files, one of them over several connections and one that is gone on with."""
    assert len(served) == 20
    *_, long, resumed = served
    wanted = {(f"{name}.1" if name == TAKEN else name): data for name, data in served.items()}
    kinds: set[str] = set()
    rounds: list[Killed] = []
    for k in itertools.count():
        out = tmp_path / f"out{k}"
        out.mkdir()
        for name, data in BYSTANDERS.items():
            (out / name).write_bytes(data)
        begun(out, nginx.url(f"/ranges/{resumed}"), served[resumed])
        first = runs(out, f"{k}.1", k)
        kinds.add(first["killed_at"])
        one = Killed(f"{k}.2", Left(out))
        check_left(one.left, wanted | BYSTANDERS)
        assert one.left.files.keys() >= BYSTANDERS.keys()
        assert resumed in one.left.files or one.left.held[resumed].size >= BEGUN
        if first["code"] != -signal.SIGKILL:
            break
        second = runs(out, one.run)
        assert second["code"] == 0, (first, second)
        one.told = second["told"]
        found = files_in(out)
        assert found.keys() == wanted.keys() | BYSTANDERS.keys()
        assert not wrong(found, wanted | BYSTANDERS)
        rounds.append(one)
        shutil.rmtree(out)
    assert (first["code"], first["told"]) == (0, [20, 0])
    assert {"write", "pwrite", "ftruncate", "link", "unlink", "before committing", ""} <= kinds
    assert kinds >= STEPS and kinds & set(SYNCS)
    with urllib.request.urlopen(nginx.url("/ranges/f0")):  # nginx has written of all before it
        pass
    asked = Asked(nginx.ranges_log)
    for one in rounds:
        check_asked(one, asked.ranges(one.run), wanted.keys())
    assert any(0 < len(one.left.complete) < 20 for one in rounds)
    assert any(one.left.named - one.left.complete for one in rounds)
    assert any(long in one.left.held and one.left.held[long].size for one in rounds)
    assert len(asked.connections(f"{k}.1", long)) > 1
    assert asked.ranges(f"{k}.1")[resumed] == [(BEGUN, sys.maxsize)]


# --- at any moment ----------------------------------------------------------------------------

KILLS = int(os.environ.get("KILLS", "50"))
FILES = 500
# Lists that are fetched side by side, since each run takes a while to start.
LISTS = 5
# A run is killed at one of so many requests. Those of a connection take 5 ms each, so that what has
# ended is kept some times.
MOST = 240


@dataclass
class Figures:
    """What came of the kills: how many found some of the files complete, and how often a file was
    asked for that had been asked for before."""

    kills: int = 0
    midway: int = 0
    twice: int = 0


class Often:
    """One list, whose run is killed again and again; from its beginning once it is done."""

    def __init__(self, server: Late, here: Path, seed: int, figures: Figures) -> None:
        self._server = server
        self._here = here
        self._figures = figures
        self._chance = random.Random(seed)
        self._wanted: dict[str, bytes] = dict(BYSTANDERS)
        here.mkdir()
        for n in range(FILES):
            data = server.files[f"/f{n}"] = self._chance.randbytes(self._chance.randrange(5000))
            self._wanted[named(f"/f{n}")] = data
        (here / "list").write_text("".join(f"{server.url(path)}\n" for path in server.files))
        self._begin()

    async def kill(self, kills: Iterator[int]) -> None:
        """Go on for as long as there are `kills`, and then to the end."""
        for _ in kills:
            while not await self._run(self._chance.randrange(1, MOST)):
                self._finished()
        assert not await self._run(None)
        self._finished()

    def _begin(self) -> None:
        self._out = self._here / "out"
        self._out.mkdir()
        for name, data in BYSTANDERS.items():
            (self._out / name).write_bytes(data)
        self._complete: set[str] = set()
        self._named: set[str] = set()
        self._ever: set[str] = set()

    def _finished(self) -> None:
        assert files_in(self._out) == self._wanted
        shutil.rmtree(self._out)
        self._begin()

    async def _run(self, last: int | None) -> bool:
        """Whether it was killed, at its request `last`."""
        asked: list[str] = []
        process = subprocess.Popen(
            [sys.executable, "-m", "downloader", "fetch", "-qj4", "-i", "list", "-d", "out"],
            cwd=self._here,
            env=ENVIRONMENT,
        )

        def count(path: str) -> None:
            asked.append(named(path))
            if len(asked) == last:
                process.kill()

        self._server.asked = count
        try:
            code = await deferToThread(process.wait)
        finally:
            process.kill()
        while self._server.open:  # until it has told all that it was asked for
            await deferLater(self._server.reactor, 0)
        self._check(set(asked), code)
        return code == -signal.SIGKILL

    def _check(self, asked: set[str], code: int) -> None:
        assert code in (0, -signal.SIGKILL)
        assert not asked & (self._complete | self._named)
        left = Left(self._out)
        check_left(left, self._wanted)
        assert left.files.keys() >= BYSTANDERS.keys()
        assert left.complete >= self._complete
        self._figures.kills += code != 0
        self._figures.midway += code != 0 and 0 < len(left.complete) < FILES
        self._figures.twice += len(asked & self._ever)
        self._complete, self._named = left.complete, left.named
        self._ever |= asked


@pytest.fixture
def servers(reactor: Any) -> Generator[list[Late], None, None]:
    servers = [Late(reactor, 0.005) for _ in range(LISTS)]
    yield servers
    pytest_twisted.blockon(gatherResults([server.stop() for server in servers]))


@pytest.mark.time_limit(60 + KILLS)
async def test_killed_at_any_moment(servers: list[Late], tmp_path: Path) -> None:
    """Fifty times, or as often as the environment variable KILLS says, on the way through lists:
    what was complete is not asked for again."""
    figures = Figures()
    lists = [Often(server, tmp_path / f"{n}", n, figures) for n, server in enumerate(servers)]
    kills = iter(range(KILLS))
    await gatherResults([Deferred.fromCoroutine(one.kill(kills)) for one in lists])
    print(figures)
    assert figures.kills == KILLS
    assert figures.midway


# --- what is right ----------------------------------------------------------------------------


def check_left(left: Left, wanted: dict[str, bytes]) -> None:
    """Nothing is under a name that is not it; what the store and the journals tell is so."""
    assert not wrong(left.files, wanted)
    assert left.complete <= left.files.keys()
    for name, ranges in left.held.items():
        for start, stop in ranges:
            assert left.parts[name][start:stop] == wanted[name][start:stop], name


def wrong(found: dict[str, bytes], wanted: dict[str, bytes]) -> set[str]:
    """The names of files that are not what they should be."""
    return {name for name, data in found.items() if wanted.get(name) != data}


def check_asked(one: Killed, asked: dict[str, list[Range]], names: Set[str]) -> None:
    """What was known to be complete is not asked for again, nor are bytes that journals tell of."""
    known = one.left.complete | one.left.named
    assert asked.keys() == names - known, one.run
    assert one.told == [len(names - known), len(known)], one.run
    for name, held in one.left.held.items():
        for start, stop in asked.get(name, []):
            assert not any(start < end and begin < stop for begin, end in held), (one.run, name)


class Asked:
    """What nginx tells of requests: for each run, `ranges` by the names of the files."""

    def __init__(self, log: list[list[str]]) -> None:
        self._log = log

    def ranges(self, run: str) -> dict[str, list[Range]]:
        """The bytes that this run asked for, of each file."""
        found: dict[str, list[Range]] = {}
        for path, _, by, wanted in self._log:
            if by == run:
                found.setdefault(named(path), []).append(range_of(wanted))
        return found

    def connections(self, run: str, name: str) -> set[str]:
        """Those over which this run asked for this file."""
        return {number for path, number, by, _ in self._log if by == run and named(path) == name}


def named(path: str) -> str:
    """The name that the file has here."""
    name = path.rpartition("/")[2]
    return f"{name}.1" if name == TAKEN else name


def range_of(wanted: str) -> Range:
    """The bytes that a Range header asks for; of none, all."""
    start, _, last = wanted.removeprefix("bytes=").partition("-")
    return int(start or 0), int(last) + 1 if last else sys.maxsize
