"""The real command in a process of its own, while this process's reactor serves it."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Generator, Mapping
from pathlib import Path
from typing import Any

import pytest
import pytest_twisted
from twisted.internet.defer import Deferred
from twisted.internet.protocol import ProcessProtocol
from twisted.internet.task import deferLater
from twisted.python.failure import Failure

ROOT = Path(__file__).parent.parent.parent
COMMAND = (sys.executable, "-m", "downloader")


class Command(ProcessProtocol):
    """A running command: what it wrote so far, and `ended`, which fires with its exit code.

    A negative code is a signal's number, for a process that died of it.
    """

    transport: Any

    def __init__(self) -> None:
        self.out = b""
        self.err = b""
        self.ended: Deferred[int] = Deferred()

    def outReceived(self, data: bytes) -> None:
        self.out += data

    def errReceived(self, data: bytes) -> None:
        self.err += data

    def processEnded(self, reason: Failure) -> None:
        status: Any = reason.value
        code = -status.signal if status.exitCode is None else status.exitCode
        self.ended.callback(code)

    def write(self, data: bytes) -> None:
        self.transport.write(data)

    def end_input(self) -> None:
        self.transport.closeStdin()

    def signal(self, name: str) -> None:
        self.transport.signalProcess(name)

    @property
    def said(self) -> list[str]:
        """The lines on standard error."""
        return self.err.decode().splitlines()


Start = Callable[..., Command]


@pytest.fixture
def start(reactor: Any, tmp_path: Path) -> Generator[Start, None, None]:
    """Start `downloader ARGUMENTS`, or with `shell` a script in which "$@" is the command."""
    commands: list[Command] = []

    def spawn(
        *arguments: object,
        shell: str | None = None,
        fds: Mapping[int, Any] | None = None,
        env: Mapping[str, str] | None = None,
    ) -> Command:
        line = [*COMMAND, *map(str, arguments)]
        if shell is not None:
            line = ["/bin/bash", "-c", shell, "bash", *line]
        command = Command()
        environment = {**os.environ, "PYTHONPATH": str(ROOT), **(env or {})}
        reactor.spawnProcess(
            command, line[0], line, environment, str(tmp_path), childFDs=fds and dict(fds)
        )
        commands.append(command)
        return command

    yield spawn
    for command in commands:
        if not command.ended.called:
            command.signal("KILL")
            pytest_twisted.blockon(command.ended)


@pytest.fixture
def until(reactor: Any) -> Callable[[Callable[[], Any]], Any]:
    """Wait until a condition holds; the test's own time limit ends a wait in vain."""

    async def wait(holds: Callable[[], Any]) -> None:
        while not holds():
            await deferLater(reactor, 0.01)

    return wait
