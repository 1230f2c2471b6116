"""The report says the same of each job, without secrets; what failed is a list again."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from support.entries import parse_lines

from downloader.errors import BadLine, NotFound, TargetExists
from downloader.jobs import Job, Report, Result, Status
from downloader.listrun.outputs import OutputFile
from downloader.listrun.report import FailedFile, ReportFile, given_name

FIELDS = [
    *("line", "url", "final_url", "path", "status", "http_status", "bytes", "seconds", "attempts"),
    *("verified", "error", "message", "version"),
]


@pytest.fixture
def troubles() -> list[str]:
    return []


def lines_of(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text("ascii").splitlines()]


def test_each_line_has_every_field(tmp_path: Path, troubles: list[str]) -> None:
    """A job, a failed job and a bad line can be read by the same program."""
    path = tmp_path / "r"
    report = ReportFile(OutputFile(str(path), troubles.append), "1.2")
    job = Job("http://h/x", line=3)
    good = Result(job, Status.COMPLETE, "out/x", "http://h/y", 200, 5, 0.25, 2)
    report.add(replace(good, checksum="sha-256=ab"))
    report.add(replace(good, checksum="md5=cd"))
    report.add(Result(job, Status.ERROR, error=NotFound("404"), http_status=404))
    report.add_bad(BadLine(7, "no URL"))
    report.add(Result(job, Status.REMOVED, error=TargetExists("x")))
    report.end(Report(complete=1, failed=1, invalid=1, bytes=5, seconds=1.5), interrupted=False)
    report.file.close()
    proven, weak, bad, refused, skipped, end = lines_of(path)
    assert list(proven) == [*FIELDS, "checksum", "sha256"]
    assert list(proven.values()) == [
        *(3, "http://h/x", "http://h/y", "out/x", "complete", 200, 5, 0.25, 2, True, None, None),
        *("1.2", "sha-256=ab", "ab"),
    ]
    assert list(weak) == [*FIELDS, "checksum"] and weak["checksum"] == "md5=cd"
    assert list(bad) == list(refused) == list(skipped) == FIELDS
    assert (bad["error"], bad["http_status"]) == ("NotFound", 404)
    assert bad["message"] == "The server has no such file: 404"
    assert (refused["line"], refused["error"], refused["message"]) == (7, "BadLine", "no URL")
    assert (bad["verified"], refused["verified"], skipped["verified"]) == (None, None, None)
    assert (skipped["status"], skipped["error"]) == ("removed", None)
    assert skipped["message"] == "A file of this name is already there: x"
    assert end == {
        "summary": {
            "lines": 3,
            "complete": 1,
            "failed": 1,
            "skipped": 0,
            "invalid": 1,
            "pending": 0,
            "unverified": 0,
            "bytes": 5,
            "seconds": 1.5,
            "interrupted": False,
        }
    }
    assert troubles == []


def test_secrets_and_escapes_stay_out(tmp_path: Path, troubles: list[str]) -> None:
    """URLs are redacted, headers are left out, and what a terminal acts on is escaped."""
    path = tmp_path / "r"
    report = ReportFile(OutputFile(str(path), troubles.append), "1")
    job = Job("http://me:pw1@h/x?token=pw2", headers=(("Authorization", "pw3"),))
    report.add(Result(job, Status.COMPLETE, "\x1b]0;\udcff", "http://me:pw1@h/y?sig=pw4"))
    report.file.close()
    text = path.read_text("ascii")
    assert "pw" not in text and "\x1b" not in text
    assert json.loads(text)["url"] == "http://h/x?token=***"


@pytest.mark.parametrize(
    ("job", "path", "name"),
    [
        (Job("http://h/x", directory="out"), "out/x.1", "x.1"),
        (Job("http://h/x", directory="out", subdirectory="a/b"), "out/a/b/c/x", "c/x"),
        (Job("http://h/x", directory="/out", name="n"), None, "n"),
        (Job("http://h/x"), None, None),
        (Job("http://h/x"), "./x", "x"),
    ],
)
def test_a_failed_job_keeps_its_name(job: Job, path: str | None, name: str | None) -> None:
    """The name it was given, below its directory, so that a second run gives the same one."""
    assert given_name(job, path) == name


def test_a_failed_job_can_be_read_again(tmp_path: Path, troubles: list[str]) -> None:
    """With all that makes it up in its list; the run's own headers are not its list's."""
    token = ("Authorization", "Bearer 2")
    job = Job(
        "http://me:pw@h/x?token=1",
        directory="out",
        mirrors=("http://m/x",),
        headers=(("Cookie", "a=1"), token),
        checksum="md5=" + "0" * 32,
        subdirectory="sub",
    )
    failed = FailedFile(OutputFile(str(tmp_path / "failed"), troubles.append), [token])
    failed.add(Result(job, Status.ERROR, path="out/sub/x.1"))
    failed.file.close()
    (again,) = parse_lines((tmp_path / "failed").read_text().splitlines(), directory="out")
    assert isinstance(again, Job)
    assert (again.urls, again.checksum) == (job.urls, job.checksum)
    assert again.headers == (("Cookie", "a=1"),)
    assert (again.subdirectory, again.name) == ("sub", "x.1")
