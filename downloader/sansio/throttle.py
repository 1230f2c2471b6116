"""Who may go on receiving, so that all together, and each alone, keep to a rate of bytes.

A flow goes on until it has overdrawn one of the two accounts. Then it has to wait: until its own
debt is paid, and then for its turn at the common one. Turns are given in order, one at a time and
only without a debt, so no flow starves and the next does not begin on top of what the last one
brings. How much that is cannot be known before: it is whatever one read of a socket holds.

A flow whose turn has come may have nothing to bring. It is given `PATIENCE`, goes on, and is no
longer waited for.
"""

from __future__ import annotations

from collections import OrderedDict
from heapq import heappop, heappush
from itertools import count
from typing import Generic, TypeVar

from downloader.sansio.bucket import Bucket

FlowT = TypeVar("FlowT")

# What may come at once is so many seconds of the rate, and not less than one read of a socket: a
# timer that is late by less loses nothing.
BURST_SECONDS = 0.25
BURST_BYTES = 64 * 1024
# What waits in the kernel for a flow is there in the reactor's next turn, so this is plenty.
PATIENCE = 0.05


def burst_of(rate: float) -> float:
    """The bytes that may come at once at `rate` bytes a second."""
    return max(rate * BURST_SECONDS, BURST_BYTES)


class Turns(Generic[FlowT]):
    """Flows that share `total` bytes a second, each of them at most `each`; None is no limit.

    Flows are opaque. `begin` and `spend` say whether a flow has to wait, `next` who may go on,
    `wait` when to ask it again. `now` is in seconds.
    """

    def __init__(self, total: float | None, each: float | None, now: float) -> None:
        self._total: Bucket | None = None
        self._each: float | None = None
        self._own: dict[FlowT, Bucket] = {}
        self._paused: set[FlowT] = set()  # those in the next two
        self._waiting: OrderedDict[FlowT, None] = OrderedDict()
        self._resting: list[tuple[float, int, FlowT]] = []  # by the time their own debt is paid
        self._order = count()
        self._asked: FlowT | None = None
        self._asked_at = 0.0
        self.change(total, each, now)

    def __repr__(self) -> str:
        return f"<Turns {len(self._paused)} paused, {self._total or 'no limit'}>"

    def __len__(self) -> int:
        """How many flows have to wait."""
        return len(self._paused)

    def change(self, total: float | None, each: float | None, now: float) -> None:
        """Other rates, from now on."""
        if total is None:
            self._total = None
        elif self._total is None:
            self._total = Bucket(total, burst_of(total), now)
        else:
            self._total.change(total, burst_of(total), now)
        self._each = each
        if each is None:
            self._own.clear()
        else:
            for bucket in self._own.values():
                bucket.change(each, burst_of(each), now)
        self._asked = None
        self._waiting.update((flow, None) for _, _, flow in sorted(self._resting) if self._is(flow))
        self._resting.clear()

    def begin(self, flow: FlowT, now: float) -> bool:
        """A flow begins. Returns whether it has to wait: for a debt, and behind those that do."""
        if self._waiting or self._in_debt(now):
            self._paused.add(flow)
            self._waiting[flow] = None
        return flow in self._paused

    def spend(self, flow: FlowT, size: int, now: float) -> bool:
        """`flow` has brought `size` bytes. Returns whether it has to wait now."""
        if self._asked == flow:
            self._asked = None
        if self._total is not None:
            self._total.spend(size, now)
        if self._each is not None:
            self._own_of(flow, self._each, now).spend(size, now)
        if flow not in self._paused and (self._in_debt(now) or self._own_wait(flow, now)):
            self._paused.add(flow)
            self._queue(flow, now)
        return flow in self._paused

    def leave(self, flow: FlowT) -> None:
        """It is over."""
        self._paused.discard(flow)
        self._waiting.pop(flow, None)
        self._own.pop(flow, None)
        if self._asked == flow:
            self._asked = None

    def next(self, now: float) -> FlowT | None:
        """The flow that may go on now, or None. Ask on until it is None."""
        while self._resting and self._resting[0][0] <= now:
            _, _, flow = heappop(self._resting)
            if self._is(flow):
                self._queue(flow, now)
        if not self._waiting or self._blocked(now):
            return None
        flow, _ = self._waiting.popitem(last=False)
        self._paused.discard(flow)
        if self._total is not None:
            self._asked, self._asked_at = flow, now
        return flow

    def wait(self, now: float) -> float | None:
        """Seconds until `next` may have somebody; None when nobody waits."""
        while self._resting and not self._is(self._resting[0][2]):
            heappop(self._resting)
        times = [max(0.0, self._resting[0][0] - now)] if self._resting else []
        if self._waiting:
            times.append(self._blocked(now))
        return min(times, default=None)

    def _is(self, flow: FlowT) -> bool:
        """Whether an entry of `_resting` still counts: a flow that left is not searched there."""
        return flow in self._paused and flow not in self._waiting

    def _queue(self, flow: FlowT, now: float) -> None:
        rest = self._own_wait(flow, now)
        if rest:
            heappush(self._resting, (now + rest, next(self._order), flow))
        else:
            self._waiting[flow] = None

    def _own_of(self, flow: FlowT, each: float, now: float) -> Bucket:
        bucket = self._own.get(flow)
        if bucket is None:
            bucket = self._own[flow] = Bucket(each, burst_of(each), now)
        return bucket

    def _own_wait(self, flow: FlowT, now: float) -> float:
        bucket = self._own.get(flow)
        return 0.0 if bucket is None else bucket.wait(now)

    def _in_debt(self, now: float) -> bool:
        return self._total is not None and self._total.wait(now) > 0

    def _blocked(self, now: float) -> float:
        """Seconds until a turn can be given."""
        debt = 0.0 if self._total is None else self._total.wait(now)
        gone = PATIENCE if self._asked is None else now - self._asked_at
        return max(debt, PATIENCE - gone) if 0 <= gone < PATIENCE else debt
