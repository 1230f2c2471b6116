"""`twistd downloader` as an administrator meets it."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path
from typing import Any

import pytest
from support.site import Site, text
from twisted.internet.defer import Deferred
from twisted.internet.protocol import ProcessProtocol
from twisted.python.failure import Failure
from twisted.python.usage import UsageError

from downloader.service.lists import DownloadService
from downloader.service.tap import Options, makeService
from downloader.testing import End, Origin

ROOT = Path(__file__).parent.parent.parent


def test_options_make_a_service(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its paths hold, wherever twistd goes before it starts."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "list").touch()
    options = Options()
    options.parseOptions(["-i", "list", "-d", "out", "-j", "3", "--names", "tree"])
    options.parseOptions(["--limit-rate", "2M", "--rate", "30/m", "--per-host-delay", "0"])
    options.parseOptions(["-x", "4", "-s", "8", "--min-split-size", "1M"])
    assert (options["limit-rate"], options["rate"]) == (2 * 1024**2, 0.5)
    assert (options["max-connection-per-server"], options["split"]) == (4, 8)
    assert options["min-split-size"] == 1024**2
    assert options["per-host-delay"] == 0
    options.parseOptions(["--contact", "me@example.org", "--respect-robots"])
    assert (options["contact"], bool(options["respect-robots"])) == ("me@example.org", True)
    service = makeService(options)
    assert isinstance(service, DownloadService)
    assert str(tmp_path / "list") in repr(service)


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ([], "say which list"),
        (["-i", "none"], "there is no list none"),
        (["-i", "list", "-j", "0"], "'0' is not a whole number from 1 to 10000"),
        (["-i", "list", "-j", "many"], "'many' is not a whole number from 1"),
        (["-i", "list", "-j", "9" * 5000], "is not a whole number"),
        (["-i", "list", "--limit-rate", "fast"], "'fast' is not a size"),
        (["-i", "list", "--rate", "10"], "'10' is not a rate above 0"),
        (["-i", "list", "--per-host-delay", "-1"], "'-1' is not a number of seconds"),
        (["-i", "list", "--proxy", "ftp://a"], "a proxy is http:"),
        (["-i", "list", "--pipeline", "0"], "'0' is not a whole number from 1 to 10000"),
        (["-i", "list", "--per-host-delay", "1e0"], "'1e0' is not a number of seconds"),
        (["-i", "list", "-x", "0"], "'0' is not a whole number from 1 to 10000"),
        (["-i", "list", "--min-split-size", "0"], "has to be more than 0 bytes"),
        (["-i", "list", "--names", "odd"], "'odd' is not flat or tree"),
        (["-i", "list", "--contact", "me"], "'me' is neither an http URL nor a mail address"),
        (["-i", "list", "--frobnicate"], "frobnicate"),
    ],
)
def test_bad_options_are_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str], sentence: str
) -> None:
    """Before anything starts."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "list").touch()
    with pytest.raises(UsageError, match=sentence):
        Options().parseOptions(arguments)


class Twistd(ProcessProtocol):
    """A running twistd: its log, and `ended`, which fires with its exit code or signal."""

    def __init__(self) -> None:
        self.log = b""
        self.ended: Deferred[int] = Deferred()

    def outReceived(self, data: bytes) -> None:
        self.log += data

    errReceived = outReceived

    def processEnded(self, reason: Failure) -> None:
        status: Any = reason.value
        self.ended.callback(-status.signal if status.exitCode is None else status.exitCode)


def spawn(reactor: Any, directory: Path, *options: str) -> tuple[Twistd, Any]:
    """`twistd downloader` for the list there."""
    code = "import sys; from twisted.scripts.twistd import run; sys.exit(run())"
    arguments = ["-n", "--pidfile=", "downloader", "-i", "list", "--dir", "out", *options]
    daemon = Twistd()
    process = reactor.spawnProcess(
        daemon,
        sys.executable,
        [sys.executable, "-c", code, *arguments],
        {**os.environ, "PYTHONPATH": str(ROOT)},
        str(directory),
    )
    return daemon, process


async def test_sigterm_stops_the_daemon_clean(
    reactor: Any, until: Any, origin: Origin, tmp_path: Path
) -> None:
    """It waits for sockets and files, and says what was done."""
    (tmp_path / "list").write_text(f"{origin.add('/a', 5)}\n{origin.add_silent('/b')}\n")
    daemon, process = spawn(reactor, tmp_path)
    await until(lambda: origin.silent and (tmp_path / "out" / "a").exists())
    process.signalProcess("TERM")
    assert await daemon.ended == -signal.SIGTERM
    assert b"stopped: 1 complete, 1 pending, " in daemon.log
    assert b"Unhandled" not in daemon.log and b"Traceback" not in daemon.log
    await until(lambda: not origin.silent)
    assert origin.silent_ends == {End.RST: 1}


async def test_through_a_proxy_and_without_pipelining(
    reactor: Any, until: Any, origin: Origin, http_proxy: Any, tmp_path: Path
) -> None:
    proxy = http_proxy(login="me:pw")
    (tmp_path / "list").write_text(f"{origin.add('/a', 5)}\n")
    url = f"http://me:pw@127.0.0.1:{proxy.port}"
    daemon, process = spawn(reactor, tmp_path, "--proxy", url, "--pipeline", "1")
    await until((tmp_path / "out" / "a").exists)
    assert [asked.login for asked in proxy.asked] == ["me:pw"]
    process.signalProcess("TERM")
    assert await daemon.ended == -signal.SIGTERM
    assert b"pw" not in daemon.log


async def test_it_respects_robots_and_says_whom_to_write_to(
    reactor: Any, until: Any, scripted: Any, tmp_path: Path
) -> None:
    site = Site(scripted, text(b"User-agent: *\nDisallow: /b\n"))
    (tmp_path / "list").write_text(f"{site.url('/a')}\n{site.url('/b')}\n")
    options = ["--respect-robots", "--contact", "me@example.org"]
    daemon, process = spawn(reactor, tmp_path, *options)
    await until(lambda: b"done: " in daemon.log)
    process.signalProcess("TERM")
    assert await daemon.ended == -signal.SIGTERM
    assert b"robots.txt forbids it" in daemon.log and b"1 complete, 1 failed" in daemon.log
    assert site.asked == ["/robots.txt", "/a"]
    assert b"(+me@example.org)" in site.server.connections[0].received
