"""However a program ends, its downloads end with it: connections aborted, files as far as known.

`support.program` runs in a process of its own against servers here, which hold more than 200 of
its downloads in all phases. Then it is ended.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from support.phases import BODY, MANY, SMALL, Crowd, Phase, Served
from twisted.internet.defer import Deferred
from twisted.internet.task import deferLater

from downloader.testing import End, head

ROOT = Path(__file__).parent.parent
PROGRAM = ROOT / "tests" / "support" / "program.py"
INTERRUPTED = "main function encountered error"


@dataclass(frozen=True)
class Way:
    """How the program is ended: what it does, the signal it gets, and how it exits.

    `says` is in what it writes to standard error, which is empty for None.
    """

    main: str
    number: signal.Signals | None
    code: int
    says: str | None = None


WAYS = {
    "SIGINT": Way("wait", signal.SIGINT, 0),
    "SIGTERM": Way("wait", signal.SIGTERM, 0),
    # task.react tells of any error that ends its function.
    "SIGINT, not expected": Way("wait carelessly", signal.SIGINT, 1, INTERRUPTED),
    "SIGTERM, each awaited": Way("wait for each", signal.SIGTERM, 1, INTERRUPTED),
    "SIGTERM without react": Way("run", signal.SIGTERM, 0),
    "reactor.stop": Way("stop", None, 0),
    "SystemExit in main": Way("exit in main", None, 3),
    "SystemExit in on_result": Way("SystemExit in on_result", None, 3),
    "KeyboardInterrupt in on_result": Way(
        "KeyboardInterrupt in on_result", None, 1, "KeyboardInterrupt"
    ),
}


@contextmanager
def program(way: Way, directory: Path, ca: Any, *urls: str) -> Iterator[subprocess.Popen[bytes]]:
    """Run the program; its standard error goes to the file `errors`."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "SSL_CERT_FILE": str(ca.pem)}
    command = [sys.executable, "-W", "error::DeprecationWarning:downloader", str(PROGRAM)]
    with (directory / "errors").open("wb") as errors:
        process = subprocess.Popen(
            [*command, way.main, str(directory / "out"), *urls],
            stdin=subprocess.DEVNULL, stdout=errors, stderr=errors, env=environment,
        )  # fmt: skip
    try:
        yield process
    finally:
        process.kill()
        process.wait()


async def until(reactor: Any, true: Callable[[], object]) -> None:
    """Wait for something that happens in another process."""
    while not true():
        await deferLater(reactor, 0.01)


def parts(directory: Path) -> list[bytes]:
    """What the part files hold, the empty ones left out."""
    return [part for path in directory.glob("out/*.part") if (part := path.read_bytes())]


@pytest.mark.parametrize("way", WAYS.values(), ids=WAYS.keys())
async def test_end(way: Way, reactor: Any, scripted: Any, ca: Any, tmp_path: Path) -> None:
    """The servers see each connection reset; every byte that had come is in a part file."""
    crowd = Crowd(scripted, ca)
    opened: Deferred[None] = Deferred()
    gate = Served(scripted, Phase((head, lambda _: opened, SMALL)))
    with program(way, tmp_path, ca, gate.url(), *crowd.urls()) as process:
        await until(reactor, lambda: process.poll() is not None or crowd.reached())
        assert process.poll() is None, (tmp_path / "errors").read_text()
        await until(reactor, lambda: sorted(map(len, parts(tmp_path))) == crowd.arrived)
        if way.number is not None:
            process.send_signal(way.number)
        opened.callback(None)
        await until(reactor, lambda: process.poll() is not None)
        assert process.returncode == way.code, (tmp_path / "errors").read_text()
    await until(reactor, lambda: None not in crowd.ends)
    assert len(crowd.ends) >= MANY and set(crowd.ends) == {End.RST}
    assert sorted(map(len, parts(tmp_path))) == crowd.arrived
    assert all(BODY.startswith(part) for part in parts(tmp_path))
    names = {path.name for path in (tmp_path / "out").iterdir()}
    assert len(names - {"gate"}) == len(crowd.arrived)
    said = (tmp_path / "errors").read_text()
    assert "Unhandled" not in said
    assert way.says in said if way.says else said == ""
