"""SOCKS5: what is said, what may be answered, in whatever pieces, and each reply's error."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from downloader.errors import ProxyAuthRequired, ProxyError, ProxyFailed, ProxyRefused
from downloader.sansio.socks import Socks5Handshake

V4 = b"\x05\x00\x00\x01\x7f\x00\x00\x01\x1f\x90"
V6 = b"\x05\x00\x00\x04" + bytes(15) + b"\x01\x1f\x90"
NAME = b"\x05\x00\x00\x03\x06p.test\x1f\x90"
NAMELESS = b"\x05\x00\x00\x03\x00\x1f\x90"


def handshake(
    host: str = "h.test", user: bytes | None = None, password: bytes = b""
) -> Socks5Handshake:
    return Socks5Handshake(host, 8080, user, password)


def fed(one: Socks5Handshake, data: bytes, size: int) -> bytes:
    pieces = (data[start : start + size] for start in range(0, len(data), size))
    return b"".join(one.receive(piece) for piece in pieces)


@pytest.mark.parametrize("size", [1, 3, 100])
@pytest.mark.parametrize("reply", [V4, V6, NAME, NAMELESS])
def test_without_a_login(reply: bytes, size: int) -> None:
    """Complete with the last byte of the reply, whatever kind of address it holds."""
    one = handshake()
    assert one.begin() == b"\x05\x01\x00" and repr(one) == "<Socks5Handshake method>"
    assert fed(one, b"\x05\x00", size) == b"\x05\x01\x00\x03\x06h.test\x1f\x90"
    assert fed(one, reply[:-1], size) == b"" and not one.complete
    assert one.receive(reply[-1:]) == b"" and one.complete


@pytest.mark.parametrize("size", [1, 100])
def test_with_a_login(size: int) -> None:
    """Which is shown only when the proxy wants it."""
    one = handshake("h.test", b"me", b"s3cret")
    assert one.begin() == b"\x05\x02\x00\x02"
    assert fed(one, b"\x05\x02", size) == b"\x01\x02me\x06s3cret"
    assert fed(one, b"\x01\x00", size) == b"\x05\x01\x00\x03\x06h.test\x1f\x90"
    fed(one, V4, size)
    assert one.complete and repr(one) == "<Socks5Handshake complete>"
    shy = handshake("h.test", b"me", b"s3cret")
    assert b"s3cret" not in shy.receive(b"\x05\x00")


@pytest.mark.parametrize(
    ("host", "place"),
    [
        ("10.0.0.1", b"\x01\x0a\x00\x00\x01"),
        ("::1", b"\x04" + bytes(15) + b"\x01"),
        ("a.test", b"\x03\x06a.test"),
        ("a" * 253, b"\x03\xfd" + b"a" * 253),
    ],
)
def test_addresses_and_names(host: str, place: bytes) -> None:
    """Each as what it is."""
    assert handshake(host).receive(b"\x05\x00") == b"\x05\x01\x00" + place + b"\x1f\x90"


REPLIES = {1: ProxyFailed, 2: ProxyRefused, 3: ProxyFailed, 4: ProxyFailed, 5: ProxyFailed}
REPLIES |= {6: ProxyFailed, 7: ProxyRefused, 8: ProxyRefused, 9: ProxyRefused, 255: ProxyRefused}


@pytest.mark.parametrize("size", [1, 100])
@pytest.mark.parametrize("reply", REPLIES)
def test_each_reply(reply: int, size: int) -> None:
    """In the branch of whose move is next, even when it is cut short."""
    one = handshake()
    one.receive(b"\x05\x00")
    with pytest.raises(ProxyError) as caught:
        fed(one, bytes([5, reply]), size)
    assert type(caught.value) is REPLIES[reply]


BAD = {
    "another version": (b"\x04\x5a", ProxyRefused),
    "HTTP": (b"HTTP/1.1 400", ProxyRefused),
    "no method": (b"\x05\xff", ProxyAuthRequired),
    "a method nobody offered": (b"\x05\x01", ProxyRefused),
    "a reply of another version": (b"\x05\x00\x04\x00", ProxyRefused),
    "an address of no kind": (b"\x05\x00\x05\x00\x00\x02\x00", ProxyRefused),
    "a byte behind": (b"\x05\x00" + V4 + b"x", ProxyRefused),
}


@pytest.mark.parametrize("name", BAD)
def test_no_connection(name: str) -> None:
    """What breaks the protocol is refused."""
    data, kind = BAD[name]
    with pytest.raises(ProxyError) as caught:
        handshake().receive(data)
    assert type(caught.value) is kind


def test_a_login_that_is_not_accepted() -> None:
    """Says so, without the login; and so does one that is wanted and was not given."""
    one = handshake("h.test", b"me", b"s3cret")
    one.receive(b"\x05\x02")
    with pytest.raises(ProxyAuthRequired) as caught:
        one.receive(b"\x01\x01")
    assert "s3cret" not in str(caught.value)
    with pytest.raises(ProxyRefused):
        handshake().receive(b"\x05\x02")


@given(st.binary(max_size=300), st.integers(1, 10))
def test_any_reply(data: bytes, size: int) -> None:
    """Is a connection only when it says so and nothing is behind it."""
    one = handshake()
    one.receive(b"\x05\x00")
    try:
        fed(one, b"\x05" + data, size)
    except ProxyError:
        return
    length = {1: 4, 3: 1 + data[3] if len(data) > 3 else 0, 4: 16}.get(data[2] if data[2:] else 0)
    assert one.complete == (length is not None and len(data) == 5 + length and data[0] == 0)
