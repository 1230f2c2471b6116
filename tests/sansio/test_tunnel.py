"""CONNECT: what a proxy may answer, in whatever pieces, and what is refused."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from downloader.errors import ProxyAuthRequired, ProxyError, ProxyFailed, ProxyRefused
from downloader.sansio.tunnel import ConnectHandshake
from downloader.sansio.wire import MAX_HEAD_BYTES, MAX_HEADERS, MAX_INFORMATIONAL

LINE = b"HTTP/1.1 200 Connection established\r\n"
OK = LINE + b"\r\n"
HINT = b"HTTP/1.1 103 Early Hints\r\nLink: <x>\r\n\r\n"
GOOD = {
    "plain": OK,
    "1.0": b"HTTP/1.0 200 OK\r\n\r\n",
    "no phrase": b"HTTP/1.1 200\r\n\r\n",
    "another success": b"HTTP/1.1 204 Fine\r\n\r\n",
    "a length that means nothing here": b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n",
    "after informational ones": b"HTTP/1.1 100 Continue\r\n\r\n" + HINT + OK,
}
BAD = {
    "no HTTP": (b"SSH-2.0-x\r\n", ProxyRefused),
    "TLS": (b"\x16\x03\x01\x00\x05hello", ProxyRefused),
    "HTTP/2": (b"HTTP/2 200\r\n\r\n", ProxyRefused),
    "another version": (b"HTTP/1.2 200 OK\r\n\r\n", ProxyRefused),
    "no status": (b"HTTP/1.1 OK\r\n\r\n", ProxyRefused),
    "a status of two digits": (b"HTTP/1.1 20 OK\r\n\r\n", ProxyRefused),
    "a status too high": (b"HTTP/1.1 600 OK\r\n\r\n", ProxyRefused),
    "a NUL": (b"HTTP/1.1 200 O\0K\r\n\r\n", ProxyRefused),
    "a byte behind": (OK + b"x", ProxyRefused),
    "another answer behind": (OK + OK, ProxyRefused),
    "a switch": (b"HTTP/1.1 101 Switching\r\n\r\n", ProxyRefused),
    "a redirect": (b"HTTP/1.1 302 Found\r\nLocation: http://evil.test/\r\n\r\n", ProxyRefused),
    "forbidden": (b"HTTP/1.1 403 Forbidden\r\n\r\n", ProxyRefused),
    "no such method": (b"HTTP/1.1 405 Method\r\n\r\n", ProxyRefused),
    "bad gateway": (b"HTTP/1.1 502 Bad Gateway\r\n\r\n", ProxyFailed),
    "too many": (b"HTTP/1.1 429 Too Many\r\n\r\n", ProxyFailed),
    "a login wanted": (b"HTTP/1.1 407 Auth\r\n\r\n", ProxyAuthRequired),
    "many headers": (LINE + b"a: b\r\n" * (MAX_HEADERS + 1) + b"\r\n", ProxyRefused),
    "a long header": (LINE + b"a: " + b"b" * MAX_HEAD_BYTES + b"\r\n\r\n", ProxyRefused),
    "a header without end": (LINE + b"a: " + b"b" * MAX_HEAD_BYTES, ProxyRefused),
    "hints without end": (HINT * (MAX_INFORMATIONAL + 1), ProxyRefused),
}  # fmt: skip


def handshake() -> ConnectHandshake:
    return ConnectHandshake("h.test", 443, b"")


def fed(data: bytes, size: int) -> ConnectHandshake:
    one = handshake()
    for start in range(0, len(data), size):
        assert one.receive(data[start : start + size]) == b""
    return one


def test_what_is_sent() -> None:
    """The authority with its port, and who asks."""
    assert handshake().begin() == b"CONNECT h.test:443 HTTP/1.1\r\nHost: h.test:443\r\n\r\n"
    with_login = ConnectHandshake("::1", 1, b"Proxy-Authorization: Basic eA==\r\n")
    assert with_login.begin() == (
        b"CONNECT [::1]:1 HTTP/1.1\r\nHost: [::1]:1\r\nProxy-Authorization: Basic eA==\r\n\r\n"
    )
    assert repr(with_login) == "<ConnectHandshake [::1]:1>"


@pytest.mark.parametrize("size", [1, 7, 1000])
@pytest.mark.parametrize("name", GOOD)
def test_a_tunnel(name: str, size: int) -> None:
    """After the last byte of a success, and not before."""
    data = GOOD[name]
    assert not fed(data[:-1], size).complete
    assert fed(data, size).complete


@pytest.mark.parametrize("size", [1000, 10**7])
@pytest.mark.parametrize("name", BAD)
def test_no_tunnel(name: str, size: int) -> None:
    """Each in the branch of whose move is next."""
    data, kind = BAD[name]
    with pytest.raises(ProxyError) as caught:
        fed(data, size)
    assert type(caught.value) is kind and "evil" not in str(caught.value)


@pytest.mark.parametrize("name", [name for name in BAD if len(BAD[name][0]) < 100])
def test_no_tunnel_byte_by_byte(name: str) -> None:
    """The same, but that a byte behind a success comes when the tunnel is up."""
    data, kind = BAD[name]
    one = handshake()
    with pytest.raises(ProxyError) as caught:
        for index in range(len(data)):
            one.receive(data[index : index + 1])
    assert type(caught.value) is kind


def test_the_status_is_told() -> None:
    """To whoever asks what the proxy said."""
    with pytest.raises(ProxyAuthRequired) as caught:
        handshake().receive(BAD["a login wanted"][0])
    assert caught.value.http_status == 407
    with pytest.raises(ProxyFailed, match="HTTP status 502") as failed:
        handshake().receive(BAD["bad gateway"][0])
    assert failed.value.http_status == 502


@given(
    st.integers(0, 3),
    st.integers(100, 599),
    st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=10),
    st.lists(st.integers(1, 40), max_size=10),
)
def test_any_status_in_any_pieces(hints: int, status: int, phrase: str, cuts: list[int]) -> None:
    """The status alone decides."""
    data = HINT * hints + f"HTTP/1.1 {status} {phrase}\r\nX: y\r\n\r\n".encode()
    one = handshake()
    try:
        for size in [*cuts, len(data)]:
            one.receive(data[:size])
            data = data[size:]
    except ProxyError as error:
        assert error.http_status == status or status == 101
    else:
        assert one.complete == (200 <= status < 300)
        assert one.complete or 100 <= status < 200


@given(st.binary(max_size=60), st.binary(max_size=60))
def test_any_bytes(first: bytes, second: bytes) -> None:
    """A tunnel begins behind a blank line or not at all."""
    one = handshake()
    try:
        one.receive(b"HTTP/1.1 2" + first)
        one.receive(second)
    except ProxyError:
        return
    assert not one.complete or (first + second).endswith(b"\r\n\r\n")
