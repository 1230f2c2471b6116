"""Whose turn it is in a queue: those with the highest priority first, and of equals the first.

Each has a place, a number between those of its neighbours, so that one that moves changes its own
and no other. They are kept apart by host too, so that it takes no search to pass over those whose
host is busy.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Callable
from typing import NamedTuple


class Turn(NamedTuple):
    """Where a job stands, in the order of the queue; `number` is its own."""

    less: int  # the priority, negative
    place: float
    number: int


class Order:
    """The jobs that wait, paused ones too; `ready` are those that may be begun."""

    def __init__(self) -> None:
        self._turns: dict[int, Turn] = {}
        self._all: list[Turn] = []
        self._hosts: dict[str, list[Turn]] = {}
        self._ready: dict[int, str] = {}  # their hosts
        self._ends: dict[int, float] = {}  # the last place that was had, by priority
        self._heads: list[tuple[Turn, str]] = []  # the first of each host

    def __len__(self) -> int:
        return len(self._all)

    def __contains__(self, number: int) -> bool:
        return number in self._turns

    def __repr__(self) -> str:
        return f"<Order {len(self._all)} jobs, {len(self._ready)} ready>"

    @property
    def ready(self) -> int:
        """How many may be begun."""
        return len(self._ready)

    @property
    def numbers(self) -> list[int]:
        """All of them, in order."""
        return [turn.number for turn in self._all]

    def add(self, number: int, priority: int, place: float) -> None:
        """Let it stand there."""
        turn = self._turns[number] = Turn(-priority, place, number)
        insort(self._all, turn)
        self._ends[priority] = max(place, self._ends.get(priority, place))

    def discard(self, number: int) -> None:
        """Let it stand there no more, if it did."""
        self.hold(number)
        turn = self._turns.pop(number, None)
        if turn is not None:
            del self._all[bisect_left(self._all, turn)]

    def let(self, number: int, host: str) -> None:
        """It may be begun, when a job of `host` may."""
        if number not in self._ready:
            self._ready[number] = host
            queue = self._hosts.setdefault(host, [])
            self._change(host, lambda: insort(queue, self._turns[number]))

    def hold(self, number: int) -> None:
        """It may not be begun."""
        host = self._ready.pop(number, None)
        if host is not None:
            queue, turn = self._hosts[host], self._turns[number]
            self._change(host, lambda: queue.pop(bisect_left(queue, turn)))

    def first(self, may_start: Callable[[str, int], bool]) -> int | None:
        """The first that may be begun and of which `may_start(host, number)` says so: of each host
        the first is asked for."""
        for turn, host in self._heads:
            if may_start(host, turn.number):
                return turn.number
        return None

    def position(self, number: int) -> int:
        """How many stand before it."""
        return bisect_left(self._all, self._turns[number])

    def move(self, number: int, position: int) -> list[Turn]:
        """Let it stand at `position`, from 0, or at the nearest end. Returns the turns that are
        others now: its own as a rule, and all when there was no number left between two.

        It keeps its priority where it can, and has that of a neighbour where it cannot.
        """
        others = [turn for turn in self._all if turn.number != number]
        position = max(0, min(position, len(others)))
        before = others[position - 1] if position else None
        behind = others[position] if position < len(others) else None
        less = self._turns[number].less
        less = less if before is None else max(before.less, less)
        less = less if behind is None else min(behind.less, less)
        low = before.place if before is not None and before.less == less else None
        high = behind.place if behind is not None and behind.less == less else None
        place = _between(low, high)
        if place not in (low, high):
            return [self._put(Turn(less, place, number))]
        others.insert(position, Turn(less, place, number))
        return [self._put(turn._replace(place=float(n))) for n, turn in enumerate(others)]

    def end(self, priority: int) -> float:
        """A place behind all others of this priority, those that have left it too."""
        return self._ends.get(priority, -1.0) + 1.0

    def _put(self, turn: Turn) -> Turn:
        host = self._ready.get(turn.number)
        self.discard(turn.number)
        self.add(turn.number, -turn.less, turn.place)
        if host is not None:
            self.let(turn.number, host)
        return turn

    def _change(self, host: str, change: Callable[[], object]) -> None:
        """Do it to the queue of `host`, whose first may be another then."""
        queue = self._hosts[host]
        first = queue[0] if queue else None
        change()
        now = queue[0] if queue else None
        if now is not first:
            if first is not None:
                del self._heads[bisect_left(self._heads, (first, host))]
            if now is not None:
                insort(self._heads, (now, host))
        if not queue:
            del self._hosts[host]


def _between(low: float | None, high: float | None) -> float:
    if low is None:
        return 0.0 if high is None else high - 1.0
    return low + 1.0 if high is None else (low + high) / 2
