"""A job of the queue and its row: whatever is kept of it comes back."""

from __future__ import annotations

from dataclasses import fields
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from downloader.jobs import Job, Pieces, Status, Terms
from downloader.queue.entry import Entry, Told, entry_of
from downloader.store import QueueRow

# Of a process, and begun anew with the next one.
PASSING = {"leaving", "coming", "since", "goes_on", "received", "length", "rate", "troubles"}
KEPT = [one.name for one in fields(Entry) if one.name not in PASSING | {"changing"}]
counts = st.integers(0, 2**63 - 1)
texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
pairs = st.lists(st.tuples(texts, texts), max_size=3).map(tuple)
times = st.floats(0, 1e12)
words = st.none() | texts
terms = st.builds(Terms, *[st.none() | st.integers(1, 99)] * 4)
jobs = st.builds(
    Job,
    url=texts,
    directory=texts,
    name=words,
    mirrors=st.lists(texts, max_size=3).map(tuple),
    headers=pairs,
    checksum=words,
    subdirectory=texts,
    size=st.none() | counts,
    pieces=st.none()
    | st.builds(Pieces, texts, st.integers(1), st.lists(texts, max_size=3).map(tuple)),
    terms=st.none() | terms,
)
told = st.builds(
    Told,
    *(words, words, st.none() | st.integers(100, 999), words, counts, times, st.integers(0, 99)),
    *(st.booleans(), words, times),
)
entries = st.builds(
    Entry,
    number=counts,
    gid=st.text("0123456789abcdef", min_size=16, max_size=16),
    job=jobs,
    status=st.sampled_from(Status),
    priority=st.integers(-1000, 1000),
    place=st.floats(allow_nan=False, allow_infinity=False),
    options=pairs,
    added=times,
    path=words,
    inode=st.none() | st.integers(-(2**63), 2**63 - 1),
    size=st.none() | counts,
    told=st.none() | told,
)


def kept(entry: Entry, **changed: Any) -> dict[str, Any]:
    return {name: changed.get(name, getattr(entry, name)) for name in KEPT}


@given(entries)
def test_what_is_kept_comes_back(entry: Entry) -> None:
    """All of it; one that ran waits, as it does when its process has ended."""
    status = Status.WAITING if entry.status is Status.ACTIVE else entry.status
    again = entry_of(entry.row())
    assert kept(again) == kept(entry, status=status)
    assert again.row() == entry.row()


@given(entries, st.sampled_from(Status), st.none() | told)
def test_what_it_is_to_be_is_kept(entry: Entry, status: Status, told: Told | None) -> None:
    """While that is being kept, it is not so yet."""
    before, entry.coming = entry.status, (status, told)
    again = entry_of(entry.row())
    assert again.status == (Status.WAITING if status is Status.ACTIVE else status)
    assert (again.told, entry.status) == (told, before)


@given(entries)
def test_how_far_it_came_is_known(entry: Entry) -> None:
    """Of what has ended; how long it is only if that is complete."""
    again = entry_of(entry.row())
    assert again.received == (entry.told.bytes if entry.told else 0)
    whole = entry.told is not None and entry.status is Status.COMPLETE
    assert again.length == (again.received if whole else None)


@pytest.mark.parametrize(
    "wanted",
    ["", "[]", "{}", "null", '{"url": "http://a/"}', '{"added": 1}', '{"added": 1, "x": 2}'],
)
def test_what_we_never_wrote_is_refused(wanted: str) -> None:
    with pytest.raises((ValueError, TypeError, KeyError)):
        entry_of(QueueRow(1, "a" * 16, "waiting", 0, 0.0, wanted))
