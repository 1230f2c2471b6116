"""Which proxy for which URL: as curl reads proxies, no_proxy and the environment."""

from __future__ import annotations

from base64 import b64encode
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from downloader.sansio.proxies import (
    NoProxy,
    Proxies,
    Proxy,
    environment_proxies,
    parse_proxy,
)

GOOD = {
    "http://p.test:3128": Proxy("http", "p.test", 3128),
    "p.test:3128": Proxy("http", "p.test", 3128),
    "p.test": Proxy("http", "p.test", 1080),
    "HTTP://P.test:80/": Proxy("http", "p.test", 80),
    "socks5://10.0.0.1:9050": Proxy("socks5", "10.0.0.1", 9050),
    "socks5h://[::1]:9050": Proxy("socks5h", "::1", 9050),
    "socks5h://[0::1]": Proxy("socks5h", "::1", 1080),
    "http://me:pw@p.test:1": Proxy("http", "p.test", 1, b"me", b"pw"),
    "me:pw@p.test:1": Proxy("http", "p.test", 1, b"me", b"pw"),
    "http://me@p.test:1": Proxy("http", "p.test", 1, b"me", b""),
    "http://me:@p.test:1": Proxy("http", "p.test", 1, b"me", b""),
    "http://:pw@p.test:1": Proxy("http", "p.test", 1, b"", b"pw"),
    "http://me:a:b%40%2F%25@p.test:1": Proxy("http", "p.test", 1, b"me", b"a:b@/%"),
    "http://m@e:p@w@p.test:1": Proxy("http", "p.test", 1, b"m@e", b"p@w"),
    "http://me:%ff@p.test:1": Proxy("http", "p.test", 1, b"me", b"\xff"),
    "http://me:\udcff@p.test:1": Proxy("http", "p.test", 1, b"me", b"\xff"),
    "http://me:\u00fc@p.test:1": Proxy("http", "p.test", 1, b"me", b"\xc3\xbc"),
    "socks5://a%3Ab:c@p.test:1": Proxy("socks5", "p.test", 1, b"a:b", b"c"),
    "http://b\u00fccher.test:1": Proxy("http", "xn--bcher-kva.test", 1),
}
BAD = {
    "": "host",
    "http://": "host",
    "https://p.test:1": "TLS to the proxy itself",
    "socks4://p.test:1": "and no other",
    "ftp://p.test:1": "and no other",
    "http://p.test:0": "port",
    "http://p.test:65536": "not valid",
    "http://p.test:x": "not valid",
    "http://p.test:1/path": "nothing may follow",
    "http://p.test:1?x": "nothing may follow",
    "http://me:s3cr/t@p.test:1": "%2F",
    "http://me:s3cret": "not valid",
    "http://s3 cret:1": "not valid",
    "http://[::1": "not valid",
    "http://::1:80": "not valid",
    "http://s3cret\ud800:x@p.test": "no text",
    "http://s3cret\ud800": "not valid",
    "http://a%00:s3cret@p.test": "control character",
    "http://a:s3cret%0d%0ax@p.test": "control character",
    "http://a%3As3cret:x@p.test": "colon",
    "http://@p.test": "empty",
    f"http://{'s3cret' * 50}:x@p.test": "255",
    f"socks5://me:{'s3cret' * 50}@p.test": "255",
}


@pytest.mark.parametrize("text", GOOD)
def test_what_is_a_proxy(text: str) -> None:
    """With its scheme or without, and percent-encoded where it has to be."""
    assert parse_proxy(text) == GOOD[text]


@pytest.mark.parametrize("text", BAD)
def test_what_is_none(text: str) -> None:
    """One reason, which quotes no secret."""
    with pytest.raises(ValueError, match=BAD[text]) as caught:
        parse_proxy(text)
    assert "s3c" not in str(caught.value)


@given(st.text(st.characters()))
def test_any_text(text: str) -> None:
    """Is a proxy or a ValueError, and nothing else."""
    try:
        assert parse_proxy(text).scheme == "http" or "://" in text
    except ValueError as error:
        assert type(error) is ValueError


@given(
    st.sampled_from(["http", "socks5", "socks5h"]),
    st.text(
        st.characters(min_codepoint=33, codec="utf-8", exclude_characters=":\x7f"),
        min_size=1,
        max_size=20,
    ),
    st.text(st.characters(min_codepoint=33, codec="utf-8", exclude_characters="\x7f"), max_size=20),
)
def test_users_and_passwords(scheme: str, user: str, password: str) -> None:
    """Come out as they were, quoted in between, and are shown by nobody."""
    proxy = parse_proxy(f"{scheme}://{quote(user, safe='')}:{quote(password, safe='')}@p.test:1")
    assert (proxy.user, proxy.password) == (user.encode(), password.encode())
    assert str(proxy) == f"{scheme}://p.test:1"
    assert repr(proxy) == f"<Proxy {scheme}://p.test:1 with a user>"
    encoded = b64encode(f"{user}:{password}".encode())
    assert proxy.authorization == b"Proxy-Authorization: Basic " + encoded + b"\r\n"


def test_without_a_user() -> None:
    """There is nothing to log in with."""
    proxy = parse_proxy("[::1]:1")
    assert proxy.authorization == b"" and repr(proxy) == "<Proxy http://[::1]:1>"


# --- the choice -----------------------------------------------------------------------------


def chosen(proxies: Proxies, scheme: str, host: str = "h.test", port: int = 80) -> str:
    return str(proxies.choose(scheme, host, port)).rpartition("/")[2]


def test_each_scheme_its_own() -> None:
    """`all` is for what is not said otherwise; an empty text is none."""
    assert Proxies() == Proxies(None, None, None, "")
    assert [chosen(Proxies(), scheme) for scheme in ("http", "https")] == ["None", "None"]
    some = Proxies(http="a:1", all="b:2")
    assert [chosen(some, scheme) for scheme in ("http", "https")] == ["a:1", "b:2"]
    some = Proxies(https="", all="b:2")
    assert [chosen(some, scheme) for scheme in ("http", "https")] == ["b:2", "None"]
    some = Proxies(all="b:2", no_proxy="h.test")
    assert chosen(some, "http") == "None" and chosen(some, "http", "g.test") == "b:2"


def test_proxies_that_cannot_be_used() -> None:
    """The value refuses them when it is made."""
    with pytest.raises(ValueError, match=r"^the proxy for https: TLS"):
        Proxies(https="https://me:s3cret@p.test")


def test_the_values_repr_holds_no_password() -> None:
    """Nor a user."""
    shown = repr(Proxies(all="http://me:s3cret@p.test:1", no_proxy="h.test"))
    assert "p.test:1" in shown and "h.test" in shown
    assert "s3cret" not in shown and "me" not in shown


# what no_proxy says, host, port, whether it is asked directly
NO_PROXY = [
    ("", "h.test", 80, False),
    ("*", "h.test", 80, True),
    ("*", "10.0.0.1", 80, True),
    ("a.test, *", "h.test", 80, True),
    ("example.org", "example.org", 80, True),
    ("example.org", "www.example.org", 80, True),
    ("example.org", "a.b.example.org", 80, True),
    ("example.org", "nonexample.org", 80, False),
    ("example.org", "example.org.evil.test", 80, False),
    ("example.org", "org", 80, False),
    (".example.org", "example.org", 80, True),
    (".example.org", "www.example.org", 80, True),
    (".example.org", "nonexample.org", 80, False),
    ("*.example.org", "www.example.org", 80, True),
    ("EXAMPLE.org", "example.org", 80, True),
    ("example.org", "EXAMPLE.ORG", 80, True),
    ("example.org.", "example.org", 80, True),
    ("example.org", "www.example.org.", 80, True),
    ("b\u00fccher.test", "xn--bcher-kva.test", 80, True),
    ("a.test,b.test", "b.test", 80, True),
    ("a.test b.test", "b.test", 80, True),
    (" a.test ,, b.test ", "b.test", 80, True),
    ("h.test:8080", "h.test", 8080, True),
    ("h.test:8080", "h.test", 80, False),
    ("h.test:8080", "www.h.test", 8080, True),
    ("h.test:8080,h.test", "h.test", 80, True),
    ("h.test:x", "h.test", 80, False),
    (".", "h.test", 80, False),
    (",", "h.test", 80, False),
    ("10.0.0.1", "10.0.0.1", 80, True),
    ("10.0.0.1", "110.0.0.1", 80, False),
    ("0.0.1", "10.0.0.1", 80, False),
    ("10.0.0.1:80", "10.0.0.1", 80, True),
    ("10.0.0.1:80", "10.0.0.1", 81, False),
    ("10.0.0.0/8", "10.255.1.2", 80, True),
    ("10.0.0.0/8", "11.0.0.1", 80, False),
    ("10.1.2.3/8", "10.255.1.2", 80, True),
    ("10.0.0.0/8:80", "10.0.0.1", 80, True),
    ("10.0.0.0/33", "10.0.0.1", 80, False),
    ("10.0.0.0/8", "h.test", 80, False),
    ("0.0.0.0/0", "::1", 80, False),
    ("::1", "::1", 80, True),
    ("[::1]", "::1", 80, True),
    ("[::1]:80", "::1", 80, True),
    ("[::1]:80", "::1", 81, False),
    ("0:0::1", "::1", 80, True),
    ("fe80::/10", "fe80::1", 80, True),
    ("fe80::/10", "fec0::1", 80, False),
    ("[2001:db8::]/32", "2001:db8::1", 80, False),
    ("10.0.0.0/8", "::ffff:10.0.0.1", 80, True),
    ("localhost", "127.0.0.1", 80, False),
    ("localhost", "localhost", 80, True),
]


@pytest.mark.parametrize(("text", "host", "port", "direct"), NO_PROXY)
def test_no_proxy(text: str, host: str, port: int, direct: bool) -> None:
    """Names with those below them, addresses, networks, ports."""
    assert NoProxy(text).covers(host, port) is direct


@given(
    st.text(st.characters()),
    st.from_regex(r"[a-z0-9.:-]{1,20}", fullmatch=True),
    st.integers(1, 65535),
)
def test_any_no_proxy(text: str, host: str, port: int) -> None:
    """Covers a host or does not, and a host that it names."""
    NoProxy(text).covers(host, port)
    if host.strip(".") and ":" not in host and "/" not in host and not host.endswith(".."):
        assert NoProxy(f"{host.strip('.')},x.test").covers(host.strip("."), port)


# --- the environment ------------------------------------------------------------------------

ENVIRONMENTS = [
    ({}, {}),
    ({"http_proxy": "a"}, {"http": "a"}),
    ({"HTTP_PROXY": "a"}, {}),
    ({"HTTP_PROXY": "a", "REQUEST_METHOD": "GET"}, {}),
    ({"HTTP_PROXY": "a", "http_proxy": "b"}, {"http": "b"}),
    ({"HTTPS_PROXY": "a"}, {"https": "a"}),
    ({"HTTPS_PROXY": "a", "https_proxy": "b"}, {"https": "b"}),
    ({"HTTPS_PROXY": "a", "https_proxy": ""}, {"https": "a"}),
    ({"ALL_PROXY": "a", "NO_PROXY": "b"}, {"all": "a", "no_proxy": "b"}),
    ({"all_proxy": "a", "no_proxy": "b", "NO_PROXY": "c"}, {"all": "a", "no_proxy": "b"}),
    ({"http_proxy": "", "all_proxy": "a"}, {"all": "a"}),
    ({"ftp_proxy": "a", "Http_Proxy": "b"}, {}),
]


@pytest.mark.parametrize(("environment", "said"), ENVIRONMENTS)
def test_the_environment(environment: dict[str, str], said: dict[str, str]) -> None:
    """Lower case first; HTTP_PROXY never; what is empty is not said."""
    assert environment_proxies(environment) == said
