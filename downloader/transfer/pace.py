"""Slots that are given only so fast: so many a second, and not too soon after another of the host.

What a `Limiter` does is left as it is, and costs nothing more where there is no pace. Here whoever
cannot start at once waits in one queue for each host, and not in the semaphores: a slot and the
leave to start are had together or not at all. So a host that waits for its delay holds no slot.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IDelayedCall, IReactorTime

from downloader.sansio.pace import Starts
from downloader.transfer.limiter import Limiter, Slot


class PacedLimiter(Limiter):
    """A Limiter that also keeps `rate` starts a second, and `delay` seconds between two starts of
    one host; None is no limit. A start is the giving of a slot, so each try of a job is one.

    Whoever asks before the time has come is told when it has, like those who wait for a slot:
    through `watch`. One delayed call does that for all.
    """

    def __init__(
        self,
        clock: IReactorTime,
        total: int,
        per_host: int | None = None,
        rate: float | None = None,
        delay: float | None = None,
    ) -> None:
        super().__init__(total, per_host)
        self._clock = clock
        self._starts = Starts(rate, delay, clock.seconds())
        self._queues: OrderedDict[str, OrderedDict[Deferred[Slot], None]] = OrderedDict()
        self._granting = False
        self._call: IDelayedCall | None = None

    def __repr__(self) -> str:
        waiting = sum(map(len, self._queues.values()))
        return f"<PacedLimiter {self._total!r}, {self._starts!r}, {waiting} waiting>"

    @property
    def free(self) -> bool:
        """Whether a slot of the total is free and a request may start."""
        return super().free and self._is_time(self._starts.wait(self._clock.seconds()))

    @property
    def idle(self) -> bool:
        """Whether no slot is taken or wanted."""
        return super().idle and not self._queues

    @property
    def shared(self) -> bool:
        """Always: those who wait here come before whoever watches."""
        return True

    def ready(self, host: str) -> bool:
        """Whether a job of `host` would start at once."""
        return host not in self._queues and self._may_start(host)

    def take(self, host: str) -> Slot | None:
        """A slot of `host`, if a job of it may start at once."""
        return self._take(host) if self.ready(host) else None

    async def acquire(self, host: str) -> Slot:
        """Wait until a job of `host` may start; first come, first served among those of a host."""
        slot = self.take(host)
        if slot is not None:
            return slot
        waiting: Deferred[Slot] = Deferred(lambda _: self._leave(host, waiting))
        self._queues.setdefault(host, OrderedDict())[waiting] = None
        return await waiting

    def release(self, slot: Slot, good: bool | None) -> None:
        """Take a slot back, and give it to who waits."""
        super().release(slot, good)
        self._grant()

    def tell(self) -> None:
        """Let those start who wait, then call every watcher."""
        self._grant()
        super().tell()

    def unwatch(self, watcher: Callable[[], None]) -> None:
        """Call `watcher` no more."""
        super().unwatch(watcher)
        self._stop_if_unwanted()

    def _may_start(self, host: str) -> bool:
        return super().ready(host) and self._is_time(
            self._starts.wait_of(host, self._clock.seconds())
        )

    def _take(self, host: str) -> Slot | None:
        self._starts.started(host, self._clock.seconds())
        return super().take(host)

    def _leave(self, host: str, waiting: Deferred[Slot]) -> None:
        queue = self._queues[host]
        del queue[waiting]
        if not queue:
            del self._queues[host]
        self._stop_if_unwanted()

    def _grant(self) -> None:
        # A waiter may run to its end and release within callback(): then this loop goes on.
        if self._granting:
            return
        self._granting = True
        try:
            while self._queues and (host := self._next_host()) is not None:
                slot = self._take(host)
                assert slot is not None
                waiting = next(iter(self._queues[host]))
                self._queues.move_to_end(host)
                self._leave(host, waiting)
                waiting.callback(slot)
        finally:
            self._granting = False

    def _next_host(self) -> str | None:
        """The host whose turn it is, of those that have somebody waiting who may start."""
        if not self.free:
            return None
        return next((host for host in self._queues if self._may_start(host)), None)

    # --- time -------------------------------------------------------------------------------

    def _is_time(self, wait: float) -> bool:
        if wait and (self._call is None or self._call.getTime() > self._clock.seconds() + wait):
            self._stop()
            self._call = self._clock.callLater(wait, self._time_has_come)
        return not wait

    def _time_has_come(self) -> None:
        self._call = None
        self.tell()

    def _stop_if_unwanted(self) -> None:
        if not (self._queues or self._watchers):
            self._stop()

    def _stop(self) -> None:
        if self._call is not None:
            self._call.cancel()
            self._call = None
