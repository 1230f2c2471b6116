"""Which name a file gets, and who had it before."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest
from support.playing import ONCE, URL, error_of, give, next_request, take
from twisted.internet.task import Clock

from downloader import Downloader, Job, Naming, OnConflict, Status
from downloader.errors import (
    BadName,
    DiskError,
    TargetBusy,
    TargetExists,
    TruncatedBody,
)
from downloader.testing import AgentSpy

Make = Callable[..., Downloader]


def test_the_server_is_not_asked_for_a_name(make: Make, spy: AgentSpy, out: str) -> None:
    fetching = make().fetch(Job(URL, out))
    give(spy.requests[0].answer(200, {"Content-Disposition": "filename=evil"}, 1), b"x")
    assert take(fetching).path == f"{out}/a.bin"


@pytest.mark.parametrize(
    ("header", "name"),
    [
        ("attachment; filename=report.pdf", "report.pdf"),
        ("attachment; filename*=UTF-8''na%C3%AFve.txt; filename=x", "na\u00efve.txt"),
        ('attachment; filename="../../etc/passwd"', "passwd"),
        ('attachment; filename="..\\\\..\\\\boot.ini"', "boot.ini"),
        ('attachment; filename="/etc/cron.d/x"', "x"),
        ("attachment; filename=.bashrc", "_bashrc"),
        ("attachment; filename=..", "a.bin"),
        ("attachment", "a.bin"),
        ("", "a.bin"),
    ],
)
def test_unless_it_is(make: Make, spy: AgentSpy, out: str, header: str, name: str) -> None:
    """Then it is a name in the directory and no path (CVE-2019-20916, CVE-2010-3842)."""
    fetching = make(content_disposition=True).fetch(Job(URL, out))
    give(spy.requests[0].answer(200, {"Content-Disposition": header}, 1), b"x")
    assert take(fetching).path == f"{out}/{name}"
    assert os.listdir(out) == [name]


def test_what_is_replaced_is_never_the_servers_choice(make: Make, spy: AgentSpy, out: str) -> None:
    """The user allowed a.bin to be replaced, not whatever the server names (CVE-2020-8177)."""
    os.mkdir(out)
    Path(out, "thesis.odt").write_bytes(b"mine")
    downloader = make(content_disposition=True, on_conflict=OnConflict.OVERWRITE)
    fetching = downloader.fetch(Job(URL, out))
    offer = {"Content-Disposition": "attachment; filename=thesis.odt"}
    give(spy.requests[0].answer(200, offer, 1), b"x")
    assert take(fetching).path == f"{out}/thesis.1.odt"
    assert Path(out, "thesis.odt").read_bytes() == b"mine"


def test_the_jobs_own_name_wins(make: Make, spy: AgentSpy, out: str) -> None:
    fetching = make(content_disposition=True).fetch(Job(URL, out, name="mine"))
    give(spy.requests[0].answer(200, {"Content-Disposition": "filename=theirs"}, 1), b"x")
    assert take(fetching).path == f"{out}/mine"


def test_an_offered_name_that_is_taken_keeps_its_number_in_the_next_try(
    make: Make, spy: AgentSpy, clock: Clock, out: str
) -> None:
    """Else the part file of the first try would be left behind."""
    os.mkdir(out)
    Path(out, "b").touch()
    fetching = make(content_disposition=True).fetch(Job(URL, out))
    offer = {"Content-Disposition": "attachment; filename=b"}
    give(spy.requests[0].answer(200, offer, 9), b"x")
    assert sorted(os.listdir(out)) == ["b", "b.1.part"]
    next_request(spy, clock, within=10)
    give(spy.requests[1].answer(200, offer, 1), b"x")
    assert take(fetching).path == f"{out}/b.1"
    assert sorted(os.listdir(out)) == ["b", "b.1"]


@pytest.mark.parametrize("name", ["../x", "/etc/x", "a/../../x", "..", "x\0", "a\\b", ""])
def test_a_name_that_leads_elsewhere(make: Make, spy: AgentSpy, out: str, name: str) -> None:
    for job in (Job(URL, out, name=name), Job(URL, out, subdirectory=f"/{name}")):
        assert type(error_of(make().fetch(job))) is BadName
    assert not os.path.exists(out)


def test_a_tree(make: Make, spy: AgentSpy, out: str) -> None:
    fetching = make(naming=Naming.TREE).fetch(Job("http://one.example/x/%2e%2e/y.html", out))
    give(spy.requests[0].answer(length=0), b"")
    assert take(fetching).path == f"{out}/one.example/x/y.html"


def test_renaming_when_the_name_was_taken_meanwhile(make: Make, spy: AgentSpy, out: str) -> None:
    fetching = make().fetch(Job(URL, out))
    response = spy.requests[0].answer(length=4)
    response.feed(b"ou")
    Path(out, "a.bin").write_bytes(b"theirs")
    Path(out, "a.1.bin").write_bytes(b"theirs too")
    give(response, b"rs")
    assert take(fetching).path == f"{out}/a.2.bin"
    assert sorted(os.listdir(out)) == ["a.1.bin", "a.2.bin", "a.bin"]
    assert Path(out, "a.bin").read_bytes() == b"theirs"
    assert Path(out, "a.2.bin").read_bytes() == b"ours"


def test_renaming_when_the_name_was_taken_before(make: Make, spy: AgentSpy, out: str) -> None:
    os.mkdir(out)
    Path(out, "a.bin").write_bytes(b"theirs")
    fetching = make().fetch(Job(URL, out))
    give(spy.requests[0].answer(length=1), b"x")
    assert take(fetching).path == f"{out}/a.1.bin"


def test_skipping_asks_nobody(make: Make, spy: AgentSpy, out: str) -> None:
    os.mkdir(out)
    Path(out, "a.bin").symlink_to("nowhere")
    result = take(make(on_conflict=OnConflict.SKIP).fetch(Job(URL, out)))
    assert (result.status, type(result.error)) == (Status.REMOVED, TargetExists)
    assert spy.requests == []


def test_skipping_when_the_name_was_taken_meanwhile(make: Make, spy: AgentSpy, out: str) -> None:
    """It is not replaced; the bytes of a long file stay beside it."""
    fetching = make(on_conflict=OnConflict.SKIP).fetch(Job(URL, out))
    response = spy.requests[0].answer(length=400_000)
    Path(out, "a.bin").write_bytes(b"theirs")
    give(response, b"ours" * 100_000)
    assert type(error_of(fetching)) is TargetExists
    assert Path(out, "a.bin").read_bytes() == b"theirs"
    assert Path(out, "a.bin.part").read_bytes() == b"ours" * 100_000


def test_a_directory_that_is_not_utf8(make: Make, spy: AgentSpy, tmp_path: Path) -> None:
    directory = os.fsencode(tmp_path) + b"/d\xff"
    fetching = make().fetch(Job(URL, os.fsdecode(directory)))
    give(spy.requests[0].answer(length=1), b"x")
    assert os.fsencode(take(fetching).path or "") == directory + b"/a.bin"
    assert os.listdir(directory) == [b"a.bin"]


@pytest.mark.parametrize("again", [False, True])
def test_a_directory_that_is_removed_between_two_files(
    make: Make, spy: AgentSpy, out: str, again: bool
) -> None:
    """It is made again, and the file is in the one that its path leads to."""
    downloader = make()
    for number in (0, 1):
        fetching = downloader.fetch(Job(URL, out))
        give(spy.requests[number].answer(length=1), b"x")
        assert Path(take(fetching).path or "").read_bytes() == b"x"
        if number == 0:
            os.unlink(f"{out}/a.bin")
            os.rmdir(out)
            if again:
                os.mkdir(out)


def test_overwriting_at_the_end_and_only_then(make: Make, spy: AgentSpy, out: str) -> None:
    os.mkdir(out)
    Path(out, "a.bin").write_bytes(b"theirs")
    downloader = make(on_conflict=OnConflict.OVERWRITE, retries=ONCE)
    fetching = downloader.fetch(Job(URL, out))
    give(spy.requests[0].answer(length=9), b"trunc")
    assert type(error_of(fetching)) is TruncatedBody
    assert Path(out, "a.bin").read_bytes() == b"theirs"
    fetching = downloader.fetch(Job(URL, out))
    give(spy.requests[1].answer(length=4), b"ours")
    assert take(fetching).path == f"{out}/a.bin"
    assert Path(out, "a.bin").read_bytes() == b"ours"


def test_two_downloads_of_one_name_at_once(make: Make, spy: AgentSpy, out: str) -> None:
    downloader = make()
    both = [downloader.fetch(Job(URL, out)) for _ in range(2)]
    for request in reversed(spy.requests):
        give(request.answer(length=1), b"x")
    assert [take(one).path for one in both] == [f"{out}/a.bin", f"{out}/a.1.bin"]


def test_two_programs_and_one_name(make: Make, spy: AgentSpy, out: str) -> None:
    """The second is told so and disturbs nothing; it is not a bug of anybody's."""
    both = [make().fetch(Job(URL, out)) for _ in range(2)]
    first = spy.requests[0].answer(length=2)
    first.feed(b"o")
    second = spy.requests[1].answer(length=2)
    give(second, b"xx")
    assert type(error_of(both[1])) is TargetBusy
    give(first, b"k")
    assert take(both[0]).path == f"{out}/a.bin"
    assert Path(out, "a.bin").read_bytes() == b"ok"


@pytest.mark.parametrize("directory", ["file", "file/below"])
def test_a_directory_that_is_a_file(
    make: Make, spy: AgentSpy, tmp_path: Path, directory: str
) -> None:
    (tmp_path / "file").write_bytes(b"theirs")
    fetching = make().fetch(Job(URL, str(tmp_path / directory)))
    response = spy.requests[0].answer(length=10**6)
    assert type(error_of(fetching)) is DiskError
    assert response.transport.calls == ["abortConnection"]
    assert (tmp_path / "file").read_bytes() == b"theirs"


def test_a_directory_that_cannot_be_one(make: Make, spy: AgentSpy, tmp_path: Path) -> None:
    """It is told as the caller's mistake, and the answer that came is read to its end."""
    fetching = make().fetch(Job(URL, f"{tmp_path}/a\0b"))
    response = spy.requests[0].answer(length=1)
    assert response.delivering
    give(response, b"x")
    assert type(error_of(fetching)) is BadName
