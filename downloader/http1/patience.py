"""How long exchanges wait behind others on one connection."""

from __future__ import annotations

from collections.abc import Callable

from downloader.deadlines import Deadline, Deadlines

# Seconds from the cancelling of an exchange that waits behind others to their being cut off for its
# sake; and the time between two looks at those that are wanted.
PATIENCE = 0.25
# How many looks may be in vain before those behind move to another connection: behind a body that
# is long or paused, a head that does not come, and a body that is short.
HELD_BODY = 1
HEAD = 4
SHORT_BODY = 20


class Patience:
    """Looks after whoever waits behind another, until none does.

    `cut()` is called when one that was cancelled has waited for `PATIENCE`. `move()` is called when
    no answer has ended for as many looks as `looks()` allows (None: any number). `waiting()` says
    whether anybody waits, `answered()` how many answers have ended.
    """

    def __init__(
        self,
        deadlines: Deadlines,
        *,
        waiting: Callable[[], bool],
        answered: Callable[[], int],
        looks: Callable[[], int | None],
        move: Callable[[], None],
        cut: Callable[[], None],
    ) -> None:
        self._deadlines = deadlines
        self._waiting = waiting
        self._answered = answered
        self._looks = looks
        self._move = move
        self._cut = cut
        self._seen = -1
        self._in_vain = 0
        self._look_deadline: Deadline | None = None
        self._cut_deadline: Deadline | None = None

    def __repr__(self) -> str:
        return f"<Patience {'looking' if self._look_deadline else 'idle'}>"

    def look_later(self) -> None:
        """Somebody waits behind another."""
        if self._look_deadline is None:
            self._look_deadline = self._deadlines.set(PATIENCE, self._look)

    def cut_later(self) -> None:
        """Somebody who waits behind another has cancelled."""
        if self._cut_deadline is None:
            self._cut_deadline = self._deadlines.set(PATIENCE, self._cut)

    def stop(self) -> None:
        """Nobody waits any more."""
        for deadline in (self._look_deadline, self._cut_deadline):
            if deadline is not None:
                deadline.cancel()
        self._look_deadline = self._cut_deadline = None

    def _look(self) -> None:
        self._look_deadline = None
        if not self._waiting():
            return
        seen, self._seen = self._seen, self._answered()
        self._in_vain = self._in_vain + 1 if seen == self._seen else 0
        allowed = self._looks()
        if allowed is not None and self._in_vain >= allowed:
            self._move()
        else:
            self.look_later()
