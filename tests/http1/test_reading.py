"""Bytes into the events of answers: what is no part of one, and what is read elsewhere."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from downloader.errors import BadResponse
from downloader.http1.reading import AnswerReader
from downloader.sansio.wire import Head

OK = b"HTTP/1.1 200 OK\r\n"
HELLO = OK + b"Content-Length: 5\r\n\r\nhello"
CHUNKED = OK + b"Transfer-Encoding: chunked\r\n\r\n"


class Sink:
    """Awaits an answer to each of `methods`, in order, and notes what comes."""

    def __init__(self, *methods: bytes) -> None:
        self.awaited = list(methods)
        self.events: list[str | bytes] = []
        self.reader = AnswerReader(self)

    def feed(self, *pieces: bytes) -> Sink:
        for piece in pieces:
            self.reader.feed(piece)
        return self

    def answer_awaited(self) -> bool:
        return bool(self.awaited)

    def answer_began(self) -> bytes:
        if not self.awaited:
            raise BadResponse("nobody asked")
        return self.awaited[0]

    def answer_informed(self) -> None:
        self.events.append("informed")

    def answer_headed(self, head: Head, phrase: bytes, headers: list[tuple[bytes, bytes]]) -> None:
        self.events.append(f"{head.status} {phrase.decode()}")

    def answer_body(self, data: bytes) -> None:
        if self.events and isinstance(self.events[-1], bytes):
            data = self.events.pop() + data  # type: ignore[operator]
        self.events.append(data)

    def answer_ended(self) -> None:
        self.awaited.pop(0)
        self.events.append("ended")


def splits(data: bytes) -> list[list[bytes]]:
    """`data` whole, byte by byte, and cut in two at each place."""
    halves = [[data[:at], data[at:]] for at in range(1, len(data))]
    return [[data], [data[at : at + 1] for at in range(len(data))], *halves]


def test_answers_in_one_read() -> None:
    """Each has its own events, in the order of the requests."""
    data = HELLO + b"HTTP/1.1 204 No\r\n\r\n" + CHUNKED + b"2\r\nhi\r\n0\r\n\r\n" + HELLO
    expected = ["200 OK", b"hello", "ended", "204 No", "ended"]
    expected += ["200 OK", b"hi", "ended", "200 OK", b"hello", "ended"]
    for pieces in splits(data):
        assert Sink(*[b"GET"] * 4).feed(*pieces).events == expected


@pytest.mark.parametrize("line", [b"\r\n", b"\n", b"\r", b"\r\n\r\n"])
@pytest.mark.parametrize(
    "body", [HELLO, CHUNKED + b"2\r\nhi\r\n0\r\n\r\n", OK + b"Content-Length: 2\r\n\r\n\r\n"]
)
def test_an_empty_line_behind_the_last_answer(line: bytes, body: bytes) -> None:
    """Nobody asked for it, whether it comes along with the answer or later."""
    for pieces in splits(body + line):
        sink = Sink(b"GET")
        with pytest.raises(BadResponse):
            sink.feed(*pieces)
        assert sink.events[-1] == "ended"


def test_an_empty_line_before_an_awaited_answer() -> None:
    """It is skipped: no byte of it can be taken for that answer."""
    for pieces in splits(HELLO + b"\r\n" + HELLO):
        assert Sink(b"GET", b"GET").feed(*pieces).events == ["200 OK", b"hello", "ended"] * 2


HEADS = {
    "length": OK + b"Content-Length: 5\r\n\r\n",
    "no body": OK + b"Content-Length: 0\r\n\r\n",
    "chunked": CHUNKED,
    "no length": OK + b"\r\n",
    "no content": b"HTTP/1.1 204 OK\r\n\r\n",
}


@pytest.mark.parametrize(
    "behind", [b"", b"4", b"4\r", b"0\r\n\r\n", b"\r", b"\n", b"hello", b"\r\n"]
)
@pytest.mark.parametrize("head", HEADS.values(), ids=HEADS.keys())
def test_what_comes_behind_the_head_that_answers_head(head: bytes, behind: bytes) -> None:
    """Any byte is one too many, also where llhttp would wait for the rest of a chunk's size."""
    for pieces in splits(head + behind):
        sink = Sink(b"HEAD")
        if behind:
            with pytest.raises(BadResponse):
                sink.feed(*pieces)
        else:
            sink.feed(*pieces)
        assert sink.events[1:] == ["ended"]


@pytest.mark.parametrize(
    "framing", [b"Content-Length: 4", b"content-length: 0", b"Transfer-Encoding: chunked"]
)
@pytest.mark.parametrize("status", [100, 102, 103, 104, 199])
def test_an_informational_answer_has_no_body(status: int, framing: bytes) -> None:
    """RFC 9112 §6.3, where llhttp would read one; what says that it has is refused."""
    for pieces in splits(b"HTTP/1.1 %d Odd\r\n%b\r\n\r\n" % (status, framing)):
        sink = Sink(b"GET")
        with pytest.raises(BadResponse, match="informational"):
            sink.feed(*pieces)
        assert sink.events == []


@given(st.binary(max_size=40), st.lists(st.integers(1, 20), max_size=6))
def test_a_body_is_what_was_sent(body: bytes, sizes: list[int]) -> None:
    """Whatever it ends with, and however it is cut."""
    data = OK + b"Content-Length: %d\r\n\r\n%b" % (len(body), body)
    sink = Sink(b"GET")
    for size in sizes:
        sink.feed(data[:size])
        data = data[size:]
    sink.feed(data)
    assert sink.events == ["200 OK", *([body] if body else []), "ended"]


def test_a_body_that_was_taken_elsewhere() -> None:
    """The next answer is read from its own start."""
    sink = Sink(b"GET", b"GET").feed(HELLO[:-3])
    sink.reader.skip_body()
    sink.answer_ended()
    assert sink.feed(HELLO).events == ["200 OK", b"he", "ended", "200 OK", b"hello", "ended"]


def test_repr_shows_the_count() -> None:
    """What a log line needs."""
    assert repr(Sink(b"GET").feed(HELLO).reader) == "<AnswerReader 2 answers>"
