"""kill -9 at every call that changes a file, at every step with the store, and at any moment: the
same command then brings what is missing, and nothing that should not be there."""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import subprocess
import sys
import urllib.request
from collections.abc import Callable, Generator, Iterator, Set
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from zlib import crc32

import pytest
import pytest_twisted
from support.killed import CHANGES, STEPS, SYNCS
from support.late import Late
from support.left import Left, files_in
from twisted.internet.defer import Deferred, gatherResults
from twisted.internet.task import deferLater
from twisted.internet.threads import deferToThread

from downloader.sansio.journal import head_record, held_record, identity_of, tail_of
from downloader.sansio.ranges import Range, Ranges
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
# Calls that are not made here, where files can be linked.
NEVER = {"rename", "replace"}


@dataclass
class Killed:
    """What a run that was killed has left, and what the one told that went on with it as `run`."""

    run: str
    complete: set[str]
    named: set[str]
    held: dict[str, Ranges]
    told: list[int]


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

    def run(self, out: Path, name: str, last: tuple[str, int] | None = None) -> Any:
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


class Rounds:
    """Runs of the list of what is `served` that are killed, each in a directory of its own, and the
    same again. `wanted` are the bytes by name that are there in the end."""

    def __init__(self, url: Any, served: dict[str, bytes], run: Any, here: Path) -> None:
        self._url = url
        self._run = run
        self._here = here
        self._resumed = list(served)[-1]
        self._begun = served[self._resumed][:BEGUN]
        self.wanted = BYSTANDERS | {named(name): data for name, data in served.items()}

    def all(self, what: str) -> list[Killed]:
        """A round for each call of this name."""
        rounds: list[Killed] = []
        while (one := self._round(what, len(rounds))) is not None:
            rounds.append(one)
        return rounds

    def _round(self, what: str, n: int) -> Killed | None:
        """None: there is no such call."""
        name = f"{what}-{n}".replace(" ", "-")
        out = self._prepared(name)
        first = self._run(out, f"{name}-first", (what, n))
        left = Left(out)
        check_left(left, self.wanted)
        assert left.files.keys() >= BYSTANDERS.keys()
        assert self._resumed in left.files or left.held[self._resumed].size >= BEGUN
        if first["code"] != -signal.SIGKILL:
            assert first == {"code": 0, "told": [20, 0]}
            self._check_done(out)
            return None
        second = self._run(out, name)
        assert second["code"] == 0, name
        self._check_done(out)
        shutil.rmtree(out)
        return Killed(name, left.complete, left.named, left.held, second["told"])

    def _check_done(self, out: Path) -> None:
        found = files_in(out)
        assert found.keys() == self.wanted.keys(), out
        assert not wrong(found, self.wanted), out

    def _prepared(self, name: str) -> Path:
        """A directory with files of others, and one that an earlier run has left."""
        out = self._here / name
        out.mkdir()
        for bystander, data in BYSTANDERS.items():
            (out / bystander).write_bytes(data)
        url, part = self._url(f"/ranges/{self._resumed}"), out / f"{self._resumed}.part"
        with urllib.request.urlopen(url) as answer:
            told = answer.headers
        version = Version(told["ETag"], told["Last-Modified"], BEGUN_SIZE)
        mark = (0, BEGUN, crc32(self._begun[tail_of(0, BEGUN) :]))
        part.write_bytes(self._begun)
        journal = head_record(identity_of(url), version) + held_record([mark])
        part.with_name(f"{part.name}.journal").write_bytes(journal)
        return out


def test_killed_at_every_call(
    nginx: Any, served: dict[str, bytes], runs: Callable[..., Any], tmp_path: Path
) -> None:
    """Twenty files, one of them over several connections and one that is gone on with."""
    assert len(served) == 20
    *_, long, resumed = served
    rounds = Rounds(nginx.url, served, runs, tmp_path)
    kinds = {what: rounds.all(what) for what in (*CHANGES, *SYNCS, *STEPS)}
    assert {what for what, some in kinds.items() if not some} - set(SYNCS) == NEVER
    assert any(kinds[what] for what in SYNCS)
    with urllib.request.urlopen(nginx.url("/ranges/f0")):  # nginx has written of all before it
        pass
    asked = Asked(nginx.ranges_log)
    killed = [one for some in kinds.values() for one in some]
    for one in killed:
        check_asked(one, asked.ranges(one.run), rounds.wanted.keys() - BYSTANDERS.keys())
    assert any(0 < len(one.complete) < 20 for one in killed)
    assert any(one.named - one.complete for one in killed)
    assert any(long in one.held and one.held[long].size for one in killed)
    whole = "rename-0-first"
    assert len(asked.connections(whole, long)) > 1
    assert asked.ranges(whole)[resumed] == [(BEGUN, sys.maxsize)]


# --- at any moment ----------------------------------------------------------------------------

KILLS = int(os.environ.get("KILLS", "50"))
FILES = 500
# Lists that are fetched side by side, since each run takes a while to start.
LISTS = 5
# A run is killed at one of so many requests. Those of a connection take 20 ms each, so that it goes
# on for as long as it takes to keep what has ended.
MOST = 240


@dataclass
class Figures:
    """What came of the kills: how many found some of the files complete, and how many some that
    the killed run itself had asked for; how often a file was asked for that had been before."""

    kills: int = 0
    midway: int = 0
    kept: int = 0
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
        self._figures.kept += code != 0 and bool(asked & left.complete)
        self._figures.twice += len(asked & self._ever)
        self._complete, self._named = left.complete, left.named
        self._ever |= asked


@pytest.fixture
def servers(reactor: Any) -> Generator[list[Late], None, None]:
    servers = [Late(reactor, 0.02) for _ in range(LISTS)]
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
    assert figures.midway and figures.kept, figures


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
    known = one.complete | one.named
    assert asked.keys() == names - known, one.run
    assert one.told == [len(names - known), len(known)], one.run
    for name, held in one.held.items():
        for start, stop in asked.get(name, []):
            assert not any(start < end and begin < stop for begin, end in held), (one.run, name)


class Asked:
    """What nginx tells of requests, for each run."""

    def __init__(self, log: list[list[str]]) -> None:
        self._of: dict[str, list[tuple[str, str, str]]] = {}
        for path, connection, run, wanted in log:
            self._of.setdefault(run, []).append((named(path), connection, wanted))

    def ranges(self, run: str) -> dict[str, list[Range]]:
        """The bytes that it asked for, by the names of the files."""
        found: dict[str, list[Range]] = {}
        for name, _, wanted in self._of.get(run, ()):
            found.setdefault(name, []).append(range_of(wanted))
        return found

    def connections(self, run: str, name: str) -> set[str]:
        """Those over which it asked for this file."""
        return {connection for asked, connection, _ in self._of[run] if asked == name}


def named(path: str) -> str:
    """The name that the file has here."""
    name = path.rpartition("/")[2]
    return f"{name}.1" if name == TAKEN else name


def range_of(wanted: str) -> Range:
    """The bytes that a Range header asks for; of none, all."""
    start, _, last = wanted.removeprefix("bytes=").partition("-")
    return int(start or 0), int(last) + 1 if last else sys.maxsize
