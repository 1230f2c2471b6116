"""`fetch --checksum-file`: which files are kept, and what is said of the file that tells."""

from __future__ import annotations

import json
import os
from hashlib import md5, sha256
from pathlib import Path
from typing import Any

import pytest

from downloader.testing import Origin, content


def digest(path: str, size: int) -> str:
    return sha256(b"".join(content(path, size))).hexdigest()


def lines(command: Any) -> list[dict[str, Any]]:
    return [json.loads(line) for line in command.out.splitlines()]


@pytest.fixture
def listed(origin: Origin, tmp_path: Path) -> list[str]:
    """Three URLs: of a file with its line, one with another's, one without."""
    urls = [origin.add(f"/{name}", 5) for name in ("good", "bad", "none")]
    (tmp_path / "SHA256SUMS").write_text(
        f"{digest('/good', 5)}  good\n{digest('/good', 5)} *bad\n# end\n"
    )
    return urls


async def test_each_file_is_held_to_its_line(
    start: Any, origin: Origin, listed: list[str], tmp_path: Path
) -> None:
    """One is right, one is wrong, and one is not asked for."""
    options = ("--checksum-file", "SHA256SUMS", "-d", "out", "--report", "-")
    command = start("fetch", *listed, *options)
    assert await command.ended == 1
    assert os.listdir(tmp_path / "out") == ["good"]
    *outcomes, _ = lines(command)
    errors = {line["url"].rpartition("/")[2]: line["error"] for line in outcomes}
    assert errors == {"good": None, "bad": "ChecksumMismatch", "none": "NoChecksum"}
    (good,) = (line for line in outcomes if line["error"] is None)
    assert good["checksum"] == f"sha-256={digest('/good', 5)}"
    assert origin.requests == {"/good": 1, "/bad": 1}


async def test_what_has_no_line_is_a_list_again(
    start: Any, listed: list[str], tmp_path: Path
) -> None:
    """For a run without the checksum file, if that is wanted."""
    command = start("fetch", listed[2], "--checksum-file", "SHA256SUMS", "--failed", "again")
    assert await command.ended == 1
    command = start("fetch", "-i", "again")
    assert await command.ended == 0
    assert (tmp_path / "none").exists()


@pytest.mark.parametrize(
    "shell",
    ['"$@" --checksum-file <(cat SHA256SUMS)', 'cat SHA256SUMS | "$@" --checksum-file /dev/stdin'],
)
async def test_a_pipe(start: Any, listed: list[str], shell: str) -> None:
    """Such as one from gpg, which has looked at the signature."""
    command = start("fetch", listed[0], shell=shell)
    assert await command.ended == 0, command.err


BAD = {
    "none": (["--checksum-file", "none"], "cannot use the checksum file none: No such file"),
    "a directory": (["--checksum-file", "."], "cannot use the checksum file .: Is a directory"),
    "without any": (["--checksum-file", "empty"], "there is no checksum in it"),
    "a URL": (["--checksum-file", "http://h/S"], "it has to be a file on this machine"),
    "endless": (["--checksum-file", "/dev/zero"], "it is longer than 268,435,456 bytes"),
    "its name": (["--checksum-file", ""], "--checksum-file needs more than an empty text"),
    "as report": (["--checksum-file", "S", "--report", "./S"], "name different files"),
    "names of servers": (
        ["--checksum-file", "S", "--content-disposition"],
        "--checksum-file excludes --content-disposition",
    ),
}


@pytest.mark.parametrize(("arguments", "sentence"), BAD.values(), ids=BAD.keys())
async def test_bad_usage(start: Any, tmp_path: Path, arguments: list[str], sentence: str) -> None:
    """2 and a sentence, before anything is fetched."""
    (tmp_path / "empty").touch()
    (tmp_path / "S").write_text(f"{'0' * 64}  a\n")
    command = start("fetch", "http://127.0.0.1:9/a", *arguments)
    assert await command.ended == 2
    (said,) = command.said
    assert said.startswith("downloader: ") and sentence in said
    assert (tmp_path / "S").read_text() == f"{'0' * 64}  a\n"


async def test_lines_that_are_none_are_told(start: Any, origin: Origin, tmp_path: Path) -> None:
    """As they may be those that were meant."""
    text = f"{digest('/a', 5)}  a\nSHA3-256 (a) = 00\n\x1b[2J\n"
    (tmp_path / "S").write_text(text)
    command = start("fetch", origin.add("/a", 5), "--checksum-file", "S")
    assert await command.ended == 0
    told, _ = command.said
    assert told == "lines of S that are no checksums: 2; the first is line 2"


@pytest.mark.parametrize("quiet", [[], ["-q"]])
@pytest.mark.parametrize("source", ["--checksum", "--checksum-file", "checksum="])
async def test_weak_kinds_are_taken_and_told(
    start: Any, origin: Origin, tmp_path: Path, source: str, quiet: list[str]
) -> None:
    """Once, with what asked for them."""
    weak = md5(b"".join(content("/a", 5))).hexdigest()
    (tmp_path / "S").write_text(f"{weak}  a\n{weak}  sub/a\n")
    entry = f"{origin.add('/a', 5)}\n checksum=md5={weak}\n"
    (tmp_path / "list").write_text(f"{entry} dir=1\n{entry} dir=2\n")
    arguments = {
        "--checksum": [origin.url("/a"), "--checksum", f"md5={weak}"],
        "--checksum-file": [origin.url("/a"), "--checksum-file", "S"],
        "checksum=": ["-i", "list"],
    }
    command = start("fetch", *arguments[source], *quiet, "--report", "-")
    assert await command.ended == 0
    told = [line for line in command.said if "WARNING" in line]
    source = "the list" if source == "checksum=" else source
    assert told == [f"WARNING: md5 ({source}) shows accidents, but no attacks; use sha-256"]
    assert {line["checksum"] for line in lines(command)[:-1]} == {f"md5={weak}"}


async def test_strong_kinds_are_not_told_of(start: Any, listed: list[str]) -> None:
    command = start("fetch", listed[0], "--checksum-file", "SHA256SUMS")
    assert await command.ended == 0
    assert len(command.said) == 1
