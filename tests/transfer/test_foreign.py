"""Agents of somebody else: one answers while it is being cancelled, others bring odd bodies."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from support.playing import ONCE, URL, error_of, take
from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.task import Clock
from twisted.web.http_headers import Headers
from twisted.web.iweb import IAgent
from zope.interface import implementer

from downloader import Downloader, Job
from downloader.errors import FirstByteTimeout, TruncatedBody
from downloader.testing import AgentSpy, SpiedRequest, SpiedResponse

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


# --- bodies as no agent of ours brings them --------------------------------------------------

PIECES = [
    [b"abcdef", b""],
    [b"", b"abcdef"],
    [b"abc", b"def", b""],
    [b"", b"abc", b"", b"def"],
    [b"", b""],
]


@pytest.mark.parametrize("told", [True, False], ids=["length", "no length"])
@pytest.mark.parametrize("pieces", PIECES)
def test_empty_pieces(make: Make, spy: AgentSpy, out: str, pieces: list[bytes], told: bool) -> None:
    """At the end or in between they are nothing, and the file is what came."""
    data = b"".join(pieces)
    fetching = make().fetch(Job(URL, out))
    response = spy.requests[0].answer(200, length=len(data) if told else None)
    for piece in pieces:
        response.feed(piece)
    response.finish()
    result = take(fetching)
    assert (result.bytes, Path(result.path).read_bytes()) == (len(data), data)
    assert os.listdir(out) == [Path(result.path).name]


@pytest.mark.parametrize("more", [b"g", b"ABCDEF", b"longer than all"])
def test_a_piece_behind_the_whole_body(make: Make, spy: AgentSpy, out: str, more: bytes) -> None:
    """More than was told is no better than less: there is no file, and what is left is what came
    in its order."""
    fetching = make(retries=ONCE).fetch(Job(URL, out))
    response = spy.requests[0].answer(200, length=6)
    for piece in (b"abcdef", more):
        response.feed(piece)
    response.finish()
    assert type(error_of(fetching)) is TruncatedBody
    assert not Path(out, "a.bin").exists()
    for left in Path(out).iterdir():
        assert (b"abcdef" + more).startswith(left.read_bytes())
