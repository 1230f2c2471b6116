"""What others put in the way of a file: it stays, and what it leads to is not touched."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from stat import S_IMODE

import pytest

from downloader.errors import BadName, TargetExists
from downloader.transfer.folder import Folder
from downloader.transfer.partfile import PartFile

Plant = Callable[[Path, Path], None]


@pytest.fixture
def out(folder: Folder) -> Path:
    return Path(folder.path)


@pytest.fixture
def bystander(tmp_path: Path) -> Path:
    """A file outside; `unharmed` tells whether it still is as it was."""
    path = tmp_path / "bystander"
    path.write_bytes(b"not yours")
    path.chmod(0o640)
    os.utime(path, (1, 1))
    return path


def unharmed(path: Path) -> bool:
    seen = path.stat()
    return (path.read_bytes(), S_IMODE(seen.st_mode), seen.st_mtime) == (b"not yours", 0o640, 1)


def test_a_file_of_the_name_is_never_replaced(folder: Folder, out: Path) -> None:
    part = PartFile(folder, "a")
    part.write(b"ours")
    (out / "a").write_bytes(b"theirs")
    with pytest.raises(TargetExists):
        part.commit("a")
    part.commit("a.1")
    assert ((out / "a").read_bytes(), (out / "a.1").read_bytes()) == (b"theirs", b"ours")
    assert sorted(os.listdir(out)) == ["a", "a.1"]


def test_unless_that_was_asked_for(folder: Folder, out: Path) -> None:
    (out / "a").write_bytes(b"theirs")
    part = PartFile(folder, "a")
    part.write(b"ours")
    assert (out / "a").read_bytes() == b"theirs"
    part.commit("a", overwrite=True)
    assert (out / "a").read_bytes() == b"ours"
    assert os.listdir(out) == ["a"]


def plant_symlink(path: Path, bystander: Path) -> None:
    path.symlink_to(bystander)


def plant_dangling(path: Path, bystander: Path) -> None:
    path.symlink_to(bystander.parent / "nowhere")


def plant_hard_link(path: Path, bystander: Path) -> None:
    os.link(bystander, path)


def plant_fifo(path: Path, bystander: Path) -> None:
    os.mkfifo(path)


def plant_directory(path: Path, bystander: Path) -> None:
    path.mkdir()


def plant_device_link(path: Path, bystander: Path) -> None:
    path.symlink_to("/dev/null")


PLANTS = [plant_symlink, plant_dangling, plant_hard_link, plant_fifo, plant_directory,
          plant_device_link]  # fmt: skip


@pytest.mark.parametrize("plant", PLANTS)
def test_what_stands_at_the_final_name_stays(
    folder: Folder, out: Path, bystander: Path, plant: Plant
) -> None:
    plant(out / "a", bystander)
    before = (out / "a").lstat().st_ino
    part = PartFile(folder, "a")
    part.write(b"ours")
    with pytest.raises(TargetExists):
        part.commit("a")
    part.keep()
    assert (out / "a").lstat().st_ino == before
    assert unharmed(bystander)
    assert not (bystander.parent / "nowhere").exists()


@pytest.mark.parametrize("plant", PLANTS)
def test_overwriting_replaces_the_name_and_not_what_it_leads_to(
    folder: Folder, out: Path, bystander: Path, plant: Plant
) -> None:
    plant(out / "a", bystander)
    part = PartFile(folder, "a")
    part.write(b"ours")
    if plant is plant_directory:
        with pytest.raises(BadName):
            part.commit("a", overwrite=True)
        part.keep()
    else:
        part.commit("a", overwrite=True)
        assert not (out / "a").is_symlink()
        assert (out / "a").read_bytes() == b"ours"
    assert unharmed(bystander)


@pytest.mark.parametrize(
    "plant", [plant_symlink, plant_dangling, plant_fifo, plant_directory, plant_device_link]
)
def test_what_stands_at_the_part_name_is_refused(
    folder: Folder, out: Path, bystander: Path, plant: Plant
) -> None:
    """No link is followed (CVE-2004-2014, CVE-2014-4877), and a FIFO does not hang it."""
    plant(out / "a.part", bystander)
    before = (out / "a.part").lstat().st_ino
    with pytest.raises(BadName):
        PartFile(folder, "a")
    assert (out / "a.part").lstat().st_ino == before
    assert unharmed(bystander)
    assert not (bystander.parent / "nowhere").exists()


def test_a_fifo_with_a_reader_is_refused_too(folder: Folder, out: Path) -> None:
    os.mkfifo(out / "a.part")
    reader = os.open(out / "a.part", os.O_RDONLY | os.O_NONBLOCK)
    try:
        with pytest.raises(BadName):
            PartFile(folder, "a")
        assert os.read(reader, 10) == b""
    finally:
        os.close(reader)


def test_a_hard_link_at_the_part_name_loses_the_name_only(
    folder: Folder, out: Path, bystander: Path
) -> None:
    inode = bystander.stat().st_ino
    plant_hard_link(out / "a.part", bystander)
    part = PartFile(folder, "a")
    part.write(b"ours")
    part.commit("a")
    assert (out / "a").read_bytes() == b"ours"
    assert unharmed(bystander)
    assert bystander.stat().st_ino == inode


@pytest.mark.parametrize("name", ["one/two/a", "one/a"])
@pytest.mark.parametrize("below", ["", "one/"])
def test_a_link_in_a_parent_is_not_followed(
    folder: Folder, out: Path, tmp_path: Path, name: str, below: str
) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    if below and name == "one/two/a":
        (out / "one").mkdir()
        (out / "one/two").symlink_to(outside)
    else:
        (out / "one").symlink_to(outside)
    with pytest.raises(BadName):
        PartFile(folder, name)
    assert os.listdir(outside) == []


@pytest.mark.parametrize("plant", [plant_hard_link, plant_fifo, plant_device_link])
def test_no_file_is_taken_for_a_directory(
    folder: Folder, out: Path, bystander: Path, plant: Plant
) -> None:
    plant(out / "one", bystander)
    with pytest.raises(BadName):
        PartFile(folder, "one/a")
    assert unharmed(bystander)
