"""Heads made from a template are those that are made one by one, and headers that never change."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from twisted.web.http_headers import Headers

from downloader.errors import BadUrl
from downloader.fixedheaders import FixedHeaders
from downloader.http1.heads import Heads
from downloader.sansio.url import HttpUrl, parse_url

HOSTS = ["h", "h:8080", "[::1]", "[::1]:81", "H", "h:80", "h:443", "user:secret@h", "x.test"]
URLS = st.builds(
    "{}://{}/{}".format,
    st.sampled_from(["http", "https"]),
    st.sampled_from(HOSTS),
    st.text("abc/?&=%20;:@", max_size=8),
)
FIELDS = st.dictionaries(
    st.sampled_from(["X", "Accept", "Host", "Connection", "Range"]),
    st.lists(st.text("ab ;,", max_size=4), min_size=1, max_size=2),
    max_size=3,
)


def parsed(text: str) -> HttpUrl | None:
    try:
        return parse_url(text)
    except BadUrl:
        return None


def made(heads: Heads, url: HttpUrl, headers: Headers, method: bytes = b"GET") -> bytes:
    return heads.make(method, url, headers, None)


@given(st.lists(URLS, min_size=1, max_size=6), FIELDS, FIELDS)
def test_a_template_changes_nothing(texts: list[str], one: object, other: object) -> None:
    """Hosts and headers in any order: each head is that of plain headers."""
    heads = Heads()
    urls = [url for url in map(parsed, texts) if url is not None]
    fixed = [FixedHeaders(Headers(one)), FixedHeaders(Headers(other))]  # type: ignore[arg-type]
    for url in urls * 2:
        for headers in fixed:
            assert made(heads, url, headers) == made(Heads(), url, headers.copy())


def test_what_a_head_looks_like() -> None:
    """The target, the host, then the headers."""
    head = b"GET /a?b HTTP/1.1\r\nHost: h:81\r\nX: y\r\n\r\n"
    headers = FixedHeaders(Headers({"X": ["y"]}))
    heads, url = Heads(), parse_url("http://h:81/a?b")
    assert made(heads, url, headers) == made(heads, url, headers) == head
    assert repr(heads) == "<Heads of 1 hosts>"


@pytest.mark.parametrize("method", [b"HEAD", b"PUT", b"OPTIONS"])
def test_other_methods_have_heads_of_their_own(method: bytes) -> None:
    """With a length where they mean a body, and never a GET's."""
    headers, url = FixedHeaders(Headers()), parse_url("http://h/")
    heads = Heads()
    made(heads, url, headers)
    head = made(heads, url, headers, method)
    assert head.startswith(method + b" / ")
    assert (b"Content-Length: 0\r\n" in head) == (method == b"PUT")


def test_a_head_for_a_proxy_names_the_whole_url() -> None:
    """And has its line; the template of the same host is not used."""
    headers, url = FixedHeaders(Headers()), parse_url("http://h/a")
    heads = Heads()
    made(heads, url, headers)
    head = heads.make(b"GET", url, headers, None, b"Proxy-Authorization: Basic x\r\n")
    assert head == (b"GET http://h/a HTTP/1.1\r\nHost: h\r\nProxy-Authorization: Basic x\r\n\r\n")


def test_so_many_hosts_are_kept() -> None:
    """A list of a million hosts has no million templates."""
    heads, headers = Heads(), FixedHeaders(Headers())
    for number in range(1000):
        url = parse_url(f"http://h{number}/")
        assert b"Host: h%d\r\n" % number in made(heads, url, headers)
    assert len(heads._ends) <= 256


@pytest.mark.parametrize("value", ["a\r\nEvil: b", "a\nb", "a\0b"])
def test_what_would_break_the_wire(value: str) -> None:
    """It is refused each time, not only the first."""
    headers = FixedHeaders(Headers({"X": ["fine"]}))
    headers._rawHeaders[b"x"] = [value.encode()]
    heads = Heads()
    for _ in range(2):
        with pytest.raises(ValueError, match="line break"):
            made(heads, parse_url("http://h/"), headers)


# --- headers that never change --------------------------------------------------------------


def test_fixed_headers_are_those_they_were_made_of() -> None:
    """What is done to the original later does not reach them, nor what is done to a copy."""
    original = Headers({"X": ["y"], "A": ["b", "c"]})
    fixed = FixedHeaders(original)
    original.addRawHeader("X", "z")
    copy = fixed.copy()
    assert type(copy) is Headers
    copy.addRawHeader("A", "d")
    copy.setRawHeaders("N", ["new"])
    copy.removeHeader("X")
    assert dict(fixed.getAllRawHeaders()) == {b"X": [b"y"], b"A": [b"b", b"c"]}
    assert fixed.hasHeader("x") and fixed.getRawHeaders("a") == ["b", "c"]


def test_fixed_headers_refuse_to_change() -> None:
    """Whichever way it is tried; what was there stays."""
    fixed = FixedHeaders(Headers({"X": ["y"]}))
    for change in (
        lambda: fixed.setRawHeaders("X", ["z"]),
        lambda: fixed.addRawHeader("X", "z"),
        lambda: fixed.removeHeader("X"),
    ):
        with pytest.raises(TypeError, match="copy"):
            change()
    assert fixed.getRawHeaders("X") == ["y"]
