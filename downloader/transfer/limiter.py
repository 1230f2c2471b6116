"""How many jobs run at once: a slot of the host first, then one of the total.

In that order, so that a job which waits for a busy host does not sit on a slot that a job of
another host could use. Both are DeferredSemaphores, without three properties of Twisted's own:
a job that ends in the same turn makes the next one start inside `release`, and about a hundred
such jobs in a row end in RecursionError with a token lost; cancelling is a search through a list;
and the limit is fixed.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable

from twisted.internet.defer import Deferred, DeferredSemaphore

# Browsers open six connections to one host, so six jobs are a fair start.
FIRST_JOBS = 6
# Hosts whose earned number is remembered while none of their jobs runs.
REMEMBERED = 1024


class Semaphore(DeferredSemaphore):
    """A DeferredSemaphore that cancels in O(1), can be resized, and grants without recursion."""

    def __init__(self, tokens: int) -> None:
        super().__init__(tokens)
        self._queue: OrderedDict[Deferred[Semaphore], None] = OrderedDict()
        self.waiting = self._queue  # type: ignore[assignment]  # what Twisted calls its list
        self._granting = False

    def __repr__(self) -> str:
        return f"<Semaphore {self.tokens} of {self.limit} free, {len(self._queue)} waiting>"

    @property
    def free(self) -> bool:
        """Whether a token can be had at once. Whoever waits already comes first."""
        return self.tokens > 0 and not self._queue

    @property
    def idle(self) -> bool:
        """Whether nobody has a token or wants one."""
        return self.tokens == self.limit and not self._queue

    def take(self) -> None:
        """Take a token that is free."""
        assert self.tokens > 0
        self.tokens -= 1

    def acquire(self) -> Deferred[Semaphore]:
        """Wait for a token.

        **Fires with** this semaphore; the token is the caller's until `release`. **Fails**
        never by itself. **Cancelling** leaves the queue, in O(1).
        """
        d: Deferred[Semaphore] = Deferred(self._queue.pop)
        if self.free:
            self.take()
            d.callback(self)
        else:
            self._queue[d] = None
        return d

    def release(self) -> None:
        """Give a token back. With fewer tokens wanted than are out, it is not given on."""
        self.tokens += 1
        if self._queue:
            self._grant()

    def resize(self, limit: int) -> None:
        """Let `limit` holders in. Too many holders finish in peace; `tokens` is below 0 then."""
        self.tokens += limit - self.limit
        self.limit = limit
        if self._queue:
            self._grant()

    def _grant(self) -> None:
        # A waiter may run to its end and release within callback(): then this loop goes on.
        if self._granting:
            return
        self._granting = True
        try:
            while self.tokens > 0 and self._queue:
                d, _ = self._queue.popitem(last=False)
                self.take()
                d.callback(self)
        finally:
            self._granting = False


class Limiter:
    """Slots for jobs. A host begins with `FIRST_JOBS`, earns more with each good answer up to
    `per_host` (None: `total`), and loses half with each failure, so that a dead host never
    holds more than it began with and a busy one can use all slots.
    """

    def __init__(self, total: int, per_host: int | None = None) -> None:
        self._total = Semaphore(total)
        self._wanted = total
        self._per_host = total if per_host is None else min(per_host, total)
        self._first = min(FIRST_JOBS, self._per_host)
        self._hosts: OrderedDict[str, Semaphore] = OrderedDict()
        self._watchers: OrderedDict[Callable[[], None], None] = OrderedDict()

    def __repr__(self) -> str:
        return f"<Limiter {self._total!r}, {len(self._hosts)} hosts>"

    @property
    def free(self) -> bool:
        """Whether a slot of the total is free."""
        total = self._total
        return total.tokens > 0 and not total.waiting

    @property
    def idle(self) -> bool:
        """Whether no slot is taken or wanted."""
        return self._total.idle and all(host.idle for host in self._hosts.values())

    def ready(self, host: str) -> bool:
        """Whether a job of `host` would start at once."""
        semaphore = self._hosts.get(host)
        return self._total.free and (semaphore is None or semaphore.free)

    def resize(self, total: int, per_host: int | None = None) -> None:
        """Change the limits while jobs run and wait."""
        self._per_host = total if per_host is None else min(per_host, total)
        self._first = min(FIRST_JOBS, self._per_host)
        for semaphore in self._hosts.values():
            semaphore.resize(max(self._first, min(semaphore.limit, self._per_host)))
        self._wanted = total
        self._total.resize(total)
        self.tell()

    @property
    def total(self) -> int:
        """How many slots there are."""
        return self._total.limit

    @property
    def shrunk(self) -> bool:
        """Whether there are fewer than were asked for."""
        return self._total.limit < self._wanted

    def shrink(self, had: int) -> bool:
        """Too many jobs ran when there were `had` slots: let there be half as many at most. Those
        that hear of it at a time say the same, and it is done once. False for a job that was alone.
        """
        if had <= 1:
            return False
        self._total.resize(min(self._total.limit, had // 2))
        return True

    def watch(self, watcher: Callable[[], None]) -> None:
        """From now on, `watcher()` is called when a slot may be free that is nobody's turn."""
        self._watchers[watcher] = None

    def unwatch(self, watcher: Callable[[], None]) -> None:
        """Call `watcher` no more."""
        self._watchers.pop(watcher, None)

    @property
    def shared(self) -> bool:
        """Whether there is more than one watcher."""
        return len(self._watchers) > 1

    def tell(self) -> None:
        """Call every watcher, each time another one first. Not done by `release`: the only
        watcher looks for its next job itself when one ends, at once and not in a later turn."""
        for watcher in list(self._watchers):
            watcher()
        if self._watchers:
            self._watchers.move_to_end(next(iter(self._watchers)))

    def take(self, host: str) -> Slot | None:
        """A slot of `host`, if there is one for it at once."""
        semaphore, total = self._hosts.get(host) or self._new_host(host), self._total
        if semaphore.tokens <= 0 or semaphore.waiting or total.tokens <= 0 or total.waiting:
            return None
        semaphore.tokens -= 1
        total.tokens -= 1
        return Slot(self, host, semaphore)

    async def acquire(self, host: str) -> Slot:
        """Wait for a slot of `host` and then for one of the total."""
        semaphore = self._hosts.get(host) or self._new_host(host)
        await semaphore.acquire()
        try:
            await self._total.acquire()
        except BaseException:
            self._give_back(host, semaphore)
            raise
        return Slot(self, host, semaphore)

    def release(self, slot: Slot, good: bool | None) -> None:
        """Take a slot back; `good` says how the host did, None that it says nothing of it."""
        semaphore = slot.semaphore
        if good:
            if semaphore.limit < self._per_host:
                semaphore.resize(semaphore.limit + 1)
        elif good is False and semaphore.limit > 1:
            semaphore.resize(semaphore.limit // 2)
        self._give_back(slot.host, semaphore)
        self._total.release()

    def _new_host(self, host: str) -> Semaphore:
        if len(self._hosts) >= REMEMBERED:
            self._forget_one()
        semaphore = self._hosts[host] = Semaphore(self._first)
        return semaphore

    def _give_back(self, host: str, semaphore: Semaphore) -> None:
        semaphore.release()
        # Those it was granted to may have ended by now, and the host may be forgotten.
        if semaphore.idle and self._hosts.get(host) is semaphore:
            self._hosts.move_to_end(host)

    def _forget_one(self) -> None:
        """Drop the host that has been idle longest; all busy: none."""
        for host, semaphore in self._hosts.items():
            if semaphore.idle:
                del self._hosts[host]
                return


class Slot:
    """Leave to run one job now; given back with `release`, once."""

    __slots__ = ("_limiter", "host", "semaphore")

    def __init__(self, limiter: Limiter, host: str, semaphore: Semaphore) -> None:
        self._limiter = limiter
        self.host = host
        self.semaphore = semaphore

    def release(self, good: bool | None = None) -> None:
        """Give the slot back; `good`: whether the host did well, None: nothing to say."""
        self._limiter.release(self, good)
