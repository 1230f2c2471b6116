"""One connection between its caller and its pool: stale, paused, unread, and with odd readers."""

from __future__ import annotations

from typing import Any

import pytest
from support.memory import Body, Link
from twisted.python.failure import Failure
from twisted.web.client import ResponseDone, ResponseFailed, ResponseNeverReceived

from downloader.errors import StallTimeout
from downloader.http1.flow import UNCLAIMED

OK = b"HTTP/1.1 200 OK\r\n"
LENGTH = OK + b"Content-Length: 5\r\n\r\nhello"
CHUNKED = OK + b"Transfer-Encoding: chunked\r\n\r\n"

# --- stale connections ----------------------------------------------------------------------


def warm() -> Link:
    """A connection that has served once."""
    link = Link()
    link.ask()
    link.feed(LENGTH)
    link.body = Body()
    return link


def test_a_lost_idle_connection_owes_its_request_a_second_try() -> None:
    """A GET, to which no byte came, on a connection that had served."""
    link = warm()
    exchange = link.ask()
    link.lose()
    assert link.again == [exchange] and exchange.resent and link.failure is None


@pytest.mark.parametrize("why", ["POST", "resent", "answering"])
def test_what_is_not_sent_twice(why: str) -> None:
    """A POST may have had its effect; once is enough; and what answers was not stale."""
    link = warm()
    exchange = link.ask(b"POST" if why == "POST" else b"GET")
    exchange.resent = why == "resent"
    link.feed(b"HTT" if why == "answering" else b"")
    link.lose()
    assert link.again == []
    assert link.failure is not None
    assert link.failure.type is (ResponseFailed if why == "answering" else ResponseNeverReceived)


# --- who reads the body, and when -----------------------------------------------------------


def test_an_unclaimed_body_waits() -> None:
    """The connection is paused; deliverBody, late, gets what came and resumes it."""
    link = Link(claims=False)
    link.ask()
    link.feed(LENGTH[:-3])
    assert link.transport.producerState == "paused"
    assert repr(link.response) == "<Response 200 unclaimed, 1 held>"
    assert link.response is not None
    link.response.deliverBody(link.body)
    assert link.transport.producerState == "producing" and link.body.data == b"he"
    assert repr(link.response) == "<Response 200 delivering, 0 held>"
    assert not link.clock.getDelayedCalls()
    link.feed(LENGTH[-3:])
    assert (link.body.data, link.body.end) == (b"hello", ResponseDone)
    assert repr(link.response) == "<Response 200 finished, 0 held>"


def test_an_unclaimed_body_that_is_whole_frees_the_connection() -> None:
    """Nobody has to read a small answer for the next request to go out, nor ever."""
    link = Link(claims=False)
    link.ask()
    link.feed(LENGTH)
    first = link.response
    assert link.freed_times == 1 and not link.clock.getDelayedCalls()
    link.ask()
    link.feed(LENGTH)
    assert first is not None and link.freed_times == 2
    first.deliverBody(link.body)
    assert (link.body.data, link.body.end) == (b"hello", ResponseDone)


def test_an_unclaimed_body_is_closed_after_its_deadline() -> None:
    """And who asks for it then is told, not left waiting."""
    link = Link(claims=False)
    link.ask()
    link.feed(LENGTH[:-3])
    link.clock.advance(UNCLAIMED - 1)
    assert link.transport.closed is None
    link.clock.advance(1.1)
    assert link.transport.closed == "abort"
    link.lose()
    assert link.response is not None
    link.response.deliverBody(link.body)
    assert link.body.data == b"he" and link.body.end is ResponseFailed
    assert link.body.ends[0].value.reasons[0].type is StallTimeout


class Holding(Body):
    """Pauses before anything has come."""

    def connectionMade(self) -> None:
        self.transport.pauseProducing()


def test_a_reader_may_pause_for_as_long_as_it_likes() -> None:
    """Once somebody has the body, how long it takes is their affair."""
    link = Link(claims=False, body=Holding())
    link.ask()
    link.feed(LENGTH[:-3])
    assert link.response is not None
    link.response.deliverBody(link.body)
    link.clock.advance(10 * UNCLAIMED)
    assert (link.transport.closed, link.body.data) == (None, b"")
    link.body.transport.resumeProducing()
    link.feed(LENGTH[-3:])
    assert (link.body.data, link.body.end) == (b"hello", ResponseDone)


def test_a_body_is_delivered_once() -> None:
    """A second protocol would get a part of it."""
    link = Link()
    link.ask()
    link.feed(LENGTH)
    assert link.response is not None
    with pytest.raises(RuntimeError, match="already"):
        link.response.deliverBody(Body())


class Pausing(Body):
    """Pauses at each piece."""

    def dataReceived(self, data: bytes) -> None:
        super().dataReceived(data)
        self.transport.pauseProducing()


def test_pause_holds_what_still_comes() -> None:
    """One piece for each resume, in order, and the end after the last."""
    link = Link(body=Pausing())
    link.ask()
    link.feed(CHUNKED + b"1\r\na\r\n1\r\nb\r\n1\r\nc\r\n0\r\n\r\n")
    assert link.body.pieces == [b"a"]
    for pieces in ([b"a", b"b"], [b"a", b"b", b"c"]):
        link.body.transport.resumeProducing()
        assert link.body.pieces == pieces and link.body.end is None
    link.body.transport.resumeProducing()
    assert link.body.end is ResponseDone


def test_a_reader_that_paused_to_the_end_does_not_hold_up_the_next_answer() -> None:
    """The connection is free, so it reads; what is held is the old reader's own affair."""
    link = Link(body=Pausing())
    link.ask()
    link.feed(LENGTH[:-2])
    assert link.transport.producerState == "paused"
    link.feed(LENGTH[-2:])
    assert link.freed_times == 1 and link.transport.producerState == "producing"
    old = link.body
    link.ask(body=Body())
    old.transport.pauseProducing()
    assert link.transport.producerState == "producing"
    old.transport.abortConnection()
    link.feed(LENGTH)
    assert (link.body.data, link.body.end) == (b"hello", ResponseDone)
    assert link.transport.closed is None


@pytest.mark.parametrize("call", ["pauseProducing", "abortConnection"])
def test_a_reader_has_no_hold_on_what_comes_after_its_answer(call: str) -> None:
    """Over TLS the connection goes on reading in this turn, and what its last reader does by then
    reaches it no more."""
    link = Link(tls=True)
    link.ask()
    link.connection.dataReceived(LENGTH)
    assert (link.body.end, link.freed_times) == (ResponseDone, 1)
    getattr(link.body.transport, call)()
    assert (link.transport.producerState, link.transport.closed) == ("producing", None)


def test_a_record_behind_the_answer_ends_the_connection() -> None:
    """Over TLS it comes in the same turn, and must not be taken for the next answer."""
    link = Link(tls=True)
    link.ask()
    for _ in range(2):
        link.connection.dataReceived(LENGTH)
    assert link.transport.closed == "abort"
    link.clock.advance(0)
    assert (link.body.data, link.body.end) == (b"hello", ResponseDone)
    assert not link.connection.usable


class Flickering(Body):
    """Pauses and resumes inside each piece, and notes being called inside itself."""

    inside = False

    def dataReceived(self, data: bytes) -> None:
        assert not self.inside
        self.inside = True
        super().dataReceived(data)
        self.transport.pauseProducing()
        self.transport.resumeProducing()
        self.inside = False

    def connectionLost(self, reason: Any = None) -> None:
        assert not self.inside
        super().connectionLost(reason)


def test_a_protocol_is_not_called_inside_itself() -> None:
    """3,000 held pieces are delivered from one resume, one after the other."""
    link = Link(body=Flickering(), claims=False)
    link.ask()
    link.feed(CHUNKED + b"1\r\nx\r\n" * 3000 + b"0\r\n\r\n")
    assert link.response is not None
    link.response.deliverBody(link.body)
    assert (len(link.body.data), link.body.end) == (3000, ResponseDone)


def test_abort_after_the_end_is_harmless() -> None:
    """The next exchange of the connection is another's."""
    link = warm()
    old = link.response
    link.ask()
    assert old is not None
    old.abort()  # type: ignore[attr-defined]
    assert link.transport.closed is None
    link.feed(LENGTH)
    assert link.body.end is ResponseDone


def test_abort_before_anybody_reads() -> None:
    """deliverBody then ends at once, with the reason."""
    link = Link(claims=False)
    link.ask()
    link.feed(LENGTH[:-1])
    assert link.response is not None
    link.response.abort()  # type: ignore[attr-defined]
    assert link.transport.closed == "abort"
    link.response.deliverBody(link.body)
    assert link.body.end is not None and link.body.end.__name__ == "CancelledError"


def test_a_paused_reader_hears_of_an_abort_at_once() -> None:
    """It need not resume to learn that the connection was closed under it."""
    link = Link(body=Pausing())
    link.ask()
    link.feed(LENGTH[:-2])
    reason = Failure(RuntimeError("closed"))
    link.connection.fail(reason)
    assert link.body.end is ResponseFailed
    assert link.body.ends[0].value.reasons == [reason]


# --- protocols that raise -------------------------------------------------------------------


class Raising(Body):
    """Raises at the first piece, or when it is told the end."""

    def __init__(self, error: type[BaseException], at_end: bool = False) -> None:
        super().__init__()
        self._error = error
        self._at_end = at_end

    def dataReceived(self, data: bytes) -> None:
        if not self._at_end:
            raise self._error("no")
        super().dataReceived(data)

    def connectionLost(self, reason: Any = None) -> None:
        super().connectionLost(reason)
        if self._at_end:
            raise self._error("no")


@pytest.mark.parametrize("late", [False, True], ids=["as it comes", "from what was held"])
@pytest.mark.parametrize("error", [ZeroDivisionError, SystemExit, KeyboardInterrupt])
def test_a_protocol_that_raises(error: type[BaseException], late: bool) -> None:
    """The transport is aborted; the protocol hears it once, as the reason; nobody else does."""
    link = Link(body=Raising(error), claims=not late)
    link.ask()
    link.feed(LENGTH[:-2])
    if late:
        assert link.response is not None
        link.response.deliverBody(link.body)
    assert link.transport.closed == "abort" and link.body.end is ResponseFailed
    reasons = [reason.type.__name__ for reason in link.body.ends[0].value.reasons]
    assert reasons == [error.__name__, "InternalError"]
    link.lose()
    assert len(link.body.ends) == 1 and link.again == []


@pytest.mark.parametrize("error", [ZeroDivisionError, SystemExit])
def test_a_protocol_that_raises_at_its_end(
    error: type[BaseException], logged_failures: Any
) -> None:
    """It is logged once, and the connection's owner still hears that it is free or gone."""
    for data in (LENGTH, LENGTH[:-1]):
        link = Link(body=Raising(error, at_end=True))
        link.ask()
        link.feed(data).lose()
        assert link.again == [] and len(link.body.ends) == 1
        assert len(logged_failures.flush(error)) == 1


def test_repr_shows_the_state() -> None:
    """What a log line needs."""
    link = Link()
    link.ask()
    assert repr(link.connection) == "<Connection <Pipeline SENT 1 queued, 0 answered>>"
    link.connection.abort()
    assert repr(link.connection) == "<Connection <Pipeline CLOSED 0 queued, 0 answered> aborted>"
