"""One connection against every shape of answer: whole, cut, split, broken and too large."""

from __future__ import annotations

import time
import tracemalloc
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.memory import FIRST_BYTE_TIMEOUT, Body, Link, cut
from twisted.internet.error import ConnectionDone, ConnectionLost
from twisted.web.client import ResponseDone, ResponseFailed, ResponseNeverReceived
from twisted.web.http import PotentialDataLoss
from twisted.web.iweb import UNKNOWN_LENGTH

from downloader.errors import BadResponse, FirstByteTimeout, TruncatedBody
from downloader.sansio import wire


class Counting(Body):
    """Keeps nothing."""

    received = 0

    def dataReceived(self, data: bytes) -> None:
        self.received += len(data)


OK = b"HTTP/1.1 200 OK\r\n"
LENGTH = OK + b"Content-Length: 5\r\n\r\nhello"
CHUNKED = OK + b"Transfer-Encoding: chunked\r\n\r\n"
EARLY = b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n"

# name -> (method, the answer's head, what follows, the body)
SHAPES = {
    "length": (b"GET", OK + b"Content-Length: 5\r\nX: y\r\n\r\n", b"hello", b"hello"),
    "chunks": (b"GET", CHUNKED, b"3\r\nhel\r\n2\r\nlo\r\n0\r\n\r\n", b"hello"),
    "extensions and trailers": (
        b"GET", CHUNKED, b'3;a="b c";d\r\nhel\r\n002\r\nlo\r\n0;e\r\nT: u\r\n\r\n', b"hello",
    ),
    "informational first": (
        b"GET",
        b"HTTP/1.1 100 Continue\r\n\r\n" + EARLY * 2 + OK + b"Content-Length: 5\r\n\r\n",
        b"hello", b"hello",
    ),
    "no content": (b"GET", b"HTTP/1.1 204 No Content\r\nX: y\r\n\r\n", b"", b""),
    "not modified": (b"GET", b"HTTP/1.1 304 Not\r\nContent-Length: 9\r\n\r\n", b"", b""),
    "HEAD": (b"HEAD", OK + b"Content-Length: 5\r\nX: y\r\n\r\n", b"", b""),
    "HEAD, chunked": (b"HEAD", CHUNKED, b"", b""),
    "empty": (b"GET", OK + b"Content-Length: 0\r\n\r\n", b"", b""),
    "white space": (b"GET", OK + b"Content-Length: \t5 \t\r\n\r\n", b"hello", b"hello"),
    "no phrase": (b"GET", b"HTTP/1.1 200\r\nContent-Length: 5\r\n\r\n", b"hello", b"hello"),
    "an upgrade offered": (
        b"GET",
        OK + b"Upgrade: h2,h2c\r\nConnection: Upgrade\r\nContent-Length: 5\r\n\r\n",
        b"hello", b"hello",
    ),
    "1.0, keep-alive": (
        b"GET", b"HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 5\r\n\r\n",
        b"hello", b"hello",
    ),
}  # fmt: skip
# The same, after which the connection is closed.
LAST = {
    "close": (b"GET", OK + b"Connection: close\r\nContent-Length: 5\r\n\r\n", b"hello", b"hello"),
    "Close among others": (
        b"GET", OK + b"Connection: x, Close\r\nContent-Length: 5\r\n\r\n", b"hello", b"hello",
    ),
    "1.0": (b"GET", b"HTTP/1.0 200 OK\r\nContent-Length: 5\r\n\r\n", b"hello", b"hello"),
    "1.0, chunked": (
        b"GET",
        b"HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nTransfer-Encoding: chunked\r\n\r\n",
        b"5\r\nhello\r\n0\r\n\r\n", b"hello",
    ),
}  # fmt: skip
UNTIL_CLOSE = (b"GET", OK + b"X: y\r\n\r\n", b"hello", b"hello")


@pytest.mark.parametrize("split", ["whole", "byte by byte"])
@pytest.mark.parametrize("name", [*SHAPES, *LAST])
def test_answers(name: str, split: str) -> None:
    """The right body and end, and the connection is free, or closed where its head says so."""
    method, head, rest, expected = {**SHAPES, **LAST}[name]
    link = Link()
    link.ask(method)
    data = head + rest
    link.feed(*([data] if split == "whole" else cut(data, [1] * len(data))))
    assert (link.body.data, link.body.end, link.failure) == (expected, ResponseDone, None)
    assert link.freed_times == (name in SHAPES)
    assert link.transport.closed == (None if name in SHAPES else "close")
    assert link.connection.usable == (name in SHAPES)
    assert not link.clock.getDelayedCalls()
    assert link.lose().body.end is ResponseDone
    assert link.again == [] and link.failure is None


@settings(deadline=None)
@given(st.sampled_from([*SHAPES, *LAST]), st.lists(st.integers(1, 40), max_size=30))
def test_reads_change_nothing(name: str, sizes: list[int]) -> None:
    """However the bytes are cut into reads, callers and pool see the same."""
    method, head, rest, _ = {**SHAPES, **LAST}[name]
    whole, split = Link(), Link()
    for link, pieces in ((whole, [head + rest]), (split, cut(head + rest, sizes))):
        link.ask(method)
        link.feed(*pieces)
    assert whole.outcome == split.outcome


@pytest.mark.parametrize("error", [ConnectionDone, ConnectionLost])
@pytest.mark.parametrize("name", [*SHAPES, *LAST, "until close"])
def test_cut_at_every_byte(name: str, error: Any) -> None:
    """Nothing, a part of the head, a part of the body: each always fails the same way."""
    method, head, rest, _ = {**SHAPES, **LAST, "until close": UNTIL_CLOSE}[name]
    for length in range(len(head + rest)):
        link = Link()
        link.ask(method)
        link.feed(*cut(head[:length], [7] * 3), rest[: max(0, length - len(head))])
        link.lose(error())
        assert link.freed_times == 0 and link.again == []
        if length < len(head):
            expected = ResponseFailed if length else ResponseNeverReceived
            assert (link.failure and link.failure.type, link.body.end) == (expected, None)
        elif name == "until close" and error is ConnectionDone:
            assert link.body.end is PotentialDataLoss
        else:
            assert link.body.end is ResponseFailed
            reasons = [reason.type for reason in link.body.ends[0].value.reasons]
            assert reasons == [error, TruncatedBody]
            assert link.body.data == b"hello"[: len(link.body.data)]


def test_a_body_until_the_end_of_the_connection() -> None:
    """Its length is unknown and unproven, and its connection is not used again."""
    link = Link()
    link.ask()
    link.feed(UNTIL_CLOSE[1], b"hel", b"lo")
    assert link.response is not None and link.response.length is UNKNOWN_LENGTH
    assert not link.connection.usable
    link.lose()
    assert (link.body.data, link.body.end) == (b"hello", PotentialDataLoss)


def test_a_get_follows_a_head() -> None:
    """What HEAD announces does not come, and the next answer is read from its own start."""
    link = Link()
    link.ask(b"HEAD").answer.addCallback(lambda _: None)
    link.feed(SHAPES["HEAD"][1])
    assert link.response is not None and link.response.length == 0
    link.ask(body=Body())
    link.feed(LENGTH)
    assert (link.body.data, link.body.end, link.freed_times) == (b"hello", ResponseDone, 2)


BROKEN = {
    "garbage": b"\x16\x03\x01\x00 this is not HTTP\r\n\r\n",
    "HTTP/0.9": b"<html>hello</html>\r\n",
    "HTTP/2 preface": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "HTTP/2": b"HTTP/2.0 200 OK\r\n\r\n",
    "HTTP/2 frames": b"\x00\x00\x12\x04\x00\x00\x00\x00\x00",
    "status 999": b"HTTP/1.1 999 Odd\r\nContent-Length: 0\r\n\r\n",
    "status -200": b"HTTP/1.1 -200 Odd\r\nContent-Length: 0\r\n\r\n",
    "switching": b"HTTP/1.1 101 Switching\r\nUpgrade: h2c\r\nConnection: Upgrade\r\n\r\n",
    "both framings": OK + b"Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\nhello",
    "two lengths": OK + b"Content-Length: 5\r\nContent-Length: 6\r\n\r\nhello",
    "30 digits": OK + b"Content-Length: " + b"9" * 30 + b"\r\n\r\n",
    "signed": OK + b"Content-Length: +5\r\n\r\nhello",
    "other coding": OK + b"Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
    "no colon": OK + b"Content-Length 5\r\n\r\n",
    "NUL": OK + b"X: a\0b\r\n\r\n",
    "folded": OK + b"X: a\r\n b\r\n\r\n",
    "51 informational": EARLY * (wire.MAX_INFORMATIONAL + 1) + LENGTH,
    "5,001 headers": OK + b"a:b\r\n" * (wire.MAX_HEADERS + 1) + b"\r\n",
}


@pytest.mark.parametrize("split", ["whole", "byte by byte"])
@pytest.mark.parametrize("name", BROKEN)
def test_broken_answers(name: str, split: str) -> None:
    """BadResponse, at once, by whatever reads it came; the connection is aborted."""
    link = Link()
    link.ask()
    link.feed(*([BROKEN[name]] if split == "whole" else cut(BROKEN[name], [1] * 60_000)))
    assert link.failure is not None and link.failure.type is BadResponse
    assert link.transport.closed == "abort" and not link.clock.getDelayedCalls()
    assert link.lose().again == [] and link.body.end is None


def test_fifty_informational_answers_are_borne() -> None:
    """The cap leaves room for servers that repeat 102 or 103."""
    link = Link()
    link.ask()
    link.feed(EARLY * wire.MAX_INFORMATIONAL + LENGTH)
    assert link.body.data == b"hello"


@pytest.mark.parametrize(
    "piece",
    [b"x" * 1000, b"a: b\r\n" * 100, b"b: %b\r\n" % (b"c" * 1000)],
    ids=["one huge value", "many", "total"],
)
def test_heads_without_end(piece: bytes) -> None:
    """A head is refused a read after its cap, whatever its bytes are."""
    link = Link()
    link.ask()
    link.feed(OK + b"X: ")
    fed = 0
    while link.failure is None and fed < 2 * wire.MAX_HEAD_BYTES:
        link.feed(piece)
        fed += len(piece)
    assert link.failure is not None and link.failure.type is BadResponse
    assert fed <= wire.MAX_HEAD_BYTES + len(piece)


def test_a_head_that_drips_meets_its_deadline() -> None:
    """Progress byte by byte does not put it off."""
    link = Link()
    link.ask()
    for byte in LENGTH[:25]:
        link.feed(b"%c" % byte)
        link.clock.advance(1)
    assert link.failure is None
    link.clock.advance(FIRST_BYTE_TIMEOUT - 25 + 0.1)
    assert link.failure is not None and link.failure.type is FirstByteTimeout
    assert link.transport.closed == "abort" and not link.clock.getDelayedCalls()


@pytest.mark.parametrize("rest", [LENGTH, b"x", b"\0", b"HTTP/1.1 100 Continue\r\n\r\n"])
@pytest.mark.parametrize("name", ["length", "chunks", "HEAD", "no content", "close"])
def test_bytes_behind_the_end(name: str, rest: bytes) -> None:
    """The answer is good; its connection, of which they make one doubt, is not used again."""
    method, head, body, expected = {**SHAPES, **LAST}[name]
    link = Link()
    link.ask(method)
    link.feed(head + body + rest)
    assert (link.body.data, link.body.end, link.failure) == (expected, ResponseDone, None)
    assert not link.connection.usable and link.transport.closed == "close"


def test_bytes_on_an_idle_connection() -> None:
    """They are nobody's answer, so nobody gets them."""
    link = Link()
    link.feed(b"HTTP/1.1 408 Timeout\r\n\r\n")
    assert link.transport.closed == "abort" and not link.connection.usable


def test_one_byte_chunks_stay_within_bounds() -> None:
    """100,000 of them: legal, so read; they cost a call each, and no memory."""
    link = Link(body=Counting())
    link.ask()
    link.feed(CHUNKED)
    piece = b"1\r\nx\r\n" * 1000
    started = time.process_time()
    for _ in range(100):
        link.feed(piece)
    assert time.process_time() - started < 2
    tracemalloc.start()
    for _ in range(10):
        link.feed(piece)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    link.feed(b"0\r\n\r\n")
    assert (link.body.received, link.body.end) == (110_000, ResponseDone)
    assert peak < 64 * 1024


@pytest.mark.parametrize(
    "piece",
    [b"1;" + b"e" * 1000 + b"\r\nx\r\n", b"5;" + b"e" * 1000, b"0\r\nT: " + b"t" * 1000],
    ids=["extension of each chunk", "one extension", "trailer"],
)
def test_frames_heavier_than_their_content(piece: bytes) -> None:
    """CVE-2023-39326: bytes that are no body are paid for by the reader only."""
    link = Link()
    link.ask()
    link.feed(CHUNKED)
    for _ in range(200):
        link.feed(piece)
        piece = piece if piece.endswith(b"\r\n") else piece[-1000:]
    assert link.body.end is ResponseFailed and link.transport.closed == "abort"


def test_trailers_are_bounded_behind_a_large_body() -> None:
    """The parser keeps a trailer whole, so a large body buys no large trailer."""
    link = Link()
    link.ask()
    link.feed(CHUNKED + b"100000\r\n", b"x" * 2**20, b"\r\n0\r\nT: ")
    for _ in range(70):
        link.feed(b"t" * 1024)
    assert link.body.end is ResponseFailed and len(link.body.data) == 2**20
