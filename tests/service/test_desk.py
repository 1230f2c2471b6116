"""What is wanted, looked at, without anybody who asks."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from downloader.errors import BadLine, BadName, BadUrl
from downloader.jobs import Job
from downloader.service.answers import Refusal
from downloader.service.desk import MAX_TEXT, Desk, checked_gid, number, whole

URL = "http://a/b"
DESK = Desk(["/srv/files", "/srv/files/inner", "/other"])


@pytest.mark.parametrize(
    ("directory", "place"),
    [
        (None, ("/srv/files", "")),
        ("", ("/srv/files", "")),
        ("a/b", ("/srv/files", "a/b")),
        ("/srv/files", ("/srv/files", "")),
        ("/srv/files/", ("/srv/files", "")),
        ("/srv/files/a", ("/srv/files", "a")),
        ("/srv/files/inner/a", ("/srv/files/inner", "a")),
        ("/other/a", ("/other", "a")),
    ],
)
def test_a_place(directory: str | None, place: tuple[str, str]) -> None:
    """In the root that is nearest; what is relative is in the first."""
    assert DESK.place(directory) == place


@pytest.mark.parametrize(
    "directory",
    ["/", "/srv", "/srv/filesystem", "/etc", "..", "a/../..", "/srv/files/..", "/other/../etc"],
)
def test_no_place(directory: str) -> None:
    with pytest.raises(BadName):
        DESK.place(directory)


@given(st.lists(st.sampled_from(["", ".", "..", "a", "srv", "files", "other", "x\0", "~"])))
def test_a_place_is_never_outside(parts: list[str]) -> None:
    """However it is written."""
    for directory in ("/".join(parts), "/" + "/".join(parts)):
        try:
            root, below = DESK.place(directory)
        except BadName:
            continue
        assert root in DESK.roots
        assert not below.startswith("/") and ".." not in below.split("/")


def test_the_root_of_all() -> None:
    """A service may write anywhere, where it is told so."""
    assert Desk(["/"]).place("/a/b") == ("/", "a/b")


def test_a_whole_job() -> None:
    wanted = DESK.wanted(
        {
            "urls": [URL, "http://c/d"],
            "dir": "/other/x",
            "out": "name",
            "size": 5,
            "headers": ["A: b"],
            "checksum": "MD5=" + "0" * 32,
            "paused": True,
            "priority": -3,
            "gid": "0" * 15 + "1",
        }
    )
    assert wanted.job == Job(
        *(URL, "/other", "name", ("http://c/d",), (("A", "b"),)),
        checksum="md5=" + "0" * 32,
        subdirectory="x",
        size=5,
    )
    assert (wanted.gid, wanted.paused, wanted.priority) == ("0" * 15 + "1", True, -3)


def test_the_least_job() -> None:
    """One URL may be a text; what is null is not there."""
    for asked in ({"urls": URL}, {"urls": [URL], "out": None, "size": None, "gid": None}):
        wanted = DESK.wanted(asked)
        assert wanted.job == Job(URL, "/srv/files")
        assert (wanted.gid, wanted.paused, wanted.priority) == (None, False, 0)


@pytest.mark.parametrize(
    ("asked", "sentence"),
    [
        ([], "a job is an object"),
        ({"urls": URL, "hook": 1}, "a job has no 'hook'"),
        ({"urls": URL, "\u202e": 1}, r"a job has no '\\u202e'"),
        ({}, "urls is a list of texts"),
        ({"urls": [1]}, "urls is a list of texts"),
        ({"urls": []}, "a job needs a URL"),
        ({"urls": [URL] * 102}, "urls is too long"),
        ({"urls": ["http://a/" + "x" * MAX_TEXT]}, "urls is too long"),
        ({"urls": URL, "out": 1}, "out is a text"),
        ({"urls": URL, "headers": "A: b"}, "headers is a list of texts"),
        ({"urls": URL, "paused": 1}, "paused is true or false"),
        ({"urls": URL, "priority": 1001}, "priority is a whole number from -1000 to 1000"),
        ({"urls": URL, "gid": "A" * 16}, "a gid has 16 lower-case"),
    ],
)
def test_a_refused_job(asked: Any, sentence: str) -> None:
    with pytest.raises(Refusal, match=sentence) as refused:
        DESK.wanted(asked)
    assert refused.value.status == 422


@pytest.mark.parametrize(
    ("asked", "error"), [({"urls": "ftp://a/"}, BadUrl), ({"urls": URL, "out": "../x"}, BadName)]
)
def test_an_error_of_ours(asked: Any, error: type[Exception]) -> None:
    """It is told as it is everywhere."""
    with pytest.raises(error):
        DESK.wanted(asked)


def test_a_list() -> None:
    """Below the directory that it is for."""
    text = f"{URL}\n out=c\n dir=d\nftp://no\n# nothing\n{URL}"
    first, bad, last = DESK.listed(text, "sub")
    assert first == Job(URL, "/srv/files", "c", subdirectory="sub/d", line=1)
    assert isinstance(bad, BadLine) and bad.line == 4
    assert last == Job(URL, "/srv/files", subdirectory="sub", line=6)


def test_where_a_list_goes_is_looked_at_first() -> None:
    """Before any of it is read."""
    with pytest.raises(BadName):
        DESK.listed(URL, "/etc")


def test_numbers() -> None:
    assert number({"n": 2}, "n", range(3)) == 2
    assert number({"n": None}, "n", range(3)) is number({}, "n", range(3)) is None
    for value in (3, -1, True, 1.0, "1"):
        with pytest.raises(Refusal, match="n is a whole number from 0 to 2"):
            number({"n": value}, "n", range(3))
    with pytest.raises(Refusal):
        whole("n", None, range(3))


def test_gids() -> None:
    assert checked_gid(None) is None
    assert checked_gid("0123456789abcdef") == "0123456789abcdef"
    for text in (
        "0" * 16,
        "0123456789ABCDEF",
        "0123456789abcde",
        "0123456789abcdef0",
        "",
        "g" * 16,
    ):
        with pytest.raises(Refusal):
            checked_gid(text)
