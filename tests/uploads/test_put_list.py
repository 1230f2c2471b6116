"""Lists of files to be sent: every line is a job, a bad line or nothing, and jobs can be listed."""

from __future__ import annotations

import gzip
from itertools import repeat

import pytest
from hypothesis import given
from hypothesis import strategies as st

from downloader.errors import BadLine, BadUrl
from downloader.jobs import PutJob
from downloader.listrun.entries import Entries
from downloader.listrun.forms import PutForm
from downloader.listrun.unzip import Unzip
from downloader.sansio.putlist import PutParser, count_puts, format_put, put_url
from downloader.sansio.urllist import MAX_ENTRY

URL = "http://h/x"


def parse(*lines: bytes) -> list[PutJob | BadLine]:
    parser = PutParser([("X", "y")])
    return [item for line in lines for item in parser.feed(line)] + parser.close()


def test_a_list() -> None:
    """Comments and blank lines are nothing, and count as lines."""
    text = b"\xef\xbb\xbfa.iso\thttp://h/x\r\n\n  # c\n../b c\t http://h/d/ \n"
    headers = (("X", "y"),)
    assert parse(*text.splitlines(keepends=True)) == [
        PutJob("a.iso", URL, headers, 1),
        PutJob("../b c", "http://h/d/b%20c", headers, 4),
    ]


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (b"a.iso", "a line is a file, a TAB, and the URL it goes to"),
        (b"a.iso http://h/x", "a line is a file, a TAB"),
        (b"\thttp://h/x", "a line is a file, a TAB"),
        (b"a.iso\t", "a line is a file, a TAB"),
        (b"a\0b\thttp://h/x", "a line is a file, a TAB"),
        (b"a.iso\tftp://h/x", "'ftp://h/x': the scheme"),
        (b"a.iso\thttp://h/x\thttp://h/y", "'http://h/x"),
        (b"a.iso\thttp://h/\xff", "'http://h/"),
        (b"dir/\thttp://h/", "'dir/' is no name of a file"),
        (b"..\thttp://h/", "'..' is no name of a file"),
        (b"x" * (MAX_ENTRY + 1), "the line is longer than 65536 bytes"),
    ],
)
def test_a_bad_line(line: bytes, reason: str) -> None:
    """It tells what is wrong, and the next one is read."""
    bad, good = parse(line, b"a\thttp://h/x")
    assert isinstance(bad, BadLine) and bad.line == 1 and bad.message.startswith(reason)
    assert isinstance(good, PutJob)


def test_a_password_is_not_told() -> None:
    (bad,) = parse(b"a\thttp://me:secret@h:x/")
    assert isinstance(bad, BadLine) and "secret" not in bad.message
    (job,) = parse(b"a\thttp://me:secret@h/?token=secret")
    assert "secret" not in repr(job)


@pytest.mark.parametrize(
    ("file", "url", "whole"),
    [
        ("d/a b.iso", "http://h/", "http://h/a%20b.iso"),
        ("a#?%.iso", "https://h/d/", "https://h/d/a%23%3F%25.iso"),
        ("\udcff", "http://h/", "http://h/%FF"),
        ("ä", "http://h", "http://h/%C3%A4"),
        ("a", "http://u:p@h/d/#f", "http://u:p@h/d/a"),
        ("a", "http://h/d", "http://h/d"),
        ("a", "http://h/d/?q", "http://h/d/?q"),
        ("a", "http://h/?q=/", "http://h/?q=/"),
        ("..", "http://h/x", "http://h/x"),
    ],
)
def test_a_slash_stands_for_the_files_name(file: str, url: str, whole: str) -> None:
    """As in curl -T; where there is a query, the URL is as it should be."""
    assert put_url(file, url) == whole


def test_a_url_that_is_none() -> None:
    with pytest.raises(BadUrl):
        put_url("a", "h/")


lines = st.lists(
    st.binary(max_size=40).map(lambda raw: raw.replace(b"\n", b""))
    | st.sampled_from([b"a\thttp://h/", b"# c", b"", b" ", b"\t", b"\xef\xbb\xbf# c"]),
    max_size=8,
)


@given(lines)
def test_every_line_is_one_thing(given: list[bytes]) -> None:
    """However it looks; and they are counted alike without being parsed."""
    items = parse(*given)
    assert len(items) == count_puts(given)
    assert all(isinstance(item, (PutJob, BadLine)) for item in items)
    numbers = [item.line for item in items]
    assert numbers == sorted(set(numbers))


names = st.text(min_size=1, max_size=30).filter(lambda name: "\0" not in name) | st.sampled_from(
    ["# a", " #", "\ufeffa", "\udcff", " ", "a ", "\u2028"]
)


@given(names)
def test_what_is_written_is_read_again(name: str) -> None:
    """The same file, by a name that may have ./ before it; or nothing, and never another line."""
    try:
        name.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:
        return  # no name of a file
    line = format_put(PutJob(name, URL))
    if any(sign in name for sign in "\t\r\n"):
        assert line == ""
        return
    (job,) = parse(line.encode("utf-8", "surrogateescape"))
    assert isinstance(job, PutJob) and job.url == URL
    assert job.file == name or job.file == f"./{name}"


@pytest.mark.parametrize("size", [1, 3, 1000])
def test_a_list_that_comes_in_pieces(size: int) -> None:
    """And zipped; what was not taken is counted."""
    text = gzip.compress(b"# c\na\thttp://h/1\nbad\nb\thttp://h/2\nc\thttp://h/3")
    pieces = [text[n : n + size] for n in range(0, len(text), size)]
    bad: list[BadLine] = []
    entries, unzip = Entries(PutForm(), bad.append, print), Unzip()
    steps = entries.read(piece for part in pieces for piece in unzip.feed(part))
    taken = [next(job for job in steps if job is not None) for _ in repeat(None, 2)]
    assert [job.file for job in taken] == ["a", "b"] and [one.line for one in bad] == [3]
    assert entries.rest(10) == 1


@pytest.mark.parametrize("size", [1, 3, 1000])
def test_lines_are_counted_ahead(size: int) -> None:
    """However the text is cut."""
    text, counter = b"# c\na\thttp://h/1\nbad\n\nb\thttp://h/2", PutForm().counter()
    for start in range(0, len(text), size):
        counter.feed(text[start : start + size])
    counter.close()
    assert counter.entries == 3
