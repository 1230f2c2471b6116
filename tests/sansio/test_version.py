"""Which answers are of one version."""

from __future__ import annotations

import pytest

from downloader.sansio.version import Version, version_of

MONDAY = "Mon, 02 Nov 2026 10:00:00 GMT"
LATER = "Mon, 02 Nov 2026 10:01:00 GMT"
TOO_SOON = "Mon, 02 Nov 2026 10:00:59 GMT"


def seen(total: int | None = 10, **headers: str | list[str]) -> Version:
    """The version of an answer with these headers; `_` stands for the dash in a name."""

    def get(name: str) -> list[str]:
        value = headers.get(name.replace("-", "_"), [])
        return value if isinstance(value, list) else [value]

    return version_of(get, total)


@pytest.mark.parametrize(
    ("headers", "validator"),
    [
        ({"etag": '"a"'}, '"a"'),
        ({"etag": '"a"', "last_modified": MONDAY, "date": LATER}, '"a"'),
        ({"last_modified": MONDAY, "date": LATER}, MONDAY),
        ({"etag": 'W/"a"', "last_modified": MONDAY, "date": LATER}, MONDAY),
        ({"etag": 'W/"a"'}, None),
        ({"etag": "a"}, None),
        ({"etag": ['"a"', '"b"']}, None),
        ({"etag": '"' + "a" * 2000 + '"'}, None),
        ({"etag": '"a\x00"'}, None),
        ({"last_modified": MONDAY}, None),
        ({"last_modified": MONDAY, "date": TOO_SOON}, None),
        ({"last_modified": LATER, "date": MONDAY}, None),
        ({"last_modified": "yesterday", "date": MONDAY}, None),
        ({"last_modified": MONDAY, "date": "today"}, None),
        ({"last_modified": "Mon, 02 Nov 99999 10:00:00 GMT", "date": LATER}, None),
        ({"last_modified": "Mon, 02 Nov 2026 10:00:00 -0000", "date": LATER}, None),
        ({}, None),
    ],
)
def test_what_if_range_is_sent_with(headers: dict[str, str], validator: str | None) -> None:
    """RFC 9110 §13.1.5: a strong validator, and nothing else."""
    assert seen(**headers).validator == validator


STRONG = Version('"a"', MONDAY, 10, dated=True)
DATED = Version(None, MONDAY, 10, dated=True)


@pytest.mark.parametrize(
    ("mine", "theirs", "proves"),
    [
        (STRONG, STRONG, True),
        (STRONG, Version('"a"', None, 10), True),
        (STRONG, Version('"a"', None, None), True),
        (STRONG, Version('"b"', MONDAY, 10), False),
        (STRONG, Version('"a"', LATER, 10), False),
        (STRONG, Version('"a"', MONDAY, 11), False),
        (STRONG, Version(None, MONDAY, 10), False),
        (STRONG, Version('W/"a"', MONDAY, 10), False),
        (DATED, DATED, True),
        (DATED, Version('"a"', MONDAY, 10), True),
        (DATED, Version(None, LATER, 10), False),
        (DATED, Version(None, None, 10), False),
        (DATED, Version(None, MONDAY, 9), False),
        (Version('W/"a"', MONDAY, 10), Version('W/"a"', MONDAY, 10), False),
        (Version(None, None, 10), Version(None, None, 10), False),
    ],
)
def test_beyond_doubt(mine: Version, theirs: Version, proves: bool) -> None:
    assert mine.proves(theirs) is proves


def test_what_is_not_said_contradicts_nothing() -> None:
    assert not Version().contradicts(STRONG)
    assert not STRONG.contradicts(Version())
    assert Version(total=9).contradicts(STRONG)
