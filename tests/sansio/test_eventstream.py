"""Server-Sent Events, whole and in pieces."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from downloader.sansio.eventstream import MAX_EVENT, Event, EventStream

STREAM = (
    b": hello\n\nretry: 2000\n\nid: a-1\nevent: job\ndata: {}\n\n"
    b"data:one\r\ndata: two\r\n\r\nevent: x\n\ndata\rdata:  y\r\rdata: \xff\n\n"
)
EVENTS = [Event("job", "{}"), Event("message", "one\ntwo"), Event("message", "\n y")]
EVENTS.append(Event("message", "�"))


def test_whole() -> None:
    """Comments and other fields are none; an event without data is none either."""
    assert EventStream().feed(STREAM) == EVENTS


@given(st.lists(st.integers(0, len(STREAM))))
def test_in_any_pieces(cuts: list[int]) -> None:
    stream, found = EventStream(), []
    edges = [0, *sorted(cuts), len(STREAM)]
    for start, stop in pairwise(edges):
        found += stream.feed(STREAM[start:stop])
    assert found == EVENTS


@given(st.integers(0, len(STREAM)))
def test_where_it_goes_on(cut: int) -> None:
    """Behind the last event that came whole, after as long as was said."""
    stream = EventStream("before")
    stream.feed(STREAM[:cut])
    assert stream.last == ("a-1" if cut >= STREAM.index(b"data:one") else "before")
    assert stream.retry == (2.0 if cut > STREAM.index(b"2000\n") + 4 else None)


def test_fields_that_say_nothing() -> None:
    stream = EventStream()
    stream.feed(b"retry: -1\nretry: 1e3\nid: a\0b\n\n")
    assert (stream.last, stream.retry) == ("", None)


@pytest.mark.parametrize("piece", [b"data: " + b"x" * 2**20 + b"\n", b"x" * 2**20])
def test_one_that_has_no_end_is_refused(piece: bytes) -> None:
    stream = EventStream()
    with pytest.raises(ValueError, match="too long"):
        for _ in range(MAX_EVENT // 2**20 + 1):
            stream.feed(piece)


def test_many_take_no_memory() -> None:
    stream = EventStream()
    for _ in range(3):
        assert len(stream.feed(b"data: x\n\n" * 100_000)) == 100_000
    assert repr(stream) == "<EventStream 0 bytes held>"
