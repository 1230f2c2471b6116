"""A twistd of ours in a process of its own."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.protocol import ProcessProtocol
from twisted.python.failure import Failure

from support.serving import Client

ROOT = Path(__file__).parent.parent.parent


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

    @property
    def port(self) -> int | None:
        """Where it listens, once it does and is ready."""
        found = re.search(rb"listening at IPv4Address\(.*port=([0-9]+)\)", self.log)
        return int(found[1]) if found and b"ready: " in self.log else None


def spawn(
    reactor: Any,
    directory: Path,
    *options: str,
    twistd: Sequence[str] = ("-n", "--pidfile="),
    env: Mapping[str, str] | None = None,
    own: bool = True,
    private: bool = True,
) -> tuple[Twistd, Any]:
    """`twistd downloader`, with its state and its files in `directory`; at a port of its `own`.
    Tests' servers are at `private` addresses."""
    code = "import sys; from twisted.scripts.twistd import run; sys.exit(run())"
    paths = ["--state", "state", "--dir", "out"]
    paths += ["--allow-private-addresses"] if private else []
    listen = ["--listen", "tcp:0:interface=127.0.0.1"] if own else []
    daemon = Twistd()
    process = reactor.spawnProcess(
        daemon,
        sys.executable,
        [sys.executable, "-c", code, *twistd, "downloader", *paths, *listen, *options],
        {**os.environ, "PYTHONPATH": str(ROOT), **(env or {})},
        str(directory),
    )
    return daemon, process


async def add(reactor: Any, daemon: Twistd, directory: Path, *urls: str) -> None:
    """Ask it for these."""
    assert daemon.port is not None
    token = (directory / "state" / "token").read_text().strip()
    client = Client(reactor, daemon.port, token)
    added = await client.ask("POST", "/api/v1/jobs", [{"urls": url} for url in urls])
    await client.close()
    assert added.status == 201
