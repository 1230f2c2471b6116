"""The table: what an answer means to a file of which something is there."""

from __future__ import annotations

import pytest

from downloader.errors import BadResponse
from downloader.sansio.resume import Answer, AskWhole, Complete, Decision, Take, judge
from downloader.sansio.version import Version

OLD, DATE = "Mon, 02 Nov 2026 10:00:00 GMT", "Tue, 03 Nov 2026 10:00:00 GMT"
HELD = Version('"v1"', OLD, 100, dated=True)
DATED = Version(None, OLD, 100, dated=True)
WEAK = Version('W/"v1"', None, 100)
OPEN = Version('"v1"', OLD, None, dated=True)  # of a file whose length is not known


def answer(status: int, length: int | None = None, **headers: str | list[str]) -> Answer:
    """An answer with these headers; `_` stands for the dash in a name."""

    def get(name: str) -> list[str]:
        value = headers.get(name.replace("-", "_"), [])
        return value if isinstance(value, list) else [value]

    return Answer(status, get, length)


def part(text: str = "bytes 40-99/100", length: int | None = 60, **headers: str) -> Answer:
    """A 206 as it should be, but for what is said."""
    return answer(206, length, **{"content_range": text, "etag": '"v1"', **headers})


def takes(start: int, stop: int | None, decision: Decision | None) -> bool:
    return isinstance(decision, Take) and (decision.start, decision.stop) == (start, stop)


@pytest.mark.parametrize(
    ("reply", "parts"),
    [
        (answer(206), True),
        (answer(200), None),
        (answer(200, accept_ranges=""), None),
        (answer(200, accept_ranges="bytes"), True),
        (answer(200, accept_ranges=["x", "Bytes"]), True),
        (answer(200, accept_ranges="none"), False),
        (answer(206, accept_ranges="none"), True),
    ],
)
def test_what_it_says_of_parts(reply: Answer, parts: bool | None) -> None:
    """RFC 9110 §14.3; a part is the best word for that."""
    assert reply.parts is parts


# --- a 206 ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("reply", "start", "stop"),
    [
        (part(), 40, 100),
        (part(length=None), 40, 100),
        (part(last_modified=OLD), 40, 100),
        (part("bytes 0-99/100", 100), 0, 100),
        (part("bytes 32-99/100", 68), 32, 100),
        (part("bytes 40-49/100", 10), 40, 50),
        (part("bytes 40-99/*"), 40, 100),
        (part(content_encoding="identity"), 40, 100),
    ],
)
def test_a_part_is_written_where_the_server_says(reply: Answer, start: int, stop: int) -> None:
    assert takes(start, stop, judge(reply, 40, HELD))


@pytest.mark.parametrize(
    "reply",
    [
        part("bytes 41-99/100", 59),
        part("bytes 0-39/100", 40),
        part("bytes 99-40/100"),
        part("bytes 40-99/101"),
        part("bytes 40-100/101", 61),
        part("bytes 40-99/99"),
        part("bytes */100"),
        part("items 40-99/100"),
        part("bytes 40-99"),
        part(length=59),
        part(length=61),
        part(length=100),
        part(etag='"v2"'),
        part(etag='W/"v1"'),
        part(last_modified=DATE),
        part(content_encoding="gzip"),
        part(content_type="multipart/byteranges; boundary=x"),
        answer(206, 60, etag='"v1"'),
        answer(206, 60, content_range="bytes 40-99/100"),
        answer(206, 60, content_range=["bytes 40-99/100"] * 2, etag='"v1"'),
        answer(206, None, etag='"v1"', content_type="multipart/byteranges; boundary=x"),
    ],
)
def test_any_other_part_is_of_no_use(reply: Answer) -> None:
    """S2 and S4: another place, another length, another version, or no word about it."""
    assert isinstance(judge(reply, 40, HELD), AskWhole)


def test_a_part_of_a_file_that_has_only_a_date() -> None:
    """The date has to be there again: who leaves it out may not have looked at ours."""
    reply = answer(206, 60, content_range="bytes 40-99/100", last_modified=OLD)
    assert takes(40, 100, judge(reply, 40, DATED))
    reply = answer(206, 60, content_range="bytes 40-99/100")
    assert isinstance(judge(reply, 40, DATED), AskWhole)


def test_without_a_strong_validator_only_a_checksum_can_tell() -> None:
    reply = answer(206, 60, content_range="bytes 40-99/100", etag='W/"v1"')
    assert isinstance(judge(reply, 40, WEAK), AskWhole)
    assert takes(40, 100, judge(reply, 40, WEAK, proven=True))
    reply = answer(206, 60, content_range="bytes 40-99/100", etag='W/"v2"')
    assert isinstance(judge(reply, 40, WEAK, proven=True), AskWhole)


def test_a_part_tells_the_length_that_was_not_known() -> None:
    decision = judge(part(), 40, OPEN)
    assert isinstance(decision, Take)
    assert decision.version is not None
    assert decision.version.total == 100
    assert isinstance(judge(part("bytes 40-99/*"), 40, OPEN), AskWhole)


def test_a_part_that_nobody_asked_for_is_no_file() -> None:
    assert judge(part(), None, Version()) is None


# --- a 200 ----------------------------------------------------------------------------------


@pytest.mark.parametrize("status", [200, 203])
@pytest.mark.parametrize("start", [None, 40])
def test_the_whole_file_takes_the_place_of_what_is_there(status: int, start: int | None) -> None:
    """S1: never behind it. S5: a server that answers so to any If-Range is no failure."""
    for headers in ({}, {"etag": '"v1"'}, {"content_range": "bytes 0-99/100"}):
        decision = judge(answer(status, 100, **headers), start, HELD)
        assert decision == Take(0, 100, None)


def test_a_200_that_is_a_206_in_all_but_its_status() -> None:
    """S3."""
    reply = answer(200, 60, content_range="bytes 40-99/100", etag='"v1"')
    assert takes(40, 100, judge(reply, 40, HELD))


@pytest.mark.parametrize(
    "reply",
    [
        answer(200, 60, content_range="bytes 40-99/100", etag='"v2"'),
        answer(200, 60, content_range="bytes 40-99/100"),
        answer(200, None, content_range="bytes 40-99/100", etag='"v1"'),
        answer(200, 100, content_range="bytes 40-99/100", etag='"v1"'),
        answer(200, 68, content_range="bytes 32-99/100", etag='"v1"'),
        answer(200, 10, content_range="bytes 40-49/100", etag='"v1"'),
        answer(200, 50, content_range="bytes 0-49/100", etag='"v1"'),
    ],
)
def test_a_200_that_says_it_is_a_part_is_not_the_whole(reply: Answer) -> None:
    assert isinstance(judge(reply, 40, HELD), AskWhole)
    with pytest.raises(BadResponse):
        judge(reply, None, Version())


def test_a_content_range_that_says_nothing_makes_no_part_of_a_200() -> None:
    assert judge(answer(200, 100, content_range="junk"), 40, HELD) == Take(0, 100, None)


# --- the others -----------------------------------------------------------------------------


def test_all_of_it_is_there() -> None:
    """S6."""
    reply = answer(416, 0, content_range="bytes */40", etag='"v1"')
    assert isinstance(judge(reply, 40, OPEN), Complete)


@pytest.mark.parametrize(
    "reply",
    [
        answer(416, 0),
        answer(416, 0, content_range="bytes */40"),
        answer(416, 0, content_range="bytes */40", etag='"v2"'),
        answer(416, 0, content_range="bytes */39", etag='"v1"'),
        answer(416, 0, content_range="bytes */41", etag='"v1"'),
        answer(416, 0, content_range="bytes 0-39/40", etag='"v1"'),
        answer(400, 0),
        answer(412, 0),
        answer(501, 0),
    ],
)
def test_who_refuses_the_part_is_asked_for_the_whole(reply: Answer) -> None:
    assert isinstance(judge(reply, 40, OPEN), AskWhole)
    assert judge(reply, None, Version()) is None


@pytest.mark.parametrize("status", [204, 301, 304, 401, 403, 404, 408, 410, 429, 500, 503])
def test_a_refusal_is_one_whatever_is_there(status: int) -> None:
    assert judge(answer(status, 0), 40, HELD) is None
    assert judge(answer(status, 0), None, Version()) is None
