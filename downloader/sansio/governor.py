"""When a job of a host may start, and how many at a time: one rule for all jobs of that host.

A host, which is a name with a port, is in one of these states:

======  ==================================  ==================================================
state   begins                              who may start
======  ==================================  ==================================================
well    when nothing is known of it         as many jobs at a time as its `limit`; it is earned
paused  with a start, where there is a      nobody until that is over
        delay, or when it asks for it: a
        hold
down    with the `DOWN_AFTER`-th try in a   one job, when its interval is over: the probe. While
        row that it did not answer          that is under way nobody. Any answer ends it
======  ==================================  ==================================================

Others call the last an open circuit. An interval is as long as a job's own wait between two tries
would be, so a host that is down is asked as if all its jobs were one; and a hold that comes with a
refusal is no shorter. Whoever waits gives up when as many looks were in vain meanwhile as a job has
retries: a probe, or the round of those who came after a hold and were sent away again.

No host has a say in how another fares, but for the total and the rate, which all share.
"""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Callable
from math import inf

from downloader.errors import (
    ConnectError,
    DownloadError,
    FirstByteTimeout,
    HostUnavailable,
    Interrupted,
    ResolveError,
    ServerBusy,
    TooManyOpenFiles,
)
from downloader.jobs import Limits, Retries
from downloader.sansio.bucket import Bucket

# Browsers open six connections to one host, so six jobs are a fair start.
FIRST_JOBS = 6
# In a row, without an answer to any job in between. As many as Envoy takes a host out for, and as
# one job's tries, so a job that is alone keeps to its own waits. A server that is started anew
# fails many jobs at once, and is left alone then for no longer than each would have waited.
DOWN_AFTER = 5
# Hosts that are remembered while none of their jobs runs, beside those that are paused.
REMEMBERED = 1024
# How many are looked at, for each new host, to find one to forget.
_LOOKED_AT = 8
# Starts that a late timer made late are made up for, up to so many seconds of the rate.
LATE = 0.05
# Nothing came from it. Who closes a connection, or says that he is busy, is there.
_NO_ANSWER = (ConnectError, FirstByteTimeout, ResolveError)
# These say nothing of the host.
_NO_HOST = (Interrupted, TooManyOpenFiles)


class Trouble:
    """What is known of a host that cannot be had: that is down, or sends jobs away until later.

    `probe` is the number of the start that asks whether it is back, None when none does. `lost`
    are the last looks that were in vain, by their numbers among those of all hosts. `why` is what
    the last of them met.
    """

    __slots__ = ("down", "intervals", "lost", "probe", "why")

    def __init__(self, patience: int) -> None:
        self.down = False
        self.intervals = 0
        self.lost: deque[int] = deque(maxlen=patience)
        self.probe: int | None = None
        self.why = ""


class Host:
    """What is known of one host.

    `running` of its jobs run, up to `limit`. `pause` is what is left of a delay or a hold, None
    while there is neither. `delay` is in seconds. `failures` are the tries in a row that it did
    not answer.
    """

    __slots__ = (
        *("admitted", "delay", "failures", "goods", "halved", "limit", "name", "pause"),
        *("running", "started", "threshold", "trouble"),
    )

    def __init__(self, name: str, limit: int) -> None:
        self.name = name
        self.limit = limit
        self.admitted = False
        self.threshold = inf  # from there on it grows slowly
        self.goods = 0  # since it last grew slowly
        self.running = 0
        self.started = 0  # in all, and so the number of the last start
        self.halved = 0  # what that was when the limit was halved
        self.delay = 0.0
        self.pause: Bucket | None = None
        self.failures = 0
        self.trouble: Trouble | None = None

    def __repr__(self) -> str:
        state = "down" if self.is_down else "paused" if self.pause else "well"
        return f"<Host {self.name!r} {state}, {self.running} of {self.limit} running>"

    @property
    def is_down(self) -> bool:
        """Whether it does not answer."""
        return self.trouble is not None and self.trouble.down


class Governor:
    """What all jobs keep to: `limits`, and what each host asks for and has earned.

    `retries` say how long a host's words are obeyed at most, and for how long a host that is down
    is waited for. `backoff(n)` are the seconds of a job's wait after n others. With `careful` a
    host has one job until it is admitted. `now` is in seconds; a clock may be set back: no time has
    passed then.

    `looks` counts those that were in vain, of all hosts: a moment, to say since when one waits.
    """

    def __init__(
        self,
        limits: Limits,
        retries: Retries,
        backoff: Callable[[int], float],
        now: float,
        careful: bool = False,
    ) -> None:
        rate = limits.rate
        self.running = 0
        self.looks = 0
        self._rate = None if rate is None else Bucket(rate, rate * LATE, now)
        self._delay = limits.per_host_delay or 0.0
        self._longest = retries.retry_after_cap
        self._patience = max(1, retries.tries - 1)
        self._backoff = backoff
        self._careful = careful
        self._hosts: OrderedDict[str, Host] = OrderedDict()  # by since when they are idle
        self.resize(limits.total, limits.per_host)

    def __repr__(self) -> str:
        rate = "" if self._rate is None else f", {self._rate.rate:g} starts a second"
        delay = f", {self._delay:g} s apart" if self._delay else ""
        hosts = f"{len(self._hosts)} hosts"
        return f"<Governor {self.running} of {self.total} running, {hosts}{rate}{delay}>"

    # --- who may start ------------------------------------------------------------------------

    @property
    def is_unpaced(self) -> bool:
        """Whether the total alone says if a job may start, whatever the time."""
        return self._rate is None

    def wait(self, now: float) -> float:
        """Seconds until a job may start, whatever its host; inf: not before one ends."""
        if self.running >= self.total:
            return inf
        return 0.0 if self._rate is None else self._rate.wait(now)

    def wait_of(self, name: str, now: float) -> float:
        """Seconds until a job of this host may start; inf: not before one ends."""
        if self.running >= self.total:
            return inf
        host = self._hosts.get(name)
        if host is not None:
            if host.pause is not None:
                return max(self._paused(host, host.pause, now), self.wait(now))
            if host.running >= host.limit:
                return inf
        return 0.0 if self._rate is None else self._rate.wait(now)

    def start(self, name: str, now: float) -> Host:
        """A job of this host starts now; it is its host's `started`-th."""
        host = self._hosts.get(name) or self._meet(name, now)
        self.running += 1
        host.running += 1
        host.started += 1
        if self._rate is not None:
            self._rate.spend(1, now)
        if host.pause is not None:
            host.pause.spend(host.delay, now)
            if host.trouble is not None and host.trouble.down:
                host.trouble.probe = host.started
        return host

    def shuns(self, name: str, now: float) -> bool:
        """Whether this host is down, or has asked to be left alone."""
        host = self._hosts.get(name)
        return host is not None and (host.is_down or self._is_held(host, now))

    def is_hopeless(self, name: str, since: int) -> bool:
        """Whether a job that waits for this host since there were so many `looks` is to give up."""
        host = self._hosts.get(name)
        if host is None or host.trouble is None:
            return False
        lost = host.trouble.lost
        return len(lost) == self._patience and lost[0] > since

    def hopeless(self, name: str) -> HostUnavailable:
        """What it gives up with."""
        trouble = self._hosts[name].trouble
        return HostUnavailable("" if trouble is None else trouble.why)

    # --- how it went --------------------------------------------------------------------------

    def ended(self, host: Host, number: int, good: bool) -> None:
        """The start with this number is over; `good`: the host has answered well."""
        host.running -= 1
        self.running -= 1
        if good:
            if host.failures or host.trouble is not None:
                self._answered(host)
            if host.limit < self._per_host:
                self._earn(host)
        elif host.trouble is not None and host.trouble.probe == number:
            host.trouble.probe = None  # it was cancelled, or failed for reasons of our own
        if not host.running:
            self._hosts.move_to_end(host.name)

    def failed(self, host: Host, number: int, error: DownloadError, now: float) -> None:
        """The start with this number, which is still to end, failed in a way that may pass."""
        if isinstance(error, _NO_HOST):
            return
        if isinstance(error, _NO_ANSWER):
            self._unanswered(host, number, error, now)
        elif isinstance(error, ServerBusy) and self._is_held(host, now):
            self._sent_away(host, number, error, now)
        else:
            self._answered(host)
        # What began before the limit was halved tells nothing of how the half does.
        if number > host.halved:
            host.halved = host.started
            host.goods = 0
            host.limit = max(1, host.limit // 2)
            host.threshold = max(self._fair, host.limit)

    def hold(self, name: str, seconds: float, now: float) -> None:
        """This host asks to be left alone for so long. No hold makes an earlier one shorter."""
        if seconds > 0:  # and a number
            host = self._hosts.get(name) or self._meet(name, now)
            self._pause(host, min(seconds, self._longest), now)

    def admit(self, host: Host, delay: float, now: float) -> None:
        """What was to be asked first is known: it may have more than one job, each so many seconds
        after the other. The last one starts now."""
        host.admitted = True
        if not host.halved:
            host.limit = max(host.limit, self._fair)
        delay = min(delay, self._longest)
        if delay > host.delay:
            host.delay = delay
            self._pause(host, delay, now)

    def resize(self, total: int, per_host: int | None = None) -> None:
        """Change the limits."""
        self.total = self._wanted = total
        self._per_host = total if per_host is None else min(per_host, total)
        self._fair = min(FIRST_JOBS, self._per_host)
        self._first = 1 if self._careful else self._fair
        for host in self._hosts.values():
            least = 1 if host.halved else self._first
            host.limit = max(least, min(host.limit, self._per_host))

    @property
    def shrunk(self) -> bool:
        """Whether the total is less than was asked for."""
        return self.total < self._wanted

    def shrink(self, had: int) -> bool:
        """Too many jobs ran when the total was `had`: let it be half of that at most. Those that
        hear of it at a time say the same, and it is done once. False for a job that was alone."""
        if had <= 1:
            return False
        self.total = min(self.total, had // 2)
        return True

    def _earn(self, host: Host) -> None:
        """One more for each good answer; since the first failure one more for each round of them,
        as TCP does (RFC 5681 §3.1), but as before up to what a new host has."""
        if host.limit < host.threshold:
            host.limit += 1
            return
        host.goods += 1
        if host.goods >= host.limit:
            host.goods = 0
            host.limit += 1

    def _unanswered(self, host: Host, number: int, error: DownloadError, now: float) -> None:
        host.failures += 1
        trouble = host.trouble
        if trouble is not None and trouble.down:
            if trouble.probe == number:  # others began before
                self._in_vain(host, trouble, error, now)
        elif host.failures >= DOWN_AFTER:
            trouble = host.trouble = trouble or Trouble(self._patience)
            trouble.down = True
            host.limit = 1  # when it is back, it begins with few
            self._keep_away(host, trouble, error, now)

    def _sent_away(self, host: Host, number: int, error: DownloadError, now: float) -> None:
        host.failures = 0
        trouble = host.trouble
        if trouble is None:
            trouble = host.trouble = Trouble(self._patience)
            self._keep_away(host, trouble, error, now)
        elif number > host.halved:  # once for those who came together
            self._in_vain(host, trouble, error, now)
        trouble.down = False

    def _in_vain(self, host: Host, trouble: Trouble, error: DownloadError, now: float) -> None:
        self.looks += 1
        trouble.lost.append(self.looks)
        self._keep_away(host, trouble, error, now)

    def _keep_away(self, host: Host, trouble: Trouble, error: DownloadError, now: float) -> None:
        """For an interval, which is no longer than the longest wait of a job: a new one waits for
        so many looks too."""
        trouble.why = str(error)
        trouble.probe = None
        self._pause(host, self._backoff(min(trouble.intervals, self._patience - 1)), now)
        trouble.intervals += 1

    def _answered(self, host: Host) -> None:
        host.failures = 0
        host.trouble = None

    # --- pauses -------------------------------------------------------------------------------

    def _paused(self, host: Host, pause: Bucket, now: float) -> float:
        left = pause.wait(now)
        if host.trouble is not None and host.trouble.down:
            return left if host.trouble.probe is None else inf
        if not (left or host.delay):
            host.pause = None
        return left if host.running < host.limit else inf

    def _is_held(self, host: Host, now: float) -> bool:
        return host.pause is not None and host.pause.wait(now) > host.delay

    def _pause(self, host: Host, seconds: float, now: float) -> None:
        if host.pause is None:
            host.pause = Bucket(1.0, 0.0, now)
        host.pause.spend(max(0.0, seconds - host.pause.wait(now)), now)

    # --- memory -------------------------------------------------------------------------------

    def _meet(self, name: str, now: float) -> Host:
        if len(self._hosts) >= REMEMBERED:
            self._forget(now)
        host = self._hosts[name] = Host(name, self._first)
        if self._delay:
            host.delay = self._delay
            host.pause = Bucket(1.0, 0.0, now)
        return host

    def _forget(self, now: float) -> None:
        """Drop those that have been idle longest and are not paused. What is kept comes last then,
        so that the next look is at others."""
        for _ in range(_LOOKED_AT):
            name, host = next(iter(self._hosts.items()))
            if host.running or (host.pause is not None and host.pause.wait(now)):
                self._hosts.move_to_end(name)
            else:
                del self._hosts[name]
            if len(self._hosts) < REMEMBERED:
                return
