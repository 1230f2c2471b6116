"""A run with a checksum file: each job is held to the line of its name."""

from __future__ import annotations

import os
from collections.abc import Callable
from hashlib import md5, sha256
from pathlib import Path

import pytest
from support.playing import URL, error_of, give, take

from downloader import Checksums, Downloader, Job, Naming, OnConflict, Status
from downloader.errors import ChecksumMismatch, NoChecksum
from downloader.testing import AgentSpy

Make = Callable[..., Downloader]


def listing(*names: str, data: bytes = b"abc") -> Checksums:
    return Checksums([f"{sha256(data).hexdigest()}  {name}\n".encode() for name in names])


@pytest.mark.parametrize(("data", "kept"), [(b"abc", True), (b"abd", False)])
def test_a_file_is_held_to_its_line(
    make: Make, spy: AgentSpy, out: str, data: bytes, kept: bool
) -> None:
    fetching = make(checksums=listing("a.bin")).fetch(Job(URL, out))
    give(spy.requests[0].answer(length=3), data)
    if kept:
        result = take(fetching)
        assert result.checksum == f"sha-256={sha256(b'abc').hexdigest()}"
    else:
        assert type(error_of(fetching)) is ChecksumMismatch
    assert os.path.exists(f"{out}/a.bin") == kept


def test_a_file_without_a_line_is_not_asked_for(make: Make, spy: AgentSpy, out: str) -> None:
    """Its name is free for whoever has one."""
    downloader = make(checksums=listing("b.bin"))
    error = error_of(downloader.fetch(Job(URL, out)))
    assert type(error) is NoChecksum
    assert (error.detail, error.attempts, spy.requests) == ("a.bin is not in it", 0, [])
    digest = f"md5={md5(b'x').hexdigest()}"
    fetching = downloader.fetch(Job(URL, out, checksum=digest))
    give(spy.requests[0].answer(length=1), b"x")
    assert take(fetching).path == f"{out}/a.bin"


def test_a_run_goes_on_without_those_that_have_no_line(make: Make, spy: AgentSpy, out: str) -> None:
    """They have failed like any other."""
    results = []
    jobs = [Job(f"http://one.example/{name}", out) for name in ("a", "none", "b")]
    run = make(checksums=listing("a", "b")).fetch_all(jobs, results.append)
    for request in spy.requests:
        give(request.answer(length=3), b"abc")
    assert [(r.status, type(r.error).__name__) for r in results] == [
        (Status.ERROR, "NoChecksum"),
        (Status.COMPLETE, "NoneType"),
        (Status.COMPLETE, "NoneType"),
    ]
    assert run.result.failed == 1


def test_a_jobs_own_checksum_goes_before_it(make: Make, spy: AgentSpy, out: str) -> None:
    digest = f"sha-256={sha256(b'own').hexdigest()}"
    fetching = make(checksums=listing("a.bin")).fetch(Job(URL, out, checksum=digest))
    give(spy.requests[0].answer(length=3), b"own")
    assert take(fetching).checksum == digest


@pytest.mark.parametrize(
    ("listed", "fields", "naming"),
    [
        ("a.bin", {}, Naming.TREE),
        ("one.example/a.bin", {}, Naming.TREE),
        ("sub/n", {"name": "sub/n"}, Naming.FLAT),
        ("n", {"name": "sub/n"}, Naming.FLAT),
        ("sub/a.bin", {"subdirectory": "sub"}, Naming.FLAT),
        ("somewhere/a.bin", {}, Naming.FLAT),
    ],
)
def test_names_of_files(
    make: Make, spy: AgentSpy, out: str, listed: str, fields: dict[str, str], naming: Naming
) -> None:
    """The path that the job asks for, or its end."""
    fetching = make(checksums=listing(listed), naming=naming).fetch(Job(URL, out, **fields))
    give(spy.requests[0].answer(length=3), b"abc")
    assert take(fetching).status is Status.COMPLETE


def test_a_number_is_not_part_of_the_name(make: Make, spy: AgentSpy, out: str) -> None:
    """Which somebody else's file made necessary."""
    os.mkdir(out)
    Path(out, "a.bin").write_bytes(b"old")
    fetching = make(checksums=listing("a.bin")).fetch(Job(URL, out))
    give(spy.requests[0].answer(length=3), b"abc")
    assert take(fetching).path == f"{out}/a.1.bin"


def test_what_is_skipped_needs_a_line_too(make: Make, spy: AgentSpy, out: str) -> None:
    """What is there is not looked at; a name without a line is none that was meant."""
    os.mkdir(out)
    Path(out, "a.bin").write_bytes(b"old")
    options = {"on_conflict": OnConflict.SKIP}
    skipped = make(checksums=listing("a.bin"), **options).fetch(Job(URL, out))
    assert take(skipped).status is Status.REMOVED
    unlisted = make(checksums=listing("b.bin"), **options).fetch(Job(URL, out))
    assert type(error_of(unlisted)) is NoChecksum


def test_names_that_servers_give_come_too_late(make: Make) -> None:
    with pytest.raises(ValueError, match="content_disposition"):
        make(checksums=listing("a.bin"), content_disposition=True)
