"""A part file and its journal: what a later run goes on with, and what it never does."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from pathlib import Path

import pytest
from support.recording import Recorded

from downloader.sansio.journal import MAX_JOURNAL, held_record, identity_of, read_journal
from downloader.sansio.ranges import Ranges
from downloader.sansio.version import Version
from downloader.transfer.folder import Folder
from downloader.transfer.partfile import WINDOW, WORTH, PartFile

OF = identity_of("http://one.example/a")
VERSION = Version('"v1"', None, 4 * WORTH)
JOURNAL = "a.part.journal"


class Seconds:
    """A clock that is put forward by hand."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def out(folder: Folder) -> Path:
    return Path(folder.path)


def begun(folder: Folder, data: bytes = b"", record: bool = True) -> PartFile:
    """A part file of `VERSION` with `data`."""
    part = PartFile(folder, "a", OF)
    part.begin(VERSION, record)
    part.write(data)
    return part


def left(folder: Folder, data: bytes) -> None:
    """One that was kept."""
    begun(folder, data).keep()


def held(folder: Folder, of: str | None = OF) -> Ranges:
    """What is gone on with."""
    part = PartFile(folder, "a", of)
    ranges = Ranges(part.ranges)
    part.keep()
    return ranges


def test_what_was_kept_is_gone_on_with(folder: Folder, out: Path) -> None:
    data = os.urandom(2 * WORTH)
    left(folder, data)
    assert sorted(os.listdir(out)) == ["a.part", JOURNAL]
    part = PartFile(folder, "a", OF)
    assert (list(part.ranges), part.version) == ([(0, 2 * WORTH)], VERSION)
    part.write(b"more")
    part.commit("a")
    assert os.listdir(out) == ["a"]
    assert (out / "a").read_bytes() == data + b"more"


def test_what_is_too_little_has_no_journal(folder: Folder, out: Path) -> None:
    left(folder, bytes(WORTH - 1))
    assert os.listdir(out) == ["a.part"]
    assert held(folder).size == 0


def test_what_nothing_can_prove_has_no_journal(folder: Folder, out: Path) -> None:
    part = begun(folder, bytes(4 * WORTH), record=False)
    part.keep()
    assert os.listdir(out) == ["a.part"]


def test_for_another_url_it_is_begun_anew(folder: Folder, out: Path) -> None:
    left(folder, bytes(2 * WORTH))
    assert held(folder, identity_of("http://one.example/b")).size == 0
    assert held(folder).size == 0
    left(folder, bytes(2 * WORTH))
    assert held(folder, None).size == 0


def test_a_process_that_is_killed_loses_a_window(folder: Folder, out: Path) -> None:
    """Records are written once both have passed: so many bytes and so many seconds."""
    clock = Seconds()
    part = PartFile(folder, "a", OF, seconds=clock)
    part.begin(VERSION, True)
    piece = bytes(WINDOW // 2)
    told = []
    for second in range(6):
        clock.now = second
        part.write(piece)
        journal = out / JOURNAL
        found = read_journal(journal.read_bytes()) if journal.exists() else None
        told.append(found.ranges.size // len(piece) if found else 0)
    assert told == [0, 2, 2, 4, 4, 6]
    part.keep()


def test_a_killed_process_is_one_that_says_nothing_more(folder: Folder, out: Path) -> None:
    """What was written behind the last record is asked for again."""
    left(folder, bytes(2 * WORTH))
    with (out / "a.part").open("ab") as file:
        file.write(b"not recorded")
    part = PartFile(folder, "a", OF)
    assert list(part.ranges) == [(0, 2 * WORTH)]
    assert os.stat(out / "a.part").st_size == 2 * WORTH
    part.keep()


@pytest.mark.parametrize(
    "harm",
    [
        lambda file: os.truncate(file, WORTH),
        lambda file: os.truncate(file, 0),
        lambda file: file.write_bytes(bytes(2 * WORTH - 1) + b"x"),
        lambda file: file.unlink(),
        lambda file: (file.unlink(), file.write_bytes(b"y" * 3 * WORTH)),
    ],
)
def test_bytes_that_are_not_those_are_forgotten(
    folder: Folder, out: Path, harm: Callable[[Path], object]
) -> None:
    """Cut off, zeroed at the end by a lost write, removed, replaced."""
    left(folder, bytes(2 * WORTH))
    harm(out / "a.part")
    part = PartFile(folder, "a", OF)
    assert part.size == 0
    part.begin(Version('"v2"'), True)
    part.write(b"z" * 2 * WORTH)
    part.keep()
    part = PartFile(folder, "a", OF)
    assert part.version == Version('"v2"')
    assert os.stat(out / "a.part").st_size == 2 * WORTH
    part.discard()
    assert os.listdir(out) == []


def test_a_journal_without_its_part_file_says_nothing_of_the_next(
    folder: Folder, out: Path
) -> None:
    """Else the head of one version would stand above the bytes of another."""
    left(folder, b"1" * 2 * WORTH)
    (out / "a.part").unlink()
    part = PartFile(folder, "a", OF)
    part.begin(Version('"v2"'), True)
    part.write(b"2" * 2 * WORTH)
    part.keep()
    part = PartFile(folder, "a", OF)
    assert part.version == Version('"v2"')
    part.keep()


def test_a_journal_that_could_not_be_removed_says_nothing_of_the_next(tmp_path: Path) -> None:
    """Not even in a directory that has held no other, where nobody would look for one."""
    recorded = Recorded()
    recorded.fail(f"unlink {JOURNAL}", errno.EIO)
    folder, seconds = Folder(str(tmp_path), recorded.system), Seconds()
    part = PartFile(folder, "a", OF, seconds=seconds)
    part.begin(VERSION, True)
    seconds.now = 2.0
    part.write(bytes(WINDOW))
    part.commit("a")
    assert sorted(os.listdir(tmp_path)) == ["a", JOURNAL]
    (tmp_path / "a").unlink()
    part = PartFile(folder, "a", OF)
    assert (tmp_path / JOURNAL).read_bytes() == b""
    part.keep()
    folder.close()


@pytest.mark.parametrize("records", [True, False])
def test_another_version_empties_the_journal_first(
    folder: Folder, out: Path, records: bool
) -> None:
    """Killed at any moment from then on, nothing tells of the old bytes."""
    left(folder, b"1" * 2 * WORTH)
    part = PartFile(folder, "a", OF)
    assert part.size
    part.begin(Version('"v2"'), records)
    assert (out / JOURNAL).read_bytes() == b""
    assert (out / "a.part").read_bytes() == b""
    part.write(b"1" * 2 * WORTH)
    assert (out / JOURNAL).read_bytes() == b""
    part.discard()
    assert os.listdir(out) == []


def test_pieces_in_any_order(folder: Folder, out: Path) -> None:
    part = PartFile(folder, "a", OF)
    part.begin(VERSION, True)
    part.write(b"c" * WORTH, 2 * WORTH)
    part.write(b"a" * WORTH, 0)
    part.keep()
    part = PartFile(folder, "a", OF)
    assert list(part.ranges) == [(0, WORTH), (2 * WORTH, 3 * WORTH)]
    part.write(b"b" * WORTH)
    part.commit("a")
    assert (out / "a").read_bytes() == b"a" * WORTH + b"b" * WORTH + b"c" * WORTH


def test_bytes_that_are_wrong_are_not_there(folder: Folder, out: Path) -> None:
    """Killed at any moment from then on, nothing tells of them."""
    left(folder, bytes(4 * WORTH))
    part = PartFile(folder, "a", OF)
    part.drop(WORTH, 2 * WORTH)
    kept = [(0, WORTH), (2 * WORTH, 4 * WORTH)]
    assert list(part.ranges) == kept
    told = read_journal((out / JOURNAL).read_bytes())
    assert told is not None and list(told.ranges) == kept
    part.write(b"x" * WORTH, WORTH)
    part.keep()
    assert list(held(folder)) == [(0, 4 * WORTH)]


def test_all_of_it_is_wrong(folder: Folder, out: Path) -> None:
    left(folder, bytes(2 * WORTH))
    part = PartFile(folder, "a", OF)
    part.drop(0, 2 * WORTH)
    assert read_journal((out / JOURNAL).read_bytes()) is None
    part.keep()
    assert os.listdir(out) == []


def test_wrong_bytes_that_no_journal_tells_of(folder: Folder, out: Path) -> None:
    part = begun(folder, bytes(WORTH // 2))
    part.drop(0, 10)
    assert list(part.ranges) == [(10, WORTH // 2)]
    assert os.listdir(out) == ["a.part"]
    part.keep()


@pytest.mark.parametrize("plant", ["symlink", "hard link", "directory", "fifo"])
def test_what_is_in_the_journals_place_is_left_alone(
    folder: Folder, out: Path, tmp_path: Path, plant: str
) -> None:
    """Nothing is written to it, nothing it says is believed, and the download goes on."""
    other = tmp_path / "other"
    other.write_bytes(held_record([(0, 5, 1)]))
    place = out / JOURNAL
    if plant == "symlink":
        place.symlink_to(other)
    elif plant == "hard link":
        place.hardlink_to(other)
    elif plant == "directory":
        place.mkdir()
    else:
        os.mkfifo(place)
    before = other.read_bytes()
    folder.may_hold_parts = True
    left(folder, bytes(2 * WORTH))
    assert held(folder).size == 0
    begun(folder, b"all").commit("a")
    assert (out / "a").read_bytes() == b"all"
    assert other.read_bytes() == before
    assert os.path.lexists(place)


def test_a_journal_is_for_its_owner(folder: Folder, out: Path) -> None:
    left(folder, bytes(2 * WORTH))
    assert os.stat(out / JOURNAL).st_mode & 0o777 == 0o600


def test_a_journal_that_lost_its_bytes_is_written_anew(folder: Folder, out: Path) -> None:
    """As a loss of power may do it."""
    left(folder, os.urandom(2 * WORTH))
    (out / JOURNAL).write_bytes(bytes((out / JOURNAL).stat().st_size))
    assert not held(folder).size
    left(folder, os.urandom(2 * WORTH))
    assert held(folder).size == 2 * WORTH


@pytest.mark.parametrize("reopened", [False, True], ids=["in one run", "in a run each"])
def test_a_long_journal_is_begun_anew(folder: Folder, out: Path, reopened: bool) -> None:
    """One that is too long says nothing; this one always says what is here."""
    part = begun(folder, bytes(2 * WORTH))
    for at in range(0, WORTH, 64):  # so that a record is long
        part.drop(at, at + 1)
    part.keep()
    part, sizes = PartFile(folder, "a", OF), []
    for at in range(1, 4000, 64):
        part.drop(at, at + 1)
        sizes.append((out / JOURNAL).stat().st_size)
        if reopened:
            part.keep()
            kept, part = Ranges(part.ranges), PartFile(folder, "a", OF)
            assert list(part.ranges) == list(kept)
    part.keep()
    assert max(sizes) <= MAX_JOURNAL and sizes != sorted(sizes)
    assert list(held(folder)) == list(part.ranges)
