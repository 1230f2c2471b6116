"""A service on loopback, with a client of it."""

from __future__ import annotations

from collections.abc import Callable, Generator
from pathlib import Path
from typing import Any

import pytest
import pytest_twisted
from twisted.internet.defer import Deferred
from twisted.internet.endpoints import SSL4ServerEndpoint, serverFromString
from twisted.internet.task import deferLater

from downloader import Downloader, Job, Limits, Network
from downloader.queue import Wanted
from downloader.service.service import DownloadService, Listener
from support.serving import Answered, Client


class Served:
    """A service that listens at a port of its own, with `tls` or without, and a client of it."""

    def __init__(
        self,
        reactor: Any,
        path: Path,
        limits: Limits,
        network: Network,
        tls: Any = None,
        **options: Any,
    ) -> None:
        self.reactor = reactor
        self.state, self.out = path / "state", path / "out"
        self.limits = limits
        self.network = network
        self._tls = tls
        self._options = options
        self.stops = 0
        self.service = self._make()

    def _make(self, port: int = 0) -> DownloadService:
        endpoint: Any = serverFromString(self.reactor, f"tcp:{port}:interface=127.0.0.1")
        if self._tls is not None:
            endpoint = SSL4ServerEndpoint(self.reactor, port, self._tls, interface="127.0.0.1")
        listener = Listener(endpoint, False)
        return DownloadService(
            self.reactor,
            *(str(self.state), [str(self.out)], [listener], self.limits),
            lambda: Downloader(self.reactor, limits=self.limits, network=self.network),
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

    async def add(self, *urls: str) -> Any:
        """Add jobs, without asking for it over HTTP."""
        return await self.queue.add([Wanted(Job(url, str(self.out))) for url in urls])

    async def ask(self, *asked: Any, **more: Any) -> Answered:
        """See `Client.ask`."""
        return await self.client.ask(*asked, **more)


@pytest.fixture
def served(reactor: Any, tmp_path: Path) -> Generator[Callable[..., Any], None, None]:
    """Start a service: `await served(limits=..., network=..., tls=...)`; a further one needs a
    `name`. Other options are those of `DownloadService`."""
    made: list[Served] = []

    async def make(
        limits: Limits | None = None,
        network: Network | None = None,
        tls: Any = None,
        name: str = "",
        **options: Any,
    ) -> Served:
        limits, network = limits or Limits(total=4), network or Network()
        made.append(Served(reactor, tmp_path / name, limits, network, tls, **options))
        await made[-1].start()
        return made[-1]

    yield make
    for one in made:
        pytest_twisted.blockon(Deferred.fromCoroutine(one.close()))
