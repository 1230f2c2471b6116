"""URLs of one file that somebody offers, and the order in which they are asked."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

# RFC 5854 and RFC 6249 §2.1: 1 is asked first, and what says nothing is asked last.
FIRST, LAST = 1, 999_999


@dataclass(frozen=True, slots=True)
class Mirror:
    """One of a file's URLs.

    `priority` is from `FIRST` to `LAST`. `location` is a country's two letters (ISO 3166-1) in
    lower case, or None where it is not told.
    """

    url: str
    priority: int = LAST
    location: str | None = None


def checked_priority(text: str) -> int:
    """`text` as a priority; what is none is `LAST`."""
    known = text.isascii() and text.isdigit() and len(text) <= 6
    return int(text) if known and int(text) >= FIRST else LAST


def checked_location(text: str) -> str | None:
    """`text` as a location; None for what is none."""
    text = text.strip().lower()
    return text if len(text) == 2 and text.isascii() and text.isalpha() else None


def in_order(mirrors: Iterable[Mirror], locations: Sequence[str] = ()) -> list[Mirror]:
    """`mirrors` by priority; among equals those of the first of `locations` come first, then those
    of the next, then all others as they were. Of those with the same URL, only the first."""
    rank = {location: number for number, location in reversed(list(enumerate(locations)))}
    by_url: dict[str, Mirror] = {}
    for mirror in sorted(mirrors, key=lambda one: _place(one, rank)):
        by_url.setdefault(mirror.url, mirror)
    return list(by_url.values())


def _place(mirror: Mirror, rank: dict[str, int]) -> tuple[int, int]:
    return mirror.priority, rank.get(mirror.location or "", len(rank))
