"""What a server or a list may make long takes time in proportion to its length.

Each case would take minutes if it took the square, as in CVE-2024-3651, CVE-2021-33503 and
CVE-2021-21240, and the suite's limit for a test would end it. None is timed otherwise.
"""

from __future__ import annotations

import tracemalloc

import pytest

from downloader.errors import BadName, BadUrl
from downloader.jobs import Naming
from downloader.sansio.digest import answer, find_challenge
from downloader.sansio.names import (
    MAX_BYTES,
    checked_name,
    collision_key,
    numbered,
    path_for,
    safe_name,
)
from downloader.sansio.url import MAX_URL, HttpUrl, join, parse_url

MARKS = "\u0301\u0327"  # in an order that is not the normal one
URL = HttpUrl("http", "h", 80, "/u")

# --- names ------------------------------------------------------------------------------------

PIECES = [MARKS, "e\u0301", "a", " ", ".", "-", "\0", "\ud800", "日", "CON", ".part", ".tar"]


@pytest.mark.parametrize("piece", PIECES, ids=ascii)
@pytest.mark.parametrize("form", ["{}", "a{}", "a{}.iso", "{}.tar.gz", "{}a"])
def test_long_names(form: str, piece: str) -> None:
    """What is in the middle of it does not matter, and the result is safe."""
    long, longer = (form.format(piece * count) for count in (4000, 1_000_000))
    assert safe_name(long) == safe_name(longer)
    assert len(safe_name(longer).encode()) <= MAX_BYTES


def test_a_long_name_of_the_users_own() -> None:
    """In each of its directories; what is too deep is refused."""
    part = "a" + MARKS * 500_000
    path = checked_name(f"{part}/{part}")
    assert path == f"{safe_name(part)}/{safe_name(part)}"
    assert collision_key(path) != collision_key(numbered(path, 1))
    with pytest.raises(BadName):
        checked_name("a/" * 500_000 + "a")


@pytest.mark.parametrize("naming", list(Naming))
def test_long_urls_as_names(naming: Naming) -> None:
    """Whatever their path and query are made of."""
    for target in (MARKS * 500_000, "a/" * 500_000, "%cc%81%cc%a7" * 100_000, "?" * 1_000_000):
        path = path_for(HttpUrl("http", "h", 80, f"/{target}"), name=None, naming=naming)
        assert len(path.encode()) < 4096


# --- headers ----------------------------------------------------------------------------------

# The answer's head has 300 KiB at most; these are three times as long.
SIZE = 900_000
OFFERS = {
    "marks": ('a; filename="a{}"', MARKS.encode().decode("latin-1")),
    "encoded marks": ("a; filename*=UTF-8''a{}", "%CC%81%CC%A7"),
    "quotes": ('a; filename="{}', '\\"'),
    "quotes that close": ("a; filename={}", '"a"'),
    "no end": ('a; filename="{}', "a"),
    "backslashes": ('a; filename="{}"', "\\"),
    "slashes": ('a; filename="{}b"', "a/"),
    "semicolons": ("a{}", ";"),
    "blanks": ("a;{}", " "),
    "semicolons and blanks": ("a{}", ";\t "),
    "blanks before": ("{}; filename=a", " "),
    "equal signs": ("a; filename{}", "="),
    "parameters": ("a{}", ";a=b"),
    "names": ("a{}", "; filename=a"),
    "extended names": ("a{}", "; filename*"),
    "parts": ("a{}", "; filename*0*=a"),
    "percents": ("a; filename*=UTF-8''{}", "%"),
    "apostrophes": ("a; filename*={}", "'"),
    "commas": ("a; filename=a{}", ","),
}


@pytest.mark.parametrize(("form", "piece"), OFFERS.values(), ids=OFFERS.keys())
def test_long_offers_of_a_name(form: str, piece: str) -> None:
    """A Content-Disposition gives a name or none."""
    header = form.format(piece * (SIZE // len(piece)))
    for naming in Naming:
        path = path_for(URL, name=None, naming=naming, disposition=header)
        assert path.removeprefix("h/") == safe_name(path.removeprefix("h/"))


CHALLENGES = {
    "schemes": (b"", b"Digest "),
    "names": (b"Digest ", b"a"),
    "fields": (b"Digest ", b"a=b,"),
    "quoted fields": (b"Digest ", b'a="b",'),
    "one field": (b"Digest ", b'realm="b",'),
    "no end": (b'Digest realm="', b"a"),
    "no ends": (b"Digest ", b'a="\\"'),
    "escapes": (b'Digest realm="', b'\\"'),
    "blanks": (b"Digest realm", b" "),
    "blanks behind": (b"Digest realm=", b"\t "),
    "names and blanks": (b"Digest ", b"a "),
    "equal signs": (b"Digest realm", b"="),
    "quotation marks": (b"Digest realm=", b'"'),
    "commas": (b"Digest ", b","),
    "qualities": (b'Digest nonce=a, qop="', b"auth,"),
}


@pytest.mark.parametrize(("start", "piece"), CHALLENGES.values(), ids=CHALLENGES.keys())
def test_long_challenges(start: bytes, piece: bytes) -> None:
    """A challenge is read to its end, and answered if it is one."""
    for end in (b"", b'", nonce=a', b', nonce="a"'):
        challenge = find_challenge([start + piece * (SIZE // len(piece)) + end])
        if challenge is not None:
            sent = answer(challenge, b"GET", b"/", b"me", b"pw", b"00")
            assert sent.startswith(b'Digest username="me", ')


# --- URLs -------------------------------------------------------------------------------------

LONG = MAX_URL - 20
HOSTS = {"marks": MARKS, "letters": "é", "labels": "é.", "A-labels": "xn--9ca.", "dots": "."}


@pytest.mark.parametrize("host", HOSTS.values(), ids=HOSTS.keys())
def test_long_hosts(host: str) -> None:
    """Of a list, and of a hundred redirects: refused before idna or urljoin read them."""
    host = (host * LONG)[:LONG]
    for number in range(100):
        for text in (f"http://{number}{host}/", f"//{number}{host}"):
            with pytest.raises(BadUrl):
                join(URL, text)
        with pytest.raises(BadUrl):
            parse_url(f"http://{number}{host}/")


@pytest.mark.parametrize("form", ["http://h/{}{}", "http://{}:{}@h/", "http://h/é{}{}"])
def test_long_urls_are_not_remembered(form: str) -> None:
    """A list of them would take the memory of hundreds."""
    tracemalloc.start()
    for number in range(200):
        assert parse_url(form.format(number, "a" * (LONG - 100))).host == "h"
    kept, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert kept < 20 * LONG
