"""All files of a source: what is counted, told and written, and how it is stopped."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from support.clean import LoggedFailures
from twisted.internet.task import deferLater

from downloader.check.report import CheckReport
from downloader.check.run import AT_ONCE, CheckRun
from downloader.check.verify import READ, Outcome, Verdict
from downloader.errors import BadLine
from downloader.listrun.outputs import OutputFile
from downloader.sansio.expected import Expected

WRONG = "sha-256=" + "0" * 64


class Given:
    """A source of these files, None and bad lines; `opened` and `closed` tell what was done."""

    name = "the test"
    error: str | None = None
    total: int | None = None

    def __init__(self, *files: Expected | BadLine | None) -> None:
        self.opened: list[str] = []
        self.closed = 0
        self.taken = 0
        self._given = files

    def files(self, refuse: Callable[[BadLine], None]) -> Iterator[Expected | None]:
        for one in self._given:
            self.taken += 1
            if isinstance(one, BadLine):
                refuse(one)
            else:
                yield one

    def open(self, path: str) -> int:
        self.opened.append(path)
        return os.open(path, READ)

    def close(self) -> None:
        self.closed += 1


class Held(Given):
    """The same, whose files are opened once `let_go` is set."""

    def __init__(self, *files: Expected | BadLine | None) -> None:
        super().__init__(*files)
        self.let_go = threading.Event()

    def open(self, path: str) -> int:
        self.opened.append(path)
        self.let_go.wait()
        return os.open(path, READ)


def expected(path: Path, **fields: Any) -> Expected:
    digest = sha256(path.read_bytes() if path.exists() else b"").hexdigest()
    return Expected(str(path), **{"checksum": f"sha-256={digest}", **fields})


@pytest.fixture
def files(tmp_path: Path) -> list[Path]:
    paths = [tmp_path / f"{number}" for number in range(50)]
    for number, path in enumerate(paths):
        path.write_bytes(bytes([number]) * 1000)
    return paths


def made(reactor: Any, source: Any, **options: Any) -> tuple[CheckRun, list[Outcome]]:
    told: list[Outcome] = []
    refused = options.pop("refused", [])
    return CheckRun(reactor, source, told.append, refused.append, **options), told


async def test_every_file_is_counted(reactor: Any, files: list[Path], tmp_path: Path) -> None:
    """Bad ones are told of; lines that are none are no files."""
    refused: list[BadLine] = []
    source = Given(
        *map(expected, files),
        expected(files[0], checksum=WRONG),
        None,
        expected(tmp_path / "none"),
        BadLine(53, "no line"),
        Expected(str(files[0]), 1000),
        Expected(str(files[0]), 1),
        Expected(str(tmp_path), 1),
    )
    run, told = made(reactor, source, refused=refused)
    await run.start()
    assert run.counts == {
        Verdict.OK: 50,
        Verdict.MISMATCH: 1,
        Verdict.MISSING: 1,
        Verdict.LENGTH_ONLY: 1,
        Verdict.WRONG_LENGTH: 1,
        Verdict.UNREADABLE: 1,
    }
    assert (run.finished, run.ended, run.failed, run.invalid) == (55, 55, 4, 1)
    assert {outcome.verdict for outcome in told} == set(Verdict) - {Verdict.OK, Verdict.LENGTH_ONLY}
    assert [bad.line for bad in refused] == [53]
    assert (run.received, source.closed, run.ok, run.interrupted) == (51_000, 1, False, False)
    assert run.summary.startswith(
        "50 ok, 1 length only, 1 missing, 1 wrong length, 1 mismatch, 1 unreadable, 1 invalid, "
        "49.8 KiB read in "
    )


async def test_all_is_well(reactor: Any, files: list[Path]) -> None:
    run, told = made(reactor, Given(*map(expected, files), Expected(str(files[0]), 1000)))
    await run.start()
    assert run.ok and told == []
    assert repr(run).startswith("<CheckRun 50 ok, 1 length only, ")


async def test_lines_that_say_nothing_are_a_fault(reactor: Any, files: list[Path]) -> None:
    """What they stood for was not looked at."""
    run, _ = made(reactor, Given(BadLine(1, "x"), expected(files[0])))
    await run.start()
    assert not run.ok and run.failed == 0


@pytest.mark.parametrize(("some", "ok"), [(True, True), (False, False)])
async def test_missing_files_may_be_ignored(
    reactor: Any, files: list[Path], tmp_path: Path, some: bool, ok: bool
) -> None:
    """Unless nothing is there at all."""
    missing = [expected(tmp_path / name) for name in ("one", "two")]
    source = Given(*missing, *map(expected, files[:1] if some else []))
    run, told = made(reactor, source, ignore_missing=True)
    await run.start()
    assert (told, run.failed, run.counts[Verdict.MISSING], run.ok) == ([], 0, 2, ok)


async def test_the_report(reactor: Any, files: list[Path], tmp_path: Path) -> None:
    """A line for each file, and the summary."""
    output = OutputFile(str(tmp_path / "r"), print)
    name = os.fsdecode(b"/none\xff\n")
    source = Given(expected(files[0]), expected(files[1], checksum=WRONG), Expected(name, 5))
    run, _ = made(reactor, source, report=CheckReport(output))
    await run.start()
    lines = [json.loads(line) for line in (tmp_path / "r").read_text("ascii").splitlines()]
    *outcomes, end = lines
    right, wrong = (sha256(bytes([n]) * 1000).hexdigest() for n in (0, 1))
    assert sorted(outcomes, key=lambda line: list(Verdict).index(line["status"])) == [
        {
            "path": str(files[0]),
            "status": "ok",
            "bytes": 1000,
            "checksum": f"sha-256={right}",
            "message": None,
        },
        {"path": name, "status": "missing", "bytes": None, "checksum": None, "message": None},
        {
            "path": str(files[1]),
            "status": "mismatch",
            "bytes": 1000,
            "checksum": WRONG,
            "message": f"sha-256 is {wrong}",
        },
    ]
    summary = end["summary"]
    assert summary.pop("seconds") >= 0
    assert summary == {
        **{verdict.value: 0 for verdict in Verdict},
        "ok": 1,
        "missing": 1,
        "mismatch": 1,
        "invalid": 0,
        "bytes": 2000,
        "interrupted": False,
    }


async def test_weak_checksums_are_told_of_once(
    reactor: Any, files: list[Path], warnings: list[str]
) -> None:
    weak = [Expected(str(path), checksum="md5=" + "0" * 32) for path in files[:3]]
    run, _ = made(reactor, Given(expected(files[0]), *weak))
    await run.start()
    assert warnings == ["WARNING: md5 (the test) shows accidents, but no attacks; use sha-256"]


# --- several at a time, and no further -----------------------------------------------------------


async def until(reactor: Any, holds: Callable[[], Any]) -> None:
    while not holds():
        await deferLater(reactor, 0.005)


async def test_so_many_at_once(reactor: Any, files: list[Path]) -> None:
    """And no more is read of the source."""
    source = Held(*map(expected, files))
    run, _ = made(reactor, source)
    done = run.start()
    await until(reactor, lambda: len(source.opened) == AT_ONCE)
    assert (source.taken, run.finished) == (AT_ONCE, 0)
    source.let_go.set()
    await done
    assert run.counts[Verdict.OK] == 50


@pytest.mark.parametrize("how", ["stop", "cancel"])
async def test_stopped_while_files_hang(
    reactor: Any, files: list[Path], tmp_path: Path, how: str
) -> None:
    """It is over at once. The source is let go of when nothing can be opened in it any more."""
    output = OutputFile(str(tmp_path / "r"), print)
    source = Held(*map(expected, files))
    run, told = made(reactor, source, report=CheckReport(output))
    done = run.start()
    await until(reactor, lambda: len(source.opened) == AT_ONCE)
    run.stop() if how == "stop" else done.cancel()
    assert done.called
    await done
    (line,) = (tmp_path / "r").read_text().splitlines()
    assert json.loads(line)["summary"]["interrupted"] is True
    assert (run.finished, run.interrupted, run.ok, source.closed) == (0, True, False, 0)
    source.let_go.set()
    await until(reactor, lambda: source.closed)
    assert (source.taken, len(source.opened), source.closed) == (AT_ONCE, AT_ONCE, 1)
    assert (told, run.finished) == ([], 0)


async def test_stopped_in_the_middle_of_a_file(reactor: Any, tmp_path: Path) -> None:
    """Which would take minutes."""
    with (tmp_path / "long").open("wb") as file:
        file.truncate(1 << 40)
    source = Given(Expected(str(tmp_path / "long"), checksum=WRONG))
    run, _ = made(reactor, source)
    done = run.start()
    await until(reactor, lambda: run.received)
    run.stop()
    await done
    await until(reactor, lambda: source.closed)
    assert 0 < run.received < 1 << 40


async def test_stopped_before_it_starts(reactor: Any, files: list[Path]) -> None:
    """A signal may come that early."""
    source = Given(*map(expected, files))
    run, _ = made(reactor, source)
    run.stop()
    await run.start()
    assert (run.finished, source.opened, source.closed) == (0, [], 1)


async def test_stopped_while_nothing_is_there_to_compare(reactor: Any) -> None:
    """A long report of files that have failed."""
    source = Given(*[None] * 1_000_000)
    run, _ = made(reactor, source)
    done = run.start()
    await until(reactor, lambda: source.taken > 100)
    run.stop()
    await done
    assert source.taken < 1_000_000


async def test_a_bug_comes_out(
    reactor: Any, files: list[Path], logged_failures: LoggedFailures
) -> None:
    """And nothing goes on behind it."""

    class Buggy(Given):
        def open(self, path: str) -> int:
            raise KeyError("a bug")

    source = Buggy(*map(expected, files))
    run, _ = made(reactor, source)
    with pytest.raises(KeyError):
        await run.start()
    await until(reactor, lambda: source.closed)
    logged_failures.flush(KeyError)  # of the other lanes
    assert source.taken <= 2 * AT_ONCE


# --- memory --------------------------------------------------------------------------------------

# A check of a report of so many lines, which is written first; prints its peak, in KiB.
RUN = """
import resource, sys
from twisted.internet.task import react
from downloader.check.run import CheckRun
from downloader.check.sources import ReportSource

count, path = int(sys.argv[1]), sys.argv[2]
with open(path, "w") as report:
    for number in range(count):
        report.write('{"status":"complete","path":"/none/%d","bytes":5}\\n' % number)

def main(reactor):
    global run
    run = CheckRun(reactor, ReportSource(path), lambda outcome: None, print)
    return run.start()

try:
    react(main)
except SystemExit:
    assert run.failed == count
    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
"""


def peak(count: int, path: Path) -> int:
    command = [sys.executable, "-c", RUN, str(count), str(path)]
    return int(subprocess.run(command, capture_output=True, text=True, check=True).stdout)


def test_ten_times_the_report_takes_no_more_memory(tmp_path: Path) -> None:
    """18,000 lines more would show at 200 bytes each."""
    assert peak(20_000, tmp_path / "r") - peak(2_000, tmp_path / "r") < 4 * 1024
