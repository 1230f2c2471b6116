"""Output files are new, secrets go to private ones only, and a full disk does not end a run."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path

import pytest

from downloader.listrun.outputs import PRIVATE, OutputFile

REPORT = 0o666


@pytest.fixture
def troubles() -> list[str]:
    return []


@contextmanager
def umask(mask: int) -> Generator[None, None, None]:
    before = os.umask(mask)
    try:
        yield
    finally:
        os.umask(before)


def mode_of(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def write(path: object, mode: int) -> None:
    file = OutputFile(str(path), pytest.fail, mode)
    file.write("new\n")
    file.close()


def test_a_full_disk_is_told_once(troubles: list[str]) -> None:
    """And the lines after it are dropped, not kept in memory."""
    file = OutputFile("/dev/full", troubles.append)
    for _ in range(3):
        file.write("line\n")
        file.flush()
    file.close()
    assert troubles == ["cannot write to /dev/full: No space left on device"]
    assert file.broken


def test_a_file_that_cannot_be_made_raises(tmp_path: Path, troubles: list[str]) -> None:
    """Before anything is fetched."""
    with pytest.raises(OSError):
        OutputFile(str(tmp_path / "none" / "r"), troubles.append)


def test_lines_are_written_when_there_are_many(tmp_path: Path, troubles: list[str]) -> None:
    """Memory does not grow with the list."""
    path = tmp_path / "r"
    file = OutputFile(str(path), troubles.append)
    for _ in range(2000):
        file.write("x" * 99 + "\n")
    assert path.stat().st_size > 2000 * 100 - 65536
    file.close()
    assert path.stat().st_size == 2000 * 100


def test_a_full_pipe_is_waited_for(troubles: list[str]) -> None:
    """Standard output may be non-blocking through no doing of ours; no line is lost then."""
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    saved = os.dup(1)
    os.dup2(writer, 1)
    try:
        file = OutputFile("-", troubles.append)
    finally:
        os.dup2(saved, 1)
        os.close(saved)
        os.close(writer)
    text = "x" * 200_000 + "\n"
    pid = os.fork()
    if not pid:  # the child writes, since one process cannot wait for itself
        os.close(reader)
        file.write(text)
        file.close()
        os._exit(len(troubles))
    file.close()
    with os.fdopen(reader, "rb") as stream:
        assert stream.read() == text.encode()
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0


@pytest.mark.parametrize("mode", [REPORT, PRIVATE])
def test_an_old_file_is_replaced(tmp_path: Path, mode: int) -> None:
    """It is not written to: who has it open, or another name of it, sees no secret."""
    path, other = tmp_path / "f", tmp_path / "other"
    path.write_text("old")
    other.hardlink_to(path)
    with path.open() as reader:
        write(path, mode)
        assert reader.read() == other.read_text() == "old"
    assert path.read_text() == "new\n"
    assert sorted(tmp_path.iterdir()) == [path, other]  # nothing is left of the replacing


@pytest.mark.parametrize(
    ("old", "mode", "new"),
    [
        (None, PRIVATE, 0o600),
        (0o644, PRIVATE, 0o600),
        (None, REPORT, 0o644),
        (0o666, REPORT, 0o644),
        (0o600, REPORT, 0o600),
    ],
)
def test_nobody_gets_to_read_more(tmp_path: Path, old: int | None, mode: int, new: int) -> None:
    """Secrets are their owner's, whoever could read an older file; a report opens up none."""
    path = tmp_path / "f"
    if old is not None:
        path.touch()
        path.chmod(old)
    with umask(0o022):
        write(path, mode)
    assert mode_of(path) == new


def linked(path: Path) -> None:
    (path.parent / "target").touch()
    path.symlink_to("target")


def linked_to_nothing(path: Path) -> None:
    path.symlink_to("none")


def make_fifo(path: Path) -> None:
    os.mkfifo(path)


@pytest.mark.parametrize("make", [linked, linked_to_nothing, Path.mkdir, make_fifo])
def test_secrets_go_to_a_file_of_ours(tmp_path: Path, make: Callable[[Path], None]) -> None:
    """And never where somebody has put a link or a pipe to catch them."""
    path = tmp_path / "f"
    make(path)
    before = sorted(tmp_path.iterdir())
    with pytest.raises(OSError, match="not a regular file of yours"):
        write(path, PRIVATE)
    assert sorted(tmp_path.iterdir()) == before
    assert not (tmp_path / "target").exists() or not (tmp_path / "target").read_text()


@pytest.mark.parametrize("make", [linked, linked_to_nothing])
def test_a_report_goes_through_no_link(tmp_path: Path, make: Callable[[Path], None]) -> None:
    """Else who may make one in the folder chooses which file is replaced."""
    make(tmp_path / "f")
    with pytest.raises(OSError, match="not a regular file of yours"):
        write(tmp_path / "f", REPORT)


@pytest.mark.parametrize("mode", [REPORT, PRIVATE])
def test_the_files_of_others_stay(tmp_path: Path, mode: int) -> None:
    """Whoever may write in their folder."""
    path = Path("/etc/passwd")
    if os.geteuid() == 0:  # to whom that one belongs
        path = tmp_path / "f"
        path.touch()
        os.chown(path, 12345, -1)
    with pytest.raises(OSError, match="not a regular file of yours"):
        write(path, mode)


def test_a_report_into_a_fifo(tmp_path: Path) -> None:
    """When somebody reads it; the process does not wait for that."""
    path = tmp_path / "f"
    os.mkfifo(path)
    with pytest.raises(OSError, match="nobody reads it"):
        write(path, REPORT)
    reader = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    write(path, REPORT)
    assert os.read(reader, 10) == b"new\n"
    os.close(reader)


def test_a_report_into_a_device() -> None:
    """It is written to as it is."""
    write("/dev/null", REPORT)
    assert stat.S_ISCHR(os.stat("/dev/null").st_mode)


def test_a_report_into_an_open_file(tmp_path: Path) -> None:
    """It goes on where the file's owner stopped writing."""
    fd = os.open(tmp_path / "f", os.O_WRONLY | os.O_CREAT)
    os.write(fd, b"old\n")
    write(f"/dev/fd/{fd}", REPORT)
    write(f"/proc/self/fd/{fd}", REPORT)
    os.close(fd)
    assert (tmp_path / "f").read_text() == "old\nnew\nnew\n"


def test_secrets_go_to_no_open_file() -> None:
    """It may be one that others can read; standard output is `-`, when it is meant."""
    with pytest.raises(OSError, match="not a regular file of yours"):
        write("/dev/stdout", PRIVATE)


def test_the_longest_name(tmp_path: Path) -> None:
    """What stands beside it for a moment has a name of its own."""
    path = tmp_path / ("n" * 255)
    path.write_text("old")
    write(path, REPORT)
    assert [each.read_text() for each in tmp_path.iterdir()] == ["new\n"]
