"""Roots that are held open: so many and no more, and found again when they were replaced."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest
from support.recording import Recorded

from downloader.errors import DiskError, DownloadError, TooManyOpenFiles
from downloader.transfer.folder import KEPT, Folder, Folders, leading_to
from downloader.transfer.partfile import PartFile


def descriptors() -> int:
    return len(os.listdir("/proc/self/fd"))


def test_a_root_is_made_with_its_parents(folders: Folders, tmp_path: Path) -> None:
    folder = folders.use(str(tmp_path / "a/b/c"))
    folders.unuse(folder)
    assert (tmp_path / "a/b/c").is_dir()
    assert repr(folder) == f"<Folder '{tmp_path}/a/b/c' 0 users>"


def test_a_root_may_be_a_link(folders: Folders, tmp_path: Path) -> None:
    """It is the user's own word; only what is below it is not trusted."""
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to("real")
    folder = folders.use(str(tmp_path / "link"))
    PartFile(folder, "a").commit("a")
    folders.unuse(folder)
    assert (tmp_path / "real/a").is_file()


@pytest.mark.parametrize("path", ["file", "file/below", "x" * 300])
def test_a_root_that_cannot_be(folders: Folders, tmp_path: Path, path: str) -> None:
    (tmp_path / "file").touch()
    before = descriptors()
    with pytest.raises(DownloadError):
        folders.use(str(tmp_path / path))
    assert descriptors() == before


def test_jobs_of_one_root_share_its_descriptor(folders: Folders, tmp_path: Path) -> None:
    first, second = folders.use(str(tmp_path)), folders.use(str(tmp_path))
    assert first is second
    folders.unuse(first)
    folders.close()
    assert second.exists("nothing") is False
    folders.unuse(second)


def test_unused_roots_are_kept_up_to_a_number(folders: Folders, tmp_path: Path) -> None:
    before = descriptors()
    for number in range(3 * KEPT):
        folders.unuse(folders.use(str(tmp_path / str(number))))
    assert descriptors() == before + KEPT
    folders.close()
    assert descriptors() == before


def test_more_roots_in_use_than_are_kept(folders: Folders, tmp_path: Path) -> None:
    """Each of them works; those over the number go as soon as nobody needs them."""
    before = descriptors()
    used = [folders.use(str(tmp_path / str(number))) for number in range(KEPT + 20)]
    for folder in used:
        PartFile(folder, "a").commit("a")
    for folder in used:
        folders.unuse(folder)
    assert descriptors() == before + KEPT
    assert all((tmp_path / str(number) / "a").is_file() for number in range(KEPT + 20))


@pytest.mark.parametrize("again", [False, True])
def test_a_root_that_was_removed_is_made_again(
    folders: Folders, tmp_path: Path, again: bool
) -> None:
    """Nobody looks before each file: it is found out when a file cannot be made."""
    out = tmp_path / "out"
    folders.unuse(folders.use(str(out)))
    assert not folders.forget_moved(str(out))
    out.rmdir()
    if again:
        out.mkdir()
    assert folders.forget_moved(str(out))
    folder = folders.use(str(out))
    PartFile(folder, "a").commit("a")
    folders.unuse(folder)
    assert os.listdir(out) == ["a"]


def test_a_root_that_is_removed_in_use_is_an_error(folders: Folders, tmp_path: Path) -> None:
    out = tmp_path / "out"
    folder = folders.use(str(out))
    out.rmdir()
    with pytest.raises(DiskError):
        PartFile(folder, "a")
    folders.unuse(folder)


def test_whether_something_has_a_path(folder: Folder) -> None:
    out = Path(folder.path)
    (out / "file").touch()
    (out / "dangling").symlink_to("nowhere")
    (out / "directory").mkdir()
    names = ["file", "dangling", "directory", "none", "file/below", "none/below"]
    assert [folder.exists(name) for name in names] == [True, True, True, False, False, False]


def test_whether_something_has_a_path_that_cannot_be(folder: Folder) -> None:
    with pytest.raises(DownloadError):
        folder.exists("x" * 300)


def test_a_directory_that_was_replaced_cannot_be_synced(tmp_path: Path) -> None:
    """And no descriptor is closed twice: by then it may be another's."""
    recorded = Recorded()
    folder = Folder(str(tmp_path), recorded.system)
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "b").touch()
    with pytest.raises(DiskError):
        folder.sync("a/b/file")
    assert recorded.of("close").count("close a") == 1
    folder.close()


def test_a_root_that_cannot_be_read_is_not_kept_open(tmp_path: Path) -> None:
    recorded = Recorded()
    recorded.fail(f"scandir {tmp_path.name}", errno.EIO)
    before = descriptors()
    with pytest.raises(DiskError):
        Folder(str(tmp_path), recorded.system)
    assert descriptors() == before


@pytest.mark.parametrize("call", ["open a", "read a"])
def test_a_file_that_cannot_be_read_is_not_the_same(tmp_path: Path, call: str) -> None:
    recorded = Recorded()
    folder = Folder(str(tmp_path), recorded.system)
    (tmp_path / "a").write_bytes(b"data")
    assert folder.holds("a", b"data")
    recorded.fail(call, errno.EIO)
    assert not folder.holds("a", b"data")
    folder.close()


def test_the_file_of_another_user_is_not_the_same(tmp_path: Path) -> None:
    """Whoever may write in the folder: its owner may change it later."""
    path = Path("/etc/passwd")
    if os.geteuid() == 0:  # to whom that one belongs
        path = tmp_path / "a"
        path.write_bytes(b"data")
        os.chown(path, 12345, -1)
    folder = Folder(str(path.parent))
    assert folder.inode(path.name) is None
    assert not folder.holds(path.name, path.read_bytes())
    folder.close()


def test_a_root_is_synced_where_no_more_files_can_be_opened(tmp_path: Path) -> None:
    """What leads to it is, with its file system."""
    recorded = Recorded()
    folder = Folder(str(tmp_path / "new"), recorded.system)
    recorded.fail(f"open {tmp_path.name}", errno.EMFILE)
    folder.sync("file")
    assert recorded.of("fsync", "syncfs")[-1] == "syncfs new"
    folder.close()


def test_a_directory_is_synced_where_no_more_files_can_be_opened(tmp_path: Path) -> None:
    """It and all above, with their file system; a file in it has its name by then."""
    recorded = Recorded()
    folder = Folder(str(tmp_path / "new"), recorded.system)
    (tmp_path / "new" / "sub").mkdir()
    recorded.fail("open sub", errno.EMFILE)
    folder.sync("sub/file")
    assert recorded.of("fsync", "syncfs")[-1] == "syncfs new"
    folder.close()


@pytest.mark.parametrize(
    ("number", "kind"), [(errno.EMFILE, TooManyOpenFiles), (errno.EIO, DiskError)]
)
def test_what_cannot_be_looked_at_is_not_missing(
    tmp_path: Path, number: int, kind: type[Exception]
) -> None:
    recorded = Recorded()
    folder = Folder(str(tmp_path), recorded.system)
    recorded.fail("stat file", number)
    with pytest.raises(kind):
        folder.inode("file")
    folder.close()


def test_what_leads_to_a_root(tmp_path: Path) -> None:
    """Through links, up to what somebody else has made or to another file system."""
    (tmp_path / "one" / "two").mkdir(parents=True)
    (tmp_path / "link").symlink_to("one/two")
    above = leading_to(str(tmp_path / "link"))
    assert above == leading_to(str(tmp_path / "one" / "two"))
    assert above[:2] == [str(tmp_path / "one"), str(tmp_path)]
    assert leading_to("/proc/self/task") == [os.path.realpath("/proc/self"), "/proc"]
