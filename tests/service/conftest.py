"""What the service's tests share: a service on loopback, and what asks it."""

from __future__ import annotations

import os
from collections.abc import Callable, Generator
from pathlib import Path
from typing import Any

import pytest
import pytest_twisted
from support.browsing import Browser, Visit, find_chromium, log_in
from support.serving import Answered, Client
from twisted.internet.defer import Deferred
from twisted.internet.endpoints import serverFromString
from twisted.internet.task import deferLater

from downloader import Downloader, Limits
from downloader.service.service import DownloadService, Listener


class Served:
    """A service that listens at a port of its own, and a client of it."""

    def __init__(self, reactor: Any, path: Path, limits: Limits) -> None:
        self.reactor = reactor
        self.state, self.out = path / "state", path / "out"
        self.limits = limits
        self.stops = 0
        self.service = self._make()

    def _make(self, port: int = 0) -> DownloadService:
        endpoint = serverFromString(self.reactor, f"tcp:{port}:interface=127.0.0.1")
        listener = Listener(endpoint, False)
        return DownloadService(
            self.reactor,
            *(str(self.state), [str(self.out)], [listener], self.limits),
            lambda: Downloader(self.reactor, limits=self.limits),
            self._stop,
        )

    def _stop(self) -> None:
        self.stops += 1

    async def start(self) -> None:
        self.service.startService()
        await self.until(lambda: self.service.ready)
        self.client = Client(self.reactor, self.port, self.token)

    async def restart(self) -> None:
        """Another process, at the same port."""
        port = self.port
        await self.close()
        await self.start_at(port)

    async def start_at(self, port: int) -> None:
        """Another process, after `close`."""
        self.service = self._make(port)
        await self.start()

    async def close(self) -> None:
        await self.service.stopService()
        await self.client.close()

    async def until(self, true: Callable[[], object]) -> None:
        """Wait for something that nobody tells."""
        while not true():
            await deferLater(self.reactor, 0)

    @property
    def port(self) -> int:
        return int(self.service.addresses[0].port)

    @property
    def token(self) -> str:
        return (self.state / "token").read_text().strip()

    @property
    def queue(self) -> Any:
        return self.service.queue

    async def ask(self, *asked: Any, **more: Any) -> Answered:
        """See `Client.ask`."""
        return await self.client.ask(*asked, **more)


@pytest.fixture
def served(reactor: Any, tmp_path: Path) -> Generator[Callable[..., Any], None, None]:
    """Start a service: `await served(limits=...)`."""
    made: list[Served] = []

    async def make(limits: Limits | None = None) -> Served:
        made.append(Served(reactor, tmp_path, limits or Limits(total=4)))
        await made[-1].start()
        return made[-1]

    yield make
    for one in made:
        pytest_twisted.blockon(Deferred.fromCoroutine(one.close()))


@pytest.fixture
def until(reactor: Any) -> Callable[[Callable[[], Any]], Any]:
    """Wait until a condition holds; the test's own time limit ends a wait in vain."""

    async def wait(holds: Callable[[], Any]) -> None:
        while not holds():
            await deferLater(reactor, 0.01)

    return wait


@pytest.fixture(scope="session")
def browser(reactor: Any) -> Generator[Browser, None, None]:
    """The system's Chromium, for the whole run."""
    program = find_chromium()
    if program is None:
        missing = "chromium is not installed; on Debian: apt-get install chromium"
        if os.environ.get("CI"):
            pytest.fail(missing, pytrace=False)
        pytest.skip(missing)
    running = Browser(reactor, program)
    yield running
    running.stop()


@pytest.fixture
def visit(served: Any, browser: Browser) -> Generator[Callable[..., Any], None, None]:
    """Open a service's page: `await visit(s)` with its token, `token=""` without one. The browser
    may not complain of it in the end."""
    visits: list[Visit] = []

    async def start(s: Served, token: str | None = None, path: str = "/", **options: Any) -> Visit:
        visits.append(Visit(browser, f"http://127.0.0.1:{s.port}"))
        await visits[-1].open(path, **options)
        if token != "":
            await visits[-1].do(log_in(token or s.token))
        return visits[-1]

    yield start
    for one in visits:
        pytest_twisted.blockon(Deferred.fromCoroutine(one.close()))
        assert one.complaints == []
