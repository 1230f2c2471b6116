"""One parser for all: what it takes, what it refuses, and what it keeps from being shown."""

from __future__ import annotations

import sys
import unicodedata
from urllib.parse import urlsplit

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from downloader.errors import BadUrl
from downloader.sansio.url import (
    _PLAIN,
    _REFUSED,
    MAX_URL,
    HttpUrl,
    join,
    parse_url,
    redacted,
    redacted_invalid,
)

ANY_TEXT = st.text(st.characters(exclude_categories=()))


def refusal(text: str) -> BadUrl:
    with pytest.raises(BadUrl) as caught:
        parse_url(text)
    return caught.value


@pytest.mark.parametrize(
    ("text", "url"),
    [
        ("http://h", HttpUrl("http", "h", 80, "/")),
        ("HTTPS://Ex.COM:8443/A?b=C#d", HttpUrl("https", "ex.com", 8443, "/A?b=C")),
        ("http://h:/x", HttpUrl("http", "h", 80, "/x")),
        ("http://h?q", HttpUrl("http", "h", 80, "/?q")),
        ("http://h?x/../@y", HttpUrl("http", "h", 80, "/?x/../@y")),
        ("http://u:p%40@h/", HttpUrl("http", "h", 80, "/", "u:p%40")),
        ("http://@h/", HttpUrl("http", "h", 80, "/", "")),
        ("http://a@b@c/", HttpUrl("http", "c", 80, "/", "a@b")),
        ("http://[::1]:81/", HttpUrl("http", "::1", 81, "/")),
        ("http://[2001:DB8::0:1]/", HttpUrl("http", "2001:db8::1", 80, "/")),
        ("http://my_bucket.example./", HttpUrl("http", "my_bucket.example.", 80, "/")),
        ("http://h/%zz%2e", HttpUrl("http", "h", 80, "/%zz%2e")),
        (
            "http://bücher.example/ü?ü",
            HttpUrl("http", "xn--bcher-kva.example", 80, "/%C3%BC?%C3%BC"),
        ),
        ("http://é。com:81/", HttpUrl("http", "xn--9ca.com", 81, "/")),
        ("http://ü@h/", HttpUrl("http", "h", 80, "/", "%C3%BC")),
        ("http://h/\u200d", HttpUrl("http", "h", 80, "/%E2%80%8D")),
    ],
)
def test_what_is_parsed(text: str, url: HttpUrl) -> None:
    """Case, default ports, user, IPv6, IDNA and percent encoding, each as the wire wants it."""
    assert parse_url(text)._replace(text="") == url


@pytest.mark.parametrize(
    "code", [*range(33), 0x7F, 0x5C, *range(0x80, 0xA1), 0x2028, 0x202E, 0xD800]
)
@pytest.mark.parametrize(
    "form", ["{}http://h/", "http://{}h/", "http://u{}@h/", "http://h/{}", "http://h/?{}"]
)
def test_control_characters_and_space_are_refused(code: int, form: str) -> None:
    """Anywhere in a URL: header injection (CVE-2019-12387) has nothing to begin with."""
    assert "is not allowed" in refusal(form.format(chr(code))).detail


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "no http:// in front"),
        ("example.org/a", "no http:// in front"),
        ("//h/a", "no http:// in front"),
        ("ftp://h/", "scheme 'ftp'"),
        ("file:///etc/passwd", "scheme 'file'"),
        ("http:///x", "names no host"),
        ("http:/h/x", "names no host"),
        ("http://u@/", "names no host"),
        ("http://h:0/", "port is 0"),
        ("http://h:65536/", "port is not valid"),
        ("http://h:80x/", "port is not valid"),
        ("http://h:-1/", "port is not valid"),
        ("http://h:\u0668/", "port is not valid"),
        ("http://a:b:80/", "port is not valid"),
        ("http://.h/", "empty label"),
        ("http://a..b/", "empty label"),
        ("http://a%2fb/", "not valid"),
        ("http://a%2eb/", "not valid"),
        ("http://a*b/", "not valid"),
        ("http://" + "a" * 254 + "/", "not valid"),
        ("http://[::1/", "not valid"),
        ("http://::1/", "not valid"),
        ("http://[::1]evil/", "not valid"),
        ("http://evil[::1]/", "not valid"),
        ("http://[::1]:80x/", "not valid"),
        ("http://[fe80::1%25eth0]/", "not valid"),
        ("http://[v1.x]/", "not valid"),
        ("http://u[@h/", "not valid"),
        ("http://é%2f.example/", "host name is not valid"),
        ("http://é%40evil.example/", "host name is not valid"),
        ("http://é%3a99/", "host name is not valid"),
        ("http://a／b.example/", "host name is not valid"),
        ("http://℀.example/", "host name is not valid"),
        ("http://☃.example/", "host name is not valid"),
        ("http://" + "é" * 300 + "/", "host name is not valid"),
    ],
)
def test_what_is_refused(text: str, reason: str) -> None:
    """Everything on which two parsers could disagree, with the reason in plain words."""
    assert reason in refusal(text).detail


DISGUISED = [
    chr(code)
    for code in range(0x80, sys.maxunicode + 1)
    if set(unicodedata.normalize("NFKC", chr(code))) & set("/?#@:")
]


@pytest.mark.parametrize("character", DISGUISED, ids=ascii)
@pytest.mark.parametrize("form", ["//a{}b/", "//a{}@b/", "//a@b{}c/", "//a{}80/", "//a:{}@b:80/"])
def test_disguised_separators_are_refused(character: str, form: str) -> None:
    """What a parser that normalizes takes for an end of the host or the user, U+2100, U+FF0F and
    U+FF20 among them (CVE-2019-9636); behind the host they are letters like any other."""
    with pytest.raises(BadUrl):
        parse_url("http:" + form.format(character))
    with pytest.raises(BadUrl):
        join(parse_url("http://base/"), form.format(character))
    assert parse_url(f"http://h/{character}?{character}").host == "h"


def test_the_length_is_bounded_before_and_after_encoding() -> None:
    """A letter takes up to twelve characters when it is encoded."""
    start = "http://h/"
    assert parse_url(start + "a" * (MAX_URL - len(start)))
    assert "longer than" in refusal(start + "a" * (MAX_URL - len(start) + 1)).detail
    assert "longer than" in refusal(start + "é" * (MAX_URL // 6 + 1)).detail


@given(ANY_TEXT)
def test_any_text_is_parsed_or_refused(text: str) -> None:
    """No other exception, whatever comes; and what is parsed is ASCII and stays the same."""
    for candidate in (text, f"http://{text}", f"http://h/{text}", f"http://u{text}@h:{text}/"):
        try:
            url = parse_url(candidate)
        except BadUrl:
            continue
        again = str(url)
        assert again.isascii() and again.isprintable() and " " not in again
        assert parse_url(again).origin == url.origin
        assert parse_url(again).target == url.target


@given(st.text("a.:@[]%/\\?#é1", max_size=12))
@example("é%3a1/")
def test_the_host_is_the_one_other_parsers_see(text: str) -> None:
    """Written out again, the URL has the same host for a parser that is not ours."""
    try:
        url = parse_url("http://" + text)
    except BadUrl:
        return
    parts = urlsplit(str(url))
    assert (parts.hostname, parts.port or 80) == (url.host, url.port)
    assert parts.username is None


@pytest.mark.parametrize(
    ("location", "url"),
    [
        ("/x", "http://base/x"),
        ("x", "http://base/d/x"),
        ("../x", "http://base/x"),
        ("?a", "http://base/d/e?a"),
        ("#f", "http://base/d/e?q"),
        ("//other/x", "http://other/x"),
        ("https://other/", "https://other/"),
        ("é", "http://base/d/%C3%A9"),
    ],
)
def test_join(location: str, url: str) -> None:
    """References as RFC 3986 §5.2 resolves them."""
    assert str(join(parse_url("http://base/d/e?q"), location)) == url


@pytest.mark.parametrize(
    "location",
    [
        "",
        "ht\ntp://evil/",
        "\thttp://evil/",
        " /x",
        "a b",
        "//evil\\@x",
        "ftp://h/",
        "file:///etc/passwd",
        "data:,x",
        "http://[x",
        "//／",
    ],
)
def test_join_refuses(location: str) -> None:
    """An empty Location, characters that are stripped elsewhere, and every other scheme."""
    with pytest.raises(BadUrl):
        join(parse_url("http://base/d/e?q"), location)


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("http://h/a", "http://h/a"),
        ("http://u:p@h/a@b", "http://h/a@b"),
        ("http://u:p@w@h/", "http://h/"),
        ("u:p@h/x", "h/x"),
        ("http:/u:p@h/", "http:/h/"),
        ("//u:p@h/", "//h/"),
        ("http://h/?a=1&token=2", "http://h/?a=1&token=***"),
        ("http://h/?X-Amz-Signature=2&key", "http://h/?X-Amz-Signature=***&key"),
        ("http://h/?X-Amz%2DSi%67nature=2", "http://h/?X-Amz%2DSi%67nature=***"),
        ("http://h/#access_token=1", "http://h/"),
        ("http://h/#?token=1", "http://h/"),
        ("http://h/?a=b@c", "http://h/?a=b@c"),
        ("http://h/?a=1;token=2;b=3", "http://h/?a=1;token=***;b=3"),
        ("http://h/?pwd=1&jwt=2&session_id=3", "http://h/?pwd=***&jwt=***&session_id=***"),
        ("http://h/?next=http://u:p@i/x&a=1", "http://h/?next=http://i/x&a=1"),
    ],
)
def test_redacted(url: str, shown: str) -> None:
    """Users, passwords, secret-looking parameters and fragments are not for logs."""
    assert redacted(url) == shown


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("http://user:pa/ss@host/f", "http://host/f"),
        ("http://u:p?ss@host/f", "http://host/f"),
        ("u:p@h/x", "h/x"),
        ("http://h:x/@a", "http://a"),
        ("foo bar", "foo bar"),
    ],
)
def test_redacted_invalid(text: str, shown: str) -> None:
    """In what is no URL, a password may hold a slash or a question mark."""
    assert redacted_invalid(text) == shown
    with pytest.raises(BadUrl) as caught:
        parse_url(text)
    assert caught.value.url in (shown, None)


@given(st.text("ab:/@?#&[]%é \t"))
def test_a_refusal_tells_no_password(text: str) -> None:
    """Whatever is wrong with the rest, what stands before the @ stays out of the message."""
    try:
        parse_url(f"http://user:Sesame@{text}")
    except BadUrl as error:
        assert "Sesame" not in str(error)
        assert "Sesame" not in (error.url or "")


def test_a_port_that_is_half_a_password_is_not_quoted() -> None:
    """An unencoded slash in a password ends the host early; its first half is no port."""
    assert "Ses" not in str(refusal("http://user:Ses/ame@host/"))


def test_netloc_and_text_leave_out_what_is_default_or_secret() -> None:
    """The Host header has the port when it is not the scheme's own, and never the user."""
    assert parse_url("http://u:p@h:80/").netloc == "h"
    assert parse_url("https://h:80/").netloc == "h:80"
    assert parse_url("https://[::1]:80/").netloc == "[::1]:80"
    assert str(parse_url("http://u:p@[::1]/a?b")) == "http://[::1]/a?b"
    assert parse_url("https://u:p@h/").origin == ("https", "h", 443)


@given(st.from_regex(r"\Ahttps?://[a-z0-9.-]{1,12}(:[0-9]{1,5})?(/[!-~]{0,12})?(\?[!-~]{0,12})?\Z"))
def test_the_fast_path_and_the_slow_one_agree(text: str) -> None:
    """What the pattern for plain URLs takes apart, urlsplit takes apart alike."""
    plain = _PLAIN.fullmatch(text)
    if plain is not None:
        assert plain.groups("") == tuple(urlsplit(text)[:4])
        assert not _REFUSED.intersection(text)
