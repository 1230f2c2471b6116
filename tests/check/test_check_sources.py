"""What says how files should be, and where it looks for them."""

from __future__ import annotations

import json
import os
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from downloader.check.sources import ChecksumSource, ReportSource, Source, StateSource
from downloader.checksums import Checksums
from downloader.errors import BadLine, StoreBusy, StoreError, StoreTooNew
from downloader.sansio.expected import Expected
from downloader.sansio.names import STATE
from downloader.store import JobStore
from downloader.store.database import LOCK
from downloader.store.jobstore import Row

SUM = "0" * 64


def line(path: str, status: str = "complete") -> str:
    return json.dumps({"path": path, "bytes": 5, "status": status}) + "\n"


def read(source: Source) -> tuple[list[Expected | None], list[BadLine]]:
    refused: list[BadLine] = []
    return list(source.files(refused.append)), refused


@pytest.fixture
def report(tmp_path: Path) -> Iterator[ReportSource]:
    (tmp_path / "r").touch()
    source = ReportSource(str(tmp_path / "r"))
    yield source
    source.close()


def test_a_report(report: ReportSource, tmp_path: Path) -> None:
    """Its complete files; the number is known at its end."""
    text = line("a") + line("b", "error") + line("c") + '{"summary":{}}\n'
    (tmp_path / "r").write_text(text)
    assert report.total is None
    assert read(report) == ([Expected("a", 5), Expected("c", 5)], [])
    assert (report.total, report.error) == (2, None)


def test_a_report_that_was_cut(report: ReportSource, tmp_path: Path) -> None:
    """What is whole counts, and the rest is told of."""
    (tmp_path / "r").write_text(line("a") + line("b")[:-3])
    files, refused = read(report)
    assert files == [Expected("a", 5)]
    assert [(bad.line, bad.message) for bad in refused] == [(2, "it is no line of a report")]


def test_a_long_report_gives_others_their_turn(report: ReportSource, tmp_path: Path) -> None:
    """However many lines tell of no file."""
    (tmp_path / "r").write_text(line("a", "error") * 10_000)
    files, _ = read(report)
    assert set(files) == {None} and len(files) == 50


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "it is empty"),
        ("\n", "it is no report of fetch"),
        ("#!/bin/sh\n", "it is no report of fetch"),
        (f"{SUM}  a\n", "it is no report of fetch"),
    ],
)
def test_what_is_no_report(report: ReportSource, tmp_path: Path, text: str, reason: str) -> None:
    """And does not go on, whatever comes."""
    (tmp_path / "r").write_text(text + (line("a") if text else ""))
    assert read(report) == ([], [])
    assert report.error == reason


def test_a_reports_paths_are_taken_as_they_are(report: ReportSource, tmp_path: Path) -> None:
    """They are the user's own words, and links too."""
    (tmp_path / "link").symlink_to("r")
    fd = report.open(f"{tmp_path}/../{tmp_path.name}/link")
    assert os.path.samestat(os.fstat(fd), os.stat(tmp_path / "r"))
    os.close(fd)


def test_what_cannot_be_a_report(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo")
    for path in ("fifo", "/dev/null"):
        with pytest.raises(ValueError, match="neither a directory nor a regular file"):
            ReportSource(str(tmp_path / path))
    with pytest.raises(FileNotFoundError):
        ReportSource(str(tmp_path / "none"))


# --- a directory ---------------------------------------------------------------------------------


@pytest.fixture
def tree(tmp_path: Path) -> Iterator[ChecksumSource]:
    """Below `in`; outside is a file too, and links lead there."""
    (tmp_path / "in/sub").mkdir(parents=True)
    for name in ("outside", "in/a", "in/sub/b"):
        (tmp_path / name).write_text(name)
    (tmp_path / "in/link").symlink_to("../outside")
    (tmp_path / "in/up").symlink_to("..")
    (tmp_path / "in/here").symlink_to("sub")
    checksums = Checksums([f"{SUM}  a\n{SUM}  b\n{SUM[1:]}1  b\n".encode()])
    source = ChecksumSource(str(tmp_path / "in"), checksums)
    yield source
    source.close()


def test_a_checksum_file(tree: ChecksumSource) -> None:
    objection = "there are different checksums for it"
    wanted = [Expected("a", checksum=f"sha-256={SUM}"), Expected("b", objection=objection)]
    assert read(tree) == (wanted, [])
    assert (tree.total, tree.error) == (2, None)


def test_files_below_the_directory(tree: ChecksumSource) -> None:
    for name in ("a", "sub/b"):
        fd = tree.open(name)
        assert os.read(fd, 100) == f"in/{name}".encode()
        os.close(fd)


@pytest.mark.parametrize("name", ["link", "up/outside", "here/b", "a/b", "up/in/a"])
def test_no_link_is_followed(tree: ChecksumSource, name: str) -> None:
    """Not even one that stays inside."""
    with pytest.raises(OSError, match="a link is in the way, or a file"):
        tree.open(name)


@pytest.mark.parametrize(
    "name", ["../outside", "sub/../../outside", "/etc/passwd", "..", "sub/../a", "sub/", "/"]
)
def test_no_path_leads_out(tree: ChecksumSource, name: str) -> None:
    with pytest.raises(ValueError, match="it is not below the directory"):
        tree.open(name)


def test_nothing_is_made(tree: ChecksumSource, tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        tree.open("new/sub/a")
    assert not (tmp_path / "in/new").exists()


def test_a_directory_may_be_a_link(tree: ChecksumSource, tmp_path: Path) -> None:
    """It is the caller's own word; and it stays the one that it was."""
    (tmp_path / "dir").symlink_to("in")
    source = ChecksumSource(str(tmp_path / "dir"), Checksums([f"{SUM}  a".encode()]))
    (tmp_path / "dir").unlink()
    os.close(source.open("a"))
    source.close()


# --- the state of a list ---------------------------------------------------------------------


async def keep(reactor: Any, tmp_path: Path) -> Path:
    """The directory, with what is kept of a list in it."""
    store = JobStore(reactor, str(tmp_path / STATE))
    rows = [
        Row(0, 1, "a", "complete", size=5, checksum=f"sha-256={SUM}"),
        Row(1, 2, "sub/b", "complete", size=0),
        Row(2, 3, "c", "failed"),
        Row(3, 4, "d", "planned"),
        Row(2**41, 5, "earlier", "complete", size=7),
    ]
    await store.end(rows)
    store.close()
    return tmp_path


def change(directory: Path, *statements: str) -> None:
    path = directory / STATE / "state.sqlite"
    with closing(sqlite3.connect(path, isolation_level=None)) as database:
        for statement in statements:
            database.execute(statement)


async def test_what_is_kept_of_complete_files(reactor: Any, tmp_path: Path) -> None:
    kept = await keep(reactor, tmp_path)
    source = StateSource(str(kept))
    files = [Expected("a", 5, f"sha-256={SUM}"), Expected("sub/b", 0), Expected("earlier", 7)]
    assert (read(source), source.total, source.error) == ((files, []), 3, None)
    source.close()


async def test_what_is_kept_wrongly(reactor: Any, tmp_path: Path) -> None:
    """Somebody has changed the database: a row that says nothing is a fault, and no file."""
    kept = await keep(reactor, tmp_path)
    change(
        kept,
        "UPDATE entry SET size = 'x' WHERE number = 0",
        "UPDATE entry SET path = x'00' WHERE number = 1",
    )
    source = StateSource(str(kept))
    files, refused = read(source)
    assert files == [Expected("earlier", 7)]
    assert [bad.line for bad in refused] == [1, 2]
    source.close()


async def test_one_at_a_time_may_have_it(reactor: Any, tmp_path: Path) -> None:
    kept = await keep(reactor, tmp_path)
    source = StateSource(str(kept))
    with pytest.raises(StoreBusy):
        JobStore(reactor, str(kept / STATE))
    with pytest.raises(StoreBusy):
        StateSource(str(kept))
    source.close()
    JobStore(reactor, str(kept / STATE)).close()


async def test_a_state_that_cannot_be_read(reactor: Any, tmp_path: Path) -> None:
    kept = await keep(reactor, tmp_path)
    change(kept, "PRAGMA user_version = 7")
    with pytest.raises(StoreTooNew, match="version 7"):
        StateSource(str(kept))
    (kept / STATE / "state.sqlite").write_bytes(b"none" * 1000)
    with pytest.raises(StoreError, match="not a database"):
        StateSource(str(kept))
    (kept / STATE / "state.sqlite").unlink()
    with pytest.raises(StoreError, match="No such file"):
        StateSource(str(kept))


def for_all(path: Path) -> None:
    path.chmod(0o777)


def given_away(path: Path) -> None:
    """Only root can; others have what anybody may write to."""
    if os.geteuid() == 0:
        os.chown(path, 12345, -1)
    else:
        path.chmod(0o777)


def linked(path: Path) -> None:
    path.symlink_to(path.rename(path.with_name("real")))


@pytest.mark.parametrize("harm", [for_all, given_away, linked])
@pytest.mark.parametrize("name", ["", "state.sqlite"], ids=["directory", "database"])
async def test_a_state_that_another_may_have_written(
    reactor: Any, tmp_path: Path, harm: Callable[[Path], None], name: str
) -> None:
    """Is not believed, and nothing is made where a link leads."""
    kept = await keep(reactor, tmp_path)
    (kept / STATE / LOCK).unlink()
    harm(kept / STATE / name)
    with pytest.raises(StoreError):
        StateSource(str(kept))
    assert not (kept / STATE / LOCK).exists()
