"""For how long a server asks to be left alone, by the head of one of its answers.

Retry-After says so where a request was refused (RFC 9110 §10.2.3, RFC 6585 §4). The RateLimit
fields may say with any answer that nothing is left until a moment: as drafts of the IETF had them
(draft-ietf-httpapi-ratelimit-headers), first in three fields and then in one, and as many servers
had them before, with an X. What can be read in two ways says nothing.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from downloader.sansio.retry import retry_after

# Of these alone Retry-After is about more than one request.
REFUSALS = frozenset((429, 503))
# Where one of these is, `pause_asked` may have something to say of an answer that is no refusal.
QUOTA_HEADERS = frozenset((b"ratelimit", b"ratelimit-remaining", b"x-ratelimit-remaining"))
# A field that is longer is no honest one.
_LONGEST = 1024
# One member of a list of RFC 9651, as far as it concerns us: a name and its parameters.
_STRING = r'"(?:[^"\\]|\\["\\])*"'
_MEMBER = re.compile(
    rf"(?:{_STRING}|[A-Za-z*][^\s,;=\"()]*)"
    rf"((?:\s*;\s*[a-z*][a-z0-9_.*-]*(?:=(?:{_STRING}|[^\s,;\"()]+))?)*)\s*(?:,\s*|$)"
)
_PARAMETER = re.compile(rf";\s*([a-z*][a-z0-9_.*-]*)(?:=({_STRING}|[^\s,;\"()]+))?")
_NUMBER = re.compile(r"[0-9]{1,12}")
# Servers count the time until a reset in seconds, or tell its time of day; few in milliseconds. A
# number up to the first is such seconds, one so near to now such a time; others might be anything.
_HOUR = 3600
_DAY = 86400


def pause_asked(status: int, get: Callable[[str], list[str]], now: float) -> float:
    """The seconds, 0.0 when it does not ask. `get(name)` gives the values of a header; `now` is
    the time of day in seconds since 1970."""
    asked = None
    if status in REFUSALS:
        for value in get("retry-after"):
            asked = retry_after(value, now)
    if asked is None:
        asked = _quota(", ".join(get("ratelimit")))
    for prefix in ("ratelimit", "x-ratelimit"):
        if asked is None:
            asked = _reset(get(f"{prefix}-remaining"), get(f"{prefix}-reset"), now)
    return asked or 0.0


def _quota(field: str) -> float | None:
    """The longest of those in which nothing remains: `"default";r=0;t=30`."""
    if not field or len(field) > _LONGEST:
        return None
    asked, at = None, 0
    while at < len(field):
        member = _MEMBER.match(field, at)
        if member is None:
            return None  # a list that breaks its rules is none (RFC 9651 §4.2)
        found = dict(_PARAMETER.findall(member[1]))
        seconds = found.get("t", "")
        if found.get("r") == "0" and _NUMBER.fullmatch(seconds):
            asked = max(asked or 0.0, float(seconds))
        at = member.end()
    return asked


def _reset(remaining: list[str], reset: list[str], now: float) -> float | None:
    if [value.strip() for value in remaining] != ["0"] or len(reset) != 1:
        return None
    value = reset[0].strip()
    if not _NUMBER.fullmatch(value):
        return None
    number = float(value)
    if number <= _HOUR:
        return number
    return max(0.0, number - now) if abs(number - now) <= _DAY else None
