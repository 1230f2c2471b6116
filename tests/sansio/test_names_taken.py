"""Names that are taken: numbers, directories, and how often anybody is asked."""

from __future__ import annotations

import unicodedata

from hypothesis import given
from hypothesis import strategies as st

from downloader.sansio.names import (
    MAX_BYTES,
    beside_files,
    choose,
    collision_key,
    parents,
    safe_name,
)

ANY_TEXT = st.text(st.characters(exclude_categories=()))


class Register:
    """What the docstring of the module asks of its caller, in a dictionary."""

    def __init__(self) -> None:
        self.next: dict[str, int] = {}
        self.directories: set[str] = set()
        self.asked = 0

    def is_file(self, path: str) -> bool:
        return self.taken(path) and collision_key(path) not in self.directories

    def taken(self, path: str) -> bool:
        self.asked += 1
        return collision_key(path) in self.next

    def give(self, path: str) -> str:
        path = beside_files(path, self.is_file)
        name, after = choose(path, self.next.get(collision_key(path), 0), self.taken)
        self.next[collision_key(name)] = 1
        self.next[collision_key(path)] = after
        for directory in map(collision_key, parents(name)):
            self.directories.add(directory)
            self.next.setdefault(directory, 1)
        return name


def test_equal_names_are_numbered_in_order_at_one_question_each() -> None:
    """Five thousand equal names cost five thousand questions, not their square."""
    register = Register()
    given_out = [register.give("a.iso") for _ in range(5000)]
    assert given_out == ["a.iso", *(f"a.{n}.iso" for n in range(1, 5000))]
    assert register.asked == 5000


def test_alternatives_that_are_taken_are_passed_over() -> None:
    """Also those that differ in case or normal form only."""
    register = Register()
    order = ["A.1.iso", "a.iso", "a.iso", "\u00e9", "E\u0301", "a.1.iso"]
    assert [register.give(name) for name in order] == [
        *("A.1.iso", "a.iso", "a.2.iso", "\u00e9", "\u00c9.1", "a.1.1.iso")
    ]


def test_files_and_directories_of_one_name() -> None:
    """Whichever comes first keeps its name; the same list gives the same names."""
    register = Register()
    order = ["h/a", "h/a/b", "h/a/b", "h/A/b/c", "h/c/d", "h/c", "h/c/e", "h"]
    assert [register.give(name) for name in order] == [
        *("h/a", "h/a_b", "h/a_b.1", "h/A_b_c", "h/c/d", "h/c.1", "h/c/e", "h.1")
    ]


@given(st.lists(st.lists(st.sampled_from(["a", "A", "a_a", "a.1", "b"]), min_size=1, max_size=4)))
def test_no_two_paths_clash(lists: list[list[str]]) -> None:
    """No path is given twice, and none is a directory of another."""
    register = Register()
    given_out = [collision_key(register.give("/".join(parts))) for parts in lists]
    assert len(set(given_out)) == len(given_out)
    assert not set(given_out) & {directory for path in given_out for directory in parents(path)}


def test_joined_components_stay_safe() -> None:
    """A directory that is a file, joined to what is below it, is cut as any name is."""
    long = "a" * MAX_BYTES
    joined = beside_files(f"{long}/{long}/{long}", lambda path: True)
    assert len(joined.encode()) <= MAX_BYTES
    assert safe_name(joined) == joined


@given(ANY_TEXT)
def test_collision_key_sees_through_case_and_normal_form(text: str) -> None:
    """One key for what some file system takes for one name, and a key is its own key."""
    key = collision_key(text)
    for form in ("NFC", "NFD"):
        assert collision_key(unicodedata.normalize(form, text)) == key
    assert collision_key(text.casefold()) == key
    assert collision_key("FILE.ISO") == collision_key("file.iso") != collision_key("file.is")


def test_long_names_that_differ_at_their_end_keep_their_alternatives_apart() -> None:
    """Each equal name is asked for twice at most, however many names are cut to the same length."""
    asked: list[str] = []
    given: set[str] = set()

    def taken(name: str) -> bool:
        asked.append(name)
        return name in given

    for number in range(300):
        path = f"{'A' * 233}{number:03x}.txt"
        given.add(path)
        found, _ = choose(path, 1, taken)
        given.add(found)
    assert len(asked) == 300
    assert len(given) == 600
    assert all(len(name.encode()) <= MAX_BYTES and safe_name(name) == name for name in given)
