"""A report's line says how a file should be, or that it says it of none."""

from __future__ import annotations

import json
import os
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from downloader.errors import NotFound
from downloader.jobs import Job, Report, Result, Status
from downloader.listrun.outputs import OutputFile
from downloader.listrun.report import ReportFile
from downloader.sansio.checksum import checked_checksum
from downloader.sansio.expected import MAX_LINE, Expected, expected_in

SUM = "sha-256=" + "0" * 64


def line(**fields: Any) -> bytes:
    return json.dumps({"status": "complete", "path": "out/a", "bytes": 5, **fields}).encode()


def test_what_a_report_says(tmp_path: Any) -> None:
    """As it is written."""
    report = ReportFile(OutputFile(str(tmp_path / "r"), print), "1")
    job = Job("http://h/x")
    report.add(Result(job, Status.COMPLETE, "out/ä\udcff", bytes=5))
    report.add(Result(job, Status.COMPLETE, "out/b", bytes=0, checksum=SUM))
    report.add(Result(job, Status.ERROR, "out/c", error=NotFound()))
    report.add(Result(job, Status.REMOVED, "out/d"))
    report.end(Report(complete=1), interrupted=False)
    report.file.close()
    found = [expected_in(line) for line in (tmp_path / "r").read_bytes().splitlines()]
    assert found == [
        Expected(os.fsdecode("out/ä".encode() + b"\xff"), 5),
        Expected("out/b", 0, SUM),
        None,
        None,
        None,
    ]


def test_lines_in_other_hands() -> None:
    """Fields may be in another order, more, or as a person writes them."""
    assert expected_in(line(checksum="MD5 = " + "AB" * 16, more=[{}])) == Expected(
        "out/a", 5, "md5=" + "ab" * 16
    )
    assert expected_in(b' {"path":"a","bytes":1,"status":"complete"} \r') == Expected("a", 1)
    assert expected_in(line(checksum=None)) == Expected("out/a", 5)


WRONG = {
    "nothing": (b"", "no line of a report"),
    "no JSON": (b"{", "no line of a report"),
    "no UTF-8": (b'{"status":"\xff"}', "no line of a report"),
    "half a line": (line()[:-1], "no line of a report"),
    "no object": (b'["status"]', "no line of a report"),
    "another object": (b'{"url":"x"}', "no line of a report"),
    "a number as long as it likes": (b'{"status":' + b"9" * 5000 + b"}", "no line of a report"),
    "too deep": (b"[" * 100_000, "no line of a report"),
    "too long": (line(more="a" * MAX_LINE), "no line of a report"),
    "no path": (line(path=None), "it names no path"),
    "an empty path": (line(path=""), "it names no path"),
    "no length": (line(bytes=None), "it tells no length in bytes"),
    "a length below 0": (line(bytes=-1), "it tells no length in bytes"),
    "a length in parts": (line(bytes=5.0), "it tells no length in bytes"),
    "a length that is none": (line(bytes=True), "it tells no length in bytes"),
    "an endless length": (line(bytes=float("inf")), "it tells no length in bytes"),
    "no checksum": (line(checksum="sha-256=0"), "64 hexadecimal digits"),
    "a checksum in numbers": (line(checksum=7), "its checksum is no text"),
}


@pytest.mark.parametrize(("data", "reason"), WRONG.values(), ids=WRONG.keys())
def test_what_is_no_line(data: bytes, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        expected_in(data)


JSON: Any = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner),
)
FIELDS = st.dictionaries(
    st.sampled_from(["status", "path", "bytes", "checksum", "summary"]),
    st.sampled_from(["complete", "error", SUM, "a", 5]) | JSON,
)


@given((FIELDS | JSON).map(json.dumps).map(str.encode) | st.binary())
def test_no_bytes_crash_it(data: bytes) -> None:
    """It is a file, none, or refused."""
    try:
        found = expected_in(data)
    except ValueError:
        return
    if found is not None:
        assert found.path and found.length is not None and found.length >= 0
        assert found.checksum is None or checked_checksum(found.checksum)
