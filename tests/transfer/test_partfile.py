"""The file being written: nothing but what is whole gets the name, and nobody else is harmed."""

from __future__ import annotations

import errno
import os
import resource
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from stat import S_IMODE

import pytest

from downloader.errors import (
    BadName,
    DiskError,
    DiskFull,
    DownloadError,
    TargetBusy,
    TargetExists,
    TooManyOpenFiles,
)
from downloader.transfer.folder import Folder
from downloader.transfer.partfile import LOOKS, PartFile


def in_child(code: str, *arguments: str) -> str:
    """What a Python process of its own prints."""
    command = [sys.executable, "-c", code, *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()


@pytest.fixture
def out(folder: Folder) -> Path:
    return Path(folder.path)


# --- the ordinary way -----------------------------------------------------------------------


def test_bytes_are_beside_until_they_are_whole(folder: Folder, out: Path) -> None:
    part = PartFile(folder, "a.bin")
    part.write(b"one")
    part.write(b"two")
    assert os.listdir(out) == ["a.bin.part"]
    assert (out / "a.bin.part").read_bytes() == b"onetwo"
    assert repr(part) == "<PartFile 'a.bin' 6 bytes open>"
    part.commit("a.bin")
    assert os.listdir(out) == ["a.bin"]
    assert (out / "a.bin").read_bytes() == b"onetwo"
    assert repr(part) == "<PartFile 'a.bin' 6 bytes closed>"


def test_an_empty_file_is_a_file(folder: Folder, out: Path) -> None:
    PartFile(folder, "empty").commit("empty")
    assert (out / "empty").read_bytes() == b""


def test_directories_on_the_way_are_made(folder: Folder, out: Path) -> None:
    PartFile(folder, "host/deep/a").commit("host/deep/a")
    assert (out / "host/deep/a").is_file()


def test_a_write_larger_than_one_system_call(folder: Folder, out: Path) -> None:
    data = os.urandom(1 << 20)
    part = PartFile(folder, "a")
    for start in range(0, len(data), 100_001):
        part.write(data[start : start + 100_001])
    part.commit("a")
    assert (out / "a").read_bytes() == data


def test_kept_bytes_stay_beside(folder: Folder, out: Path) -> None:
    part = PartFile(folder, "a")
    part.write(b"x")
    part.keep()
    part.keep()
    part.discard()
    assert os.listdir(out) == ["a.part"]


def test_kept_emptiness_does_not(folder: Folder, out: Path) -> None:
    PartFile(folder, "a").keep()
    assert os.listdir(out) == []


def test_wrong_bytes_are_removed(folder: Folder, out: Path) -> None:
    part = PartFile(folder, "a")
    part.write(b"wrong")
    part.discard()
    assert os.listdir(out) == []


def test_what_was_left_behind_is_begun_anew(folder: Folder, out: Path) -> None:
    (out / "a.part").write_bytes(b"the longer rest of another version")
    part = PartFile(folder, "a")
    part.write(b"new")
    part.commit("a")
    assert (out / "a").read_bytes() == b"new"


@pytest.mark.parametrize(("umask", "mode"), [(0o000, 0o666), (0o022, 0o644), (0o077, 0o600)])
def test_the_umask_rules(folder: Folder, out: Path, umask: int, mode: int) -> None:
    before = os.umask(umask)
    try:
        PartFile(folder, "tree/a").commit("tree/a")
    finally:
        os.umask(before)
    assert S_IMODE((out / "tree/a").stat().st_mode) == mode
    assert S_IMODE((out / "tree").stat().st_mode) == 0o777 & ~umask


# --- crashes and other writers --------------------------------------------------------------


def test_a_crash_between_link_and_unlink_is_cleared_up(folder: Folder, out: Path) -> None:
    """Both names lead to the whole file: it stays whole, and the next download has its own."""
    (out / "a.part").write_bytes(b"whole")
    os.link(out / "a.part", out / "a")
    part = PartFile(folder, "a")
    part.write(b"a second one")
    assert (out / "a").read_bytes() == b"whole"
    with pytest.raises(TargetExists):
        part.commit("a")
    part.commit("a.1")
    assert sorted(os.listdir(out)) == ["a", "a.1"]
    assert (out / "a").read_bytes() == b"whole"


@pytest.mark.parametrize("overwrite", [False, True])
def test_a_part_file_that_was_swapped_is_not_published(
    folder: Folder, out: Path, overwrite: bool
) -> None:
    """In a directory that others may write to, the name may lead to their file by now."""
    part = PartFile(folder, "a")
    part.write(b"ours")
    (out / "theirs").write_bytes(b"theirs")
    (out / "theirs").rename(out / "a.part")
    try:
        part.commit("a", overwrite)
    except DiskError:
        assert not (out / "a").exists()
    else:
        assert (out / "a").read_bytes() == b"ours"
    part.keep()


@pytest.mark.parametrize("end", ["commit", "overwrite", "keep", "discard"])
@pytest.mark.parametrize("how", ["removed", "moved"])
def test_a_part_file_begun_again_by_another(folder: Folder, out: Path, how: str, end: str) -> None:
    """However the first ends: it publishes none of the second's bytes and takes none away."""
    first = PartFile(folder, "a")
    if end != "keep":
        first.write(b"first")
    if how == "removed":
        (out / "a.part").unlink()
    else:
        (out / "a.part").rename(out / "mine")
    second = PartFile(folder, "a")
    second.write(b"second")
    if end in ("keep", "discard"):
        getattr(first, end)()
    elif how == "removed" or end == "overwrite":
        with pytest.raises(DiskError):
            first.commit("a", end == "overwrite")
    else:
        first.commit("a")
        assert (out / "a").read_bytes() == b"first"
        (out / "a").unlink()
    first.discard()
    second.commit("a")
    assert (out / "a").read_bytes() == b"second"
    assert not (out / "a.part").exists()


def test_two_writers_of_one_name(folder: Folder, out: Path) -> None:
    """The second is refused and disturbs the first in nothing."""
    first = PartFile(folder, "a")
    first.write(b"first")
    with pytest.raises(TargetBusy):
        PartFile(folder, "a")
    first.write(b" goes on")
    first.commit("a")
    assert (out / "a").read_bytes() == b"first goes on"


WRITER = """
import sys
from downloader.errors import TargetBusy
from downloader.transfer.folder import Folder
from downloader.transfer.partfile import PartFile
try:
    PartFile(Folder(sys.argv[1]), "a").write(b"child")
    print("written")
except TargetBusy:
    print("busy")
"""


def test_two_processes_of_one_name(folder: Folder, out: Path) -> None:
    first = PartFile(folder, "a")
    first.write(b"parent")
    assert in_child(WRITER, folder.path) == "busy"
    assert (out / "a.part").read_bytes() == b"parent"
    first.keep()


def test_a_dead_process_holds_nothing(folder: Folder, out: Path) -> None:
    assert in_child(WRITER, folder.path) == "written"
    assert (out / "a.part").read_bytes() == b"child"
    part = PartFile(folder, "a")
    part.write(b"parent")
    part.commit("a")
    assert (out / "a").read_bytes() == b"parent"


class Racing(PartFile):
    """Somebody else finishes with the name between its opening and its lock, the first times."""

    races: list[Callable[[], None]]

    def _open_once(self, part: str) -> int | None:
        fd = super()._open_once(part)
        if self.races:
            self.races.pop(0)()
        return fd


def test_the_other_finishes_while_we_open(folder: Folder, out: Path) -> None:
    """What was opened has its final name by now, or none: it is looked for again."""
    (out / "a.part").write_bytes(b"theirs")
    Racing.races = [
        lambda: os.rename(out / "a.part", out / "a"),
        lambda: os.unlink(out / "a.part"),
        lambda: os.replace(plant_new(out / "other"), out / "a.part"),
    ]
    part = Racing(folder, "a")
    assert Racing.races == []
    part.write(b"ours")
    assert (out / "a").read_bytes() == b"theirs"
    assert (out / "a.part").read_bytes() == b"ours"
    part.keep()


def plant_new(path: Path) -> Path:
    path.write_bytes(b"a third one's")
    return path


def test_somebody_is_always_faster(folder: Folder, out: Path) -> None:
    """It does not look for ever."""
    (out / "a.part").touch()
    Racing.races = [lambda: os.replace(plant_new(out / "other"), out / "a.part")] * LOOKS
    with pytest.raises(TargetBusy):
        Racing(folder, "a")
    assert Racing.races == []


class Linkless(PartFile):
    """On vfat and some network file systems, which have no hard links."""

    def _link(self, part: str, name: str) -> None:
        raise OSError(errno.EPERM, os.strerror(errno.EPERM))


def test_a_file_system_without_hard_links(folder: Folder, out: Path) -> None:
    """A look and a rename take the place of link."""
    (out / "a").write_bytes(b"theirs")
    part = Linkless(folder, "a")
    part.write(b"ours")
    with pytest.raises(TargetExists):
        part.commit("a")
    part.commit("a.1")
    assert ((out / "a").read_bytes(), (out / "a.1").read_bytes()) == (b"theirs", b"ours")
    assert sorted(os.listdir(out)) == ["a", "a.1"]


def test_a_swapped_part_file_is_not_renamed_either(folder: Folder, out: Path) -> None:
    part = Linkless(folder, "a")
    part.write(b"ours")
    (out / "theirs").write_bytes(b"theirs")
    (out / "theirs").rename(out / "a.part")
    with pytest.raises(DiskError):
        part.commit("a")
    part.discard()
    assert os.listdir(out) == ["a.part"]


# --- what the disk says ---------------------------------------------------------------------

LIMITED = """
import os, resource, signal, sys
from downloader.errors import DiskError
from downloader.transfer.folder import Folder
from downloader.transfer.partfile import PartFile
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))
part = PartFile(Folder(sys.argv[1]), "a")
part.write(b"x" * 600)
try:
    part.write(b"y" * 600)
except DiskError as error:
    part.keep()
    print(error, os.path.getsize(sys.argv[1] + "/a.part"))
"""


def test_a_file_that_may_grow_no_more(folder: Folder) -> None:
    """The rest of a short write is refused with EFBIG, and that is what is told."""
    assert in_child(LIMITED, folder.path) == (
        "The file could not be written: a.part: File too large 1000"
    )


def test_a_full_disk(folder: Folder, out: Path) -> None:
    """/dev/full answers each write with ENOSPC."""
    part = PartFile(folder, "a")
    full = os.open("/dev/full", os.O_WRONLY)
    os.dup2(full, part._fd)
    os.close(full)
    with pytest.raises(DiskFull):
        part.write(b"x")
    part.keep()
    assert os.listdir(out) == []


def test_no_descriptors_left_is_an_error_and_no_loop(folder: Folder, out: Path) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    lowest = os.dup(0)
    os.close(lowest)
    resource.setrlimit(resource.RLIMIT_NOFILE, (lowest, hard))
    try:
        with pytest.raises(TooManyOpenFiles, match="Too many open files"):
            PartFile(folder, "a")
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    assert os.listdir(out) == []


def test_the_directory_is_removed_meanwhile(folder: Folder, out: Path) -> None:
    part = PartFile(folder, "a")
    part.write(b"x")
    (out / "a.part").unlink()
    out.rmdir()
    with pytest.raises(DiskError):
        part.commit("a")
    part.keep()


def test_the_directory_is_moved_meanwhile(folder: Folder, out: Path, tmp_path: Path) -> None:
    """The file goes with its directory; whoever puts a link in its place gains nothing."""
    part = PartFile(folder, "sub/a")
    part.write(b"x")
    (out / "sub").rename(tmp_path / "moved")
    (tmp_path / "trap").mkdir()
    (out / "sub").symlink_to(tmp_path / "trap")
    part.commit("sub/a")
    assert (tmp_path / "moved/a").read_bytes() == b"x"
    assert os.listdir(tmp_path / "trap") == []


@pytest.mark.parametrize("name", ["x" * 256, f"{'d' * 256}/a"])
def test_a_name_the_file_system_does_not_take(folder: Folder, name: str) -> None:
    with pytest.raises(BadName):
        PartFile(folder, name)


@pytest.mark.parametrize("name", ["one/two/a", "a"])
def test_a_failure_leaves_no_descriptor(folder: Folder, out: Path, name: str) -> None:
    (out / f"{name}.part").mkdir(parents=True)
    before = len(os.listdir("/proc/self/fd"))
    for _ in range(20):
        with pytest.raises(DownloadError):
            PartFile(folder, name)
    assert len(os.listdir("/proc/self/fd")) == before
