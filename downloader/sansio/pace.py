"""When a request may start: so many a second in all, so long after the last one to its host."""

from __future__ import annotations

from collections import OrderedDict

from downloader.sansio.bucket import Bucket

# Starts that a late timer made late are made up for, up to so many seconds of the rate.
LATE = 0.05


class Starts:
    """At most `rate` starts a second, and `delay` seconds between two of one host; None for either
    is no limit. `now` is in seconds.

    In T seconds there are `rate * (T + LATE) + 1` at most. The delay is never less.
    """

    def __init__(self, rate: float | None, delay: float | None, now: float) -> None:
        self._hosts: OrderedDict[str, Bucket] = OrderedDict()  # by their last start
        self._bucket = None if rate is None else Bucket(rate, rate * LATE, now)
        self._delay = delay

    def __repr__(self) -> str:
        rate = self._bucket.rate if self._bucket else None
        return f"<Starts {rate} a second, {self._delay} s apart, {len(self._hosts)} hosts>"

    def wait(self, now: float) -> float:
        """Seconds until a request may start, whatever its host."""
        return 0.0 if self._bucket is None else self._bucket.wait(now)

    def wait_of(self, host: str, now: float) -> float:
        """Seconds until a request to `host` may start."""
        bucket = self._hosts.get(host)
        return self.wait(now) if bucket is None else max(self.wait(now), bucket.wait(now))

    def started(self, host: str, now: float) -> None:
        """A request to `host` starts now."""
        if self._bucket is not None:
            self._bucket.spend(1, now)
        if self._delay is not None:
            self._forget_old(now)
            bucket = self._hosts.pop(host, None) or Bucket(1 / self._delay, 0, now)
            bucket.spend(1, now)
            self._hosts[host] = bucket

    def _forget_old(self, now: float) -> None:
        """Hosts whose delay is over, so that as many are remembered as matter."""
        while self._hosts:
            host, bucket = next(iter(self._hosts.items()))
            if bucket.wait(now):
                return
            del self._hosts[host]
