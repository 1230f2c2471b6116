"""Sizes, durations and ends of runs as people read them."""

from __future__ import annotations

import pytest

from downloader.errors import ConnectTimeout, NotFound
from downloader.jobs import Job, Report, Result, Status
from downloader.listrun.words import (
    MAX_EXAMPLES,
    Failures,
    duration_text,
    failure_text,
    size_text,
    summary_text,
)


@pytest.mark.parametrize(
    ("size", "text"),
    [
        (0, "0 B"),
        (1023, "1023 B"),
        (1024, "1.0 KiB"),
        (1024 * 1024 - 1, "1.0 MiB"),
        (12_897_485, "12.3 MiB"),
        (5 * 1024**4, "5.0 TiB"),
        (5000 * 1024**5, "5000.0 PiB"),
    ],
)
def test_sizes(size: int, text: str) -> None:
    """One digit, and never 1024.0 of a unit."""
    assert size_text(size) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0 ms"),
        (0.0123, "12 ms"),
        (2.14, "2.1 s"),
        (59.96, "1:00"),
        (65, "1:05"),
        (3661, "1:01:01"),
    ],
)
def test_durations(seconds: float, text: str) -> None:
    """In the unit that fits."""
    assert duration_text(seconds) == text


def test_a_summary_tells_what_there_is_to_tell() -> None:
    """Zeros are left out, and so is a rate without bytes."""
    report = Report(complete=1497, failed=3, bytes=12_897_485, seconds=2.1)
    assert summary_text(report) == "1,497 complete, 3 failed, 12.3 MiB in 2.1 s (5.9 MiB/s)"
    assert summary_text(Report()) == "0 complete, 0 B in 0 ms"
    partly = "1,497 complete, 3 failed, 12.3 MiB in 2.1 s (1.1 MiB/s)"
    assert summary_text(report, found=report.bytes - round(2.31 * 2**20)) == partly
    report = Report(complete=2, skipped=1, invalid=3, pending=4, unverified=2, bytes=1, seconds=1)
    words = "2 complete, 1 skipped, 3 invalid, 4 pending, 2 unverified, 1 B in 1.0 s (1 B/s)"
    assert summary_text(report) == words
    report = Report(skipped=3, seconds=1)
    assert summary_text(report, cancelled=1) == "0 complete, 2 skipped, 1 cancelled, 0 B in 1.0 s"
    assert summary_text(report, cancelled=3) == "0 complete, 3 cancelled, 0 B in 1.0 s"


def failed(error: Exception | None, url: str = "http://u:p@h/x?token=abc") -> Result:
    return Result(Job(url), Status.ERROR, error=error)  # type: ignore[arg-type]


def test_a_failure_holds_no_secret_and_no_escape() -> None:
    """Its text comes from a server and goes to a terminal."""
    text = failure_text(failed(NotFound("404 \x1b[2J")))
    assert text == "http://h/x?token=***: The server has no such file: 404 \\x1b[2J"


def test_failures_are_grouped_by_class() -> None:
    """The most frequent one first, with the examples that fit."""
    failures = Failures()
    failures.add(failed(ConnectTimeout("10 s")))
    for number in range(20):
        failures.add(failed(NotFound(), f"http://h/{number}"))
    lines = list(failures.lines())
    assert lines[0] == "20 x The server has no such file (NotFound):"
    assert lines[1] == "    http://h/0"
    assert lines[-3] == "    and 11 more"
    assert lines[-2:] == [
        "1 x The connection was not ready in time (ConnectTimeout):",
        "    http://h/x?token=***: 10 s",
    ]
    assert sum(line.startswith("    http") for line in lines) == MAX_EXAMPLES
    assert list(failures.lines(with_examples=False)) == [
        "20 x The server has no such file (NotFound)",
        "1 x The connection was not ready in time (ConnectTimeout)",
    ]


def test_no_failures_no_lines() -> None:
    """A good end is short."""
    assert list(Failures().lines()) == []
