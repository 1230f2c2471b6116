"""Answers of servers, for Hypothesis: valid in every shape, and damaged."""

from __future__ import annotations

import re
from dataclasses import dataclass
from http.client import HTTPException, HTTPResponse
from io import BytesIO
from typing import Any

from hypothesis import strategies as st

INFORMATIONAL = (
    b"HTTP/1.1 100 Continue\r\n\r\n",
    b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n",
    b"HTTP/1.1 199 \r\nX: y\r\n\r\n",
)
BODIES = st.binary(max_size=40) | st.just(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil")


@dataclass(frozen=True)
class Answer:
    """What a server sends to a request of `method`.

    `body` is what its caller should get. `until_close` says that only the connection's end ends
    it, `persistent` that it lets the connection go on.
    """

    method: bytes
    data: bytes
    body: bytes
    until_close: bool = False
    persistent: bool = True


def _chunk(piece: bytes, extension: bytes, zeros: int) -> bytes:
    return b"0" * zeros + b"%x%b\r\n%b\r\n" % (len(piece), extension, piece)


@st.composite
def chunked(draw: st.DrawFn, body: bytes) -> bytes:
    """`body` in chunks of any size, with extensions and trailers."""
    extensions = st.sampled_from([b"", b";a", b";a=b", b';a="b c";d', b" ;a"[1:]])
    data = b""
    while body:
        size = draw(st.integers(1, len(body)))
        data += _chunk(body[:size], draw(extensions), draw(st.integers(0, 2)))
        body = body[size:]
    trailers = draw(st.sampled_from([b"", b"T: u\r\n", b"T: u\r\nV: w\r\n"]))
    return data + b"0%b\r\n" % draw(extensions) + trailers + b"\r\n"


@st.composite
def answers(draw: st.DrawFn) -> Answer:
    """A valid one."""
    method = draw(st.sampled_from([b"GET", b"GET", b"GET", b"HEAD"]))
    status = draw(st.sampled_from([200, 200, 206, 204, 301, 304, 404, 500, 599]))
    framing = draw(st.sampled_from(["length", "chunked", "close"]))
    ending = draw(st.sampled_from([b"", b"Connection: close\r\n", b"Connection: x, Close\r\n"]))
    body, bodiless = draw(BODIES), method == b"HEAD" or status in (204, 304)
    fields = [draw(st.sampled_from([b"", b"X: y\r\n", b"Set-Cookie: a=b\r\nSet-Cookie: c\r\n"]))]
    if framing == "length":
        fields.append(b"Content-Length: %d\r\n" % len(body))
    elif framing == "chunked":
        fields.append(b"Transfer-Encoding: chunked\r\n")
    head = b"".join(draw(st.lists(st.sampled_from(INFORMATIONAL), max_size=2)))
    head += b"HTTP/1.1 %d Odd\r\n" % status + b"".join(draw(st.permutations([*fields, ending])))
    rest = draw(chunked(body)) if framing == "chunked" else body
    unframed = framing == "close" and status not in (204, 304)
    until_close = unframed and not bodiless
    return Answer(
        method,
        head + b"\r\n" + (b"" if bodiless else rest),
        b"" if bodiless else body,
        until_close,
        not ending and not unframed,  # llhttp does not know that HEAD has no body
    )


DAMAGE = [
    b"\r\n", b"\n", b"\r", b"\0", b" ", b"\t", b":", b";", b"-", b"+", b"0", b"1", b"9",
    b"ffffffff", b"\xff", b"\x0b", b"_", b"0x", b",", b"Content-Length: 3\r\n",
    b"Content-Length: 0\r\n", b"Transfer-Encoding: chunked\r\n",
    b"Transfer-Encoding: gzip, chunked\r\n",
    b"Connection: close\r\n", b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil", b"0\r\n\r\n",
    b"99999999999999999999", b"HTTP/1.0 ", b"HTTP/1.1 101 Switching\r\n\r\n",
]  # fmt: skip


@st.composite
def damaged(draw: st.DrawFn) -> Answer:
    """A valid one in which a few places were changed; what it means is anybody's guess."""
    answer = draw(answers())
    data = answer.data
    for _ in range(draw(st.integers(1, 3))):
        place = draw(st.integers(0, len(data)))
        cut = draw(st.sampled_from([0, 0, 1, 2, 5, 1000]))
        data = data[:place] + draw(st.sampled_from(DAMAGE) | st.just(b"")) + data[place + cut :]
    return Answer(answer.method, data, b"")


@dataclass(frozen=True)
class Reading:
    """What the standard library makes of the same bytes: None for an answer it cannot read.

    `body` is what there was of it, `whole` that no more was expected, `rest` what came behind.
    """

    status: int
    body: bytes
    whole: bool
    rest: bytes


class _Bytes(BytesIO):
    """A socket that has received these bytes; it is read on after an answer was closed."""

    def makefile(self, mode: str) -> Any:
        return self

    def close(self) -> None:
        """The caller still wants to know what is left."""


# Informational answers in front, and the empty lines that llhttp skips.
_IN_FRONT = re.compile(rb"(?:[\r\n]*HTTP/1\.\d 1\d\d(?:(?!\r\n\r\n).)*\r\n\r\n)*[\r\n]*", re.DOTALL)


def read_by_another(answer: Answer) -> Reading | None:
    """The final answer of `answer` as http.client reads it."""
    in_front = _IN_FRONT.match(answer.data)
    assert in_front is not None
    data = _Bytes(answer.data[in_front.end() :])
    response = HTTPResponse(data, method=answer.method.decode())  # type: ignore[arg-type]
    try:
        response.begin()
        body, whole = _read(response)
    except (HTTPException, ValueError, OverflowError):
        return None
    return Reading(response.status, body, whole, data.read())


def _read(response: HTTPResponse) -> tuple[bytes, bool]:
    if response.status in (204, 304) or response._method == "HEAD":  # type: ignore[attr-defined]
        return b"", True  # RFC 9112 §6.3: whatever its head says
    expected = response.length
    try:
        body = response.read()
    except HTTPException:
        return b"", False
    return body, expected is None or len(body) == expected
