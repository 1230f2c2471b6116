"""Where watched files go when they were read."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from downloader.service.aside import DONE, seen_of, set_aside


def aside(path: Path, name: str, *reasons: str, place: str = DONE) -> bool:
    return set_aside(str(path), name, seen_of(os.lstat(path / name)), place, reasons)


@pytest.mark.parametrize("length", [248, 249, 250, 255])
def test_a_name_behind_which_nothing_can_stand(tmp_path: Path, length: int) -> None:
    """It is cut, and the reasons stand beside it; so it is for a second one."""
    name = ("é" * 128).encode()[: length - 4].decode(errors="ignore") + ".txt"
    name = name if len(name.encode()) == length else f"x{name}"
    for _ in range(2):
        (tmp_path / name).write_text("")
        assert aside(tmp_path, name, "why")
    found = {path.name for path in (tmp_path / DONE).iterdir()}
    cut = min(found, key=len)
    assert found == {cut, f"{cut}.reason", f"{cut}.1", f"{cut}.1.reason"}
    assert name.startswith(cut) and 238 <= len(cut.encode()) <= 240


def test_another_file_stays(tmp_path: Path) -> None:
    """Or none, and nothing comes beside it."""
    path = tmp_path / "a.txt"
    path.write_text("1")
    seen = seen_of(os.lstat(path))
    path.write_text("12")
    assert not set_aside(str(tmp_path), "a.txt", seen, DONE, ["why"])
    assert path.read_text() == "12"
    path.unlink()
    assert not set_aside(str(tmp_path), "a.txt", seen, DONE, ["why"])
    assert list((tmp_path / DONE).iterdir()) == []


def test_reasons_do_not_stay_without_their_file(tmp_path: Path) -> None:
    """Which cannot be moved: here, as it is a directory that would go into itself."""
    place = tmp_path / "a" / "in"
    place.mkdir(parents=True)
    with pytest.raises(OSError, match="Invalid argument"):
        aside(tmp_path, "a", "why", place="a/in")
    assert list(place.iterdir()) == []


@pytest.mark.parametrize("kind", ["link", "shared"])
def test_nobody_else_says_where_files_go(tmp_path: Path, kind: str) -> None:
    """Not over a link, nor where others may write."""
    (tmp_path / "a.txt").write_text("")
    other = tmp_path / "other"
    other.mkdir()
    done = tmp_path / DONE
    if kind == "link":
        done.symlink_to(other)
    else:
        done.mkdir()
        done.chmod(0o777)
    with pytest.raises(OSError, match=r"Not a directory|others may write to it"):
        aside(tmp_path, "a.txt", "why")
    assert (tmp_path / "a.txt").exists()
    assert list(other.iterdir()) == list(done.iterdir()) == []
