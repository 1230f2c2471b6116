"""Playing the server to a fetch over the spied agent."""

from __future__ import annotations

from typing import Any

import pytest
from twisted.internet.defer import Deferred
from twisted.internet.task import Clock, deferLater
from twisted.python.failure import Failure

from downloader import Result, Retries
from downloader.errors import DownloadError
from downloader.testing import AgentSpy, SpiedRequest, SpiedResponse

URL = "http://one.example/a.bin"
ONCE = Retries(tries=1)


def take(fetching: Deferred[Result]) -> Result:
    """What a fetch has ended with; its failure is raised."""
    found: list[Any] = []
    fetching.addBoth(found.append)
    assert found, "it is still under way"
    if isinstance(found[0], Failure):
        raise found[0].value
    return found[0]


async def requested(reactor: Any, spy: AgentSpy, count: int = 1) -> SpiedRequest:
    """The last of so many requests, once it is made: what is here is read in threads before."""
    while len(spy.requests) < count:
        await deferLater(reactor, 0.001)
    return spy.requests[count - 1]


def error_of(fetching: Deferred[Result]) -> DownloadError:
    with pytest.raises(DownloadError) as caught:
        take(fetching)
    return caught.value


def give(response: SpiedResponse, data: bytes, error: BaseException | None = None) -> None:
    if data:
        response.feed(data)
    response.finish(error)


def refuse(spy: AgentSpy, code: int, headers: dict[str, str] | None = None) -> None:
    give(spy.requests[-1].answer(code, headers, length=0), b"")


def next_request(spy: AgentSpy, clock: Clock, within: float) -> float:
    """Let time pass until there is one more request; returns the seconds."""
    before, seconds = len(spy.requests), 0.0
    while len(spy.requests) == before:
        assert seconds < within, "no further request"
        clock.advance(0.25)
        seconds += 0.25
    return seconds
