"""Hostile names from every side: what comes out is one safe relative path."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from urllib.parse import quote

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from downloader.errors import BadName
from downloader.jobs import Naming
from downloader.sansio import names
from downloader.sansio.names import (
    MAX_BYTES,
    MAX_DEPTH,
    MAX_PATH,
    checked_directory,
    checked_name,
    numbered,
    path_for,
    safe_name,
)
from downloader.sansio.printable import printable
from downloader.sansio.url import HttpUrl, parse_url

ANY_TEXT = st.text(st.characters(exclude_categories=()))
# Texts made of what the rules are about meet each other far more often than by chance.
PIECES = st.lists(
    st.sampled_from(
        [
            *(".", "..", "/", "\\", " ", "-", "_", ":", "%2f", "\0", "\u202e", "\u00a0", "\ud800"),
            *("CON", "nul", "com¹", ".part", ".PART", ".tar", ".gz", "a", "é", "e\u0301"),
            *("日" * 90, "x" * 120),
        ]
    )
).map("".join)
NASTY = ANY_TEXT | PIECES
RESERVED = re.compile(
    r"(CON|PRN|AUX|NUL|CLOCK\$|CONIN\$|CONOUT\$|(COM|LPT)[0-9¹²³])\s*(\.|$)", re.IGNORECASE
)
HIDDEN = {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}


def corpus() -> Iterator[str]:
    """Every trick of the advisories, in every dress."""
    evil = ["../x", "../../etc/passwd", "..\\x", "..", ".", "/etc/passwd", "C:\\x", "\\\\host\\x"]
    evil += [".bashrc", ".ssh/authorized_keys", "~/.netrc", "-rf", "--output=x", "none", "", " "]
    for name in evil:
        yield from (name, name + "/", name + " ", name + ".", "a/" + name, "./" + name, name + "\0")
        yield from (quote(name, safe=""), quote(quote(name, safe="")), name.replace(".", "%2e"))
        yield from (name.replace("/", "\u2215"), name.replace(".", "\u2024"), name + ".part")
    for device in ["CON", "nul", "Aux", "prn", "COM1", "lpt9", "COM¹", "CONIN$", "clock$"]:
        yield from (
            device,
            device + ".txt",
            device + " .txt",
            device + ".",
            device + ":",
            f"a/{device}",
        )
    for code in [
        *range(0x20),
        0x7F,
        *range(0x80, 0xA1),
        0xAD,
        0x200B,
        0x202E,
        0x2066,
        0x2028,
        0xFEFF,
    ]:
        yield from (f"a{chr(code)}b", f"{chr(code)}a", f"a{chr(code)}")
    for code in [0xD800, 0xE000, 0xFFFF, 0xE0001, 0x10FFFF]:
        yield from (f"a{chr(code)}.txt", chr(code))
    letters = [
        "a",
        "é",
        "日",
        "🎉",
        "e\u0301",
        "\u0301\u0327",
        ".",
        " ",
        "-",
        "_",
        "a.",
        ". ",
        "../",
    ]
    for letter in letters:
        yield from (letter * n + end for n in (80, 300, 5000) for end in ("", ".iso", ".tar.gz"))
    yield from (f"a{c}b" for c in ':*?"<>|;&$`!#%{}[]()^~')
    yield from ("x.part", "x.PART", "x.part.", "x.part.part", ".part", "CON.part", "..part")


CORPUS = sorted(set(corpus()))


def assert_safe(component: str) -> None:
    assert component not in ("", ".", "..")
    assert len(component.encode()) <= MAX_BYTES
    assert not set(component) & set('/\\:*?"<>|')
    assert not {unicodedata.category(c) for c in component} & HIDDEN
    assert unicodedata.is_normalized("NFC", component)
    assert component[0] not in ".-" and component == component.strip()
    assert not component.endswith(".")
    assert not component.lower().endswith(".part")
    assert not RESERVED.match(component)


def assert_safe_path(path: str) -> None:
    for component in path.split("/"):
        assert_safe(component)
    assert path.count("/") < 2 * MAX_DEPTH
    assert len(path.encode()) <= 2 * MAX_PATH


def test_the_corpus_is_large() -> None:
    """Three hundred names is what the next tests promise."""
    assert len(CORPUS) >= 300


@pytest.mark.parametrize("text", CORPUS, ids=lambda text: ascii(text)[:40])
def test_corpus(text: str) -> None:
    """From each side that can name a file: itself, a URL's path and query, a header, a list."""
    assert_safe(safe_name(text))
    url = HttpUrl(
        "http", "h", 80, "/d/" + quote(text, errors="replace") + "?" + quote(text, errors="replace")
    )
    raw = HttpUrl("http", "h", 8080, "/d/" + text)
    for naming in Naming:
        assert_safe_path(path_for(url, name=None, naming=naming))
        assert_safe_path(path_for(raw, name=None, naming=naming))
        for header in (
            f'attachment; filename="{text}"',
            f"a; filename={text}",
            f"a; filename*=UTF-8''{text}",
        ):
            assert_safe_path(path_for(url, name=None, naming=naming, disposition=header))
    for name, directory in ((text, ""), (None, text)):
        try:
            assert_safe_path(path_for(url, name=name, naming=Naming.FLAT, subdirectory=directory))
        except BadName as error:
            assert printable(error.detail) == error.detail


@given(NASTY)
@example("CON" + " " * 300 + "x")
@example("CON." + "a" * 236)
@example("a" * 235 + ".part" + "b" * 50)
@example(" " * 300)
def test_safe_name_is_total_and_idempotent(text: str) -> None:
    """Any text gives a safe name, and a safe name is left alone."""
    safe = safe_name(text)
    assert_safe(safe)
    assert safe_name(safe) == safe


@given(NASTY | st.from_regex(r"[A-Za-z0-9_.+=@~,%() -]{1,20}", fullmatch=True))
def test_the_fast_way_gives_what_the_slow_way_gives(text: str) -> None:
    """The shortcut for plain names is only a shortcut."""
    assert safe_name(text) == names._made_safe(text)


@pytest.mark.parametrize(
    ("text", "safe"),
    [
        ("a.tar.gz", "a.tar.gz"),
        ("Ünicode näme (1).iso", "Ünicode näme (1).iso"),
        ("e\u0301", "é"),
        (".bashrc", "_bashrc"),
        ("-rf", "_rf"),
        ("a/b\\c", "a_b_c"),
        ("nul.txt", "_nul.txt"),
        ("console", "console"),
        ("a. .", "a"),
        ("..", "_"),
        ("x.Part", "x_Part"),
        ("x.part.iso", "x.part.iso"),
        ("a\u202egpj.exe", "a_gpj.exe"),
        ("a" * 300 + ".tar.gz", "a" * (MAX_BYTES - 7) + ".tar.gz"),
        ("日" * 100 + ".iso", "日" * 78 + ".iso"),
        ("a." + "b" * 300, "a." + "b" * (MAX_BYTES - 2)),
    ],
)
def test_safe_name(text: str, safe: str) -> None:
    """What each rule makes of a name."""
    assert safe_name(text) == safe


@pytest.mark.parametrize(
    ("url", "flat", "tree"),
    [
        ("http://h/a/b.iso", "b.iso", "h/a/b.iso"),
        ("https://h:443/", "index.html", "h/index.html"),
        ("http://h:8080/a/", "index.html", "h_8080/a/index.html"),
        ("http://[::1]:81/a", "a", "__1_81/a"),
        ("http://h.example./a", "a", "h.example/a"),
        ("http://h/a%20b%2fc?d=e", "a b_c", "h/a b_c@d=e"),
        ("http://h/%252e%252e%252fa", "%2e%2e%2fa", "h/%2e%2e%2fa"),
        ("http://h/x/../%2e%2e//./a", "a", "h/x/a"),
        ("http://h/x/..", "index.html", "h/x/index.html"),
        ("http://h/..%2f..%2fx", "_._.._x", "h/_._.._x"),
        ("http://h/a.css?v=2", "a.css", "h/a@v=2.css"),
        ("http://h/?p=1", "index.html", "h/index@p=1.html"),
        ("http://h/a.gz?token=Sesame", "a.gz", "h/a@token=___.gz"),
        ("http://h/%ff", "\ufffd", "h/\ufffd"),
    ],
)
def test_names_from_urls(url: str, flat: str, tree: str) -> None:
    """Split first, decoded once; in a tree a query keeps pages apart, without its secrets."""
    assert path_for(parse_url(url), name=None, naming=Naming.FLAT) == flat
    assert path_for(parse_url(url), name=None, naming=Naming.TREE) == tree


@pytest.mark.parametrize(
    ("header", "path"),
    [
        ('attachment; filename="a b.txt"', "a b.txt"),
        ("attachment; filename*=UTF-8''%e2%82%ac.txt; filename=eur.txt", "€.txt"),
        ("attachment; filename=eur.txt; FileName*=UTF-8''%e2%82%ac.txt", "€.txt"),
        ('attachment; filename="na\xc3\xafve.txt"', "naïve.txt"),
        ('attachment; filename="../../x/y.txt"', "y.txt"),
        ('attachment; filename="C:\\\\x\\\\y.txt"', "y.txt"),
        ("attachment; filename*=UTF-8''..%2f..%2fy.txt", "y.txt"),
        ('attachment; filename=".netrc"', "_netrc"),
        ('attachment; filename=".."', "u"),
        ('attachment; filename="a/"', "u"),
        ('attachment; filename=""', "u"),
        ("attachment; filename=", "u"),
        ("inline", "u"),
        ("", "u"),
    ],
)
def test_names_from_content_disposition(header: str, path: str) -> None:
    """The last component (CVE-2019-20916, CVE-2010-3842); the URL's where there is none."""
    url = parse_url("http://h/d/u")
    assert path_for(url, name=None, naming=Naming.FLAT, disposition=header) == path
    assert path_for(url, name=None, naming=Naming.TREE, disposition=header) == "h/d/" + path


@given(ANY_TEXT)
def test_any_header_gives_a_safe_name(text: str) -> None:
    """No header value breaks the name, nor the parser."""
    url = parse_url("http://h/")
    for header in (text, f"a; filename={text}", f'a; filename="{text}"', f"a; filename*0*={text}"):
        assert_safe_path(path_for(url, name=None, naming=Naming.FLAT, disposition=header))


def test_the_users_own_name_wins() -> None:
    """Over the header and the URL, with its directories, below the list's own."""
    url = parse_url("http://h/u")
    path = path_for(
        url,
        name="sub//./Ünicode name.iso",
        naming=Naming.TREE,
        disposition="a; filename=b",
        subdirectory="top/",
    )
    assert path == "top/sub/Ünicode name.iso"
    assert path_for(url, name=None, naming=Naming.FLAT, subdirectory=".") == "u"


@pytest.mark.parametrize(
    "name",
    [
        *("", ".", "..", "a/", "a/.", "/a", "a/../b", "../a", "a/..", "a\\b", "a\0b"),
        *("a/" * 40 + "b", "x/" + "日" * 60 + "/", "/".join(["x" * 200] * 6)),
    ],
)
def test_names_that_are_refused(name: str) -> None:
    """What would lead elsewhere or names no file is told, not mended."""
    with pytest.raises(BadName) as caught:
        checked_name(name)
    assert caught.value.detail.isprintable()


@pytest.mark.parametrize("directory", ["..", "a/../..", "/", "/etc", "a\\..", "a\0"])
def test_subdirectories_that_are_refused(directory: str) -> None:
    """They come from lists and are checked at each use, as names are."""
    with pytest.raises(BadName):
        path_for(parse_url("http://h/u"), name=None, naming=Naming.FLAT, subdirectory=directory)
    assert checked_directory("./a//b/") == "a/b"


def test_a_tree_is_bounded() -> None:
    """A deep or long URL path loses its inner directories, not its name."""
    for segment in ("d", "d" * 230, "日" * 30):
        url = parse_url("http://h/" + f"{segment}/" * 200 + "name.iso")
        path = path_for(url, name=None, naming=Naming.TREE)
        assert path.count("/") < MAX_DEPTH and len(path.encode()) <= MAX_PATH
        assert path.startswith(f"h/{segment}/")
        assert path.endswith("/name.iso")


@pytest.mark.parametrize(
    ("path", "first"),
    [
        ("a.iso", "a.1.iso"),
        ("a.tar.gz", "a.1.tar.gz"),
        ("A.TAR.XZ", "A.1.TAR.XZ"),
        ("a", "a.1"),
        ("d.x/a", "d.x/a.1"),
        ("a.b c", "a.b c.1"),
        ("_tar.gz", "_tar.1.gz"),
        ("a." + "b" * 13, "a." + "b" * 13 + ".1"),
    ],
)
def test_numbered(path: str, first: str) -> None:
    """The number stands in front of the extension."""
    assert numbered(path, 1) == first
    assert numbered(path, 0) == path


@given(PIECES.map(safe_name), st.integers(1, 10**6))
@example(safe_name("CON" + "\u00a0" * 117 + "x"), 1)
@example("a" * MAX_BYTES, 12345)
def test_numbered_names_are_safe(name: str, n: int) -> None:
    """The alternatives of a safe name are safe, and are others."""
    other = numbered("d/" + name, n)
    assert_safe_path(other)
    assert safe_name(other[2:]) == other[2:]
    assert other != "d/" + name
