"""Twisted's own Agent with a persistent pool: as many workers as jobs."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from twisted.internet.defer import Deferred, gatherResults
from twisted.internet.protocol import Protocol, connectionDone
from twisted.internet.ssl import Certificate, trustRootFromCertificates
from twisted.internet.task import react
from twisted.python.failure import Failure
from twisted.web.client import Agent, BrowserLikePolicyForHTTPS, HTTPConnectionPool, ResponseDone

from benchmarks.drivers import Arguments


class ToFile(Protocol):
    """Writes a body as it comes; `done` fires at its end."""

    def __init__(self, path: str) -> None:
        self._file = open(path, "wb")  # noqa: PTH123, SIM115
        self.done: Deferred[None] = Deferred()

    def dataReceived(self, data: bytes) -> None:
        self._file.write(data)

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        self._file.close()
        if reason.check(ResponseDone):
            self.done.callback(None)
        else:
            self.done.errback(reason)


async def _work(agent: Agent, wanted: Iterator[tuple[str, str]]) -> None:
    for url, path in wanted:
        response = await agent.request(b"GET", url.encode("ascii"))
        if response.code != 200:
            raise SystemExit(f"{response.code} for {url}")
        body = ToFile(path)
        response.deliverBody(body)
        await body.done


async def fetch_all(reactor: Any) -> None:
    """Let the workers take turns at the list."""
    arguments = Arguments()
    pool = HTTPConnectionPool(reactor)
    pool.maxPersistentPerHost = arguments.jobs
    agent = Agent(reactor, _policy(arguments.ca), pool=pool)
    wanted = arguments.wanted()
    workers = [Deferred.fromCoroutine(_work(agent, wanted)) for _ in range(arguments.jobs)]
    await gatherResults(workers, consumeErrors=True)


def _policy(ca: str | None) -> BrowserLikePolicyForHTTPS:
    if ca is None:
        return BrowserLikePolicyForHTTPS()
    authority = Certificate.loadPEM(Path(ca).read_bytes())
    return BrowserLikePolicyForHTTPS(trustRootFromCertificates([authority]))


if __name__ == "__main__":
    react(lambda reactor: Deferred.fromCoroutine(fetch_all(reactor)))
