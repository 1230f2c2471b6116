"""Which header asks for another version only."""

from __future__ import annotations

import pytest

from downloader.sansio.condition import condition

MONDAY = "Mon, 16 Nov 2026 10:00:00 GMT"


@pytest.mark.parametrize(
    ("etag", "modified", "header"),
    [
        ('"one"', MONDAY, ("If-None-Match", '"one"')),
        ('W/"one"', None, ("If-None-Match", 'W/"one"')),
        (None, MONDAY, ("If-Modified-Since", MONDAY)),
        ("", MONDAY, ("If-Modified-Since", MONDAY)),
        ("*", MONDAY, ("If-Modified-Since", MONDAY)),
        ("*", None, None),
        ('"a\nb"', None, None),
        ('"ä"', None, None),
        (None, None, None),
    ],
    ids=["both", "weak", "date", "empty", "any and date", "any", "two lines", "no ascii", "none"],
)
def test_the_better_validator_that_can_be_sent(
    etag: str | None, modified: str | None, header: tuple[str, str] | None
) -> None:
    assert condition(etag, modified) == header
