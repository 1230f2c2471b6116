"""Calls that block, in threads and processes of their own, while the test's reactor serves them."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Callable, Generator
from pathlib import Path
from typing import Any

import pytest
from support.asking import until
from twisted.internet.defer import Deferred
from twisted.python.failure import Failure

from downloader.blocking import Client

ROOT = Path(__file__).parent.parent.parent


@pytest.fixture
def in_thread(reactor: Any) -> Callable[..., Deferred[Any]]:
    """Call a function in a new thread; a Deferred of what it returns or raises."""

    def start(function: Callable[..., Any], *args: Any, **kwargs: Any) -> Deferred[Any]:
        done: Deferred[Any] = Deferred()

        def run() -> None:
            try:
                result = function(*args, **kwargs)
            except BaseException as error:
                result = Failure(error)
            reactor.callFromThread(done.callback, result)

        threading.Thread(target=run, name="blocked").start()
        return done

    return start


@pytest.fixture
def make_client(ca: Any) -> Generator[Callable[..., Client], None, None]:
    """Make a `Client` with these options; after all of them the thread is gone."""
    clients: list[Client] = []

    def make(**options: Any) -> Client:
        clients.append(Client(trust_root=ca.trust_root, **options))
        return clients[-1]

    yield make
    for client in clients:
        client.close()
    assert "downloader.blocking" not in {one.name for one in threading.enumerate()}


@pytest.fixture
def client(make_client: Callable[..., Client]) -> Client:
    """A client as it comes."""
    return make_client()


class Program:
    """A Python program in a process of its own; `said` is what it wrote, of both kinds."""

    def __init__(self, reactor: Any, path: Path, process: subprocess.Popen[bytes]) -> None:
        self.process = process
        self._reactor = reactor
        self._path = path

    @property
    def said(self) -> str:
        return self._path.read_text()

    async def says(self, text: str) -> None:
        """Wait for it to write `text`."""
        await until(self._reactor, lambda: text in self.said or self.process.poll() is not None)
        assert text in self.said

    async def ended(self) -> int:
        """Wait for its end; its return code."""
        await until(self._reactor, lambda: self.process.poll() is not None)
        return int(self.process.returncode)


@pytest.fixture
def program(reactor: Any, tmp_path: Path) -> Generator[Callable[..., Program], None, None]:
    """Run `code` with these arguments."""
    programs: list[Program] = []

    def run(code: str, *arguments: object, **env: str) -> Program:
        path = tmp_path / f"said{len(programs)}"
        with path.open("wb") as said:
            process = subprocess.Popen(
                [sys.executable, "-u", "-c", code, *map(str, arguments)],
                stdin=subprocess.DEVNULL, stdout=said, stderr=said, cwd=tmp_path,
                env={**os.environ, "PYTHONPATH": str(ROOT), **env},
            )  # fmt: skip
        programs.append(Program(reactor, path, process))
        return programs[-1]

    yield run
    for one in programs:
        one.process.kill()
        one.process.wait()
