"""`twistd downloader` as an administrator meets it."""

from __future__ import annotations

import signal
from pathlib import Path
from typing import Any

import pytest
from support.daemon import add, spawn
from support.site import Site, text
from twisted.python.usage import UsageError

from downloader.service.service import DownloadService
from downloader.service.tap import Options, makeService
from downloader.testing import End, Origin


def test_options_make_a_service(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its paths hold, wherever twistd goes before it starts."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "home"))
    options = Options()
    options.parseOptions(["-d", "out", "-d", "more", "-j", "3", "--names", "tree"])
    assert options["dir"] == [str(tmp_path / "out"), str(tmp_path / "more")]
    assert options["state"] == str(tmp_path / "home" / "downloader")
    assert options["listen"] == ["tcp:6800:interface=127.0.0.1"]
    options.parseOptions(["--limit-rate", "2M", "--rate", "30/m", "--per-host-delay", "0"])
    options.parseOptions(["-x", "4", "-s", "8", "--min-split-size", "1M"])
    assert (options["limit-rate"], options["rate"]) == (2 * 1024**2, 0.5)
    assert (options["max-connection-per-server"], options["split"]) == (4, 8)
    assert options["min-split-size"] == 1024**2
    assert options["per-host-delay"] == 0
    options.parseOptions(["--contact", "me@example.org", "--respect-robots"])
    assert (options["contact"], bool(options["respect-robots"])) == ("me@example.org", True)
    options.parseOptions(["--allow-host", "Nas.example", "--allow-origin", "https://A.example"])
    service = makeService(options)
    assert isinstance(service, DownloadService)
    assert service.door.hosts == {"nas.example"}
    assert service.door.origins == {"https://a.example"}


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["-j", "0"], "'0' is not a whole number from 1 to 10000"),
        (["-j", "many"], "'many' is not a whole number from 1"),
        (["-j", "9" * 5000], "is not a whole number"),
        (["--limit-rate", "fast"], "'fast' is not a size"),
        (["--rate", "10"], "'10' is not a rate above 0"),
        (["--per-host-delay", "-1"], "'-1' is not a number of seconds"),
        (["--proxy", "ftp://a"], "a proxy is http:"),
        (["--pipeline", "0"], "'0' is not a whole number from 1 to 10000"),
        (["--per-host-delay", "1e0"], "'1e0' is not a number of seconds"),
        (["-x", "0"], "'0' is not a whole number from 1 to 10000"),
        (["--min-split-size", "0"], "has to be more than 0 bytes"),
        (["--names", "odd"], "'odd' is not flat or tree"),
        (["--contact", "me"], "'me' is neither an http URL nor a mail address"),
        (["--allow-origin", "null"], "an origin is a scheme and a host"),
        (["--frobnicate"], "frobnicate"),
    ],
)
def test_bad_options_are_told(arguments: list[str], sentence: str) -> None:
    """Before anything starts."""
    with pytest.raises(UsageError, match=sentence):
        Options().parseOptions(arguments)


def test_an_endpoint_that_is_none_is_told(tmp_path: Path) -> None:
    options = Options()
    options.parseOptions(["--listen", "carrier-pigeon:1", "--state", str(tmp_path)])
    with pytest.raises(UsageError, match="is no endpoint"):
        makeService(options)


async def test_sigterm_stops_the_daemon_clean(
    reactor: Any, until: Any, origin: Origin, tmp_path: Path
) -> None:
    """It waits for sockets and files; started again, it goes on."""
    daemon, process = spawn(reactor, tmp_path)
    await until(lambda: daemon.port)
    await add(reactor, daemon, tmp_path, origin.add("/a", 5), origin.add_silent("/b"))
    await until(lambda: origin.silent and b" is complete: a" in daemon.log)
    process.signalProcess("TERM")
    assert await daemon.ended == -signal.SIGTERM
    assert b"Unhandled" not in daemon.log and b"Traceback" not in daemon.log
    await until(lambda: not origin.silent)
    assert origin.silent_ends == {End.RST: 1}
    origin.add("/b", 5)
    daemon, process = spawn(reactor, tmp_path)
    await until((tmp_path / "out" / "b").exists)
    process.signalProcess("TERM")
    assert await daemon.ended == -signal.SIGTERM
    assert origin.requests["/a"] == 1


async def test_a_second_one_says_so_and_ends(reactor: Any, until: Any, tmp_path: Path) -> None:
    daemon, process = spawn(reactor, tmp_path)
    await until(lambda: daemon.port)
    second, _ = spawn(reactor, tmp_path, "--listen", f"tcp:{daemon.port}:interface=127.0.0.1")
    assert await second.ended == 1
    assert b"Another process is using this directory's state" in second.log
    assert b"Traceback" not in second.log
    process.signalProcess("TERM")
    assert await daemon.ended == -signal.SIGTERM


async def test_a_port_that_is_taken_is_told(
    reactor: Any, until: Any, origin: Origin, tmp_path: Path
) -> None:
    daemon, _ = spawn(reactor, tmp_path, "--listen", f"tcp:{origin.port}:interface=127.0.0.1")
    assert await daemon.ended == 1
    assert b"Address already in use" in daemon.log and b"Traceback" not in daemon.log


async def test_it_listens_to_others_only_if_told(reactor: Any, until: Any, tmp_path: Path) -> None:
    """Not without TLS, unless that is wanted."""
    daemon, _ = spawn(reactor, tmp_path, "--listen", "tcp:0")
    assert await daemon.ended == 1
    assert b"can be reached by others, without TLS" in daemon.log
    daemon, process = spawn(reactor, tmp_path, "--listen", "tcp:0", "--insecure-listen")
    await until(lambda: daemon.port)
    assert daemon.log.count(b"listening at") == 2
    process.signalProcess("TERM")
    assert await daemon.ended == -signal.SIGTERM


async def test_private_addresses_are_out_of_reach(
    reactor: Any, until: Any, origin: Origin, tmp_path: Path
) -> None:
    """Unless that is wanted: who may ask is not to ask in this machine's name."""
    daemon, process = spawn(reactor, tmp_path, private=False)
    await until(lambda: daemon.port)
    await add(reactor, daemon, tmp_path, origin.add("/a", 5))
    await until(lambda: b"failed: The server's address is a private one: 127.0.0.1" in daemon.log)
    process.signalProcess("TERM")
    assert await daemon.ended == -signal.SIGTERM
    assert not origin.requests


async def test_through_a_proxy_and_without_pipelining(
    reactor: Any, until: Any, origin: Origin, http_proxy: Any, tmp_path: Path
) -> None:
    proxy = http_proxy(login="me:pw")
    url = f"http://me:pw@127.0.0.1:{proxy.port}"
    daemon, process = spawn(reactor, tmp_path, "--proxy", url, "--pipeline", "1")
    await until(lambda: daemon.port)
    await add(reactor, daemon, tmp_path, origin.add("/a", 5))
    await until((tmp_path / "out" / "a").exists)
    assert [asked.login for asked in proxy.asked] == ["me:pw"]
    process.signalProcess("TERM")
    assert await daemon.ended == -signal.SIGTERM
    assert b"pw" not in daemon.log


async def test_it_respects_robots_and_says_whom_to_write_to(
    reactor: Any, until: Any, scripted: Any, tmp_path: Path
) -> None:
    site = Site(scripted, text(b"User-agent: *\nDisallow: /b\n"))
    options = ["--respect-robots", "--contact", "me@example.org"]
    daemon, process = spawn(reactor, tmp_path, *options)
    await until(lambda: daemon.port)
    await add(reactor, daemon, tmp_path, site.url("/a"), site.url("/b"))
    await until(lambda: b"robots.txt forbids it" in daemon.log and b"complete: a" in daemon.log)
    process.signalProcess("TERM")
    assert await daemon.ended == -signal.SIGTERM
    assert site.asked == ["/robots.txt", "/a"]
    assert b"(+me@example.org)" in site.server.connections[0].received


@pytest.mark.parametrize("name", ["state", "log-file", "watch", "config"])
def test_what_the_service_reads_is_not_where_files_go(tmp_path: Path, name: str) -> None:
    """A server would write it then; a link leads no way around that."""
    root, link = tmp_path / "out", tmp_path / "link"
    root.mkdir()
    link.symlink_to(root)
    (root / "x").write_text("")
    for path in (root / "x", link / "x"):
        with pytest.raises(UsageError, match="where files are fetched to"):
            Options().parseOptions(["--dir", str(root), f"--{name}", str(path)])
