"""Names that were given away: never twice, always the same, at a fixed cost each."""

from __future__ import annotations

import os
from collections.abc import Generator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from downloader.sansio.names import collision_key
from downloader.transfer.taken import LATEST, TakenNames


def nowhere(path: str) -> bool:
    return False


@pytest.fixture(params=[1, 3, 1000, LATEST])
def names(request: pytest.FixtureRequest) -> Generator[TakenNames, None, None]:
    """With room in memory for all that a test asks for, and for less."""
    taken = TakenNames(request.param)
    yield taken
    taken.close()


def test_equal_names_are_numbered_in_their_order(names: TakenNames) -> None:
    given_out = [names.assign("d", "a.tar.gz", nowhere) for _ in range(3)]
    assert given_out == ["a.tar.gz", "a.1.tar.gz", "a.2.tar.gz"]


def test_names_that_some_file_system_takes_for_one(names: TakenNames) -> None:
    assert names.assign("d", "Read.me", nowhere) == "Read.me"
    assert names.assign("d", "READ.ME", nowhere) == "READ.1.ME"
    assert names.assign("d", "\u00e9", nowhere) == "\u00e9"
    assert names.assign("d", "e\u0301", nowhere) != "e\u0301"


def test_directories_do_not_share_names(names: TakenNames) -> None:
    assert [names.assign(d, "a", nowhere) for d in ("x", "y")] == ["a", "a"]


def test_a_directory_need_not_be_utf8(names: TakenNames) -> None:
    """Its bytes count, whatever they mean."""
    one, other = (os.fsdecode(name) for name in (b"d\xff", b"d\xfe"))
    assert [names.assign(d, "a", nowhere) for d in (one, other, one)] == ["a", "a", "a.1"]
    names.release(one, "a")
    assert names.assign(one, "a", nowhere) == "a"


def test_a_file_is_no_directory_and_a_directory_no_file(names: TakenNames) -> None:
    assert names.assign("d", "a", nowhere) == "a"
    assert names.assign("d", "a/b", nowhere) == "a_b"
    assert names.assign("d", "x/y", nowhere) == "x/y"
    assert names.assign("d", "x", nowhere) == "x.1"


def test_files_that_were_there_are_passed_over(names: TakenNames) -> None:
    there = {"a", "a.1"}
    assert names.assign("d", "a", there.__contains__) == "a.2"
    assert names.assign("d", "a", there.__contains__) == "a.3"


def test_a_name_is_free_once_the_file_that_had_it_is_gone(names: TakenNames) -> None:
    """It was never given out, so there is nobody to keep it for."""
    there = {"a"}
    assert names.assign("d", "a", there.__contains__) == "a.1"
    names.release("d", "a.1")
    there.clear()
    assert names.assign("d", "a", there.__contains__) == "a"


def test_a_released_name_can_be_had_again(names: TakenNames) -> None:
    names.assign("d", "a", nowhere)
    names.release("d", "a")
    names.release("d", "never had")
    assert names.assign("d", "a", nowhere) == "a"


def test_five_thousand_equal_names_cost_one_look_each(names: TakenNames) -> None:
    looks: list[str] = []

    def look(path: str) -> bool:
        looks.append(path)
        return False

    given_out = {names.assign("d", "index.html", look) for _ in range(5000)}
    assert len(given_out) == 5000
    assert len(looks) < 2.1 * 5000


PATHS = st.lists(
    st.builds("/".join, st.lists(st.sampled_from(["a", "A", "b", "a.1", "a_b"]), min_size=1)),
    max_size=30,
)


@settings(deadline=None)
@given(PATHS, st.sets(st.sampled_from(["a", "b", "a.1", "a/b"])))
def test_names_never_meet_and_are_always_the_same(paths: list[str], there: set[str]) -> None:
    """No two are one file, none is the directory of another, none is there already."""
    runs = []
    for latest in (1, 4, LATEST):
        names = TakenNames(latest)
        runs.append([names.assign("d", path, there.__contains__) for path in paths])
        names.close()
    keys = [collision_key(path) for path in runs[0]]
    assert runs[0] == runs[1] == runs[2]
    assert len(set(keys)) == len(keys)
    assert not any(one.startswith(f"{other}/") for one in keys for other in keys)
    assert there.isdisjoint(runs[0])
