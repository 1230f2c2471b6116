"""Which cookies a URL is sent: RFC 6265's rules, against a corpus and a plain model of them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from downloader.sansio.cookies import MAX_HEADER, MAX_SENT, Cookies, parse_cookies
from downloader.sansio.url import parse_url

NOW = 1_000_000.0


def line(
    domain: str = "a.test",
    subdomains: str = "FALSE",
    path: str = "/",
    secure: str = "FALSE",
    expires: str = "0",
    name: str = "n",
    value: str = "v",
) -> str:
    return "\t".join((domain, subdomains, path, secure, expires, name, value))


def sent(url: str, *lines: str) -> str | None:
    header = parse_cookies("\n".join(lines).encode()).header(parse_url(url), NOW)
    return None if header is None else header.decode()


@pytest.mark.parametrize(
    ("domain", "below", "host", "goes"),
    [
        ("a.test", "FALSE", "a.test", True),
        ("A.Test", "FALSE", "a.TEST", True),
        ("a.test", "FALSE", "b.a.test", False),
        ("a.test", "TRUE", "a.test", True),
        ("a.test", "TRUE", "c.b.a.test", True),
        (".a.test", "TRUE", "a.test", True),
        (".a.test", "TRUE", "b.a.test", True),
        (".a.test", "FALSE", "b.a.test", False),
        ("a.test", "TRUE", "xa.test", False),
        ("a.test", "TRUE", "test", False),
        ("a.test", "TRUE", "a.test.evil.test", False),
        ("b.a.test", "TRUE", "a.test", False),
        # a trailing dot makes another name of it
        ("a.test", "TRUE", "a.test.", False),
        ("a.test", "TRUE", "b.a.test.", False),
        ("test.", "TRUE", "a.test.", False),
        # single labels have nothing below them
        ("test", "TRUE", "a.test", False),
        (".test", "TRUE", "a.test", False),
        ("localhost", "TRUE", "localhost", True),
        ("localhost", "FALSE", "localhost", True),
        # addresses have no domain
        ("127.0.0.1", "FALSE", "127.0.0.1", True),
        ("127.0.0.1", "TRUE", "127.0.0.1", True),
        ("0.0.1", "TRUE", "127.0.0.1", False),
        ("0.0.1", "TRUE", "127.0.0.1.", False),
        ("0x1.1", "TRUE", "127.0x1.1", False),
        ("b.0x7f", "TRUE", "a.b.0x7f", False),
        ("::1", "FALSE", "[::1]", True),
        ("[::1]", "FALSE", "[::1]", True),
        ("ffff:1.2", "TRUE", "[::ffff:1.2.3.4]", False),
        ("xn--bcher-kva.test", "TRUE", "b\u00fccher.test", True),
    ],
)
def test_domains(domain: str, below: str, host: str, goes: bool) -> None:
    """Host-only cookies stay so, and none goes above or beside its domain."""
    assert sent(f"http://{host}/", line(domain, below)) == ("n=v" if goes else None)


@pytest.mark.parametrize(
    ("path", "target", "goes"),
    [
        ("/", "/", True),
        ("/", "/a/b", True),
        ("/a", "/a", True),
        ("/a", "/a?q=/b", True),
        ("/a", "/a/", True),
        ("/a", "/a/b", True),
        ("/a/", "/a/b", True),
        ("/a/", "/a", False),
        ("/a", "/ab", False),
        ("/a", "/", False),
        ("/a", "/A", False),
        ("/a", "/b?/a", False),
        ("/a", "/%61", False),
        ("", "/x", True),
        ("a", "/x", True),
    ],
)
def test_paths(path: str, target: str, goes: bool) -> None:
    """RFC 6265 §5.1.4; what is no path is the root."""
    assert sent(f"http://a.test{target}", line(path=path)) == ("n=v" if goes else None)


def test_secure_cookies_stay_on_tls() -> None:
    lines = (line(secure="TRUE", name="s"), line(name="p"))
    assert sent("https://a.test/", *lines) == "s=v; p=v"
    assert sent("http://a.test/", *lines) == "p=v"
    assert sent("http://a.test:443/", *lines) == "p=v"


@pytest.mark.parametrize(
    ("expires", "goes"),
    [("0", True), ("", True), (f"{NOW + 1:.0f}", True), (f"{NOW + 1:.0f}.75", True),
     (f"{NOW:.0f}", False), ("1", False), ("-1", False), ("9" * 18, True)],
)  # fmt: skip
def test_expiry(expires: str, goes: bool) -> None:
    """0 is the end of a session, which has not come."""
    assert sent("http://a.test/", line(expires=expires)) == ("n=v" if goes else None)


def test_order_and_replacement() -> None:
    """Longer paths first, then as in the file; a later cookie of the same place replaces."""
    lines = [
        line(name="a"),
        line(name="b", path="/x/y"),
        line(name="c", domain=".a.test", subdomains="TRUE", path="/x"),
        line(name="a", value="2"),
        line(name="a", path="/x", value="3"),
    ]
    assert sent("http://a.test/x/y", *lines) == "b=v; c=v; a=3; a=2"


def test_as_curl_and_browsers_write_it() -> None:
    """Comments, CRLF, #HttpOnly_, a BOM, no value, bytes that are not ASCII."""
    data = (
        b"\xef\xbb\xbf# Netscape HTTP Cookie File\r\n\r\n"
        b"#HttpOnly_a.test\tFALSE\t/\tFALSE\t0\th\t1\r\n"
        b"a.test\tfalse\t/\tFalse\t0\te\r\n#a.test\tFALSE\t/\tFALSE\t0\tno\t1\n"
        b"a.test\tFALSE\t/\tFALSE\t0\tu\t\xc3\xa9=\xff\n"
    )
    header = parse_cookies(data).header(parse_url("http://a.test/"), NOW)
    assert header == b"h=1; e=; u=\xc3\xa9=\xff"


@pytest.mark.parametrize(
    "bad",
    ['{"cookies": []}', "a.test FALSE / FALSE 0 n v", "a.test\tFALSE\t/\tFALSE\t0",
     line(subdomains="maybe"), line(secure=""), line(expires="soon"), line(expires="9" * 19)],
)  # fmt: skip
def test_what_is_no_cookie_file(bad: str) -> None:
    """Its line is told, and none of its words."""
    with pytest.raises(ValueError, match=r"^line 2 is no cookie") as caught:
        parse_cookies(f"{line(value='sesame')}\n{bad}\n".encode())
    assert "sesame" not in str(caught.value) and "soon" not in str(caught.value)


@pytest.mark.parametrize(
    "bad",
    [line(name=""), line(name="a b"), line(name="a;b"), line(name="a=b"), line(domain=""),
     line(value="a;b"), line(value="a\tb"), line(value="a\x00b"), line(value="a\rb"),
     line(value="a\x7f")],
)  # fmt: skip
def test_what_would_break_the_header(bad: str) -> None:
    """Is left out; the others go."""
    assert sent("http://a.test/", bad, line(name="good")) == "good=v"


def test_no_more_than_servers_take() -> None:
    """The ones of the longest paths, as many as fit (CVE-2022-32205)."""
    many = [line(name=f"n{number}") for number in range(1000)]
    header = sent("http://a.test/x", *many, line(name="first", path="/x"))
    assert header is not None and header.startswith("first=v; n0=v; ")
    assert header.count("=") == MAX_SENT
    large = [line(name=f"n{number}", value="v" * 3000) for number in range(9)]
    header = sent("http://a.test/", *large)
    assert header is not None and header.count("=") == 2 and len(header) <= MAX_HEADER


LABELS = st.sampled_from(["a", "b", "test", "com", "1"])
HOSTS = st.lists(LABELS, min_size=1, max_size=4).map(".".join)
PATHS = st.text("/ab", max_size=5).map(lambda text: f"/{text}")


@given(HOSTS, st.booleans(), HOSTS)
def test_domains_against_a_model(domain: str, below: bool, host: str) -> None:
    """RFC 6265 §5.1.3, with single labels and addresses exact."""
    numeric = host.rpartition(".")[2] == "1"
    expected = host == domain or (
        below and "." in domain and not numeric and host.endswith(f".{domain}")
    )
    got = sent(f"http://{host}/", line(domain, str(below).upper()))
    assert got == ("n=v" if expected else None)


@given(PATHS, PATHS)
def test_paths_against_a_model(path: str, target: str) -> None:
    """RFC 6265 §5.1.4, said with segments."""
    expected = target == path or target.startswith(path if path.endswith("/") else f"{path}/")
    assert sent(f"http://a.test{target}", line(path=path)) == ("n=v" if expected else None)


@given(st.binary())
def test_any_bytes_are_read_or_refused(data: bytes) -> None:
    """With ValueError and nothing else; and no header ever holds a line end."""
    try:
        cookies = parse_cookies(data)
    except ValueError as error:
        assert str(error).startswith("line ")
    else:
        header = cookies.header(parse_url("https://a.test/"), NOW) or b""
        assert b"\n" not in header and b"\r" not in header


@given(st.binary(max_size=6), st.binary(max_size=6))
def test_any_name_and_value_make_one_cookie_or_none(name: bytes, value: bytes) -> None:
    data = b"a.test\tFALSE\t/\tFALSE\t0\t%b\t%b" % (name, value)
    try:
        header = parse_cookies(data).header(parse_url("http://a.test/"), NOW)
    except ValueError:
        assert b"\n" in name + value or b"\t" in name
    else:
        if b"\n" in name + value:  # two lines, the first of which may lack its value
            assert header is None or b"\n" not in header
        else:
            assert header in (None, name + b"=" + value.removesuffix(b"\r"))


def test_it_shows_no_cookie() -> None:
    cookies = parse_cookies(line(value="sesame").encode())
    assert repr(cookies) == "<Cookies 1>" and repr(Cookies()) == "<Cookies 0>"
