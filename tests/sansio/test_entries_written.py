"""Entries as they are written: headers that are none, and jobs that read back the same."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from support.entries import job, parse

from downloader.errors import BadName
from downloader.jobs import Job
from downloader.sansio.names import checked_name
from downloader.sansio.urllist import (
    checked_header,
    format_entry,
)

ANY_TEXT = st.text(st.characters(exclude_categories=()))


@pytest.mark.parametrize(
    ("text", "header"),
    [
        ("X-A: 1", ("X-A", "1")),
        ("X-A:a: b ", ("X-A", "a: b")),
        ("Cookie:", ("Cookie", "")),
        ("X: ü", ("X", "ü")),
    ],
)
def test_headers(text: str, header: tuple[str, str]) -> None:
    """A name, a colon and a value."""
    assert checked_header(text) == header


@pytest.mark.parametrize("code", [*range(32), 0x7F, 0x85, 0x9F, 0x2028, 0xD800])
def test_headers_with_control_characters_are_refused(code: int) -> None:
    """No header makes another header (CVE-2019-12387)."""
    for form in ("X: a{}b", "X{}: a", "X:{}X-Y: 1"):
        if (form, code) == ("X:{}X-Y: 1", 9):
            continue  # white space in front of a value
        with pytest.raises(ValueError):
            checked_header(form.format(chr(code)))


@pytest.mark.parametrize(
    "text",
    [
        *("", "X", ": a", "X : a", "X Y: a", "ü: a", "hOST: x", "Content-Length: 1"),
        *("transfer-encoding: a", "Connection: close", "TE: trailers", "Upgrade: h2c"),
        *("Range: bytes=0-", "Accept-Encoding: br"),
    ],
)
def test_headers_that_are_refused(text: str) -> None:
    """What is no header, and what the agent says itself."""
    with pytest.raises(ValueError):
        checked_header(text)


def _is_name(text: str) -> bool:
    try:
        return bool(checked_name(text)) and text == text.strip(" \t\r\v\f")
    except BadName:
        return False


VISIBLE = st.characters(exclude_categories=("Cc", "Cs"))
NAMES = st.text(VISIBLE, min_size=1).filter(_is_name)
URLS = st.builds("http://h/{}".format, st.text("abc/%2?=&#é日:@!'~"))
HEADERS = st.tuples(
    st.sampled_from(["X-A", "Cookie"]), st.text("a b:=é;#", max_size=9).map(str.strip)
)
CHECKSUMS = st.builds(
    "{}={}".format, st.just("md5"), st.from_regex(r"[0-9a-f]{32}", fullmatch=True)
)
JOBS = st.builds(
    Job,
    URLS,
    st.sampled_from([".", "/run", "out"]),
    st.none() | NAMES,
    st.lists(URLS).map(tuple),
    st.lists(HEADERS).map(tuple),
    st.none() | CHECKSUMS,
    subdirectory=st.just("") | NAMES,
)


@given(JOBS, st.lists(JOBS, max_size=2))
def test_what_is_written_reads_the_same(wanted: Job, others: list[Job]) -> None:
    """A list of entries gives the jobs again, in order, but for the line numbers."""
    jobs = [wanted, *(replace(other, directory=wanted.directory) for other in others)]
    text = "".join(format_entry(each, None) for each in jobs)
    items = parse(text, wanted.directory)
    assert [replace(i, line=None) for i in items if isinstance(i, Job)] == jobs
    assert len(items) == len(jobs)


@given(JOBS, NAMES)
def test_the_name_given_is_written(wanted: Job, name: str) -> None:
    """In place of the job's own."""
    found = job(format_entry(wanted, name), wanted.directory)
    assert replace(found, line=None) == replace(wanted, name=name)


@given(ANY_TEXT, ANY_TEXT, ANY_TEXT, ANY_TEXT)
@example("#http://h/", "x\n out=/etc/passwd", "X: 1\nhttp://evil/", "\thttp://evil/")
@example("", "a", "b", "c")
def test_no_job_writes_more_than_its_entry(url: str, name: str, value: str, mirror: str) -> None:
    """Whatever a program put into it: one entry, or nothing, that can be encoded."""
    wanted = Job(url, ".", name, (mirror,), (("X", value),), value, subdirectory=name)
    text = format_entry(wanted, None)
    assert text.encode() or not (url or mirror)
    if not text:
        return
    first, *options = text.removesuffix("\n").split("\n")
    assert first[:1] not in ("", " ", "#")
    assert all(line.startswith((" out=", " dir=", " header=X: ", " checksum=")) for line in options)
    assert first.count("\t") <= 1


def test_a_job_without_a_url_writes_nothing() -> None:
    """Its options would go to the entry above."""
    assert format_entry(Job("", name="a"), "b") == ""
