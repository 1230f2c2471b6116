"""Lists in files: read lazily from where they are, counted in slices, broken ones told."""

from __future__ import annotations

import gzip
import os
from collections.abc import Generator
from pathlib import Path
from typing import Any

import pytest

from downloader.errors import ListError
from downloader.jobs import Job
from downloader.listrun.forms import FetchForm
from downloader.listrun.source import GivenJobs, ListFile, open_list
from downloader.listrun.stream import ListStream

URLS = [f"http://h/{number}" for number in range(5000)]
TEXT = "".join(f"{url}\n" for url in URLS).encode()


@pytest.fixture
def opened(reactor: Any) -> Generator[Any, None, None]:
    """Open a list; it is closed at the end."""
    sources: list[Any] = []

    def open_it(name: object) -> Any:
        sources.append(open_list(reactor, str(name), FetchForm("out")))
        return sources[-1]

    yield open_it
    for source in sources:
        source.close()
        source.close()  # twice is harmless


def jobs_of(source: Any) -> list[Job]:
    return [job for job in source.jobs(pytest.fail, pytest.fail) if job is not None]


@pytest.mark.parametrize("data", [TEXT, gzip.compress(TEXT)], ids=["plain", "gzip"])
def test_a_file_is_read(tmp_path: Path, opened: Any, data: bytes) -> None:
    """Plain or gzip, each line once."""
    (tmp_path / "list").write_bytes(data)
    source = opened(tmp_path / "list")
    assert isinstance(source, ListFile)
    assert [job.url for job in jobs_of(source)] == URLS
    assert (source.taken, source.rest(60), source.error) == (len(URLS), 0, None)


def test_counting_goes_in_slices(tmp_path: Path, opened: Any) -> None:
    """A call ends soon, also in a list of any length; the number comes when it is known."""
    (tmp_path / "list").write_bytes(TEXT)
    source = opened(tmp_path / "list")
    assert source.count(0) is None  # one piece of 64 KiB, of more than one
    assert source.count(60) == len(URLS)
    assert source.count(0) == len(URLS)


def test_counting_does_not_disturb_reading(tmp_path: Path, opened: Any) -> None:
    """They have a position each."""
    (tmp_path / "list").write_bytes(TEXT)
    source = opened(tmp_path / "list")
    jobs = filter(None, source.jobs(pytest.fail, pytest.fail))
    first = next(jobs)
    assert source.count(60) == len(URLS)
    assert [job.url for job in (first, *jobs)] == URLS


def test_nothing_is_counted_after_the_end(tmp_path: Path, opened: Any) -> None:
    """The file is closed; a total of what was counted until then would be wrong."""
    (tmp_path / "list").write_bytes(TEXT)
    source = opened(tmp_path / "list")
    source.count(0)
    source.close()
    assert source.count(60) is None


@pytest.mark.parametrize("taken", [0, 1, 2500, 5000])
def test_the_rest_is_counted(tmp_path: Path, opened: Any, taken: int) -> None:
    """An interrupted run accounts for every line of the list."""
    (tmp_path / "list").write_bytes(gzip.compress(TEXT))
    source = opened(tmp_path / "list")
    jobs = source.jobs(pytest.fail, pytest.fail)
    while source.taken < taken:
        next(jobs)
    jobs.close()
    assert source.taken == taken
    assert source.rest(60) == len(URLS) - taken


def test_the_rest_of_a_list_that_was_never_begun(tmp_path: Path, opened: Any) -> None:
    """All of it."""
    (tmp_path / "list").write_bytes(TEXT)
    assert opened(tmp_path / "list").rest(60) == len(URLS)


def test_an_endless_list_is_left_in_time(opened: Any) -> None:
    """Begun or not; what was found so far is told."""
    source = opened("/dev/zero")
    assert source.rest(0.01) == 0
    warnings: list[str] = []
    jobs = source.jobs(pytest.fail, warnings.append)
    assert next(jobs) is None
    assert source.rest(0.01) == 1  # a line of zeros has begun
    assert len(warnings) == 1


def test_a_broken_list_ends_where_it_breaks(tmp_path: Path, opened: Any) -> None:
    """Half a line is no URL, though it may look like one."""
    (tmp_path / "list").write_bytes(gzip.compress(TEXT)[:-2000])
    source = opened(tmp_path / "list")
    jobs = jobs_of(source)
    assert 0 < len(jobs) < len(URLS)
    assert [job.url for job in jobs] == URLS[: len(jobs)]
    assert source.error == "the gzip data ends too early"
    assert source.count(60) is not None


def test_an_open_file_is_read_from_its_position(tmp_path: Path, opened: Any) -> None:
    """`{ read first; downloader fetch -i -; } < list` fetches the rest, and leaves it in place."""
    (tmp_path / "list").write_bytes(TEXT)
    fd = os.open(tmp_path / "list", os.O_RDONLY)
    os.lseek(fd, len(URLS[0]) + 1, os.SEEK_SET)
    source = opened(f"/dev/fd/{fd}")
    assert [job.url for job in jobs_of(source)] == URLS[1:]
    assert os.lseek(fd, 0, os.SEEK_CUR) == len(URLS[0]) + 1
    os.close(fd)


def test_dev_null_is_an_empty_list(opened: Any) -> None:
    """It cannot be watched as a stream is."""
    source = opened("/dev/null")
    assert jobs_of(source) == []
    assert source.count(0) == 0


def test_a_fifo_opens_without_a_writer(tmp_path: Path, opened: Any) -> None:
    """Opening it may not stop the reactor until somebody writes."""
    os.mkfifo(tmp_path / "fifo")
    assert isinstance(opened(tmp_path / "fifo"), ListStream)


@pytest.mark.parametrize(
    ("name", "reason"),
    [("none", "No such file"), (".", "it is a directory"), ("/dev/fd/999", "Bad file descriptor")],
)
def test_what_is_no_list_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, opened: Any, name: str, reason: str
) -> None:
    """In one sentence."""
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ListError, match=reason):
        opened(name)


def test_given_jobs_are_a_list_too() -> None:
    """The URLs of a command line."""
    jobs = [Job("http://h/1"), Job("http://h/2")]
    source = GivenJobs(jobs)
    taken = source.jobs(pytest.fail, pytest.fail)
    assert next(taken) is jobs[0]
    assert (source.taken, source.rest(0), source.count(0)) == (1, 1, 2)
