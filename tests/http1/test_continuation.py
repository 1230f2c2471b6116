"""A body that is cut off for a neighbour's sake goes on, and its reader notices nothing but time.

The neighbour is a request behind it on its connection that was cancelled a quarter of a second ago.
"""

from __future__ import annotations

from typing import Any

import pytest
from support.memory import Body
from support.wired import Net, Wire
from twisted.internet.defer import CancelledError
from twisted.internet.error import ConnectionLost
from twisted.web.client import ResponseDone, ResponseFailed

from downloader.errors import (
    DownloadError,
    FirstByteTimeout,
    InternalError,
    Interrupted,
    StallTimeout,
    TruncatedBody,
)
from downloader.http1.flow import UNCLAIMED
from downloader.http1.patience import PATIENCE
from downloader.transfer.door import translate

OK = b"HTTP/1.1 200 OK\r\n"
SMALL = OK + b"Content-Length: 2\r\n\r\nok"
HEAD = OK + b'ETag: "v1"\r\nContent-Length: 10\r\n\r\n'
REST = (
    b'HTTP/1.1 206 Partial\r\nETag: "v1"\r\n'
    b"Content-Range: bytes 4-9/10\r\nContent-Length: 6\r\n\r\n"
)


class Cut:
    """A net on which `whole` is being answered with `head` and `0123`, and was cut off since."""

    def __init__(self, head: bytes = HEAD, claims: bool = True, **options: Any) -> None:
        self.net = Net(**options)
        self.net.ask()
        self.net.wires[0].feed(SMALL)
        self.whole = self.net.ask(url="http://192.0.2.1/whole", claims=claims)
        self.behind = self.net.ask()
        self.net.wires[0].feed(head + b"0123")
        self.prepare()
        self.behind.cancel()
        assert self.net.wires[0].open and self.behind.end is CancelledError
        self.net.advance(PATIENCE + 0.1)
        assert self.net.wires[0].transport.closed == "abort"

    def prepare(self) -> None:
        """What its reader does before."""

    @property
    def wire(self) -> Wire:
        """The connection on which the rest is asked for."""
        return self.net.wires[1]

    @property
    def outcome(self) -> tuple[bytes, Any]:
        """What came of it for its reader."""
        return self.whole.body.data, self.whole.end

    @property
    def ours(self) -> type[DownloadError]:
        """What a download makes of its failure."""
        (end,) = self.whole.body.ends
        return type(translate(end.value))


@pytest.mark.parametrize("split", [True, False], ids=["in pieces", "at once"])
def test_the_rest_is_asked_for(split: bool) -> None:
    """From the byte at which it was cut off, and of that version only (RFC 9110 §13.1.5)."""
    cut = Cut()
    assert cut.outcome == (b"0123", None)
    sent = cut.wire.sent
    assert sent.startswith(b"GET /whole HTTP/1.1\r\n")
    assert b"\r\nRange: bytes=4-\r\n" in sent and b'\r\nIf-Range: "v1"\r\n' in sent
    cut.wire.feed(*([REST, b"456", b"789"] if split else [REST + b"456789"]))
    assert cut.outcome == (b"0123456789", ResponseDone)
    assert cut.wire.open
    assert cut.net.close() == []


OTHERS = {
    "another version": REST.replace(b"v1", b"v2") + b"456789",
    "a weak validator": REST.replace(b'"v1"', b'W/"v1"') + b"456789",
    "no validator": REST.replace(b'ETag: "v1"\r\n', b"") + b"456789",
    "another range": REST.replace(b"4-9/10", b"3-8/10") + b"345678",
    "another total": REST.replace(b"4-9/10", b"4-9/11") + b"456789",
    "a part of the rest": REST.replace(b"4-9/10", b"4-8/10").replace(b": 6", b": 5") + b"45678",
    "no range": REST.replace(b"Content-Range", b"X-Range") + b"456789",
    "two ranges": REST.replace(b"\r\n\r\n", b"\r\nContent-Range: bytes 4-9/10\r\n\r\n") + b"456789",
    "another length": REST.replace(b": 6", b": 7") + b"4567890",
    "all of it": HEAD + b"0123456789",
    "all of it, as if partial": REST.replace(b": 6", b": 10") + b"0123456789",
    "no length": REST.replace(b"Content-Length: 6\r\n", b"") + b"456789",
    "not found": b"HTTP/1.1 404 Not Found\r\nContent-Length: 6\r\n\r\n456789",
}


@pytest.mark.parametrize("split", [True, False], ids=["in pieces", "at once"])
@pytest.mark.parametrize("answer", OTHERS.values(), ids=OTHERS.keys())
def test_what_is_not_the_rest_is_not_taken_for_it(answer: bytes, split: bool) -> None:
    """Its reader gets not a byte of that, and learns that it was interrupted."""
    cut = Cut()
    at = answer.index(b"\r\n\r\n") + 4
    cut.wire.feed(*([answer[:at], answer[at:]] if split else [answer]))
    assert cut.outcome == (b"0123", ResponseFailed)
    assert cut.ours is Interrupted
    assert cut.net.close() == []


NO_VERSION = {
    "no validator": OK + b"Content-Length: 10\r\n\r\n",
    "a weak one": OK + b'ETag: W/"v1"\r\nContent-Length: 10\r\n\r\n',
    "two": OK + b'ETag: "v1"\r\nETag: "v2"\r\nContent-Length: 10\r\n\r\n',
    "no length": OK + b'ETag: "v1"\r\nTransfer-Encoding: chunked\r\n\r\n4\r\n',
    "a part": b'HTTP/1.1 206 P\r\nETag: "v1"\r\nContent-Length: 10\r\n\r\n',
    "an error": b'HTTP/1.1 404 No\r\nETag: "v1"\r\nContent-Length: 10\r\n\r\n',
}


@pytest.mark.parametrize("head", NO_VERSION.values(), ids=NO_VERSION.keys())
def test_without_a_version_there_is_no_rest(head: bytes) -> None:
    """Nobody is asked; its reader may ask anew."""
    cut = Cut(head)
    assert cut.outcome == (b"0123", ResponseFailed)
    assert cut.ours is Interrupted
    assert len(cut.net.wires) == 1 and cut.net.close() == []


def test_a_second_interruption() -> None:
    """There is no rest of a rest: its reader learns that it was interrupted."""
    cut = Cut()
    behind = cut.net.ask()
    cut.wire.feed(REST + b"45")
    behind.cancel()
    cut.net.advance(PATIENCE + 0.1)
    assert cut.wire.transport.closed == "abort"
    assert cut.outcome == (b"012345", ResponseFailed)
    assert cut.ours is Interrupted
    assert cut.net.close() == []


def test_the_rest_is_lost() -> None:
    """As a body is lost that came in one."""
    cut = Cut()
    cut.wire.feed(REST + b"45")
    cut.wire.lose(ConnectionLost())
    assert cut.outcome == (b"012345", ResponseFailed)
    assert cut.ours is TruncatedBody
    assert cut.net.close() == []


def test_the_rest_does_not_come() -> None:
    """Its reader learns why."""
    cut = Cut(first_byte_timeout=5.0)
    cut.net.advance(5.1)
    assert cut.outcome == (b"0123", ResponseFailed)
    assert cut.ours is FirstByteTimeout
    assert cut.net.close() == []


def test_the_rest_is_refused_a_connection() -> None:
    """What began is truncated, which may pass, whatever the failure is called at its bottom."""
    cut = Cut()
    cut.wire.lose(ConnectionLost())
    assert cut.outcome == (b"0123", ResponseFailed)
    assert cut.ours is TruncatedBody
    assert cut.net.close() == []


@pytest.mark.parametrize("when", ["asked for", "arriving"])
def test_the_rest_is_cancelled(when: str) -> None:
    """The connection it is on is reset, and its reader hears what any reader hears."""
    cut = Cut()
    if when == "arriving":
        cut.wire.feed(REST + b"45")
    cut.whole.cancel()
    assert cut.whole.end is CancelledError and cut.wire.transport.closed == "abort"
    assert cut.net.close() == []


def test_the_rest_is_cancelled_before_it_was_sent() -> None:
    """It waited in the pool, and the connection made for it is given up."""
    net = Net()
    net.ask()
    net.wires[0].feed(SMALL)
    whole, behind = net.ask(), net.ask()
    net.wires[0].feed(HEAD + b"0123")
    behind.cancel()
    net.reactor.advance(PATIENCE + 0.1)  # the old connection is not yet gone
    whole.cancel()
    assert whole.end is CancelledError
    net.turn()
    assert len(net.wires) == 1 and net.close() == []


@pytest.mark.parametrize("pieces", [[REST + b"45"], [REST, b"45"], [REST + b"456789"]])
def test_a_reader_that_raises(pieces: list[bytes]) -> None:
    """It is told what it raised, and of no cancel; a connection with more to come is reset."""

    def receive(data: bytes) -> None:
        raise ZeroDivisionError

    cut = Cut()
    body: Any = cut.whole.body
    body.dataReceived = receive
    cut.wire.feed(*pieces)
    (end,) = body.ends
    assert [one.type for one in end.value.reasons] == [ZeroDivisionError, InternalError]
    assert cut.outcome == (b"0123", ResponseFailed) and cut.ours is InternalError
    assert cut.wire.open is (pieces[-1] == REST + b"456789")
    assert cut.net.close() == []


class PausedCut(Cut):
    """Its reader has paused."""

    def prepare(self) -> None:
        self.whole.body.transport.pauseProducing()


def test_a_paused_reader_is_left_alone() -> None:
    """The rest waits on its connection until the reader resumes, and then goes on in order."""
    cut = PausedCut()
    cut.wire.feed(REST + b"45", b"6789")
    assert cut.whole.body.data == b"0123"
    assert cut.wire.transport.producerState == "paused"
    cut.whole.body.transport.resumeProducing()
    cut.net.turn()
    assert cut.outcome == (b"0123456789", ResponseDone)
    assert cut.net.close() == []


def test_a_paused_reader_may_cancel() -> None:
    """And hears of it at once."""
    cut = PausedCut()
    cut.wire.feed(REST + b"45")
    cut.whole.cancel()
    assert cut.whole.end is CancelledError and cut.wire.transport.closed == "abort"
    assert cut.net.close() == []


def test_the_reader_pauses_the_rest() -> None:
    """As it pauses what came before."""
    cut = Cut()
    cut.wire.feed(REST + b"45")
    cut.whole.body.transport.pauseProducing()
    cut.wire.feed(b"67")
    assert cut.whole.body.data == b"012345"
    cut.whole.body.transport.resumeProducing()
    cut.wire.feed(b"89")
    assert cut.outcome == (b"0123456789", ResponseDone)
    assert cut.net.close() == []


def test_a_body_that_nobody_has_asked_for() -> None:
    """Its rest is not read into memory: it waits on its connection, as the body had waited."""
    cut = Cut(claims=False)
    cut.wire.feed(REST + b"45", b"6789")
    assert cut.wire.transport.producerState == "paused"
    cut.whole.claim()
    cut.net.turn()
    assert cut.outcome == (b"0123456789", ResponseDone)
    assert cut.net.close() == []


def test_a_body_that_is_asked_for_and_paused() -> None:
    """Whoever has it takes as long as they like, and the order is kept."""
    cut = Cut(claims=False)
    cut.wire.feed(REST + b"45")
    cut.whole.body = PausedAtFirst()
    cut.whole.claim()
    cut.net.advance(10 * UNCLAIMED)
    assert cut.outcome == (b"", None) and cut.wire.open
    cut.whole.body.transport.resumeProducing()
    cut.wire.feed(b"6789")
    assert cut.outcome == (b"0123456789", ResponseDone)
    assert cut.net.close() == []


class PausedAtFirst(Body):
    """Pauses before anything has come."""

    def connectionMade(self) -> None:
        self.transport.pauseProducing()


def test_a_body_that_nobody_ever_asks_for() -> None:
    """Its rest is closed in time, as the body would have been; who asks then is told."""
    cut = Cut(claims=False)
    cut.wire.feed(REST + b"45")
    cut.net.advance(UNCLAIMED + 0.1)
    assert cut.wire.transport.closed == "abort"
    cut.whole.claim()
    assert cut.outcome[1] is ResponseFailed
    assert cut.ours is StallTimeout
    assert cut.net.close() == []
