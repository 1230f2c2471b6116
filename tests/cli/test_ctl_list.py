"""A list on its way to a service: cut between entries, and nothing lost."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from downloader.cli.ctllist import MAX_ENTRIES, MAX_TEXT, Part, Parts, portions
from downloader.errors import ListError

LINES = st.sampled_from(["http://a/", "  out=b", "\tdir=c", "# none", "", "http://ü/", " "])


def parts(chunks: Iterable[bytes]) -> list[Part]:
    """Those of the list in `chunks`."""
    taken = Parts()
    return [part for chunk in chunks for part in taken.feed(chunk)] + list(taken.end())


@given(st.lists(LINES, max_size=30), st.lists(st.integers(0, 400)))
def test_all_lines_come_in_their_order(lines: list[str], cuts: list[int]) -> None:
    """However they were read, a part says how many are before it."""
    text = "\n".join(lines).encode()
    edges = [0, *sorted(min(cut, len(text)) for cut in cuts), len(text)]
    chunks = [text[start:stop] for start, stop in itertools.pairwise(edges)]
    (whole,) = parts(chunks) or [Part(0, "")]
    assert whole == Part(0, text.decode().removesuffix("\n"))


def test_a_part_begins_with_an_entry() -> None:
    """Options stay with their URL."""
    text = b"http://a/\n out=b\n# c\n" * (2 * MAX_ENTRIES + 1)
    found = parts([text])
    assert [part.before for part in found] == [0, 3 * MAX_ENTRIES, 6 * MAX_ENTRIES]
    assert "\n".join(part.text for part in found) + "\n" == text.decode()
    assert all(part.text.startswith("http://a/") for part in found)


def test_a_part_comes_when_the_next_entry_begins() -> None:
    """No sooner: there may be an option of the one before."""
    taken = Parts()
    assert list(taken.feed(b"http://a/\n" * MAX_ENTRIES + b"  out=b\nhttp:")) == []
    assert repr(taken) == "<Parts 1000 entries from line 1 on>"
    (part,) = taken.feed(b"//b/\n")
    assert part.text.endswith("http://a/\n  out=b")
    assert list(taken.end()) == [Part(MAX_ENTRIES + 1, "http://b/")]


def test_long_entries_come_in_smaller_parts() -> None:
    line = "http://a/" + "x" * 50_000
    found = parts([f"{line}\n".encode()] * 100)
    assert len(found) > 5 and all(len(part.text) < 2 * MAX_TEXT for part in found)


def test_text_counts_as_it_is_sent() -> None:
    """A character that is no ASCII is six bytes of JSON, or twelve."""
    found = parts([("http://a/" + "\U0001f600" * 5_000 + "\n").encode() * 100])
    assert all(len(json.dumps(part.text)) < 2 * MAX_TEXT for part in found)


@given(st.lists(st.text(max_size=3), max_size=20))
def test_portions_of_few_are_one(jobs: list[str]) -> None:
    assert list(portions(jobs)) == ([jobs] if jobs else [])


def test_portions_are_small() -> None:
    """In number, and in bytes."""
    assert [len(one) for one in portions(range(2 * MAX_ENTRIES + 1))] == [1000, 1000, 1]
    long = ["x" * (MAX_TEXT // 2)] * 5
    assert [len(one) for one in portions(long)] == [2, 2, 1]


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        (b"http://a/\nhttp://\xff/", "line 2 is no UTF-8"),
        (b"http://a/\n" + b"x" * (MAX_TEXT + 1), "line 2 is too long"),
        (b"http://a/\n" + b" out=b\n" * MAX_TEXT, "its entry"),
    ],
)
def test_what_no_service_takes(text: bytes, sentence: str) -> None:
    with pytest.raises(ListError, match=sentence):
        parts([text])
