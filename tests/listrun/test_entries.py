"""Entries are read lazily, and counted to the same number without being parsed."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from downloader.errors import BadLine
from downloader.jobs import Job
from downloader.listrun.entries import Entries, EntryCounter

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
        self.entries = Entries("out", self.bad.append, self.warnings.append)


def cut(data: bytes, size: int) -> list[bytes]:
    return [data[start : start + size] for start in range(0, len(data), size)]


@pytest.mark.parametrize("size", [1, 2, 13, 1000])
def test_jobs_come_out_however_the_text_is_cut(size: int) -> None:
    """With their lines; what is no job is told with its line."""
    listener = Listener()
    entries = listener.entries
    jobs = [*entries.read(iter(cut(LIST, size))), *entries.end()]
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
    assert entries.rest() == 0


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
    jobs = [*listener.entries.read(iter(cut(text, size))), *listener.entries.end()]
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
    jobs = listener.entries.read(iter(cut(LIST, size)))
    for _ in range(taken):
        next(jobs, None)
    entries = listener.entries
    assert entries.taken + len(listener.bad) + entries.rest() == JOBS + BAD


def test_nothing_is_read_before_it_is_asked_for() -> None:
    """A list of any length costs one piece of memory."""
    asked: list[int] = []

    def pieces():  # type: ignore[no-untyped-def]
        for number in range(1_000_000):
            asked.append(number)
            yield b"http://h/%d\n" % number

    jobs = Listener().entries.read(pieces())
    assert isinstance(next(jobs), Job)
    assert len(asked) == 2  # the second URL shows that the first has no more options


def test_a_bad_line_is_told_before_the_job_that_it_ends() -> None:
    """So that a consumer that stops at the job has heard of the line."""
    listener = Listener()
    next(listener.entries.read(iter([b"http://h/1\nbad\n"])))
    assert [bad.line for bad in listener.bad] == [2]
