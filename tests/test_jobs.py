"""The values that a program makes: what cannot work is refused when it is made; what they tell."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from downloader import Job, Limits, Result, Retries, Splitting, Status, Terms, Timeouts


@pytest.mark.parametrize(
    "make",
    [
        lambda: Limits(total=0),
        lambda: Limits(per_host=0),
        lambda: Limits(connections_per_host=0),
        lambda: Limits(bytes_per_second=0),
        lambda: Limits(bytes_per_second_per_file=-1),
        lambda: Limits(rate=0),
        lambda: Limits(rate=float("inf")),
        lambda: Limits(rate=float("nan")),
        lambda: Limits(per_host_delay=-1),
        lambda: Timeouts(connect=0),
        lambda: Timeouts(first_byte=-1),
        lambda: Timeouts(stall=0),
        lambda: Timeouts(total=0),
        lambda: Splitting(connections=0),
        lambda: Splitting(parts=0),
        lambda: Splitting(least=0),
        lambda: Retries(tries=0),
        lambda: Terms(tries=0),
        lambda: Terms(connections=-1),
        lambda: Retries(wait=-1),
        lambda: Retries(max_wait=-1),
        lambda: Retries(retry_after_cap=-1),
    ],
)
def test_numbers_that_cannot_work(make: Callable[[], object]) -> None:
    with pytest.raises(ValueError, match=r"at least|above"):
        make()


def test_numbers_that_can() -> None:
    assert Limits(total=1, per_host=1, connections_per_host=1).per_host == 1
    assert Timeouts(total=None).total is None
    assert Retries(tries=1, wait=0).wait == 0


def test_a_job_shows_no_secret() -> None:
    """A Result shows its job, and ends up in logs."""
    job = Job("https://u:secret@h/a.iso?sig=secret", headers=(("X", "secret"),), line=7)
    assert repr(job) == "<Job 'h/a.iso' line 7>"
    assert repr(Job("http://h/")) == "<Job 'h/'>"


def test_the_sha_256_of_a_result() -> None:
    """Is its checksum, where that is one."""
    for checksum, digits in (("sha-256=ab", "ab"), ("md5=ab", None), (None, None)):
        assert Result(Job("http://h/"), Status.COMPLETE, checksum=checksum).sha256 == digits
