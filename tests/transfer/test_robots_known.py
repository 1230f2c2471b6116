"""What is known of sites' robots.txt: for how long, of how many, and what waits until it is."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from support.spied import Time

from downloader import Job, Result, Retries
from downloader.errors import RobotsForbidden
from downloader.sansio.governor import FIRST_JOBS
from downloader.testing import AgentSpy
from downloader.transfer.robots import CHARACTERS, DAY, SITES


class Spied:
    """A downloader whose every answer the test gives, on a clock that stands still."""

    def __init__(self, clock: Time, spy: AgentSpy, make: Any, out: Path) -> None:
        self.clock = clock
        self.spy = spy
        self.out = str(out)
        self.downloader = make(respect_robots=True, retries=Retries(tries=1))

    def fetch(self, url: str, robots: bytes | None = None) -> Result | None:
        """The outcome of a job; robots.txt may be asked for if it is given."""
        found: list[Any] = []
        self.downloader.fetch(Job(url, self.out)).addBoth(found.append)
        for body in (robots, b"x"):
            if body is not None and not found:
                response = self.spy.requests[-1].answer(200, length=len(body))
                response.feed(body)
                response.finish()
        return getattr(found[0], "value", found[0])

    @property
    def asked(self) -> list[str]:
        return [request.absoluteURI.decode() for request in self.spy.requests]


@pytest.fixture
def spied(clock: Time, spy: AgentSpy, make: Any, tmp_path: Path) -> Spied:
    return Spied(clock, spy, make, tmp_path)


def test_it_is_good_for_a_day(spied: Spied) -> None:
    assert isinstance(spied.fetch("http://h/a", b"\xef\xbb\xbfUser-agent: *\nDisallow: /b"), Result)
    spied.clock.advance(DAY - 1)
    assert isinstance(spied.fetch("http://h/b"), RobotsForbidden)
    assert spied.asked == ["http://h/robots.txt", "http://h/a"]
    spied.clock.advance(2)
    assert isinstance(spied.fetch("http://h/b", b""), Result)
    assert spied.asked[2:] == ["http://h/robots.txt", "http://h/b"]


def test_the_schemes_and_ports_of_a_host_are_sites_of_their_own(spied: Spied) -> None:
    for url in ("http://h/a", "https://h/a", "http://h:8080/a"):
        spied.fetch(url, b"")
    assert [url for url in spied.asked if url.endswith("robots.txt")] == [
        "http://h/robots.txt",
        "https://h/robots.txt",
        "http://h:8080/robots.txt",
    ]


@pytest.mark.parametrize(
    ("count", "size", "kept"), [(SITES + 1, 10, SITES), (9, CHARACTERS // 8, 8)]
)
def test_only_so_many_are_remembered(spied: Spied, count: int, size: int, kept: int) -> None:
    """By number and by length; those that were used last."""
    for number in range(count):
        if number:
            spied.fetch("http://h0/b")
        spied.fetch(f"http://h{number}/a", b"#" * size)
    robots = spied.downloader._setup.robots
    assert repr(robots) == f"<Robots of {kept} sites>"
    asked = len(spied.asked)
    spied.fetch("http://h0/c")
    assert len(spied.asked) == asked + 1


LONG = [f"Disallow:/{number:x}\n" for number in range(32_768)]  # and as many entries as are read
TOO_LONG = [line.replace("/", "/*") for line in LONG]


def robots_asked(spied: Spied) -> list[str]:
    return [url.removesuffix("/robots.txt") for url in spied.asked if url.endswith("/robots.txt")]


@pytest.mark.parametrize("lines", [LONG, TOO_LONG], ids=["as long as is read", "longer"])
def test_a_long_one_is_asked_for_once(spied: Spied, lines: list[str]) -> None:
    text = "".join(["User-agent: *\n", *lines]).encode()
    outcomes = [spied.fetch(f"http://h/{name}z", text) for name in "xy"]
    assert [isinstance(outcome, Result) for outcome in outcomes] == [lines is LONG] * 2
    assert robots_asked(spied) == ["http://h"]


def test_one_that_is_not_read_takes_nobodys_place(spied: Spied) -> None:
    """There is nothing of it in memory."""
    text = "".join(["User-agent: *\n", *TOO_LONG]).encode()
    for host, robots in (("a", b""), ("b", text), ("a", b""), ("b", text)):
        spied.fetch(f"http://{host}/x", robots)
    assert robots_asked(spied) == ["http://a", "http://b"]


def test_a_host_has_one_job_until_it_is_known(spied: Spied) -> None:
    jobs = [spied.downloader.fetch(Job(f"http://h/{n}", spied.out)) for n in range(10)]
    assert spied.asked == ["http://h/robots.txt"]
    response = spied.spy.requests[0].answer(200, length=0)
    response.finish()
    assert len(spied.asked) == 1 + FIRST_JOBS
    for one in jobs:
        one.addErrback(lambda failure: None)
        one.cancel()
