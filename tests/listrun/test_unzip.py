"""gzip is recognised and unpacked however its bytes are cut; broken gzip is no list."""

from __future__ import annotations

import gzip

import pytest
from hypothesis import given
from hypothesis import strategies as st

from downloader.errors import ListError
from downloader.listrun.unzip import STEP, Unzip


def unzipped(chunks: list[bytes]) -> bytes:
    unzip = Unzip()
    pieces = [piece for chunk in chunks for piece in unzip.feed(chunk)]
    return b"".join([*pieces, *unzip.end()])


def cut(data: bytes, size: int) -> list[bytes]:
    return [data[start : start + size] for start in range(0, len(data), size)]


@given(st.binary(max_size=300), st.integers(1, 40))
def test_gzip_comes_out_as_it_went_in(text: bytes, size: int) -> None:
    """Whole, byte by byte, and in between."""
    assert unzipped(cut(gzip.compress(text), size)) == text


@given(st.binary(max_size=300).filter(lambda b: b[:2] != b"\x1f\x8b"), st.integers(1, 40))
def test_plain_text_stays_as_it_is(text: bytes, size: int) -> None:
    """Also when it is shorter than gzip's magic, or begins with half of it."""
    assert unzipped(cut(text, size)) == text


def test_half_of_the_magic_is_text() -> None:
    """One byte is not enough to be gzip."""
    assert unzipped([b"\x1f"]) == b"\x1f"


@pytest.mark.parametrize("size", [1, 7, 10_000])
def test_members_in_a_row_are_one_text(size: int) -> None:
    """As `cat a.gz b.gz` makes them, with zeros behind."""
    data = gzip.compress(b"one\n") + gzip.compress(b"") + gzip.compress(b"two\n") + bytes(9)
    assert unzipped(cut(data, size)) == b"one\ntwo\n"


def test_pieces_are_bounded() -> None:
    """A bomb unpacks step by step, however few bytes it came in, and none of it is held back."""
    text = bytes(10 * STEP + 1)
    unzip = Unzip()
    pieces = list(unzip.feed(gzip.compress(text)))
    assert max(map(len, pieces)) <= STEP
    assert b"".join(pieces) == text


@pytest.mark.parametrize("data", [gzip.compress(b"") * 100, bytes(1000)])
def test_gzip_without_text_gives_empty_pieces(data: bytes) -> None:
    """So that a reader of gigabytes of it has its turns."""
    unzip = Unzip()
    unzip_all = [*unzip.feed(gzip.compress(b"")), *unzip.feed(data)]
    assert set(unzip_all) == {b""}
    assert len(unzip_all) > data.count(b"\x1f\x8b")


def test_a_cut_file_is_an_error() -> None:
    """At any place behind its magic."""
    data = gzip.compress(b"http://example.org/\n")
    for end in range(2, len(data)):
        with pytest.raises(ListError, match="ends too early"):
            unzipped([data[:end]])


def test_a_damaged_file_is_an_error() -> None:
    """What follows the magic is not gzip, or its checksum is wrong."""
    data = gzip.compress(b"http://example.org/\n")
    for bad in (b"\x1f\x8bnot gzip at all", data[:-8] + b"\0" + data[-7:], data + b"more"):
        with pytest.raises(ListError, match="broken"):
            unzipped([bad])
