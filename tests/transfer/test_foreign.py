"""An agent of somebody else that answers while it is being cancelled."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from support.playing import ONCE, URL, error_of, take
from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.task import Clock
from twisted.web.http_headers import Headers
from twisted.web.iweb import IAgent
from zope.interface import implementer

from downloader import Downloader, Job
from downloader.errors import FirstByteTimeout
from downloader.testing import SpiedRequest, SpiedResponse

Make = Callable[..., Downloader]


@implementer(IAgent)
class Contrary:
    """Its canceller answers; `responses` are those answers."""

    def __init__(self) -> None:
        self.responses: list[SpiedResponse] = []

    def request(self, method: bytes, uri: bytes, headers: Any = None, body: Any = None) -> Any:
        """As IAgent."""

        def answer(asked: Deferred[Any]) -> None:
            response = SpiedResponse(spied, 200, Headers(), 3)
            self.responses.append(response)
            asked.callback(response)

        spied = SpiedRequest(method, uri, Headers(), body)
        return Deferred(answer)


@pytest.mark.parametrize("way", ["cancel", "timeout"])
def test_an_answer_from_within_a_cancel(make: Make, clock: Clock, out: str, way: str) -> None:
    """It comes too late: it is aborted, and the caller hears what ended the request."""
    contrary = Contrary()
    downloader = make(agent=contrary, retries=ONCE)
    fetching = downloader.fetch(Job(URL, out))
    if way == "cancel":
        fetching.cancel()
        with pytest.raises(CancelledError):
            take(fetching)
    else:
        clock.advance(90.1)
        assert type(error_of(fetching)) is FirstByteTimeout
    (response,) = contrary.responses
    assert response.transport.calls == ["abortConnection"]
    assert downloader.limiter.idle
