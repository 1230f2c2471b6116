"""Each of 256 characters in each place of a request: refused, encoded, or sent as itself.

Whatever a URL or a header holds, the server sees one request for each that was made, and in it
the lines that were meant (CVE-2019-12387, CVE-2019-11236, CVE-2020-26137).
"""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
import pytest_twisted
from support.asking import get, hello
from support.resolving import SilentResolver

from downloader import Downloader, Job, Limits, Result, Retries
from downloader.errors import BadUrl, TooManyRedirects, WrongRequest
from downloader.http1.agent import Agent
from downloader.jobs import Status
from downloader.sansio.url import MAX_URL, join, parse_url, redacted, redacted_invalid
from downloader.testing import Connection

# A head whose lines are a request's, whatever is in their values.
HEAD = re.compile(
    rb"GET (?P<target>/[!-~]*) HTTP/1\.1\r\nHost: (?P<host>[a-z0-9._~:-]+)\r\n"
    rb"(?P<fields>(?:[!#-'*+.^_`|~0-9A-Za-z-]+: [^\r\n\0]*\r\n)*)\r\n"
)
Place = Callable[[str, str], Job]


def place(url: str = "http://h.test:{port}/", header: tuple[str, str] | None = None) -> Place:
    """Makes the job for one character, which is where the braces are."""

    def made(character: str, port: str) -> Job:
        headers = () if header is None else ((header[0] % character, header[1] % character),)
        filled = url.replace("{port}", port).replace("{}", character)
        return Job(filled, headers=headers, name=str(ord(character)))

    return made


# They end the part they are in, so that what comes is another URL: of no server of the test's,
# or with a user.
ENDS = {"host": "/?#@", "userinfo": "/?#"}
# place -> (the job, how many fields the request has beyond what all have)
PLACES: dict[str, tuple[Place, int]] = {
    "path": (place("http://h.test:{port}/a{}b"), 0),
    "query": (place("http://h.test:{port}/?a{}b"), 0),
    "host": (place("http://a{}b.test:{port}/"), 0),
    "port": (place("http://h.test:{port}{}/"), 0),
    "userinfo": (place("http://u{}v:p@h.test:{port}/"), 1),
    "header name": (place(header=("X%sY", "z%.0s")), 1),
    "header value": (place(header=("X%.0s", "a%sb")), 1),
}


@pytest.fixture
def downloader(reactor: Any) -> Any:
    """One try for each, and every name is found here."""
    made = Downloader(
        reactor,
        limits=Limits(total=32),
        retries=Retries(tries=1),
        resolver=SilentResolver(silent=False),
    )
    yield made
    pytest_twisted.blockon(made.close())


@pytest.mark.parametrize("name", PLACES)
async def test_each_character_in_each_place(
    scripted: Any, downloader: Downloader, tmp_path: Path, name: str
) -> None:
    """As many heads as jobs that went well, each with its lines and nothing behind it."""
    make, more = PLACES[name]
    server = scripted(hello)
    characters = [one for one in map(chr, range(256)) if one not in ENDS.get(name, "")]
    jobs = [make(one, str(server.port)) for one in characters]
    results: list[Result] = []
    await downloader.fetch_all(
        (Job(one.url, str(tmp_path), one.name, headers=one.headers) for one in jobs), results.append
    )
    good = [one for one in results if one.status is Status.COMPLETE]
    assert len(results) == len(characters) and len(good) > 0
    assert all(isinstance(one.error, WrongRequest) for one in results if one not in good)
    heads = [head for one in server.connections for head in one.heads]
    assert len(heads) == len(good)
    assert sum(map(len, heads)) == sum(len(one.received) for one in server.connections)
    for head in heads:
        lines = HEAD.fullmatch(head)
        assert lines is not None and lines["fields"].count(b"\r\n") == 3 + more


async def test_each_byte_in_a_method(scripted: Any, reactor: Any) -> None:
    """Token characters are sent; for all others nothing is."""
    server, agent = scripted(hello), Agent(reactor)
    sent = 0
    for value in range(256):
        try:
            await get(agent, server.url(), b"G%cT" % value)
            sent += 1
        except WrongRequest:
            pass
    await agent.close()
    heads = [head for one in server.connections for head in one.heads]
    assert len(heads) == sent == 77
    assert all(re.match(rb"G[!-~]T / HTTP/1\.1\r\n", head) for head in heads)


@pytest.mark.parametrize("code", range(256))
def test_each_character_in_a_location(code: int) -> None:
    """A server's words become a target of printable ASCII, or nothing."""
    try:
        url = join(parse_url("http://h.test/"), f"/a{chr(code)}b")
    except BadUrl:
        assert code < 33 or code in (0x5C, *range(0x7F, 0xA1))
        return
    assert re.fullmatch(r"/[!-~]*", url.target) and url.host == "h.test"


LONG = {
    "schemes": "a" * 10**6,
    "colons": "http://" + ":" * 10**6,
    "ats": "http://" + "@" * 10**6 + "/",
    "dots": "http://" + "." * 10**6 + "/",
    "slashes": "http://h" + "/" * 10**6,
    "dot segments": "http://h" + "/.." * 300_000,
    "brackets": "http://" + "[" * 10**6,
    "parameters": "http://h/?" + "token=1&" * 100_000,
    "percents": "http://h/" + "%" * 10**6,
    "letters": "http://" + "é" * 10**6,
    "marks": "http://a" + "\u0301\u0327" * 500_000,
    "marks behind": "http://h/" + "\u0301\u0327" * 500_000,
    "marks before": "http://a" + "\u0301\u0327" * 500_000 + "@h/",
    "hyphens": "http://" + "xn--" * 10**5 + ".test/",
    "questions": "http://h/" + "?" * 10**6,
    "nested": "http://h/?a=" + "//@" * 300_000,
    "spaces": " " * 10**6,
}


@pytest.mark.parametrize("size", [MAX_URL, 10**6], ids=["as long as may be", "longer"])
@pytest.mark.parametrize("name", LONG)
def test_long_urls_take_no_long(name: str, size: int) -> None:
    """Work that grew with the square of the length would run into the test's time limit.

    (CVE-2021-33503, CVE-2020-7212, CVE-2024-3651.) Over MAX_URL nothing is looked at.
    """
    text = LONG[name][:size]
    base = parse_url("http://h.test/a/b")
    for _ in range(20):
        for read in (parse_url, lambda text: join(base, text)):
            try:
                read(text)
            except BadUrl as error:
                assert len(str(error)) < 400 + MAX_URL
        redacted(text)
        redacted_invalid(text)


async def test_a_loop_between_two_schemes(scripted: Any, ca: Any, reactor: Any) -> None:
    """It ends where https would lead to http, and no loop of two servers goes on for ever."""
    places: list[str] = []

    async def script(connection: Connection) -> None:
        while True:
            await connection.head()
            there = places[connection.server is servers[0]].encode()
            connection.send(b"HTTP/1.1 302 Found\r\nContent-Length: 0\r\n")
            connection.send(b"Location: %b\r\n\r\n" % there)

    servers = [scripted(script), scripted(script)]
    places += [one.url(quote("/ü")) for one in servers]
    made = Downloader(reactor, retries=Retries(tries=1))
    with pytest.raises(TooManyRedirects):
        await made.fetch(Job(servers[0].url(), "/nowhere"))
    await made.close()
    assert sum(len(one.heads) for server in servers for one in server.connections) == 21
