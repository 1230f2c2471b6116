"""aria2's options: which are taken, and what they come to."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from downloader.errors import RpcError
from downloader.jobs import Terms
from downloader.sansio.aria2options import (
    FIXED,
    GLOBAL,
    JOB,
    REFUSED,
    WITHIN,
    changed_options,
    count_of,
    default_options,
    flag_of,
    headers_of,
    job_options,
    limit_of,
    merged,
    public_options,
    shown_options,
    terms_of,
    value_of,
)

KINDS = [JOB, GLOBAL, frozenset(FIXED), WITHIN, REFUSED]


def test_each_is_of_one_kind() -> None:
    assert sum(map(len, KINDS)) == len(frozenset().union(*KINDS))


@pytest.mark.parametrize("name", sorted(JOB))
def test_what_is_done_for_a_job(name: str) -> None:
    assert job_options({name: "1"}) == ((name, "1"),)


@pytest.mark.parametrize("name", sorted(REFUSED))
def test_what_is_refused(name: str) -> None:
    for take in (job_options, changed_options, default_options):
        with pytest.raises(RpcError, match=f"--{name}'"):
            take({name: "1"})


@pytest.mark.parametrize(("name", "value"), FIXED.items())
def test_what_can_have_one_value(name: str, value: str) -> None:
    assert job_options({name: value}) == ()
    with pytest.raises(RpcError, match=f"it can only be {value} here"):
        job_options({name: "other"})


def test_what_makes_no_difference() -> None:
    """What aria2 does not know there, what is no string, and how aria2 works inside."""
    asked = {"file-allocation": "none", "hook": "rm", "on-download-complete": "/bin/sh"}
    assert job_options({**asked, "max-concurrent-downloads": "3", "split": 5}) == ()
    assert default_options({**asked, "out": "a", "gid": "1"}) == ()
    assert changed_options({"gid": "1", "pause": "true"}) == ()


def test_headers() -> None:
    """A list of them, or a string with several; it stands for all that were before."""
    asked = {"header": ["A: 1", 3, "B: 2\nC: 3"], "user-agent": "me", "referer": "http://r/"}
    options = job_options({**asked, "http-user": "u", "http-passwd": "p"})
    assert headers_of(options) == [
        *("A: 1", "B: 2", "C: 3", "User-Agent: me", "Referer: http://r/"),
        "Authorization: Basic dTpw",
    ]
    assert headers_of(merged(options, job_options({"header": "D: 4"})))[0] == "D: 4"
    assert headers_of(job_options({"http-passwd": "p"})) == []
    assert value_of(job_options({"out": ["a"]}), "out") is None


def test_nothing_secret_is_shown() -> None:
    secret = {
        "header": [
            *("A: 1", "B: 2", "cookie: s", " Authorization : s", "Proxy-Authorization:s"),
            *("X-Api-Key: s", "x-auth-token: s", "PRIVATE-TOKEN: s", "X-Password: s"),
        ]
    }
    options = job_options({**secret, "http-user": "u", "http-passwd": "s", "split": "5"})
    assert shown_options(options) == {"header": "A: 1\nB: 2", "split": "5"}


def test_what_goes_to_another_server() -> None:
    """Only what is known to be no secret, among the headers; other options are no headers."""
    asked = {"header": ["X: s", "Accept: a", "accept-language : en"], "user-agent": "me"}
    secret = {"referer": "http://r/", "http-user": "u", "http-passwd": "s"}
    options = job_options({**asked, **secret, "split": "5", "out": "x"})
    assert public_options(options) == (
        *(("header", "Accept: a"), ("header", "accept-language : en"), ("user-agent", "me")),
        *(("split", "5"), ("out", "x")),
    )


def test_terms() -> None:
    asked = {"split": "8", "max-connection-per-server": "4", "min-split-size": "1M"}
    assert terms_of(job_options({**asked, "max-tries": "2"})) == Terms(4, 8, 1024**2, 2)
    assert terms_of(job_options({"max-tries": "2"})) == Terms(tries=2)
    assert terms_of(job_options({"out": "a"})) is None


@pytest.mark.parametrize(
    ("name", "value"),
    [("split", "0"), ("split", "x"), ("max-tries", "0"), ("min-split-size", "0"), ("split", "-1")],
)
def test_wrong_terms(name: str, value: str) -> None:
    with pytest.raises(RpcError, match=f"'--{name}'"):
        terms_of(job_options({name: value}))


def test_numbers_and_flags() -> None:
    assert (limit_of("0"), limit_of("10K")) == (None, 10240)
    assert (count_of("n", "3"), count_of("n", "0", least=0)) == (3, 0)
    assert flag_of((("pause", "true"),), "pause") and not flag_of((), "pause")
    for wrong in (
        lambda: count_of("n", "0"),
        lambda: limit_of("x"),
        lambda: flag_of((("n", "1"),), "n"),
    ):
        with pytest.raises(RpcError):
            wrong()


def test_too_much() -> None:
    for headers in (["A: 1"] * 101, ["A: " + "1" * 70_000]):
        with pytest.raises(RpcError, match="too long"):
            job_options({"header": headers})


TEXT = st.text(max_size=5)
VALUES = TEXT | st.integers() | st.none() | st.lists(TEXT | st.integers(), max_size=3)


@given(st.dictionaries(st.sampled_from(sorted(JOB | GLOBAL | WITHIN)) | TEXT, VALUES))
def test_only_what_is_known_is_taken(asked: dict[str, Any]) -> None:
    """Whatever is asked, it is strings of known names that are kept; asking again is no change."""
    options = job_options(asked)
    assert {name for name, _ in options} <= JOB
    assert all(isinstance(value, str) for _, value in options)
    assert set(merged(options, options)) == set(options)
