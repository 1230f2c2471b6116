"""Each option of `fetch` is explained, checked, and does what it says."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click
import pytest
from click.testing import CliRunner
from support.site import Site, text

from downloader._version import __version__
from downloader.cli import types
from downloader.cli.app import commands
from downloader.cli.fetch import checked, fetch, given_jobs
from downloader.testing import Origin

SHA256 = "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824"


def answered(body: bytes, *headers: bytes) -> Any:
    """A script that answers one request."""
    lines = [b"HTTP/1.1 200 OK", b"Content-Length: %d" % len(body), b"Connection: close", *headers]
    return [lambda connection: connection.head(), b"\r\n".join([*lines, b"", body])]


def test_every_option_is_explained() -> None:
    """In a section, with its default or what it takes; nothing is hidden."""
    text = CliRunner().invoke(commands, ["fetch", "--help"]).output
    for param in fetch.params:
        if isinstance(param, click.Option):
            assert param.help and not param.hidden
            assert all(name in text for name in param.opts)
            assert getattr(param, "section", None)
    for said in ("[default: 32", "[default: 60]", "Exit codes: 0 all fetched", "Example"):
        assert said in text


@pytest.mark.parametrize(
    ("text", "size"),
    [("0", 0), ("4096", 4096), ("10K", 10240), ("1m", 1024**2), ("2G", 2 * 1024**3)],
)
def test_sizes(text: str, size: int) -> None:
    """As aria2 reads them."""
    assert types.size(text) == size


@pytest.mark.parametrize("text", ["", "K", "1.5M", "-1", "1KB", "1_0", "١", "9" * 16])
def test_what_is_no_size(text: str) -> None:
    """Is refused, not guessed at."""
    with pytest.raises(click.BadParameter):
        types.size(text)


@pytest.mark.parametrize("text", ["", "x", "-1", "nan", "inf", "1e999"])
def test_what_is_no_time(text: str) -> None:
    """Neither endless nor backwards."""
    with pytest.raises(click.BadParameter):
        types.seconds_or_zero(text)


def test_zero_seconds_are_for_waits_only() -> None:
    """A timeout of none would end everything at once."""
    assert types.seconds_or_zero("0") == 0
    with pytest.raises(click.BadParameter):
        types.seconds("0")


def test_aria2s_words_for_insecure() -> None:
    """--check-certificate=false is -k."""
    for arguments in (["-k"], ["--check-certificate=false"], ["--check-certificate", "false"]):
        options = fetch.make_context("fetch", ["http://h/", *arguments]).params
        assert checked(("http://h/",), options)["insecure"] is True
    options = fetch.make_context("fetch", ["http://h/", "--check-certificate=true"]).params
    assert checked(("http://h/",), options)["insecure"] is False


def test_the_long_names_of_jobs() -> None:
    """Ours and aria2's."""
    for name in ("-j", "--jobs", "--max-concurrent-downloads"):
        assert fetch.make_context("fetch", ["http://h/", name, "7"]).params["jobs"] == 7


def test_a_bad_url_is_told_without_its_password() -> None:
    """Standard error may be a log."""
    options = fetch.make_context("fetch", ["http://h/"]).params
    with pytest.raises(click.UsageError) as caught:
        given_jobs(("http://me:pw@h/a b",), options)
    assert "pw" not in caught.value.message


async def run(start: Any, *arguments: object) -> tuple[int, list[dict[str, Any]]]:
    """The exit code of `downloader fetch`, and what its report says."""
    command = start("fetch", "--progress", "none", "--report", "-", *arguments)
    code = await command.ended
    return code, [json.loads(line) for line in command.out.splitlines()]


async def test_headers_and_user_agent(start: Any, scripted: Any) -> None:
    """Are sent; -U wins over a header of that name."""
    server = scripted(answered(b"hello"))
    code, _ = await run(
        *(start, server.url("/x"), "-H", "X-One: 1", "-H", "X-Two: 2"),
        *("-H", "User-Agent: other", "-U", "me/1"),
    )
    assert code == 0
    lines = server.connections[0].received.lower().split(b"\r\n")
    assert {b"x-one: 1", b"x-two: 2", b"user-agent: me/1"} <= set(lines)
    assert sum(line.startswith(b"user-agent:") for line in lines) == 1


@pytest.mark.parametrize(
    ("more", "name"),
    [
        ([], f"downloader/{__version__} (+me@example.org)"),
        (["-U", "me/1"], "me/1"),
        (["-H", "User-Agent: other"], "other"),
    ],
)
async def test_a_contact(start: Any, scripted: Any, more: list[str], name: str) -> None:
    """Stands behind our own name; who gives another name says all of it."""
    server = scripted(answered(b"hello"))
    code, _ = await run(start, server.url("/x"), "--contact", "me@example.org", *more)
    assert code == 0
    lines = server.connections[0].received.split(b"\r\n")
    agents = [line for line in lines if line.lower().startswith(b"user-agent:")]
    assert [line.partition(b": ")[2].decode() for line in agents] == [name]


async def test_robots_are_respected_where_that_is_wanted(start: Any, scripted: Any) -> None:
    site = Site(scripted, text(b"User-agent: downloader\nDisallow: /x\n"))
    assert (await run(start, site.url("/x")))[0] == 0
    code, (line, _) = await run(start, site.url("/x"), "--respect-robots")
    assert (code, line["error"]) == (1, "RobotsForbidden")
    assert (await run(start, site.url("/y"), "--respect-robots"))[0] == 0
    assert site.asked == ["/x", "/robots.txt", "/robots.txt", "/y"]


async def test_headers_stay_with_the_urls_origin(start: Any, scripted: Any) -> None:
    """A redirect to another does not take them along."""
    other = scripted(answered(b"hello"))
    location = f"Location: {other.url('/y')}\r\n".encode()
    first = scripted(
        [
            lambda connection: connection.head(),
            b"HTTP/1.1 302 Found\r\n" + location + b"Content-Length: 0\r\n\r\n",
        ]
    )
    code, _ = await run(start, first.url("/x"), "-H", "Authorization: secret")
    assert code == 0
    assert b"secret" in first.connections[0].received
    assert b"secret" not in other.connections[0].received


async def test_headers_of_a_list(start: Any, scripted: Any, tmp_path: Path) -> None:
    """An entry's own goes before -H, and a mirror elsewhere gets neither; -U is for all."""
    mirror = scripted(answered(b"hello"))
    first = scripted([lambda c: c.head(), b"HTTP/1.1 404 \r\nContent-Length: 0\r\n\r\n"])
    own = scripted(answered(b"hello"))
    (tmp_path / "list").write_text(
        f"{first.url('/x')}\t{mirror.url('/x')}\n{own.url('/y')}\n header=authorization: own\n"
    )
    options = ["-H", "Authorization: secret", "-H", "X-One: 1", "-U", "me/1"]
    code, _ = await run(start, "-i", "list", *options)
    assert code == 0
    sent = [server.connections[0].received.lower() for server in (first, mirror, own)]
    assert [b"authorization: secret" in head for head in sent] == [True, False, False]
    assert [b"x-one: 1" in head for head in sent] == [True, False, True]
    assert [b"user-agent: me/1" in head for head in sent] == [True, True, True]
    assert b"authorization: own" in sent[2]


async def test_names(start: Any, scripted: Any, tmp_path: Path) -> None:
    """-o, -d, --names and --content-disposition."""
    offer = b'Content-Disposition: attachment; filename="offered.txt"'
    server = scripted(answered(b"hello", offer))
    url = server.url("/a/b/x.txt")
    for arguments, path in (
        (["-d", "1", "-o", "sub/n"], "1/sub/n"),
        (["-d", "2"], "2/x.txt"),
        (["-d", "3", "--names", "tree"], f"3/127.0.0.1_{server.port}/a/b/x.txt"),
        (["-d", "4", "--content-disposition"], "4/offered.txt"),
    ):
        code, (line, _) = await run(start, url, *arguments)
        assert (code, line["path"]) == (0, path)
        assert (tmp_path / path).read_bytes() == b"hello"


@pytest.mark.parametrize(
    ("choice", "path", "content"),
    [("rename", "a.1", b"old"), ("skip", "a", b"old"), ("overwrite", "a", b"\0")],
)
async def test_conflicts(
    start: Any, scripted: Any, tmp_path: Path, choice: str, path: str, content: bytes
) -> None:
    """A file that is there stays, unless it may be replaced."""
    (tmp_path / "a").write_bytes(b"old")
    server = scripted(answered(b"\0"))
    code, (line, _) = await run(start, server.url("/a"), "--on-conflict", choice)
    assert (code, line["path"].removeprefix("./")) == (0, path)
    assert (tmp_path / "a").read_bytes() == content


@pytest.mark.parametrize(("digest", "code"), [(SHA256, 0), ("0" * 64, 1)])
async def test_a_checksum(
    start: Any, scripted: Any, tmp_path: Path, digest: str, code: int
) -> None:
    """Right bytes or no file."""
    server = scripted(answered(b"hello"))
    ended, (line, _) = await run(start, server.url("/a"), "--checksum", f"SHA-256={digest}")
    assert ended == code
    assert (tmp_path / "a").exists() == (code == 0)
    assert line["error"] == (None if code == 0 else "ChecksumMismatch")
    if code == 0:
        assert line["sha256"] == SHA256


async def test_tries_and_waits(start: Any, scripted: Any) -> None:
    """As many requests as were allowed."""
    busy = b"HTTP/1.1 503 Busy\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
    server = scripted([lambda connection: connection.head(), busy])
    code, (line, _) = await run(start, server.url("/a"), "-m", "3", "--retry-wait", "0.01")
    assert (code, line["error"], line["attempts"]) == (1, "ServerBusy", 3)
    assert sum(b"GET" in one.received for one in server.connections) == 3


TIMEOUTS = {
    "--timeout": ([], "0.2", "FirstByteTimeout"),
    "--stall-timeout": ([b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n1"], "0.2", "StallTimeout"),
    "--max-time": ([], "0.2", "TotalTimeout"),
}


@pytest.mark.parametrize("name", TIMEOUTS)
async def test_timeouts(start: Any, scripted: Any, name: str) -> None:
    """Each phase has its own, and its own error."""
    sent, value, error = TIMEOUTS[name]
    server = scripted([lambda connection: connection.head(), *sent])
    code, (line, _) = await run(start, server.url("/a"), "-m", "1", name, value)
    assert (code, line["error"]) == (1, error)


async def test_the_connect_timeout(start: Any, full_listener: Any) -> None:
    """For a server that does not accept."""
    code, (line, _) = await run(start, full_listener.url("/a"), "-m1", "--connect-timeout", "0.2")
    assert (code, line["error"]) == (1, "ConnectTimeout")


async def test_the_lowest_speed(start: Any, scripted: Any) -> None:
    """Bytes that come, but too few of them, are a stall too."""

    async def drip(connection: Any) -> None:
        await connection.head()
        connection.send(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n")
        for _ in range(1000):
            connection.send(b"x")
            await connection.wait(0.05)

    server = scripted(drip)
    slow = ("--stall-timeout", "0.5", "--lowest-speed-limit", "10K")
    code, (line, _) = await run(start, server.url("/a"), "-m", "1", *slow)
    assert (code, line["error"]) == (1, "StallTimeout")


@pytest.mark.parametrize(
    ("arguments", "most"),
    [(["-j", "2"], 2), (["--per-host", "3"], 3), (["--connections-per-host", "4"], 4)],
)
async def test_limits(
    reactor: Any,
    start: Any,
    until: Any,
    origin: Origin,
    tmp_path: Path,
    arguments: list[str],
    most: int,
) -> None:
    """As many requests at once as allowed, and no more; the server counts."""
    urls = [origin.add_silent(f"/{number}") for number in range(20)]
    (tmp_path / "list").write_text("\n".join(urls))
    command = start("fetch", "-i", "list", *arguments)
    await until(lambda: origin.silent == most)
    command.signal("INT")
    assert await command.ended == 130
    assert sum(origin.requests.values()) == most


async def test_insecure_accepts_any_certificate(start: Any, scripted: Any, ca: Any) -> None:
    """Which is refused otherwise."""
    server = scripted(answered(b"hello"), tls=ca.server())
    url = server.url("/a", host="localhost")
    code, (line, _) = await run(start, url, "-m", "1")
    assert (code, line["error"]) == (1, "TlsError")
    code, _ = await run(start, url, "-k")
    assert code == 0
