"""The life of the daemon: what its manager is told, SIGHUP, SIGKILL, and its files."""

from __future__ import annotations

import os
import shlex
import signal
import socket
from collections.abc import Generator
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest
from support.daemon import ROOT, Twistd, spawn
from support.serving import Client
from twisted.internet.defer import Deferred
from twisted.internet.protocol import ClientFactory, Protocol
from twisted.scripts.twistd import ServerOptions

from downloader.testing import Origin

FORM = {"Content-Type": "application/x-www-form-urlencoded"}


@pytest.fixture(params=["path", "abstract"])
def manager(request: Any, tmp_path: Path) -> Generator[tuple[str, socket.socket], None, None]:
    """What listens as systemd does, and its name."""
    name = str(tmp_path / "notify")
    name = name if request.param == "path" else f"@downloader-test-{os.getpid()}"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listening:
        listening.bind(name.replace("@", "\0"))
        listening.setblocking(False)
        yield name, listening


def told(listening: socket.socket) -> bytes:
    try:
        return listening.recv(100)
    except BlockingIOError:
        return b""


async def test_its_manager_is_told(
    reactor: Any, until: Any, manager: tuple[str, socket.socket], tmp_path: Path
) -> None:
    """That it is ready, and that it stops."""
    name, listening = manager
    daemon, process = spawn(reactor, tmp_path, env={"NOTIFY_SOCKET": name})
    await until(lambda: told(listening) == b"READY=1")
    process.signalProcess("TERM")
    await until(lambda: told(listening) == b"STOPPING=1")
    assert await daemon.ended == -signal.SIGTERM


async def test_a_manager_that_is_gone_is_no_matter(
    reactor: Any, until: Any, tmp_path: Path
) -> None:
    daemon, process = spawn(reactor, tmp_path, env={"NOTIFY_SOCKET": str(tmp_path / "none")})
    await until(lambda: daemon.port)
    process.signalProcess("TERM")
    assert await daemon.ended == -signal.SIGTERM


def client_of(reactor: Any, daemon: Twistd, directory: Path) -> Client:
    assert daemon.port is not None
    return Client(reactor, daemon.port, (directory / "state" / "token").read_text().strip())


async def test_sighup_reads_the_configuration_again(
    reactor: Any, until: Any, tmp_path: Path
) -> None:
    """What is broken is told, and changes nothing; the log is opened anew all the same."""
    config = tmp_path / "config"
    config.write_text("concurrency = 3\n")
    daemon, process = spawn(reactor, tmp_path, "--config", "config")
    await until(lambda: daemon.port)
    client = client_of(reactor, daemon, tmp_path)
    assert (await client.ask("GET", "/api/v1/limits")).json["concurrency"] == 3
    config.write_text("concurrency = 5\n")
    process.signalProcess("HUP")
    await until(lambda: b"new: concurrency" in daemon.log)
    assert (await client.ask("GET", "/api/v1/limits")).json["concurrency"] == 5
    config.write_text("concurrency = \n")
    (tmp_path / "state" / "log").rename(tmp_path / "state" / "log.1")
    process.signalProcess("HUP")
    await until(lambda: b"the configuration stays as it is" in daemon.log)
    assert (await client.ask("GET", "/api/v1/limits")).json["concurrency"] == 5
    record = {"created": "1", "name": "a", "levelname": "INFO", "msg": "hello"}
    assert (await client.ask("POST", "/log", urlencode(record).encode(), FORM)).status == 204
    assert (tmp_path / "state" / "log").read_text().endswith(" a INFO hello\n")
    assert (tmp_path / "state" / "log.1").read_text() == ""
    await client.close()
    process.signalProcess("TERM")
    assert await daemon.ended == -signal.SIGTERM
    assert b"Traceback" not in daemon.log


async def test_it_goes_into_the_background(reactor: Any, until: Any, tmp_path: Path) -> None:
    """With twistd's own --pidfile and --logfile, which SIGUSR1 rotates."""
    files = ["--pidfile", "pid", "--logfile", "twistd.log"]
    parent, _ = spawn(reactor, tmp_path, twistd=files)
    assert await parent.ended == 0
    log, pidfile = tmp_path / "twistd.log", tmp_path / "pid"
    await until(lambda: log.exists() and "ready: " in log.read_text())
    pid = int(pidfile.read_text())
    os.kill(pid, signal.SIGUSR1)
    await until((tmp_path / "twistd.log.1").exists)
    os.kill(pid, signal.SIGHUP)
    await until(lambda: "read again" in log.read_text())
    os.kill(pid, signal.SIGTERM)
    await until(lambda: not pidfile.exists())
    await until(lambda: "Server Shut Down" in log.read_text())


class Reader(Protocol):
    """A reader of /events: what came, and whether the connection has ended."""

    transport: Any

    def __init__(self) -> None:
        self.received = b""
        self.ended: Deferred[None] = Deferred()

    def dataReceived(self, data: bytes) -> None:
        self.received += data

    def connectionLost(self, reason: Any = None) -> None:
        self.ended.callback(None)


def read_events(reactor: Any, port: int, token: str) -> Reader:
    """Open a stream of events."""
    reader = Reader()

    class Factory(ClientFactory):
        def buildProtocol(self, addr: Any) -> Reader:
            return reader

    connector = reactor.connectTCP("127.0.0.1", port, Factory())
    head = f"GET /events HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {token}\r\n\r\n"
    reader.connectionMade = lambda: connector.transport.write(head.encode())  # type: ignore[method-assign]
    return reader


@pytest.mark.parametrize("name", ["TERM", "KILL"])
async def test_it_comes_back_at_the_same_port(
    reactor: Any, until: Any, origin: Origin, tmp_path: Path, name: str
) -> None:
    """At once, while readers of events are still connected, and with what it had taken on."""
    daemon, process = spawn(reactor, tmp_path)
    await until(lambda: daemon.port)
    port, client = daemon.port, client_of(reactor, daemon, tmp_path)
    assert port is not None
    readers = [read_events(reactor, port, client.token) for _ in range(3)]
    await until(lambda: all(b"event: progress" in reader.received for reader in readers))
    added = await client.ask("POST", "/api/v1/jobs", {"urls": origin.add_silent("/a")})
    await client.close()
    process.signalProcess(name)
    assert await daemon.ended == -getattr(signal, f"SIG{name}")
    daemon, process = spawn(
        reactor, tmp_path, "--listen", f"tcp:{port}:interface=127.0.0.1", own=False
    )
    await until(lambda: daemon.port)
    assert daemon.port == port
    for reader in readers:
        await reader.ended
    client = client_of(reactor, daemon, tmp_path)
    assert (await client.ask("GET", added.header("location"))).status == 200
    reader = read_events(reactor, port, client.token)
    await until(lambda: b"event: progress" in reader.received)
    await client.close()
    process.signalProcess("TERM")
    assert await daemon.ended == -signal.SIGTERM
    await reader.ended


def test_the_example_unit_starts_it() -> None:
    """Its command line is one that twistd and the service take."""
    unit = (ROOT / "docs" / "downloader.service").read_text()
    (line,) = [line for line in unit.splitlines() if line.startswith("ExecStart=")]
    _, *arguments = shlex.split(line.partition("=")[2])
    options = ServerOptions()
    options.parseOptions(arguments)
    assert options.subCommand == "downloader"
    assert options["nodaemon"] and not options["pidfile"]
    assert options.subOptions["state"] == "/var/lib/downloader/state"
    assert "\nType=notify\n" in unit
