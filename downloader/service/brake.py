"""Guessing a token is slow, and slows nobody but the guesser."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable

# Wrong tokens that are answered at once: a typing error is none of an attack.
FREE = 3
# Seconds that the answer to a wrong one takes at most, and that until they are forgotten.
LONGEST = 8.0
MEMORY = 300.0
# Wrong ones of one peer that may wait for their answers; further ones are answered 429.
MOST_WAITING = 8
# Peers that are remembered.
PEERS = 4096


class Brake:
    """Counts the wrong tokens of each peer. A right one is never delayed, whatever came before:
    else who guesses on this machine could keep its user out."""

    def __init__(self, seconds: Callable[[], float]) -> None:
        self._seconds = seconds
        self._wrong: OrderedDict[str, tuple[int, float]] = OrderedDict()  # how many, and when
        self._waiting: dict[str, int] = {}

    def __repr__(self) -> str:
        return f"<Brake {len(self._wrong)} peers>"

    def wrong(self, peer: str) -> float:
        """A wrong one came. Returns the seconds that its answer is to take."""
        now = self._seconds()
        count, last = self._wrong.pop(peer, (0, now))
        count = 1 if now - last > MEMORY else count + 1
        self._wrong[peer] = (count, now)
        if len(self._wrong) > PEERS:
            self._wrong.popitem(last=False)
        return 0.0 if count <= FREE else min(LONGEST, 0.25 * 2.0 ** min(count - FREE, 10))

    def enter(self, peer: str) -> bool:
        """An answer waits from now on; False when too many do already."""
        waiting = self._waiting.get(peer, 0)
        if waiting >= MOST_WAITING:
            return False
        self._waiting[peer] = waiting + 1
        return True

    def leave(self, peer: str) -> None:
        """It waits no more."""
        self._waiting[peer] -= 1
        if not self._waiting[peer]:
            del self._waiting[peer]
