"""A list of jobs and what becomes of it, over the spied agent on a clock that stands still."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.python.failure import Failure

from downloader import (
    Downloader,
    Job,
    Report,
    Retries,
)
from downloader.testing import AgentSpy, SpiedRequest
from downloader.transfer.run import READ_AHEAD_PAUSE

Make = Callable[..., Downloader]
ONCE = Retries(tries=1)


class Reader:
    """Jobs that are made as they are asked for; `read` is how many were."""

    def __init__(self, jobs: Iterable[Job]) -> None:
        self._jobs = iter(jobs)
        self.read = 0

    def __iter__(self) -> Iterator[Job]:
        return self

    def __next__(self) -> Job:
        job = next(self._jobs)
        self.read += 1
        return job


def jobs_of(host: str, count: int, out: Path) -> Iterator[Job]:
    return (Job(f"http://{host}/{n}", str(out)) for n in range(count))


def host_of(request: SpiedRequest) -> str:
    return request.absoluteURI.decode().split("/")[2]


def bring(request: SpiedRequest, data: bytes = b"x") -> None:
    response = request.answer(length=len(data))
    response.feed(data)
    response.finish()


def refuse(request: SpiedRequest, code: int = 404) -> None:
    request.answer(code, length=0).finish()


def hold(request: SpiedRequest, code: int, **headers: str) -> None:
    """Refuse it, with these headers; their underscores are hyphens."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    request.answer(code, named, 0).finish()


def settle(clock: Clock) -> None:
    """Let everything happen that waits for a turn of the reactor, or for the next look ahead."""
    while any(c.getTime() <= clock.seconds() + READ_AHEAD_PAUSE for c in clock.getDelayedCalls()):
        clock.advance(READ_AHEAD_PAUSE)


def outcome(fetching: Deferred[Report]) -> Any:
    """The Report, the exception, or None while it is under way."""
    found: list[Any] = []
    fetching.addBoth(found.append)
    if not found:
        return None
    return found[0].value if isinstance(found[0], Failure) else found[0]


def serve(spy: AgentSpy, clock: Clock, fetching: Deferred[Report]) -> Report:
    """Bring every file until the run is over."""
    number = 0
    while not fetching.called:
        settle(clock)
        while number < len(spy.requests):
            bring(spy.requests[number])
            number += 1
    report = outcome(fetching)
    assert isinstance(report, Report)
    return report
