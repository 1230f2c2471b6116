"""Many deadlines on one timer.

A request has two or three deadlines and nearly all of them are met, so a delayed call for each
would be made, sorted and cancelled for nothing. Here a deadline is one entry in a dict; a single
delayed call sleeps until the earliest one, and there is none when there is no deadline.
"""

from __future__ import annotations

from collections.abc import Callable

from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.logger import Logger

_log = Logger()


class Deadline:
    """One moment at which something is called, unless cancelled before."""

    __slots__ = ("_expired", "_owner", "when")

    def __init__(self, owner: Deadlines, when: float, expired: Callable[[], None]) -> None:
        self._owner = owner
        self._expired = expired
        self.when = when

    @property
    def left(self) -> float:
        """Seconds until then; 0.0 when it is late."""
        return max(0.0, self.when - self._owner._clock.seconds())

    def postpone(self, seconds: float) -> None:
        """Let it be so many seconds from now. It has to be live, and may only become later."""
        self.when = self._owner._clock.seconds() + seconds

    def cancel(self) -> None:
        """Forget it; harmless when it has passed or was cancelled already."""
        self._owner._cancel(self)


class Deadlines:
    """Calls back at most `resolution` seconds late; times are the clock's, in seconds."""

    def __init__(self, clock: IReactorTime, resolution: float = 0.05) -> None:
        self._clock = clock
        self._resolution = resolution
        self._live: dict[Deadline, None] = {}
        self._call: IDelayedCall | None = None
        self._call_at = 0.0

    def __repr__(self) -> str:
        return f"<Deadlines {len(self._live)} live>"

    def set(self, seconds: float, expired: Callable[[], None]) -> Deadline:
        """Call `expired()` once, `seconds` from now."""
        when = self._clock.seconds() + seconds
        deadline = Deadline(self, when, expired)
        self._live[deadline] = None
        if self._call is None or when < self._call_at - self._resolution:
            self._sleep_until(when)
        return deadline

    def _cancel(self, deadline: Deadline) -> None:
        if self._live.pop(deadline, deadline) is None and not self._live:
            self._stop()

    def _stop(self) -> None:
        if self._call is not None:
            self._call.cancel()
            self._call = None

    def _sleep_until(self, when: float) -> None:
        self._stop()
        now = self._clock.seconds()
        self._call_at = max(when, now + self._resolution)
        self._call = self._clock.callLater(self._call_at - now, self._wake)

    def _expire(self, deadline: Deadline) -> None:
        """One that raises must not keep the others from being met."""
        try:
            deadline._expired()
        except Exception:
            _log.failure("what a deadline called raised")

    def _wake(self) -> None:
        self._call = None
        now = self._clock.seconds()
        for deadline in [d for d in self._live if d.when <= now]:
            if self._live.pop(deadline, deadline) is None:
                self._expire(deadline)
        if self._live:
            # What was called may have set one that is later than others.
            earliest = min(d.when for d in self._live)
            if self._call is None or earliest < self._call_at - self._resolution:
                self._sleep_until(earliest)


class Wait:
    """One deadline that is set over and over: `late()` is called `seconds` after the last time."""

    __slots__ = ("_deadline", "_deadlines", "_late", "_seconds")

    def __init__(self, deadlines: Deadlines, seconds: float, late: Callable[[], None]) -> None:
        self._deadlines = deadlines
        self._seconds = seconds
        self._late = late
        self._deadline: Deadline | None = None

    def __repr__(self) -> str:
        return f"<Wait {'live' if self._deadline else 'idle'}>"

    def begin(self) -> None:
        """Count from now on."""
        if self._deadline is not None:
            self._deadline.postpone(self._seconds)
        else:
            self._deadline = self._deadlines.set(self._seconds, self._expired)

    def stop(self) -> None:
        """Wait no more."""
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    def _expired(self) -> None:
        self._deadline = None
        self._late()
