"""`downloader check`: what fetch has brought is looked at again, and nothing is written."""

from __future__ import annotations

import json
import os
import subprocess
from hashlib import sha256
from pathlib import Path
from typing import Any

import click
import pytest
from click.testing import CliRunner

from downloader.cli.app import commands
from downloader.cli.check import check
from downloader.sansio.names import STATE
from downloader.testing import Origin, content

SIZES = {"a": 5, "b": 100_000, "c": 3_000_000}
ALL_OK = ["ok", "ok", "ok"]


def test_every_option_is_explained() -> None:
    """In a section; nothing is hidden."""
    text = CliRunner().invoke(commands, ["check", "--help"]).output
    for param in check.params:
        if isinstance(param, click.Option):
            assert param.help and not param.hidden and getattr(param, "section", None)
            assert all(name in text for name in param.opts)
    assert "Exit codes: 0 all as they should be" in text and "NOT checked" in text


async def fetch(start: Any, origin: Origin, tmp_path: Path) -> Path:
    """The directory with three files that are fetched by their checksums; `r` is the report."""
    lines = []
    for name, size in SIZES.items():
        origin.add(f"/{name}", size)
        lines.append(f"{sha256(b''.join(content(f'/{name}', size))).hexdigest()}  {name}\n")
    (tmp_path / "S").write_text("".join(lines))
    urls = [origin.url(f"/{name}") for name in (*SIZES, "none")]
    command = start("fetch", *urls, "-d", "out", "--checksum-file", "S", "--report", "r")
    assert await command.ended == 1
    return tmp_path / "out"


def tree(path: Path) -> dict[str, tuple[int, int]]:
    """What is there: when it was changed, and its number."""
    found = [(one, one.lstat()) for one in path.rglob("*")]
    return {str(one): (stat.st_mtime_ns, stat.st_ino) for one, stat in found}


@pytest.mark.parametrize("arguments", [["r"], ["out", "--checksum-file", "S"]])
async def test_what_was_fetched_is_right(
    start: Any, origin: Origin, tmp_path: Path, arguments: list[str]
) -> None:
    """By the report, or by the checksum file; and all stays as it is."""
    await fetch(start, origin, tmp_path)
    before = tree(tmp_path)
    command = start("check", *arguments, "--report", "-")
    assert await command.ended == 0
    *lines, end = [json.loads(line) for line in command.out.splitlines()]
    assert [line["status"] for line in lines] == ALL_OK
    assert {os.path.basename(line["path"]): line["bytes"] for line in lines} == SIZES
    assert end["summary"]["bytes"] == sum(SIZES.values())
    (summary,) = command.said
    assert summary.startswith("3 ok, 3.0 MiB read in ")
    assert tree(tmp_path) == before


async def test_what_a_list_has_brought(start: Any, origin: Origin, tmp_path: Path) -> None:
    """By its checksum where one was known, else by its length; not while a run goes on."""
    digest = sha256(b"".join(content("/a", 5))).hexdigest()
    summed = f"{origin.add('/a', 5)}\n checksum=sha-256={digest}\n"
    (tmp_path / "list").write_text(f"{summed}{origin.add('/b', 9)}\n{origin.url('/none')}\n")
    assert await start("fetch", "-i", "list", "-d", "out").ended == 1
    before = tree(tmp_path / "out")
    command = start("check", "out", "--report", "-")
    assert await command.ended == 0
    found = [json.loads(line) for line in command.out.splitlines()]
    assert sorted(one["status"] for one in found[:-1]) == ["length only", "ok"]
    there = {path: seen for path, seen in tree(tmp_path / "out").items() if STATE not in path}
    assert there.items() <= before.items()
    (tmp_path / "out" / "a").write_bytes(b"other")
    (tmp_path / "out" / "b").unlink()
    command = start("check", "out")
    assert await command.ended == 1
    mismatch, missing = sorted(command.said[:2])
    assert mismatch.startswith("a: mismatch: sha-256 is ") and missing == "b: missing"


async def test_nothing_to_compare_is_no_success(start: Any, tmp_path: Path) -> None:
    (tmp_path / "r").write_text('{"status":"removed"}\n{"summary":{}}\n')
    command = start("check", "r")
    assert await command.ended == 1
    assert command.said[0] == "nothing was compared: the report tells of no complete file"


async def test_not_while_a_run_goes_on(
    start: Any, until: Any, origin: Origin, tmp_path: Path
) -> None:
    (tmp_path / "list").write_text(origin.add_silent("/silent"))
    fetching = start("fetch", "-i", "list", "-d", "out")
    await until(lambda: origin.silent)
    command = start("check", "out")
    assert await command.ended == 2
    assert "Another process is using this directory's state" in command.said[-1]
    fetching.signal("INT")
    assert await fetching.ended == 130


@pytest.mark.parametrize("arguments", [["r"], ["out", "--checksum-file", "S"]])
async def test_what_is_wrong_is_told(
    start: Any, origin: Origin, tmp_path: Path, arguments: list[str]
) -> None:
    """A line for each file, and 1."""
    fetched = await fetch(start, origin, tmp_path)
    os.unlink(fetched / "a")
    with (fetched / "b").open("r+b") as file:
        file.write(b"x" * 10)
    os.unlink(fetched / "c")
    os.mkdir(fetched / "c")
    command = start("check", *arguments)
    assert await command.ended == 1
    *told, summary = command.said
    directory = "out/" if arguments == ["r"] else ""
    digest = sha256((fetched / "b").read_bytes()).hexdigest()
    assert sorted(told) == [
        f"{directory}a: missing",
        f"{directory}b: mismatch: sha-256 is {digest}",
        f"{directory}c: unreadable: it is no regular file",
    ]
    assert summary.startswith("0 ok, 1 missing, 1 mismatch, 1 unreadable, ")


async def test_a_report_knows_lengths(start: Any, origin: Origin, tmp_path: Path) -> None:
    """Of files without a checksum that is all."""
    command = start("fetch", origin.add("/a", 5), origin.add("/b", 5), "--report", "r")
    assert await command.ended == 0
    command = start("check", "r")
    assert await command.ended == 0
    assert command.said[0].startswith("0 ok, 2 length only, 0 B read in ")
    (tmp_path / "b").write_bytes(b"123456")
    command = start("check", "r")
    assert await command.ended == 1
    assert command.said[0] == "./b: wrong length: 6 bytes in place of 5"


async def test_what_sha256sum_writes(start: Any, tmp_path: Path) -> None:
    """Names and all, and one line for one file, whatever is in its name."""
    (tmp_path / "in/sub").mkdir(parents=True)
    names = ["a", "sub/b", "new\nline", "back\\slash", ".hidden", "-x"]
    for name in names:
        (tmp_path / "in" / name).write_text(name)
    paths = [f"./{name}" for name in names]
    written = subprocess.run(["sha256sum", *paths], cwd=tmp_path / "in", capture_output=True)
    (tmp_path / "S").write_bytes(written.stdout)
    command = start("check", "in", "--checksum-file", "S")
    assert await command.ended == 0
    assert command.said[0].startswith("6 ok, ")
    (tmp_path / "in/new\nline").write_text("other")
    command = start("check", "in", "--checksum-file", "S")
    assert await command.ended == 1
    assert command.said[0].startswith("new\\nline: mismatch: sha-256 is ")


async def test_no_path_leads_out(start: Any, tmp_path: Path) -> None:
    """Nobody learns from an exit code what is in a file elsewhere."""
    (tmp_path / "in").mkdir()
    (tmp_path / "outside").write_text("x")
    (tmp_path / "in/link").symlink_to("../outside")
    digest = sha256(b"x").hexdigest()
    paths = ["../outside", str(tmp_path / "outside"), "link"]
    (tmp_path / "S").write_text("".join(f"{digest}  {path}\n" for path in paths))
    command = start("check", "in", "--checksum-file", "S")
    assert await command.ended == 1
    assert command.said[-1].startswith("0 ok, 3 unreadable, 0 B read")


@pytest.mark.parametrize(("name", "code"), [("a", 0), ("other", 1)])
async def test_ignore_missing(start: Any, tmp_path: Path, name: str, code: int) -> None:
    """One of many that a server lists; if none is there, that is a fault."""
    (tmp_path / name).write_text("x")
    digest = sha256(b"x").hexdigest()
    (tmp_path / "S").write_text(f"{digest}  a\n{digest}  b\n{digest}  c\n")
    command = start("check", ".", "--checksum-file", "S", "--ignore-missing")
    assert await command.ended == code
    assert len(command.said) == 1


async def test_quiet(start: Any, origin: Origin, tmp_path: Path) -> None:
    """The exit code tells."""
    fetched = await fetch(start, origin, tmp_path)
    os.unlink(fetched / "a")
    command = start("check", "-q", "r")
    assert await command.ended == 1
    assert command.err == b""


async def test_a_report_that_was_cut(start: Any, origin: Origin, tmp_path: Path) -> None:
    """Its last line is told of, and is a fault: what it was about is not known."""
    await fetch(start, origin, tmp_path)
    text = (tmp_path / "r").read_bytes()
    (tmp_path / "r").write_bytes(text[:-30])
    command = start("check", "r")
    assert await command.ended == 1
    assert command.said[0] == "line 5 is left out: it is no line of a report"
    assert command.said[1].startswith("3 ok, 1 invalid, ")


BAD = {
    "nothing": ([], "Missing argument"),
    "two": (["r", "r"], "unexpected extra argument"),
    "none": (["none"], "cannot read none: No such file or directory"),
    "a directory": (
        ["."],
        "no list was fetched to DIR with -i: say how its files should be",
    ),
    "a report and a checksum file": (
        ["r", "--checksum-file", "S"],
        "--checksum-file is for a directory, which r is not",
    ),
    "no report": (["S"], "cannot read the report S: it is no report of fetch"),
    "an empty report": (["empty"], "cannot read the report empty: it is empty"),
    "no regular file": (["/dev/null"], "it is neither a directory nor a regular file"),
    "no checksum file": ([".", "--checksum-file", "none"], "cannot use the checksum file none: "),
    "no checksums": ([".", "--checksum-file", "empty"], "there is no checksum in it"),
    "an empty name": (
        [".", "--checksum-file", ""],
        "--checksum-file needs more than an empty text",
    ),
    "the report as report": (
        ["r", "--report", "./r"],
        "REPORT and --report have to name different",
    ),
    "the checksum file as report": (
        [".", "--checksum-file", "S", "--report", "S"],
        "--checksum-file and --report have to name different files",
    ),
    "a report in no directory": (["r", "--report", "none/r"], "cannot write to none/r: No such"),
}


@pytest.mark.parametrize(("arguments", "sentence"), BAD.values(), ids=BAD.keys())
async def test_bad_usage(start: Any, tmp_path: Path, arguments: list[str], sentence: str) -> None:
    """2 and one sentence."""
    (tmp_path / "r").write_text('{"status":"error"}\n')
    (tmp_path / "S").write_text("0" * 64 + "  a\n")
    (tmp_path / "empty").touch()
    before = tree(tmp_path)
    command = start("check", *arguments)
    assert await command.ended == 2
    (said,) = command.said
    assert said.startswith("downloader: ") and sentence in said
    assert tree(tmp_path) == before


@pytest.mark.parametrize(("name", "code"), [("INT", 130), ("TERM", 143)])
async def test_a_signal_stops(start: Any, until: Any, tmp_path: Path, name: str, code: int) -> None:
    """At once, in the middle of files that would take hours."""
    paths = [tmp_path / f"{number}" for number in range(8)]
    for path in paths:
        path.touch()
        os.truncate(path, 1 << 40)
    (tmp_path / "short").touch()
    (tmp_path / "S").write_text(
        f"{sha256().hexdigest()}  short\n" + "".join(f"{'0' * 64}  {p.name}\n" for p in paths)
    )
    command = start("check", ".", "--checksum-file", "S", "--report", "r")
    await until(lambda: (tmp_path / "r").exists() and (tmp_path / "r").read_text())
    command.signal(name)
    assert await command.ended == code
    assert command.said[-1].startswith("stopped: 1 ok, ")
    line, end = [json.loads(line) for line in (tmp_path / "r").read_text().splitlines()]
    assert (line["path"], end["summary"]["interrupted"]) == ("short", True)


@pytest.mark.parametrize("progress", ["bar", "plain", "none"])
async def test_progress(start: Any, origin: Origin, tmp_path: Path, progress: str) -> None:
    """As for fetch."""
    await fetch(start, origin, tmp_path)
    command = start("check", "r", "--progress", progress)
    assert await command.ended == 0
    assert ("3 files" in command.err.decode()) == (progress == "bar")


async def test_a_report_that_cannot_be_written(start: Any, origin: Origin, tmp_path: Path) -> None:
    """The files are compared all the same; the code tells of it."""
    await fetch(start, origin, tmp_path)
    command = start("check", "r", "--report", "/dev/full")
    assert await command.ended == 1
    assert command.said[0] == "cannot write to /dev/full: No space left on device"
    assert command.said[1].startswith("3 ok, ")
