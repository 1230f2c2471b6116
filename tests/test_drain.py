"""A body nobody wants is read while that is cheaper than a new connection."""

from __future__ import annotations

from typing import Any

import pytest
from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.task import Clock

from downloader.deadlines import Deadlines
from downloader.drain import DRAIN_BYTES, DRAIN_SECONDS, abort_body, drain
from downloader.errors import TruncatedBody
from downloader.testing import AgentSpy, SpiedResponse


class Draining:
    """A response that is being drained."""

    def __init__(self, length: int | None = None, before: bytes | None = None) -> None:
        self.clock = Clock()
        spy = AgentSpy()
        spy.request(b"GET", b"http://h/")
        self.response: SpiedResponse = spy.requests[0].answer(302, length=length)
        if before is not None:
            self.response.feed(before)
            self.response.finish()
        self.done = Deferred.fromCoroutine(drain(self.response, Deadlines(self.clock)))

    @property
    def calls(self) -> list[str]:
        """What the transport was told."""
        assert not self.done.called or self.clock.getDelayedCalls() == []
        return self.response.transport.calls


@pytest.mark.parametrize("length", [5, DRAIN_BYTES, None])
def test_a_short_body_is_read(length: int | None) -> None:
    """To its end, and its connection is left alone."""
    draining = Draining(length)
    for _ in range(8):
        draining.response.feed(b"x" * (min(length or DRAIN_BYTES, DRAIN_BYTES) // 8))
    assert not draining.done.called
    draining.response.finish()
    assert draining.done.called and draining.calls == []


def test_a_body_that_is_there_already() -> None:
    """Nothing is waited for."""
    assert Draining(5, b"hello").done.called


def test_a_body_that_says_it_is_long() -> None:
    """It is aborted before a byte of it came."""
    draining = Draining(DRAIN_BYTES + 1)
    assert draining.done.called and draining.calls == ["abortConnection"]


def test_a_body_that_turns_out_long() -> None:
    """It is aborted once, whatever still comes."""
    draining = Draining()
    draining.response.feed(b"x" * DRAIN_BYTES)
    assert not draining.done.called
    draining.response.feed(b"x")
    assert draining.done.called and draining.calls == ["abortConnection"]
    draining.response.finish(TruncatedBody())


def test_a_body_that_is_slow() -> None:
    """It is aborted after DRAIN_SECONDS, however many pieces come."""
    draining = Draining()
    for _ in range(int(DRAIN_SECONDS * 10) + 1):
        draining.clock.advance(0.1)
        if not draining.done.called:
            draining.response.feed(b"x")
    assert draining.done.called and draining.calls == ["abortConnection"]


def test_a_body_that_breaks_off() -> None:
    """It is over; what the hop said in its head is good all the same."""
    draining = Draining(5)
    draining.response.finish(TruncatedBody())
    assert draining.done.called and draining.calls == []


def test_a_cancel() -> None:
    """The connection is aborted, and the end that follows is no second result."""
    draining = Draining(5)
    draining.done.cancel()
    assert draining.calls == ["abortConnection"]
    draining.response.finish(TruncatedBody())
    seen: list[Any] = []
    draining.done.addErrback(lambda failure: seen.append(failure.type))
    assert seen == [CancelledError]


def test_a_transport_without_abort_connection() -> None:
    """Twisted's own body transport is closed in the way that works on TLS too."""

    class Transport:
        stopped = 0

        def stopProducing(self) -> None:
            self.stopped += 1

    transport = Transport()
    abort_body(transport)
    assert transport.stopped == 1
