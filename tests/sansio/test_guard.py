"""Who may ask: what a head says, in every form. See tests/service for what comes of it."""

from __future__ import annotations

import base64
from ipaddress import IPv4Address, IPv6Address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from downloader.sansio.guard import (
    LOCAL,
    basic_password,
    bearer,
    checked_origin,
    host_of,
    is_host_allowed,
    is_origin_allowed,
    is_token,
    media_type,
)

V4 = st.integers(0, 2**32 - 1).map(lambda n: str(IPv4Address(n)))
V6 = st.integers(0, 2**128 - 1).map(lambda n: f"[{IPv6Address(n)}]")
NAME = st.from_regex(r"[A-Za-z0-9][A-Za-z0-9.-]{0,60}[a-z0-9]", fullmatch=True)
HOST = st.one_of(V4, V6, NAME)
PORT = st.one_of(st.just(""), st.integers(0, 65535).map(lambda n: f":{n}"))
TEXT = st.text(st.characters(codec="utf-8"), max_size=40)
NONE: frozenset[str] = frozenset()


@given(HOST, PORT)
def test_a_host_without_its_port(host: str, port: str) -> None:
    """In lower case; two headers, or none, name none."""
    value = f"{host}{port}".encode()
    assert host_of([value]) == host.strip("[]").lower()
    assert host_of([]) is host_of([value, value]) is None


@given(st.binary(max_size=60))
def test_any_bytes_as_a_host(raw: bytes) -> None:
    """What is taken has nothing in it that parts a host from anything else, and is its own host."""
    host = host_of([raw])
    if host is not None:
        assert host and not set(host) & set(" /\\@?#,[]\r\n\0") and host == host.lower()
        again = f"[{host}]" if ":" in host else host
        assert host_of([again.encode()]) == host.removesuffix(".")


@given(st.one_of(V4, V6))
def test_addresses_may_be_asked(address: str) -> None:
    """Nobody can make one lead elsewhere."""
    assert is_host_allowed(host_of([address.encode()]), NONE)


@given(NAME)
def test_a_name_may_be_asked_if_it_is_listed(name: str) -> None:
    host = host_of([name.encode()])
    assert host is not None
    ours = host in LOCAL or host_of([host.encode()]) != host
    addresses = all(part.isdigit() for part in host.split("."))
    assert ours or addresses or not is_host_allowed(host, NONE)
    assert is_host_allowed(host, frozenset((host,)))
    assert not is_host_allowed(None, frozenset((host,)))


@given(HOST, PORT, st.booleans())
def test_a_page_of_ours(host: str, port: str, secure: bool) -> None:
    """It may ask the host that it is from, over what it came over; `null` never."""
    asked = f"{host}{port}".encode()
    scheme, other = ("https", "http") if secure else ("http", "https")
    assert is_origin_allowed(f"{scheme}://".encode() + asked, asked, secure, NONE)
    assert is_origin_allowed(f"{scheme}://".encode() + asked.upper(), asked, secure, NONE)
    for origin in (f"{other}://".encode() + asked, b"null", b"", asked, b"https://x.example:1"):
        assert not is_origin_allowed(origin, asked, secure, NONE)
    assert not is_origin_allowed(b"null", asked, secure, frozenset(("null",)))


@given(HOST, st.binary(max_size=60).filter(lambda origin: origin.lower() != b"null"))
def test_any_other_page(host: str, origin: bytes) -> None:
    """Only one that is listed, whole."""
    expected = origin.lower() == f"http://{host}".lower().encode()
    assert is_origin_allowed(origin, host.encode(), False, NONE) == expected
    listed = frozenset((origin.decode("latin-1").lower(),))
    assert is_origin_allowed(origin, host.encode(), False, listed)
    assert is_origin_allowed(origin + b".evil.example", host.encode(), False, listed) is False


@given(HOST, PORT, st.sampled_from(["https", "HTTP", "moz-extension"]))
def test_an_origin(host: str, port: str, scheme: str) -> None:
    """As a browser says it, and as it is compared."""
    assert checked_origin(f"{scheme}://{host}{port}") == f"{scheme}://{host}{port}".lower()


@pytest.mark.parametrize(
    "text",
    [
        *("null", "", "*", "https://*", "ariang.example", "https://", "://a", "https://a/"),
        *(
            "https://u:pw@a",
            "https://a?b",
            "https://a b",
            "https://a:x",
            "https://[a",
            "https://a\n",
        ),
    ],
)
def test_no_origin(text: str) -> None:
    with pytest.raises(ValueError, match="an origin is a scheme and a host"):
        checked_origin(text)


@given(TEXT, TEXT)
def test_the_token_and_no_other(given: str, token: str) -> None:
    assert is_token(given, token) == (given == token)
    assert is_token(token, token) and is_token(None, token) == (not token)


@given(st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=1))
def test_a_bearer(token: str) -> None:
    """In whatever case; another scheme shows none."""
    for scheme in ("Bearer", "bearer", "BEARER"):
        assert bearer(f"{scheme} {token}".encode()) == token
    for scheme in ("Basic", "Bear", "Bearer:", ""):
        assert bearer(f"{scheme} {token}".encode()) is None
    assert bearer(None) is None


@given(st.text(st.characters(codec="utf-8", exclude_characters=":")), TEXT)
def test_a_password(user: str, password: str) -> None:
    """It may have colons, the user none."""
    coded = base64.b64encode(f"{user}:{password}".encode()).decode()
    assert basic_password(f"Basic {coded}".encode()) == password
    assert basic_password(f"bearer {coded}".encode()) is None


@pytest.mark.parametrize("coded", ["%", "a", "/w==", "YT pi", ""])
def test_what_is_no_password(coded: str) -> None:
    """No base64, or no UTF-8; nothing at all is an empty one, which is no token."""
    assert basic_password(f"Basic {coded}".encode()) == ("" if coded == "" else None)


@given(st.one_of(st.none(), st.binary(max_size=60)))
def test_any_bytes_are_looked_at_without_a_fault(raw: bytes | None) -> None:
    for look in (bearer, basic_password):
        assert isinstance(look(raw), (str, type(None)))
    assert media_type(raw) == media_type(raw).lower()


def test_a_media_type() -> None:
    assert media_type(b" Application/JSON ; charset=utf-8") == "application/json"
    assert media_type(None) == ""
