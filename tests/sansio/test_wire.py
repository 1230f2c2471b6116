"""A request's head cannot be broken from inside; an answer's head is judged case by case."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from downloader.errors import BadResponse
from downloader.sansio.wire import FRAMING_HEADERS, Head, header_line, judge_head, request_head

TOKEN = b"!#$%&'*+-.^_`|~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"


def test_a_plain_head() -> None:
    """The request line, Host, the caller's headers in their order, a blank line."""
    headers = [(b"Accept", [b"*/*"]), (b"X-Two", [b"1", b"2"])]
    assert request_head(b"GET", b"/a?b", b"h:81", headers) == (
        b"GET /a?b HTTP/1.1\r\nHost: h:81\r\nAccept: */*\r\nX-Two: 1\r\nX-Two: 2\r\n\r\n"
    )


def test_the_framing_line_comes_last() -> None:
    """It is the agent's own."""
    head = request_head(b"POST", b"/", b"h", [(b"A", [b"b"])], b"Content-Length: 3\r\n")
    assert head.endswith(b"A: b\r\nContent-Length: 3\r\n\r\n")


@pytest.mark.parametrize("value", range(256))
def test_each_byte_in_a_method(value: int) -> None:
    """Token characters pass; nothing else does, so no method ends its line (CVE-2019-12387)."""
    method = b"G%cT" % value
    if value in TOKEN:
        assert request_head(method, b"/", b"h", []).startswith(method + b" / HTTP/1.1\r\n")
    else:
        with pytest.raises(ValueError, match="method"):
            request_head(method, b"/", b"h", [])


@pytest.mark.parametrize("value", range(256))
def test_each_byte_in_a_header_name(value: int) -> None:
    """Token characters only (RFC 9110 §5.1)."""
    name = b"X%cY" % value
    if value in TOKEN:
        assert header_line(name, b"v") == name + b": v\r\n"
    else:
        with pytest.raises(ValueError, match="name"):
            request_head(b"GET", b"/", b"h", [(name, [b"v"])])


@pytest.mark.parametrize("value", range(256))
def test_each_byte_in_a_header_value(value: int) -> None:
    """Only CR, LF and NUL could end the line early; text in any other code is passed on."""
    if value in b"\r\n\0":
        with pytest.raises(ValueError, match="value"):
            request_head(b"GET", b"/", b"h", [(b"X", [b"a%cb" % value])])
    else:
        assert header_line(b"X", b"a%cb" % value) == b"X: a%cb\r\n" % value


@pytest.mark.parametrize("empty", ["method", "name"])
def test_nothing_is_no_name(empty: str) -> None:
    """An empty method or name would make another line of the rest."""
    with pytest.raises(ValueError):
        if empty == "method":
            request_head(b"", b"/", b"h", [])
        else:
            request_head(b"GET", b"/", b"h", [(b"", [b"v"])])


@pytest.mark.parametrize("name", sorted(FRAMING_HEADERS))
def test_framing_is_not_the_callers(name: bytes) -> None:
    """In whatever case: a second Content-Length or Host would be read by one server only."""
    odd = bytes(c ^ 32 if 97 <= c <= 122 and i % 2 else c for i, c in enumerate(name))
    head = request_head(b"GET", b"/", b"h", [(name, [b"1"]), (odd, [b"2"])])
    assert head == b"GET / HTTP/1.1\r\nHost: h\r\n\r\n"


@given(st.lists(st.tuples(st.binary(), st.lists(st.binary(), max_size=3)), max_size=5), st.binary())
def test_a_head_has_the_lines_it_should(
    headers: list[tuple[bytes, list[bytes]]], method: bytes
) -> None:
    """Whatever is put in, it is refused or there are exactly as many lines as were meant."""
    try:
        head = request_head(method, b"/", b"h", headers)
    except ValueError:
        return
    meant = sum(len(values) for name, values in headers if name.lower() not in FRAMING_HEADERS)
    assert head.count(b"\r\n") == 2 + meant + 1
    assert head.count(b"\r\n\r\n") == 1 and head.endswith(b"\r\n\r\n")
    assert head.count(b"\n") == head.count(b"\r") == head.count(b"\r\n")


CHUNKED = (b"Transfer-Encoding", b"chunked")


def length(text: bytes) -> tuple[bytes, bytes]:
    return (b"content-LENGTH", text)


@pytest.mark.parametrize(
    "method, status, version, headers, keep_alive, expected",
    [
        (b"GET", 200, "1.1", [length(b"5")], True, Head(200, (1, 1), 5, False, True)),
        (b"GET", 200, "1.1", [length(b"0")], True, Head(200, (1, 1), 0, False, True)),
        (b"GET", 200, "1.1", [length(b"5")], False, Head(200, (1, 1), 5, False, False)),
        (b"GET", 200, "1.0", [length(b"5")], True, Head(200, (1, 0), 5, False, True)),
        (b"GET", 200, "1.1", [CHUNKED], True, Head(200, (1, 1), None, False, True)),
        (b"GET", 200, "1.0", [CHUNKED], True, Head(200, (1, 0), None, False, False)),
        (b"GET", 200, "1.1", [(b"TRANSFER-encoding", b" Chunked ")], True,
         Head(200, (1, 1), None, False, True)),
        (b"GET", 200, "1.1", [], True, Head(200, (1, 1), None, True, False)),
        (b"GET", 200, "1.0", [], False, Head(200, (1, 0), None, True, False)),
        (b"HEAD", 200, "1.1", [length(b"5")], True, Head(200, (1, 1), 0, False, True)),
        (b"HEAD", 200, "1.1", [CHUNKED], True, Head(200, (1, 1), 0, False, True)),
        (b"HEAD", 200, "1.1", [], True, Head(200, (1, 1), 0, False, True)),
        (b"GET", 204, "1.1", [], True, Head(204, (1, 1), 0, False, True)),
        (b"GET", 304, "1.1", [length(b"5")], True, Head(304, (1, 1), 0, False, True)),
        (b"GET", 100, "1.1", [length(b"1")], True, Head(100, (1, 1), 1, False, True)),
        (b"GET", 599, "1.1", [length(b"9223372036854775807")], True,
         Head(599, (1, 1), 2**63 - 1, False, True)),
    ],
)  # fmt: skip
def test_heads_that_are_good(
    method: bytes,
    status: int,
    version: str,
    headers: list[tuple[bytes, bytes]],
    keep_alive: bool,
    expected: Head,
) -> None:
    """RFC 9112 §6.3, case by case."""
    assert judge_head(method, status, version, headers, keep_alive) == expected


@pytest.mark.parametrize("version", ["0.9", "1.2", "2.0", "3.7", ""])
def test_other_versions_are_refused(version: str) -> None:
    """What follows would be framed in a way that is not known here."""
    with pytest.raises(BadResponse, match="version"):
        judge_head(b"GET", 200, version, [], True)


@pytest.mark.parametrize("status", [0, 99, 600, 999])
def test_other_statuses_are_refused(status: int) -> None:
    """RFC 9110 §15: three digits, 100 to 599."""
    with pytest.raises(BadResponse, match=str(status)):
        judge_head(b"GET", status, "1.1", [], True)


@pytest.mark.parametrize(
    "text",
    [b"", b"-1", b"+5", b"1_0", b"0x5", b"5,5", b"9" * 30, b"9223372036854775808", b"\xb2"],
)
def test_lengths_that_are_none(text: bytes) -> None:
    """Nothing is subtracted, allocated or written by a number that a file cannot have."""
    with pytest.raises(BadResponse, match="Content-Length"):
        judge_head(b"GET", 200, "1.1", [length(text)], True)


@pytest.mark.parametrize(
    "values", [[b"gzip, chunked"], [b"chunked", b"chunked"], [b"identity"], [b"x"], [b""]]
)
def test_codings_nobody_asked_for(values: list[bytes]) -> None:
    """Only chunked, once: anything else would have to be undone to know the body."""
    with pytest.raises(BadResponse, match="coding"):
        judge_head(b"GET", 200, "1.1", [(b"Transfer-Encoding", v) for v in values], True)
