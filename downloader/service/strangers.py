"""Who has not shown the token may wait here, and is in nobody's way.

So many are kept, and the oldest goes for a new one: whoever comes is let in, and a thousand who
stay keep nobody out. Were the new one refused, who came first would keep the owner out.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Generic, TypeVar

T = TypeVar("T")


class Strangers(Generic[T]):
    """At most `most` at a time; `send_away(one)` is called for each that is too many."""

    def __init__(self, most: int, send_away: Callable[[T], object]) -> None:
        self.most = most
        self._send_away = send_away
        self._all: dict[T, None] = {}  # the oldest first

    def __repr__(self) -> str:
        return f"<Strangers {len(self._all)} of {self.most}>"

    def __len__(self) -> int:
        return len(self._all)

    def __contains__(self, one: object) -> bool:
        return one in self._all

    def add(self, one: T) -> None:
        """It is one of them, if it is not yet."""
        self._all[one] = None
        if len(self._all) > self.most:
            self.drop()

    def leave(self, one: T) -> None:
        """It is none of them any more: it has shown the token, or gone."""
        self._all.pop(one, None)

    def drop(self) -> bool:
        """Send the oldest away; False when there is none."""
        for oldest in self._all:
            self.leave(oldest)
            self._send_away(oldest)
            return True
        return False
