"""Whether to try again, where, and how long to wait first."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from downloader.errors import (
    BadResponse,
    ChecksumMismatch,
    ConnectError,
    DiskFull,
    DownloadError,
    HostUnavailable,
    HttpError,
    Interrupted,
    NotFound,
    ServerBusy,
    StallTimeout,
)
from downloader.jobs import Retries
from downloader.sansio.retry import Tries, may_pass, refusal, retry_after

# 1994-11-06 08:49:37 GMT, the date of RFC 9110's examples
NOW = 784111777.0


def busy(seconds: float | None) -> ServerBusy:
    error = ServerBusy()
    error.retry_after = seconds
    return error


def no_wait(n: int) -> float:
    return 0.0


@pytest.mark.parametrize("status", [408, 425, 429, 500, 502, 503, 504, 507, 599])
def test_a_status_that_says_later(status: int) -> None:
    assert may_pass(status)


@pytest.mark.parametrize("status", [100, 206, 301, 304, 400, 401, 404, 410, 416, 451, 501, 505])
def test_a_status_that_says_no(status: int) -> None:
    assert not may_pass(status)


@pytest.mark.parametrize(
    ("status", "kind"),
    [(304, BadResponse), (401, HttpError), (404, NotFound), (410, NotFound), (429, ServerBusy),
     (501, HttpError), (503, ServerBusy), (505, HttpError), (600, BadResponse)],
)  # fmt: skip
def test_what_a_refusal_is(status: int, kind: type[DownloadError]) -> None:
    error = refusal(status, ["90"], NOW)
    assert type(error) is kind and error.http_status == status
    assert str(status) in str(error)
    assert getattr(error, "retry_after", 90.0) == 90.0


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("0", 0.0),
        ("120", 120.0),
        (" 7 ", 7.0),
        ("Sun, 06 Nov 1994 08:50:37 GMT", 60.0),
        ("Sunday, 06-Nov-94 08:50:37 GMT", 60.0),
        ("Sun Nov  6 08:50:37 1994", 60.0),
        ("Sun, 06 Nov 1994 09:50:37 +0100", 60.0),
        ("Sun, 06 Nov 1994 08:49:37 GMT", 0.0),
        ("Sun, 06 Nov 1994 08:00:00 GMT", 0.0),
        ("Fri, 01 Jan 1904 00:00:00 GMT", 0.0),
    ],
)
def test_a_retry_after_that_can_be_read(value: str, seconds: float) -> None:
    """Seconds and the three forms of a date; what has passed is now (RFC 9110 §10.2.3, §5.6.7)."""
    assert retry_after(value, NOW) == seconds


@pytest.mark.parametrize(
    "value",
    ["", " ", "-1", "+1", "1.5", "1e308", "NaN", "inf", "soon", "0x10", "²", "１２", "1,2", "12 s",
     "Sun, 99 Nov 1994 08:49:37 GMT", "Sun, 06 Nov 1994 99:49:37 GMT", "Sun, 06 Nov"],
)  # fmt: skip
def test_a_retry_after_that_says_nothing(value: str) -> None:
    assert retry_after(value, NOW) is None


@pytest.mark.parametrize("value", ["9" * 400, "1" + "0" * 30, "Fri, 31 Dec 9999 23:59:59 GMT"])
def test_a_huge_retry_after_is_a_finite_number(value: str) -> None:
    """It is for the cap to judge; infinity would break the arithmetic behind it."""
    found = retry_after(value, NOW)
    assert found is not None
    assert 1e9 < found < 1e13


@given(st.text() | st.from_regex(r"\w{3}, \d{1,3} \w{3} \d{1,5} \d{1,3}:\d\d:\d\d [+-]?\w{0,6}"))
def test_no_retry_after_breaks_it(value: str) -> None:
    """A server's words give a number that is not negative, or nothing."""
    found = retry_after(value, NOW)
    assert found is None or 0 <= found < 1e13


def test_what_may_pass_is_tried_as_often_as_told() -> None:
    tries = Tries(("u",), Retries(tries=4), float)
    assert [tries.failed(ConnectError()) for _ in range(4)] == [0.0, 1.0, 2.0, None]
    assert repr(tries) == "<Tries 0 made, round 4>"


@pytest.mark.parametrize("error", [NotFound(), ChecksumMismatch(), DiskFull(), DownloadError()])
def test_what_is_final_is_not_tried_again(error: DownloadError) -> None:
    assert Tries(("u",), Retries(tries=5), no_wait).failed(error) is None


def test_one_try_is_no_retry() -> None:
    assert Tries(("u",), Retries(tries=1), no_wait).failed(StallTimeout()) is None


def test_a_server_is_obeyed_up_to_the_cap() -> None:
    """The longer of backoff and Retry-After, and that only up to `retry_after_cap`."""
    tries = Tries(("u",), Retries(tries=5, retry_after_cap=50.0), lambda n: 10.0)
    asked = [None, 3.0, 30.0, 1e12]
    assert [tries.failed(busy(seconds)) for seconds in asked] == [10.0, 10.0, 30.0, 50.0]


def test_what_one_round_was_asked_is_forgotten_in_the_next() -> None:
    tries = Tries(("u",), Retries(tries=5), no_wait)
    assert [tries.failed(busy(9.0)), tries.failed(ConnectError())] == [9.0, 0.0]


def test_mirrors_are_asked_in_turn_and_only_then_waited_for() -> None:
    tries = Tries(("a", "b"), Retries(tries=2), lambda n: 5.0)
    asked = []
    for wait in (0.0, 5.0, 0.0, None):
        asked.append(tries.url)
        assert tries.failed(ConnectError()) == wait
    assert asked == ["a", "b", "a", "b"]


def test_a_mirror_that_said_no_leaves() -> None:
    tries = Tries(("a", "b"), Retries(tries=3), no_wait)
    asked = []
    assert tries.urls == ("a", "b")
    for error in (NotFound(), ConnectError(), ConnectError()):
        asked.append(tries.url)
        assert tries.urls == (tries.url,) or len(asked) == 1
        assert tries.failed(error) is not None
    assert asked == ["a", "b", "b"]
    assert tries.url == "b"
    assert tries.failed(NotFound()) is None


def test_the_longest_wait_that_a_mirror_asked_for_holds_for_the_round() -> None:
    tries = Tries(("a", "b"), Retries(tries=3), no_wait)
    assert [tries.failed(busy(20.0)), tries.failed(busy(4.0))] == [0.0, 20.0]


def test_a_host_that_is_down_has_been_waited_for_and_leaves() -> None:
    tries = Tries(("a", "b"), Retries(tries=3), lambda n: 5.0)
    asked = []
    for error in (ConnectError(), HostUnavailable(), ConnectError(), ConnectError()):
        asked.append(tries.url)
        last = tries.failed(error)
    assert (asked, last) == (["a", "b", "a", "a"], None)
    assert Tries(("a",), Retries(tries=9), no_wait).failed(HostUnavailable()) is None


def test_a_url_that_is_passed_over_is_asked_in_the_next_round() -> None:
    tries = Tries(("a", "b"), Retries(tries=2), lambda n: 5.0)
    assert tries.has_other
    tries.pass_over()
    assert (tries.url, tries.has_other) == ("b", False)
    assert tries.failed(NotFound()) == 5.0
    assert (tries.url, tries.has_other) == ("a", False)
    assert tries.failed(ConnectError()) is None


def test_an_interrupted_try_is_none() -> None:
    """It is asked again at once, however often, and neither waits nor counts."""
    tries = Tries(("a", "b"), Retries(tries=2), lambda n: 9.0)
    for _ in range(100):
        tries.made += 1
        assert tries.failed(Interrupted()) == 0.0
        assert (tries.made, tries.url) == (0, "a")
    tries.made += 1
    assert (tries.failed(ConnectError()), tries.url) == (0.0, "b")
    assert tries.failed(Interrupted()) == 0.0 and tries.url == "b"
    assert tries.failed(ConnectError()) == 9.0


def test_mirrors_that_an_answer_tells_of() -> None:
    """They come last, each once; and it is believed once, or there would be no end."""
    tries = Tries(("a", "b"), Retries(tries=1), no_wait)
    tries.offer([])
    tries.offer(["b", "c", "a"])
    tries.offer(["d"])
    asked = [tries.url]
    while tries.failed(ConnectError()) is not None:
        asked.append(tries.url)
        tries.offer(["e"])
    assert asked == ["a", "b", "c"]


def test_an_offered_mirror_is_asked_once() -> None:
    """Whatever it says; the job's own are asked in each round."""
    tries = Tries(("a",), Retries(tries=3), no_wait)
    assert tries.takes_offers
    tries.offer([])
    assert tries.takes_offers
    tries.offer(["b", "c"])
    assert not tries.takes_offers
    asked = [tries.url]
    while tries.failed(busy(None)) is not None:
        asked.append(tries.url)
    assert asked == ["a", "b", "c", "a", "a"]
