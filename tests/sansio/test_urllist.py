"""aria2's input-file format: what makes a job, what makes a bad line, and that neither is lost."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.entries import bad_line, job, parse, parse_lines

from downloader.errors import BadLine
from downloader.jobs import Job
from downloader.sansio.printable import printable
from downloader.sansio.urllist import (
    MAX_ENTRY,
    MAX_HEADERS,
    MAX_MIRRORS,
    Item,
    LineSplitter,
    ListParser,
    Note,
    begins_entry,
    count_entries,
)

ANY_TEXT = st.text(st.characters(exclude_categories=()))


LIST = (
    b"\xef\xbb\xbf# a list\r\n"
    b"\r\n"
    b"http://h/a\thttps://m/a\t\r\n"
    b"  out=sub/\xc3\xbc a.iso \r\n"
    b"# between options\r\n"
    b"\r\n"
    b"\tdir = d \r\n"
    b"  # indented\r\n"
    b"  header=X-A: 1\r\n"
    b"  header=X-B:a=b\r\n"
    b"  split=5\r\n"
    b"  checksum=MD5=" + b"AB" * 16 + b"\r\n"
    b"http://h/b  \r\n"
    b"nonsense\r\n"
    b"  out=of-nonsense\r\n"
    b"http://h/\xff\r\n"
    b"  http://h/indented?a=b\r\n"
    b"http://h/last"
)
ITEMS: list[object] = [
    Note(11, "the option 'split' is not known here"),
    Job(
        "http://h/a",
        "run",
        "sub/ü a.iso",
        ("https://m/a",),
        (("X-A", "1"), ("X-B", "a=b")),
        "md5=" + "ab" * 16,
        3,
        "d",
    ),
    Job("http://h/b", "run", line=13),
    (14, "'nonsense': it has no http:// in front"),
    (16, "the line is not UTF-8"),
    Job("http://h/indented?a=b", "run", line=17),
    Job("http://h/last", "run", line=18),
]


def seen(items: list[Item]) -> list[object]:
    """Exceptions are equal to themselves only; their parts can be compared."""
    return [(i.line, i.message) if isinstance(i, BadLine) else i for i in items]


def from_chunks(chunks: list[bytes]) -> list[Item]:
    splitter, parser = LineSplitter(), ListParser("run")
    lines = [line for chunk in chunks for line in splitter.feed(chunk)] + splitter.close()
    return [item for line in lines for item in parser.feed(line)] + parser.close()


def test_a_list_whole_and_byte_by_byte() -> None:
    """BOM, CRLF, comments, blanks, options and bad lines; the same however it arrives."""
    assert seen(from_chunks([LIST])) == ITEMS
    assert seen(from_chunks([bytes([byte]) for byte in LIST])) == ITEMS


@given(st.lists(st.integers(0, len(LIST))))
def test_a_list_cut_anywhere(cuts: list[int]) -> None:
    """Reads end where they like, within a line end or a character too."""
    edges = [0, *sorted(cuts), len(LIST)]
    assert seen(from_chunks([LIST[a:b] for a, b in pairwise(edges)])) == ITEMS


def test_lines_may_be_text_and_keep_their_ends() -> None:
    """As a file gives them that was opened as text or as bytes."""
    items = seen(list(parse_lines(LIST.splitlines(keepends=True), directory="run")))
    assert items == ITEMS
    text = LIST.decode("utf-8", "surrogateescape")
    assert seen(list(parse_lines(text.splitlines(keepends=True), directory="run"))) == ITEMS


def test_a_job_comes_when_the_next_entry_begins() -> None:
    """Its options may still come, so not before; but no later either."""
    parser = ListParser()
    assert parser.feed(b"http://h/a") == []
    assert parser.feed(b"") == []
    assert parser.feed(b"http://h/b") == [Job("http://h/a", line=1)]
    assert parser.close() == [Job("http://h/b", line=3)]
    assert parser.close() == []


@given(
    st.lists(st.binary() | st.sampled_from([b"http://h/a", b" out=x", b" dir=..", b"# c", b"x"]))
)
def test_any_bytes_are_accounted_for(lines: list[bytes]) -> None:
    """No exception; in order; each line that is no comment, blank or option makes one item."""
    items = list(parse_lines(lines))
    numbers = [item.line or 0 for item in items]
    entries = [i for i in items if not isinstance(i, Note)]
    assert all(1 <= number <= len(lines) for number in numbers)
    assert len({item.line for item in entries}) == len(entries)
    jobs = {item.line for item in items if isinstance(item, Job)}
    starts = [n for n, line in enumerate(lines, 1) if line == b"http://h/a"]
    for start, end in pairwise([*starts, len(lines) + 1]):
        assert start in jobs or any(start < number < end for number in numbers)


PARTS = [b" ", b"\t", b"\r", b"\x0b", b"\x0c", b"#", b"=", b"://", b"x", b"\xef\xbb\xbf", b"\xff"]


def begins_in_words(line: bytes) -> bool:
    """The rule as the documentation tells it."""
    line = line.removeprefix(b"\xef\xbb\xbf")
    text = line.strip()
    if not text or text.startswith(b"#"):
        return False
    return line[:1] not in (b" ", b"\t") or b"://" in text.partition(b"=")[0]


@given(st.lists(st.lists(st.sampled_from(PARTS), max_size=8).map(b"".join)))
def test_what_begins_an_entry(lines: list[bytes]) -> None:
    """One answer, whoever asks: the rule in words, the parser, and who only counts."""
    assert [begins_entry(line) for line in lines] == [begins_in_words(line) for line in lines]
    assert count_entries(lines) == sum(map(begins_entry, lines))
    for line in lines:
        parser = ListParser()
        parser.feed(b"http://h/a")
        assert (Job("http://h/a", line=1) in parser.feed(line)) == begins_entry(line)


@pytest.mark.parametrize(
    ("text", "line", "words"),
    [
        ("ftp://h/a", 1, "not http or https"),
        ("\n\nhttp://h/a b", 3, "' ' is not allowed"),
        ("http://h/a b", 1, "; a space in a URL is written %20"),
        ("http://h/a http://m/a", 1, "; mirrors are parted by TAB"),
        ("http://h/a\0", 1, "is not allowed"),
        ("\0", 1, "is not allowed"),
        ("\ufeff\ufeffhttp://h/", 1, "'\\ufeffhttp://h/'"),
        ("\u00a0", 1, "is not allowed"),
        ("http://h/a\tnonsense\thttp://m/a", 1, "'nonsense'"),
        ("http://h/a\tftp://u:Sesame@m/", 1, "'ftp://m/'"),
        ("u:Sesame@h/a", 1, "'h/a'"),
        ("http://h/\x1b[31m?token=Sesame", 1, "'http://h/\\x1b[31m?token=***'"),
        (b"http://h/a\n out=\xff", 2, "not UTF-8"),
        ("http://h/a\n out=", 2, "names no file"),
        ("http://h/a\n out=../b", 2, "leads upwards"),
        ("http://h/a\n out=/etc/passwd", 2, "absolute"),
        ("http://h/a\n out=a\0b", 2, "NUL"),
        ("http://h/a\n out=b\n dir=..\n out=/", 3, "leads upwards"),
        ("http://h/a\n dir=/etc", 2, "absolute"),
        ("http://h/a\n dir=", 2, "an empty dir"),
        ("http://h/a\n header=Host: x", 2, "set by this program"),
        ("http://h/a\n header=X", 2, "'Name: value'"),
        ("http://h/a\n checksum=sha-256=00", 2, "64 hexadecimal digits"),
        ("http://h/a\n" + " header=X: 1\n" * (MAX_HEADERS + 1), MAX_HEADERS + 2, "more than 100"),
        ("\t".join(["http://h/a"] * (MAX_MIRRORS + 2)), 1, "more than 100 mirrors"),
        (" out=a", 1, "no URL above it"),
    ],
)
def test_bad_lines(text: bytes | str, line: int, words: str) -> None:
    """One for each entry, with the number of the line that is wrong; safe to show."""
    bad = bad_line(text)
    assert bad.line == line
    assert words in bad.message
    assert printable(bad.message) == bad.message and "Sesame" not in bad.message


def test_what_is_left_aside() -> None:
    """Unknown options and lines with no '=' do not stop the job (nor does aria2 stop)."""
    items = parse("http://h/a\n pause=true\n --out=b\n nonsense\n \x1b=1")
    assert [i.message for i in items if isinstance(i, Note)] == [
        "the option 'pause' is not known here",
        "the option '--out' is not known here",
        "the option 'nonsense' is not known here",
        "the option '\\x1b' is not known here",
    ]
    assert items[-1] == Job("http://h/a", line=1)


def test_the_last_of_an_option_counts() -> None:
    """As in aria2; only headers add up."""
    assert job("http://h/a\n out=b\n out=c").name == "c"


def test_the_runs_headers() -> None:
    """Each job gets those it has none of itself; the list knows better what its files need."""
    parser = ListParser(".", [("A", "run"), ("B", "run"), ("B", "run2")])
    items = [
        i for line in (b"http://h/1", b" header=a: own", b"http://h/2") for i in parser.feed(line)
    ]
    first, second = items + parser.close()
    assert isinstance(first, Job) and isinstance(second, Job)
    assert first.headers == (("a", "own"), ("B", "run"), ("B", "run2"))
    assert second.headers == (("A", "run"), ("B", "run"), ("B", "run2"))


@pytest.mark.parametrize(
    ("directory", "text", "below"),
    [
        (".", "a/b", "a/b"),
        ("/run", "a", "a"),
        ("/run", "/run/a", "a"),
        ("/run/", "/run//a", "a"),
        ("/x/../run/.", "/run/a", "a"),
        ("/run", "/run", ""),
        ("/", "/a", "a"),
    ],
)
def test_dir_is_below_the_runs_directory(directory: str, text: str, below: str) -> None:
    """The trusted part and the list's part stay apart."""
    found = job(f"http://h/a\n dir={text}", directory)
    assert (found.directory, found.subdirectory, found.name) == (directory, below, None)


@pytest.mark.parametrize(
    ("directory", "text"),
    [
        *(
            ("/run", d)
            for d in ("/", "/runner", "/run/../etc", "/run/a/../..", "..", "a\\b", "//run/a")
        ),
        *((".", d) for d in ("/run", "../a", "a/..")),
    ],
)
def test_dir_elsewhere_is_refused(directory: str, text: str) -> None:
    """CVE-2010-1512, CVE-2025-69194: a list chooses no directory outside."""
    assert "No file may be written" in bad_line(f"http://h/a\n dir={text}", directory).message


@pytest.mark.parametrize("line", [b"http://h/", b" out=", b"  ", b"\r"])
def test_an_overlong_line_is_one_bad_line(line: bytes) -> None:
    """Whatever it is, and white space too; it is cut as it comes and the list goes on."""
    splitter = LineSplitter()
    filler = b" " if not line.strip() else b"a"
    chunks = [b"http://h/a\n" + line, *[filler * 65536] * 40, b"\nhttp://h/b\n"]
    held = 0
    lines = []
    for chunk in chunks:
        lines += splitter.feed(chunk)
        held = max(held, len(splitter._rest))
    assert held <= MAX_ENTRY + 1
    items = list(parse_lines(lines))
    assert [i.message for i in items if isinstance(i, BadLine)] == [
        f"the line is longer than {MAX_ENTRY} bytes"
    ]
    assert items[-1] == Job("http://h/b", line=3)


def test_the_longest_line() -> None:
    """MAX_ENTRY bytes are taken, one more is not; a comment may be of any length."""
    url = b"http://h/a"
    longest = url + b"\t" * (MAX_ENTRY - len(url))
    for end in (b"", b"\n"):
        assert list(parse_lines([longest + end])) == [Job("http://h/a", line=1)]
        assert isinstance(next(parse_lines([longest + b"\t" + end])), BadLine)
    assert parse(b"#" + b"a" * MAX_ENTRY) == []


def test_an_overlong_entry_is_one_bad_line() -> None:
    """What an entry may keep in memory is bounded; comments in it keep nothing."""
    url, option, comment = b"http://h/a", b" header=X: " + b"1" * 1000, b"#" * 10_000
    fitting = (MAX_ENTRY - len(url)) // len(option)
    rows = [row for _ in range(fitting) for row in (option, comment)]
    (found,) = parse_lines([url, *rows])
    assert isinstance(found, Job) and len(found.headers) == fitting
    bad, after = parse_lines([url, *rows, option, option, b" out=..", b"http://h/b"])
    assert isinstance(bad, BadLine)
    assert (bad.line, bad.message) == (
        2 * fitting + 2,
        f"the entry is longer than {MAX_ENTRY} bytes",
    )
    assert after == Job("http://h/b", line=2 * fitting + 5)


@pytest.mark.parametrize(
    "text", ["http://{}/", "{}", "http://h/\n out=../{}", "http://h/\n checksum={}=1"]
)
def test_what_is_wrong_is_told_in_short(text: str) -> None:
    """However long what is wrong is: it is shown and reported for each bad line."""
    assert len(bad_line(text.format("x" * 60_000)).message) <= 600


def test_the_most_mirrors() -> None:
    """MAX_MIRRORS of them are taken."""
    line = "\t".join(["http://h/a"] * (MAX_MIRRORS + 1))
    assert len(job(line).mirrors) == MAX_MIRRORS


@given(st.lists(st.binary(max_size=20), max_size=8))
def test_the_splitter_loses_nothing(chunks: list[bytes]) -> None:
    """Its lines, put together, are what came in."""
    splitter = LineSplitter()
    lines = [line for chunk in chunks for line in splitter.feed(chunk)]
    rest = splitter.close()
    assert b"\n".join([*lines, *(rest or [b""])]) == b"".join(chunks)
    assert splitter.close() == []
