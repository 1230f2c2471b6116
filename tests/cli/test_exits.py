"""Exit codes, and one clear sentence for each thing that keeps the command from running."""

from __future__ import annotations

import gzip
import os
from pathlib import Path
from typing import Any

import pytest

from downloader._version import __version__
from downloader.cli.exits import ExitCode
from downloader.jobs import Report
from downloader.testing import Origin

URL = "http://127.0.0.1:9/x"


def test_exit_codes_never_change() -> None:
    """Scripts branch on them."""
    assert {code.name: int(code) for code in ExitCode} == {
        "OK": 0,
        "FAILED": 1,
        "USAGE": 2,
        "HANGUP": 129,
        "INTERRUPTED": 130,
        "TERMINATED": 143,
    }


@pytest.mark.parametrize(
    ("report", "code"),
    [
        (Report(complete=3), ExitCode.OK),
        (Report(skipped=3), ExitCode.OK),
        (Report(), ExitCode.OK),
        (Report(complete=3, failed=1), ExitCode.FAILED),
        (Report(complete=3, invalid=1), ExitCode.FAILED),
        (Report(complete=3, pending=1), ExitCode.FAILED),
    ],
)
def test_ok_means_that_every_line_was_fetched(report: Report, code: ExitCode) -> None:
    """Or was there already."""
    assert ExitCode.of(report) is code


async def test_all_fetched(start: Any, origin: Origin, tmp_path: Path) -> None:
    """0, and nothing on standard output."""
    command = start("fetch", origin.add("/a", 5), "-d", "out")
    assert await command.ended == 0
    assert (command.out, (tmp_path / "out/a").stat().st_size) == (b"", 5)
    (summary,) = command.said
    assert summary.startswith("1 complete, 5 B in ")


async def test_some_failed(start: Any, origin: Origin) -> None:
    """1, with the reason and how often."""
    command = start("fetch", origin.add("/a", 5), origin.url("/b"), origin.url("/c"))
    assert await command.ended == 1
    assert command.said[:3] == [
        "2 x The server has no such file (NotFound):",
        f"    {origin.url('/b')}: HTTP status 404",
        f"    {origin.url('/c')}: HTTP status 404",
    ]
    assert command.said[3].startswith("1 complete, 2 failed, 5 B in ")


async def test_a_bad_line_stops_nothing(start: Any, origin: Origin, tmp_path: Path) -> None:
    """It is told with its number, and the code says that not all of the list was fetched."""
    (tmp_path / "list").write_text(f"ftp://h/x\n{origin.add('/a', 5)}\n")
    command = start("fetch", "-i", "list")
    assert await command.ended == 1
    assert command.said[0].startswith("line 1 is left out: 'ftp://h/x': ")
    assert (tmp_path / "a").exists()


BAD = {
    "no URL": ([], "give URLs, a list with -i"),
    "URLs and a list": ([URL, "-i", "list"], "not both"),
    "a list as a URL": (["list"], "is it a list? then: -i list"),
    "another scheme": (["ftp://h/x"], "the scheme 'ftp' is not http or https"),
    "no such option": (["--frobnicate", URL], "--frobnicate"),
    "no such list": (["-i", "none"], "cannot read the list none: No such file or directory"),
    "a directory as list": (["-i", "."], "cannot read the list .: it is a directory"),
    "cut gzip": (["-i", "cut.gz"], "the gzip data ends too early"),
    "not a number": (["-j", "many", URL], "'many' is not a whole number from 1 to 10000"),
    "too few jobs": (["-j", "0", URL], "'0' is not a whole number"),
    "no seconds": (["-t", "nan", URL], "'nan' is not a number of seconds"),
    "no plain seconds": (["--per-host-delay", "1e0", URL], "'1e0' is not a number of seconds"),
    "endless seconds": (["--max-time", "inf", URL], "'inf' is not a number of seconds"),
    "zero seconds": (["--stall-timeout", "0", URL], "more than 0 seconds"),
    "no size": (["--lowest-speed-limit", "10X", URL], "'10X' is not a size"),
    "no header": (["-H", "Accept", URL], "a header is written 'Name: value'"),
    "a header of ours": (["-H", "Host: h", URL], "the header Host is set by this program"),
    "no checksum": (["--checksum", "md5=12", URL], "32 hexadecimal digits"),
    "one name, two URLs": (["-o", "x", URL, URL], "-o is for a single URL"),
    "one checksum, a list": (
        ["--checksum", "md5=" + "0" * 32, "-i", "list"],
        "--checksum is for a single URL",
    ),
    "an empty name": (["-o", "", URL], "--out needs more than an empty text"),
    "an empty list's name": (["-i", "", URL], "--input-file needs more than an empty text"),
    "an empty report": (["--report", "", URL], "--report needs more than an empty text"),
    "a user agent of two lines": (["-U", "a\nb", URL], "cannot be printed"),
    "a user agent beyond ASCII": (["-U", "é", URL], "not ASCII"),
    "a contact with blanks": (["--contact", "me (at) h", URL], "visible ASCII"),
    "a contact of nobody": (["--contact", "me", URL], "neither an http URL nor a mail address"),
    "an empty contact": (["--contact", "", URL], "visible ASCII"),
    "a name that climbs": (["-o", "../x", URL], "leads upwards"),
    "an absolute name": (["-o", "/x", URL], "is absolute"),
    "a file as directory": (["-d", "list", URL], "cannot make list: "),
    "a report in no directory": (["--report", "none/r", URL], "cannot write to none/r: No such"),
    "failures in no directory": (["--failed", "none/f", URL], "cannot write to none/f: No such"),
    "the list as report": (["-i", "list", "--report", "./list"], "name different files"),
    "the list as failures": (["-i", "list", "--failed", "list"], "name different files"),
}


@pytest.mark.parametrize(("arguments", "sentence"), BAD.values(), ids=BAD.keys())
async def test_bad_usage(start: Any, tmp_path: Path, arguments: list[str], sentence: str) -> None:
    """2 and one sentence, which names what is wrong, and never a traceback."""
    (tmp_path / "list").write_text(f"{URL}\n")
    (tmp_path / "cut.gz").write_bytes(gzip.compress(b"")[:-1])
    command = start("fetch", "--progress", "none", *arguments)
    assert await command.ended == 2
    (*_, said) = command.said
    assert said.startswith("downloader: ") and sentence in said
    assert b"Traceback" not in command.err
    assert (tmp_path / "list").read_text() == f"{URL}\n"


async def test_a_directory_that_cannot_be_written(start: Any, tmp_path: Path) -> None:
    """Told before anything is fetched; root may write everywhere but in /proc."""
    command = start("fetch", "-d", "/proc/self/fdinfo", URL)
    assert await command.ended == 2
    (said,) = command.said
    assert said.startswith("downloader: cannot write to the directory /proc/self/fdinfo: ")


@pytest.mark.parametrize("shell", ['"$@" <&-', 'exec 0<&-; "$@"'])
async def test_a_closed_standard_input(start: Any, shell: str) -> None:
    """Is no list, and no socket takes its number."""
    command = start("fetch", "-i", "-", shell=shell)
    assert await command.ended == 2
    assert command.said == ["downloader: cannot read the list from standard input: it is closed"]


async def test_help_without_a_command(start: Any) -> None:
    """Who types the name alone wants to know what there is."""
    command = start()
    assert await command.ended == 2
    assert b"fetch" in command.err and b"demo" in command.err


async def test_the_version(start: Any) -> None:
    """On standard output."""
    command = start("--version")
    assert await command.ended == 0
    assert __version__.encode() in command.out


async def test_a_bug_is_one_sentence(start: Any, tmp_path: Path) -> None:
    """And its traceback is for who asks for it with -v."""
    (tmp_path / "rich.py").write_text("raise RuntimeError('a bad install')")
    broken = {"PYTHONPATH": f"{tmp_path}{os.pathsep}{Path(__file__).parent.parent.parent}"}
    command = start("fetch", "--progress", "bar", URL, env=broken)
    assert await command.ended == 1
    (said,) = command.said
    assert "please report it: RuntimeError: a bad install" in said
    for asked in ("-v", "--verbose", "-kvv"):
        command = start("fetch", "--progress", "bar", asked, URL, env=broken)
        assert await command.ended == 1
        assert b"Traceback" in command.err
