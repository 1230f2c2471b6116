"""What the service's tests share: a service on loopback, and what asks it."""

from __future__ import annotations

from collections.abc import Callable, Generator
from pathlib import Path
from typing import Any

import pytest
import pytest_twisted
from support.serving import Answered, Client
from twisted.internet.defer import Deferred
from twisted.internet.endpoints import serverFromString
from twisted.internet.task import deferLater

from downloader import Downloader, Limits
from downloader.service.service import DownloadService, Listener


class Served:
    """A service that listens at a port of its own, and a client of it."""

    def __init__(self, reactor: Any, path: Path, limits: Limits, **options: Any) -> None:
        self.reactor = reactor
        self.state, self.out = path / "state", path / "out"
        self.limits = limits
        self.stops = 0
        self._options = options
        self.service = self._make()

    def _make(self) -> DownloadService:
        listener = Listener(serverFromString(self.reactor, "tcp:0:interface=127.0.0.1"), False)
        return DownloadService(
            self.reactor,
            *(str(self.state), [str(self.out)], [listener], self.limits),
            lambda: Downloader(self.reactor, limits=self.limits),
            self._stop,
            **self._options,
        )

    def _stop(self) -> None:
        self.stops += 1

    async def start(self) -> None:
        self.service.startService()
        await self.until(lambda: self.service.ready)
        self.client = Client(self.reactor, self.port, self.token)

    async def restart(self) -> None:
        await self.close()
        self.service = self._make()
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
    """Start a service: `await served(limits=...)`; a further one needs a `name`. The options are
    those of `DownloadService`."""
    made: list[Served] = []

    async def make(limits: Limits | None = None, name: str = "", **options: Any) -> Served:
        made.append(Served(reactor, tmp_path / name, limits or Limits(total=4), **options))
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
