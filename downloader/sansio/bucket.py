"""A rate kept by counting: what may pass is saved up while nothing does, to a bound.

Also called a token bucket. Two things are as they are because of what is counted here. Bytes that
have arrived cannot be refused, so more may be spent than there is: that is a debt, and time pays
it. And clocks of reactors tell the time of day, which may be set back: no time has passed then,
and nothing waits for the hour to come round again.
"""

from __future__ import annotations

# What is left of a debt when time was added up in floating point, in units: no debt.
_DUST = 1e-6


class Bucket:
    """`rate` units a second may pass, and up to `burst` units at once that were saved up before.

    Over any time of T seconds no more than `rate * T + burst` are spent before there is a debt,
    and whoever waits for that to be paid keeps to the rate. It begins full. `now` is in seconds.
    """

    __slots__ = ("_at", "_level", "burst", "rate")

    def __init__(self, rate: float, burst: float, now: float) -> None:
        self.rate = rate
        self.burst = burst
        self._level = burst
        self._at = now

    def __repr__(self) -> str:
        return f"<Bucket {self._level:.1f} of {self.burst:g}, {self.rate:g}/s>"

    def spend(self, units: float, now: float) -> None:
        """So much has passed, whether there was as much or not."""
        self._fill(now)
        self._level -= units

    def wait(self, now: float) -> float:
        """The seconds until the debt is paid; 0.0 when there is none."""
        self._fill(now)
        return -self._level / self.rate if self._level < -_DUST else 0.0

    def change(self, rate: float, burst: float, now: float) -> None:
        """Go on at another rate; a debt stays."""
        self._fill(now)
        self.rate = rate
        self.burst = burst
        self._level = min(burst, self._level)

    def _fill(self, now: float) -> None:
        self._level = min(self.burst, self._level + self.rate * max(0.0, now - self._at))
        self._at = now
