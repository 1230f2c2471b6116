"""Who may start: slots for jobs, and a place to wait for one.

What may start is decided in `sansio.governor`. A slot and the leave to start are had together or
not at all, so who waits for a busy host, a delay or a hold has nothing that others could use.

Those who wait are in a queue for each host, hosts in turn. It is no DeferredSemaphore: with
Twisted's a job that ends in the same turn makes the next one start inside `release`, and about a
hundred such jobs in a row end in RecursionError with a token lost; cancelling is a search through a
list; and the limit is fixed.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from math import inf

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IDelayedCall, IReactorTime

from downloader.errors import DownloadError
from downloader.sansio.governor import Governor, Host

# Jobs that give up in one turn of the reactor, before others get theirs.
A_TURN = 200


class Limiter:
    """Slots for jobs, as `governor` gives them.

    Whoever asks before the time has come is told when it has, like those who wait for a slot:
    through `watch`. One delayed call does that for all.
    """

    def __init__(self, clock: IReactorTime, governor: Governor) -> None:
        self._clock = clock
        self._governor = governor
        # Who waits, and since when in the governor's `looks`.
        self._queues: OrderedDict[str, OrderedDict[Deferred[Slot], int]] = OrderedDict()
        self._looks = 0  # up to which somebody who is to give up was looked for
        self._granting = False
        self._watchers: OrderedDict[Callable[[], None], None] = OrderedDict()
        self._call: IDelayedCall | None = None

    def __repr__(self) -> str:
        return f"<Limiter {self._governor!r}, {sum(map(len, self._queues.values()))} waiting>"

    @property
    def free(self) -> bool:
        """Whether a slot of the total is free, and a job may start now."""
        governor = self._governor
        if governor.is_unpaced:  # as it is, and this is asked for each job more than once
            return governor.running < governor.total
        return self._is_time(governor.wait(self._clock.seconds()))

    @property
    def idle(self) -> bool:
        """Whether no slot is taken or wanted."""
        return not self._governor.running and not self._queues

    @property
    def looks(self) -> int:
        """This moment, for `is_hopeless` and `acquire`."""
        return self._governor.looks

    def ready(self, host: str) -> bool:
        """Whether a job of `host` would start at once."""
        return host not in self._queues and self._may_start(host)

    def is_hopeless(self, host: str, since: int) -> bool:
        """Whether a job of `host` that waits since then has waited too long for a host that is
        down."""
        return self._governor.is_hopeless(host, since)

    def hopeless(self, host: str) -> DownloadError:
        """What that job fails with."""
        return self._governor.hopeless(host)

    def shuns(self, host: str) -> bool:
        """Whether `host` is down, or has asked to be left alone."""
        return self._governor.shuns(host, self._clock.seconds())

    def resize(self, total: int, per_host: int | None = None) -> None:
        """Change the limits while jobs run and wait."""
        self._governor.resize(total, per_host)
        self.tell()

    @property
    def total(self) -> int:
        """How many slots there are."""
        return self._governor.total

    @property
    def shrunk(self) -> bool:
        """Whether there are fewer than were asked for."""
        return self._governor.shrunk

    def shrink(self, had: int) -> bool:
        """Too many jobs ran when there were `had` slots: let there be half as many at most. Those
        that hear of it at a time say the same, and it is done once. False for a job that was alone.
        """
        return self._governor.shrink(had)

    def hold(self, host: str, seconds: float) -> None:
        """Start no job of `host` for so long, up to the longest that a server is obeyed."""
        self._governor.hold(host, seconds, self._clock.seconds())

    # --- those who watch ----------------------------------------------------------------------

    def watch(self, watcher: Callable[[], None]) -> None:
        """From now on, `watcher()` is called when a slot may be free that is nobody's turn."""
        self._watchers[watcher] = None

    def unwatch(self, watcher: Callable[[], None]) -> None:
        """Call `watcher` no more."""
        self._watchers.pop(watcher, None)
        self._stop_if_unwanted()

    @property
    def shared(self) -> bool:
        """Whether there is more than one watcher."""
        return len(self._watchers) > 1

    def tell(self) -> None:
        """Let those start who wait, then call every watcher, each time another one first. The
        latter is not done by `release`: the only watcher looks for its next job itself when one
        ends, at once and not in a later turn."""
        self._grant()
        for watcher in list(self._watchers):
            watcher()
        if self._watchers:
            self._watchers.move_to_end(next(iter(self._watchers)))

    # --- slots --------------------------------------------------------------------------------

    def take(self, host: str) -> Slot | None:
        """A slot of `host`, if a job of it may start at once."""
        now = self._clock.seconds()
        if host in self._queues or not self._is_time(self._governor.wait_of(host, now)):
            return None
        return Slot(self, self._governor.start(host, now))

    async def acquire(self, host: str, since: int | None = None) -> Slot:
        """Wait until a job of `host` may start; first come, first served among those of a host.

        It waits since then; None is now. Raises HostUnavailable when it has waited too long.
        """
        slot = self.take(host)
        if slot is not None:
            return slot
        since = self.looks if since is None else since
        if self.is_hopeless(host, since):
            self._stop_if_unwanted()
            raise self._governor.hopeless(host)
        waiting: Deferred[Slot] = Deferred(lambda _: self._leave(host, waiting))
        self._queues.setdefault(host, OrderedDict())[waiting] = since
        return await waiting

    def failed(self, slot: Slot, error: DownloadError) -> None:
        """A try failed in a way that may pass. Its slot is still to be released."""
        self._governor.failed(slot.host, slot.number, error, self._clock.seconds())

    def release(self, slot: Slot, good: bool) -> None:
        """Take a slot back, and give it to who waits; `good`: the host has answered well."""
        self._governor.ended(slot.host, slot.number, good)
        if self._queues:
            self._grant()

    def admit(self, slot: Slot, delay: float) -> None:
        """The host of `slot` may have more jobs now, each so many seconds after the other."""
        if not slot.host.admitted:
            self._governor.admit(slot.host, delay, self._clock.seconds())
            self.tell()

    def _may_start(self, host: str) -> bool:
        return self._is_time(self._governor.wait_of(host, self._clock.seconds()))

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
            if self._looks < self.looks:
                self._give_up()
            while self._queues and (host := self._next_host()) is not None:
                slot = Slot(self, self._governor.start(host, self._clock.seconds()))
                self._queues.move_to_end(host)
                self._first(host).callback(slot)
        finally:
            self._granting = False

    def _next_host(self) -> str | None:
        """The host whose turn it is, of those that have somebody waiting who may start."""
        if not self.free:
            return None
        return next((host for host in self._queues if self._may_start(host)), None)

    def _first(self, host: str) -> Deferred[Slot]:
        """Who waits for `host` longest, and from now on no more."""
        waiting = next(iter(self._queues[host]))
        self._leave(host, waiting)
        return waiting

    def _give_up(self) -> None:
        """Tell those who have waited too long, a turn's worth of them."""
        for _ in range(A_TURN):
            looks = self.looks
            host = next((host for host in self._queues if self._first_is_hopeless(host)), None)
            if host is None:
                self._looks = looks
                return
            error = self._governor.hopeless(host)
            self._first(host).errback(error)
        self._call_in(0)

    def _first_is_hopeless(self, host: str) -> bool:
        return self.is_hopeless(host, next(iter(self._queues[host].values())))

    # --- time ---------------------------------------------------------------------------------

    def _is_time(self, wait: float) -> bool:
        if wait and wait != inf:
            self._call_in(wait)
        return not wait

    def _call_in(self, seconds: float) -> None:
        if self._call is not None:
            if self._call.getTime() <= self._clock.seconds() + seconds:
                return
            self._stop()
        self._call = self._clock.callLater(seconds, self._time_has_come)

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


class Slot:
    """Leave to run one job now; given back with `release`, once."""

    __slots__ = ("_limiter", "host", "number")

    def __init__(self, limiter: Limiter, host: Host) -> None:
        self._limiter = limiter
        self.host = host
        self.number = host.started

    def __repr__(self) -> str:
        return f"<Slot {self.number} of {self.host!r}>"

    def failed(self, error: DownloadError) -> None:
        """What it was for failed in a way that may pass; it is still to be released."""
        self._limiter.failed(self, error)

    def admit(self, delay: float) -> None:
        """Its host may have more jobs now, each so many seconds after the other."""
        self._limiter.admit(self, delay)

    def release(self, good: bool = False) -> None:
        """Give it back; `good`: the host has answered well."""
        self._limiter.release(self, good)
