"""What a journal says, and what it can no longer say."""

from __future__ import annotations

from zlib import crc32

import pytest
from hypothesis import given
from hypothesis import strategies as st

from downloader.sansio.journal import (
    TAIL,
    Held,
    head_record,
    held_record,
    identity_of,
    is_journal,
    read_journal,
    tail_of,
)
from downloader.sansio.version import Version

VERSION = Version('"a\\"', "Mon, 02 Nov 2026 10:00:00 GMT", 100, dated=True)
OF = identity_of("http://one.example/a.bin?sig=secret")
HEAD = head_record(OF, VERSION)
ONE = held_record([(0, 10, 1)])
TWO = held_record([(0, 40, 2), (60, 100, 3)])


def marks(data: bytes) -> list[tuple[int, int, int]] | None:
    held = read_journal(data)
    return None if held is None else list(held.marks)


def test_the_last_record_counts() -> None:
    held = read_journal(HEAD + ONE + TWO)
    assert held == Held(OF, VERSION, [(0, 40, 2), (60, 100, 3)])
    assert held is not None
    assert list(held.ranges) == [(0, 40), (60, 100)]


@pytest.mark.parametrize(
    "version",
    [Version(), Version("x", None, 0), Version(None, "y", 2**62), Version(checksum="md5=00")],
)
def test_a_version_comes_back_as_it_was(version: Version) -> None:
    held = read_journal(head_record(OF, version) + ONE)
    assert held is not None
    assert held.version == version


def test_a_url_is_not_in_it() -> None:
    """It may hold a secret."""
    assert b"secret" not in HEAD
    assert b"example" not in HEAD
    assert identity_of("http://one.example/a") != identity_of("http://one.example/b")


@pytest.mark.parametrize("data", [b"", b"\n", HEAD, ONE, ONE + HEAD, HEAD + held_record([])])
def test_what_tells_of_no_byte(data: bytes) -> None:
    assert read_journal(data) is None


@pytest.mark.parametrize("data", [b"", HEAD, HEAD[:20], bytes(len(HEAD))])
def test_what_is_a_journal_or_was_one(data: bytes) -> None:
    """A loss of power may leave its length, and none of its bytes."""
    assert is_journal(data)


@pytest.mark.parametrize("data", [b"mine", b"mine" + HEAD, b"\0mine"])
def test_what_is_no_journal(data: bytes) -> None:
    assert not is_journal(data)


def test_a_record_that_was_cut_off_is_as_if_not_written() -> None:
    """At every byte; the next one begins with a line end of its own."""
    for cut in range(len(TWO)):
        torn = HEAD + ONE + TWO[:cut]
        assert marks(torn) == ([(0, 10, 1)] if cut < len(TWO) - 1 else [(0, 40, 2), (60, 100, 3)])
        assert marks(torn + b"\n" + TWO) == [(0, 40, 2), (60, 100, 3)]
    for cut in range(len(HEAD) - 1):
        assert read_journal(HEAD[:cut] + b"\n" + ONE) is None


def test_a_second_head_is_no_record() -> None:
    """There never is one: other bytes get an emptied journal."""
    other = head_record(OF, Version('"b"'))
    held = read_journal(HEAD + ONE + other)
    assert held == Held(OF, VERSION, [(0, 10, 1)])


@given(st.binary(max_size=200))
def test_any_bytes_are_read_without_a_fault(data: bytes) -> None:
    read_journal(data)
    assert marks(HEAD + ONE + b"\n" + data) == [(0, 10, 1)]


@given(st.integers(0, len(HEAD + ONE) - 1), st.integers(1, 255))
def test_a_changed_byte_is_noticed(at: int, change: int) -> None:
    """But for one in the digits' case or the line end, what is damaged says nothing."""
    data = bytearray(HEAD + ONE)
    data[at] ^= change
    assert marks(bytes(data)) in (None, [(0, 10, 1)])
    if marks(bytes(data)) is not None:
        assert at == len(data) - 1


@pytest.mark.parametrize(
    "record",
    [
        *(b'{"held":[[0,10]]}', b'{"held":[[10,0,1]]}', b'{"held":[[-1,5,1]]}', b'{"held":{}}'),
        *(b'{"held":[[0,1e2,1]]}', b'{"held":[[true,5,1]]}', b'{"held":[5]}', b"[]", b"{"),
        *(b"[" * 9999, b'{"held":[[0,99999999999999999999,1]]}'),
    ],
)
def test_a_record_of_another_shape_says_nothing(record: bytes) -> None:
    assert marks(HEAD + ONE + b"%08x %b\n" % (crc32(record), record)) == [(0, 10, 1)]


@pytest.mark.parametrize(
    "record",
    [
        *(b'{"of":5}', b'{"of":"x","etag":5}', b'{"of":"x","total":-1}', b'{"etag":"x"}'),
        b'{"of":"x","checksum":5}',
    ],
)
def test_a_head_of_another_shape_is_none(record: bytes) -> None:
    assert read_journal(b"%08x %b\n" % (crc32(record), record) + ONE) is None


def test_a_tail_is_the_end_of_its_range() -> None:
    assert tail_of(10, 20) == 10
    assert tail_of(10, 20 + TAIL) == 20
