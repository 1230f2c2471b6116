"""Hosts in letters that look like others: refused, or the very host that they are mapped to.

A host is shown and used as its A-label (RFC 5891), in which nothing looks like another.
"""

from __future__ import annotations

import re
import sys
import unicodedata

import pytest

from downloader.errors import BadUrl
from downloader.sansio.url import HttpUrl, parse_url

LABEL = "[a-z0-9_-]+"
DOTS = "\u3002\uff0e\uff61"  # what IDNA takes for a dot


def compatible(character: str) -> str:
    """What it is in the compatible form, in lower case."""
    return unicodedata.normalize("NFKC", character).lower()


# Each character that stands for something in ASCII: fullwidth and circled letters, digits and
# signs, U+2100 (a/c), U+FF0F (/), U+FF20 (@).
STAND_INS = [
    character
    for character in map(chr, range(0x80, sys.maxunicode + 1))
    if any(ord(one) < 0x80 for one in compatible(character))
]


def found(text: str) -> HttpUrl | None:
    """The URL, or None for one that is refused."""
    try:
        return parse_url(text)
    except BadUrl:
        return None


def test_stand_ins_for_ascii() -> None:
    """Such a host is the one that is written in ASCII, or it is none; so nothing ends it early,
    begins a port, or stands before an @."""
    mapped = 0
    for character in STAND_INS:
        url = found(f"http://a{character}b.test/")
        if url is not None:
            plain = "." if character in DOTS else compatible(character)
            same = found(f"http://a{plain}b.test/")
            assert same is not None and url.origin == same.origin and url.userinfo is None
            assert re.fullmatch(f"{LABEL}\\.{LABEL}(\\.{LABEL})?", url.host)
            assert url.host.count(".") == 1 + (plain == ".")
            mapped += 1
    assert mapped > 500 and mapped < len(STAND_INS)


SIGNS = ["/", "@", ":", "?", "#", "\\", "%", "[", "]", "&", ";", ",", "=", "!", "*", "(", " ", "<"]


@pytest.mark.parametrize("sign", SIGNS)
def test_stand_ins_for_signs_are_refused(sign: str) -> None:
    """All that are, or hold, one of those that mean something in a URL (CVE-2022-27780)."""
    those = [one for one in STAND_INS if sign in compatible(one)]
    assert those or sign in "&;,"
    for character in those:
        assert found(f"http://a{character}b.test/") is None
        assert found(f"http://{character}b.test/") is None
        assert found(f"http://a.test{character}/") is None


HOMOGRAPHS = {
    "Cyrillic a": "\u0430pple",
    "all Cyrillic but one": "\u0440\u0430\u0443\u0440\u0430l",
    "Greek omicrons": "g\u03bf\u03bfd",
    "Armenian o": "g\u0585od",
    "dotless i": "\u0131nfo",
    "an accent": "goo\u0301d",
    "a breve": "g\u014fod",
}


@pytest.mark.parametrize("label", HOMOGRAPHS.values(), ids=HOMOGRAPHS.keys())
def test_homographs_are_shown_as_what_they_are(label: str) -> None:
    """In logs, reports and errors; and as the host of no other."""
    url = parse_url(f"http://{label}.test/a")
    encoded = unicodedata.normalize("NFC", label).encode("punycode").decode("ascii")
    assert url.host == f"xn--{encoded}.test" and str(url) == f"http://xn--{encoded}.test/a"


HIDDEN = {
    "zero width space": "\u200b",
    "word joiner": "\u2060",
    "soft hyphen": "\u00ad",
    "variation selector": "\ufe0f",
    "byte order mark": "\ufeff",
}


@pytest.mark.parametrize("character", HIDDEN.values(), ids=HIDDEN.keys())
def test_what_is_not_seen_makes_no_other_host(character: str) -> None:
    """UTS 46 leaves it out."""
    assert parse_url(f"http://go{character}od.test/").host == "good.test"


@pytest.mark.parametrize(
    "host",
    [
        *("go\u200dod.test", "go\u200cod.test", "go\u034fod\u202e.test"),
        *("\u0301good.test", "good.\u0301test", "-\u00fc.test", "\u00fc-.test", "a\u06441.test"),
        *("xn--a.test\u3002", "xn--\u00fc.test", "\u00fc" * 64 + ".test", "\u2028good.test"),
        *("\u0661\u0662\u0667.1.test\u06dd", "\u2488com.test", "\ud800.test", "\U000e0061.test"),
    ],
    ids=ascii,
)
def test_what_is_no_name(host: str) -> None:
    """By RFC 5892 and RFC 5893: joiners where nothing joins, marks in front, mixed directions,
    A-labels that are none."""
    assert found(f"http://{host}/") is None
