"""Cutting a list: whatever it holds and wherever the cuts fall, each entry is in one shard."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from downloader.errors import BadLine
from downloader.jobs import Job
from downloader.sansio.shards import (
    EntryRange,
    Part,
    cut,
    is_gzip,
    member_name,
    run_identity,
    shard_count,
    shard_size,
    shared,
)
from downloader.sansio.urllist import MAX_ENTRY, ListParser

LINES = st.sampled_from(
    [
        *(
            b"http://h/a",
            b"https://h/b\thttp://m/b",
            b"  http://h/indented",
            b"no url",
            b"\xff\xfe",
        ),
        *(b" out=name", b"\tdir=d", b" what=ever", b" # comment", b"# comment", b"", b"  ", b"\r"),
    ]
)


@st.composite
def lists(draw: st.DrawFn) -> bytes:
    text = b"\n".join(draw(st.lists(LINES, max_size=30)))
    return text + draw(st.sampled_from([b"", b"\n", b"\r\n", b"\n\n"]))


def told(lines: list[bytes]) -> list[tuple[str, object]]:
    """What a parser makes of them, without the numbers of lines."""
    parser = ListParser()
    items = [item for line in lines for item in parser.feed(line)] + parser.close()
    jobs = [("job", (i.urls, i.name, i.subdirectory)) for i in items if isinstance(i, Job)]
    return jobs + sorted(("bad", item.message) for item in items if isinstance(item, BadLine))


def read(text: bytes, start: int, end: int, chunk: int) -> list[bytes]:
    entries, at, lines = EntryRange(start, end), max(0, start - 1), []
    while not entries.is_over and at < len(text):
        lines += entries.feed(text[at : at + chunk])
        at += chunk
    return lines if entries.is_over else lines + entries.close()


@given(lists(), st.integers(1, 60), st.integers(1, 9))
def test_each_entry_is_in_one_shard(text: bytes, size: int, chunk: int) -> None:
    shards = list(cut([Part("u", len(text))], size))
    ranges = [read(text, shard.start, shard.end, chunk) for shard in shards]
    whole = told(text.split(b"\n"))
    parted = [item for lines in ranges for item in told(lines)]
    jobs = [item for item in whole if item[0] == "job"]
    assert [item for item in parted if item[0] == "job"] == jobs
    assert sorted(map(repr, parted)) == sorted(map(repr, whole))


@given(st.lists(st.integers(0, 500), max_size=5), st.integers(1, 200))
def test_shards_cover_their_parts(sizes: list[int], size: int) -> None:
    """Without a gap, without an overlap, numbered as they come."""
    parts = [Part(str(n), bytes_) for n, bytes_ in enumerate(sizes)]
    shards = list(cut(parts, size))
    assert [shard.number for shard in shards] == list(range(len(shards)))
    assert len(shards) == shard_count(parts, size)
    for part in parts:
        ours = [shard for shard in shards if shard.url == part.url]
        assert [0, *(s.end for s in ours)] == [*(s.start for s in ours), part.size]
        assert all(shard.start < shard.end for shard in ours)
    assert all(shard.end - shard.start <= 1.5 * size for shard in shards)


def test_what_is_read_from_its_beginning_is_one_shard() -> None:
    (shard,) = cut([Part("u", 1000, is_plain=False)], 10)
    assert (shard.start, shard.end, shard.name) == (0, 1000, "000000")
    assert is_gzip(b"\x1f\x8b\x08")
    assert not is_gzip(b"http://h/")


def test_a_line_without_an_end_takes_no_memory_and_no_time() -> None:
    """Its beginning is refused by the shard it is in; the others stop where they would end."""
    url = b"http://h/" + b"a" * (3 * MAX_ENTRY)
    text = url + b"\nhttp://h/b\n"
    first, *others = (read(text, s.start, s.end, 1000) for s in cut([Part("u", len(text))], 5000))
    assert [len(line) for line in first] == [MAX_ENTRY + 2]
    assert [line for lines in others for line in lines] == [b"http://h/b\n"]
    inside = EntryRange(1000, 2000)
    inside.feed(b"a" * 1001)
    assert inside.is_over
    before = EntryRange(0, 11)
    assert before.feed(b"http://h/b\n" + url[: MAX_ENTRY + 5]) == [b"http://h/b\n"]
    assert before.is_over


def test_its_size_comes_from_a_sample() -> None:
    """Options belong to their entry, and the line that the sample ends in does not count."""
    assert shard_size(b"http://h/1\nhttp://h/2\nhttp", 100) == 1100
    assert shard_size(b"http://h/1\n out=a\nhttp://h/2\n out=b\n", 10) == 180
    assert shard_size(b"", 10) == 800
    assert shard_size(b"# nothing", 10) == 800


def test_identities() -> None:
    """Whatever an answer depends on changes them."""
    ones = [
        run_identity([("a", "1")], 10, {"pack": None}),
        run_identity([("a", "2")], 10, {"pack": None}),
        run_identity([("b", "1")], 10, {"pack": None}),
        run_identity([("a", "1")], 11, {"pack": None}),
        run_identity([("a", "1")], 10, {"pack": "tar"}),
    ]
    assert len(set(ones)) == len(ones)
    first, second = cut([Part("a", 20)], 10)
    assert first.identity(ones[0]) == first.identity(ones[0])
    assert len({first.identity(ones[0]), second.identity(ones[0]), first.identity(ones[1])}) == 3


def test_limits_are_shared() -> None:
    assert shared("rate", 10.0, 4) == 2.5
    assert shared("per_host", 10, 4) == 2
    assert shared("per_host", 2, 4) == 1
    assert shared("per_host_delay", 2.0, 4) == 8.0


def test_names_in_a_tar() -> None:
    """One key for each line, and nothing in it that WebDataset would part it at."""
    assert member_name("000012", 7, "d/a.JPG") == "000012-000000007.jpg"
    assert member_name("000012", 7, "a.json") == "000012-000000007.data.json"
    assert member_name("000012", 7, "a") == "000012-000000007.bin"
    assert member_name("000012", 7, "a.b c") == "000012-000000007.bin"
    assert member_name("000012", 7, ".jpg") == "000012-000000007.bin"
