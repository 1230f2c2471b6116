"""One file and what it should be: every way in which it may not be so."""

from __future__ import annotations

import errno
import os
from hashlib import md5, sha256
from pathlib import Path

import pytest

from downloader.check.verify import READ, Outcome, Verdict, Verification
from downloader.sansio.expected import Expected

DATA = bytes(range(256)) * 12_000  # three pieces
SUM = f"sha-256={sha256(DATA).hexdigest()}"


def opened(path: str) -> int:
    return os.open(path, READ)


def compared(path: Path | str, **fields: object) -> Outcome:
    return Verification(Expected(str(path), **fields), opened).run()  # type: ignore[arg-type]


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "a"
    path.write_bytes(DATA)
    return path


@pytest.mark.parametrize("length", [None, len(DATA)])
def test_a_file_that_is_right(file: Path, length: int | None) -> None:
    for checksum in (SUM, f"md5={md5(DATA).hexdigest()}"):
        outcome = compared(file, length=length, checksum=checksum)
        assert outcome.verdict is Verdict.OK
        assert (outcome.length, outcome.detail) == (len(DATA), None)


def test_a_file_of_which_only_the_length_is_known(file: Path) -> None:
    assert compared(file, length=len(DATA)).verdict is Verdict.LENGTH_ONLY


def test_other_bytes(file: Path) -> None:
    """Of the same length, in the last of them."""
    file.write_bytes(DATA[:-1] + b"x")
    outcome = compared(file, length=len(DATA), checksum=SUM)
    digest = sha256(DATA[:-1] + b"x").hexdigest()
    assert (outcome.verdict, outcome.detail) == (Verdict.MISMATCH, f"sha-256 is {digest}")


@pytest.mark.parametrize("checksum", [None, SUM])
def test_another_length(file: Path, checksum: str | None) -> None:
    """It is told without a look at the bytes."""
    verification = Verification(Expected(str(file), 5, checksum), opened)
    outcome = verification.run()
    assert (outcome.verdict, outcome.length) == (Verdict.WRONG_LENGTH, len(DATA))
    assert outcome.detail == "3,072,000 bytes in place of 5"
    assert verification.read == 0


def test_what_cannot_be_right(file: Path, tmp_path: Path) -> None:
    """Where it is missing, that is what is said."""
    assert compared(file, objection="it is two").verdict is Verdict.MISMATCH
    assert compared(tmp_path / "b", objection="it is two").verdict is Verdict.MISSING


def test_no_file(tmp_path: Path) -> None:
    (tmp_path / "dangling").symlink_to("nowhere")
    for name in ("none", "none/below", "dangling"):
        assert compared(tmp_path / name, length=0).verdict is Verdict.MISSING


def test_what_is_no_regular_file(tmp_path: Path) -> None:
    """Nobody waits for a FIFO's writer."""
    os.mkfifo(tmp_path / "fifo")
    for path in (tmp_path, tmp_path / "fifo", "/dev/null"):
        outcome = compared(path, length=0)
        assert (outcome.verdict, outcome.detail) == (Verdict.UNREADABLE, "it is no regular file")


@pytest.mark.parametrize(
    ("path", "reason"),
    [
        ("{}/a/below", "Not a directory"),
        ("{}/" + "x" * 300, "File name too long"),
        ("{}/\0", "embedded null"),
        ("{}/\ud800", "surrogates not allowed"),
    ],
)
def test_what_cannot_be_opened(file: Path, path: str, reason: str) -> None:
    outcome = compared(path.format(file.parent), length=0)
    assert outcome.verdict is Verdict.UNREADABLE and reason in str(outcome.detail)


def test_what_cannot_be_read(file: Path) -> None:
    """Here, because it was opened to be written."""
    expected = Expected(str(file), checksum=SUM)
    outcome = Verification(expected, lambda path: os.open(path, os.O_WRONLY)).run()
    assert outcome.verdict is Verdict.UNREADABLE
    assert outcome.detail == os.strerror(errno.EBADF)


def test_one_that_is_no_more_wanted(file: Path) -> None:
    """Is read no further than the piece that is under way."""
    verification = Verification(Expected(str(file), checksum=SUM), opened)
    verification.unwanted = True
    verification.run()
    assert verification.read == 0
