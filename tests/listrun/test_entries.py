"""Entries are read lazily, and counted to the same number without being parsed."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import groupby, repeat

import pytest
from hypothesis import given
from hypothesis import strategies as st

from downloader.errors import BadLine
from downloader.jobs import Job
from downloader.listrun.entries import Entries
from downloader.listrun.forms import EntryCounter, FetchForm
from downloader.sansio.urllist import MAX_ENTRY
from downloader.transfer.run import A_TURN

LIST = (
    b"\xef\xbb\xbf# comment\r\n"
    b"http://a.example/1\thttp://b.example/1\r\n"
    b"  out=one\r\n"
    b"\r\n"
    b"http://a.example/2\n"
    b"\tbogus=1\n"
    b" http://a.example/indented\n"
    b"no url\n"
    b"  out=of no entry\n"
    b"   \n"
    b"http://a.example/last"
)
JOBS = 4
BAD = 1


class Listener:
    """What a list said besides its jobs."""

    def __init__(self) -> None:
        self.bad: list[BadLine] = []
        self.warnings: list[str] = []
        self.entries = Entries(FetchForm("out"), self.bad.append, self.warnings.append)

    def jobs(self, pieces: list[bytes]) -> list[Job]:
        """All of them, without the turns in between."""
        steps = [*self.entries.read(iter(pieces)), *self.entries.end()]
        return [step for step in steps if step is not None]

    def take(self, pieces: Iterator[bytes], count: int) -> None:
        """Take so many jobs, or as many as there are."""
        steps = self.entries.read(pieces)
        while self.entries.taken < count and next(steps, "no more") != "no more":
            pass


def cut(data: bytes, size: int) -> list[bytes]:
    return [data[start : start + size] for start in range(0, len(data), size)]


@pytest.mark.parametrize("size", [1, 2, 13, 1000])
def test_jobs_come_out_however_the_text_is_cut(size: int) -> None:
    """With their lines; what is no job is told with its line."""
    listener = Listener()
    entries = listener.entries
    jobs = listener.jobs(cut(LIST, size))
    assert [(job.line, job.name, len(job.urls)) for job in jobs] == [
        (2, "one", 2),
        (5, None, 1),
        (7, None, 1),
        (11, None, 1),
    ]
    assert {job.directory for job in jobs} == {"out"}
    assert [bad.line for bad in listener.bad] == [8]
    assert listener.warnings == ["line 6: the option 'bogus' is not known here"]
    assert entries.taken == JOBS
    assert entries.rest(60) == 0


@pytest.mark.parametrize("size", [1, 2, 13, 1000])
def test_the_counter_counts_what_the_parser_finds(size: int) -> None:
    """Jobs and bad lines: N on a progress bar is the number that is reached."""
    counter = EntryCounter()
    for piece in cut(LIST, size):
        counter.feed(piece)
    counter.close()
    assert counter.entries == JOBS + BAD


LINES = st.lists(
    st.sampled_from(
        [
            *(b"http://h/x", b" out=x", b"", b"# http://h/", b"  ", b"bad", b"\thttp://h/y"),
            *(b" a=b://c", b"\x0bbad", b"\rhttp://h/z", b"\r", b"  ://x", b" \x0bhttp://h/v"),
            *(b"\xef\xbb\xbf# c", b"\xef\xbb\xbfhttp://h/bom", b" " * 5000 + b"http://h/far"),
        ]
    )
)


@given(LINES, st.integers(1, 30))
def test_counter_and_parser_agree(lines: list[bytes], size: int) -> None:
    """For every list, cut anywhere: what the counter finds is a job or a bad line in the end."""
    text = b"\n".join(lines)
    listener = Listener()
    jobs = listener.jobs(cut(text, size))
    counter = EntryCounter()
    for piece in cut(text, size):
        counter.feed(piece)
    counter.close()
    assert counter.entries == len(jobs) + len(listener.bad)
    assert (listener.entries.taken, listener.entries.refused) == (len(jobs), len(listener.bad))


@pytest.mark.parametrize("size", [1, 13, 1000])
@pytest.mark.parametrize("taken", range(1, JOBS + 1))
def test_what_is_not_taken_is_counted(taken: int, size: int) -> None:
    """Wherever the reading stopped, jobs and bad lines and the rest are all entries."""
    listener = Listener()
    listener.take(iter(cut(LIST, size)), taken)
    entries = listener.entries
    assert entries.taken + len(listener.bad) + entries.rest(60) == JOBS + BAD
    assert len(listener.warnings) <= 1  # of the unknown option, not of the counting


def test_nothing_is_read_before_it_is_asked_for() -> None:
    """A list of any length costs one piece of memory."""
    asked: list[int] = []

    def pieces():  # type: ignore[no-untyped-def]
        for number in range(1_000_000):
            asked.append(number)
            yield b"http://h/%d\n" % number

    Listener().take(pieces(), 1)
    assert len(asked) == 2  # the second URL shows that the first has no more options


def test_a_bad_line_is_told_before_the_job_that_it_ends() -> None:
    """So that a consumer that stops at the job has heard of the line."""
    listener = Listener()
    listener.take(iter([b"http://h/1\nbad\n"]), 1)
    assert listener.entries.taken == 1
    assert [bad.line for bad in listener.bad] == [2]


PIECE = 64 * 1024
JUNK = {
    "no text": b"",
    "empty lines": b"\n" * PIECE,
    "blank lines": b" \n" * (PIECE // 2),
    "comments": b"# http://h/\n" * (PIECE // 12),
    "a comment without an end": b"#" * PIECE,
    "bad lines": b"no url\n" * (PIECE // 7),
    "options of no entry": b" a=1\n" * (PIECE // 5),
    "options": b"http://h/\n" + b" out=x\n" * (PIECE // 7 - 2),
    "overlong lines": b"x" * (MAX_ENTRY - 1) + b"\n",
    "URLs that are costly to check": b"http://h/" + "\xe9".encode() * (PIECE // 2 - 5) + b"\n",
}


@pytest.mark.parametrize("piece", JUNK.values(), ids=JUNK)
def test_a_turn_ends_however_little_there_is_to_fetch(piece: bytes) -> None:
    """A list of any kind, without end: Ctrl-C is obeyed, and running downloads go on.

    What a step costs goes with what it reads: so a turn of steps reads a few pieces at most.
    """
    pieces = 0

    def endless() -> Iterator[bytes]:
        nonlocal pieces
        while True:
            pieces += 1
            yield piece

    steps = Listener().entries.read(endless())
    for _ in range(A_TURN):
        next(steps)
    assert pieces <= A_TURN


@pytest.mark.parametrize("line", [b"", b"#", b" out=x"])
def test_a_turn_comes_after_some_fifty_short_lines(line: bytes) -> None:
    """And not after a whole piece of them."""
    listener = Listener()
    lines = groupby(listener.entries.read(iter([b"http://h/1\n" + (line + b"\n") * 5000])))
    (nothing, turns), *others = ((step, len(list(group))) for step, group in lines)
    assert nothing is None and 90 < turns < 150 and others == []


def test_counting_the_rest_ends_in_time() -> None:
    """What was read is counted, then as much as there is time for; that it is not all is said."""
    listener = Listener()
    listener.take(repeat(b"http://h/\n" * 1000), 1)
    assert listener.entries.rest(0) == 999
    assert listener.entries.rest(0.001) > 0
    assert all("too long to count" in warning for warning in listener.warnings)
    assert len(listener.warnings) == 2
