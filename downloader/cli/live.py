"""Displays that tell again and again how far the run is.

Showing is the side show: what goes wrong in it is told in one sentence, and the downloads go on.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from twisted.internet.task import LoopingCall
from twisted.python.failure import Failure

from downloader.cli.logs import bug_text
from downloader.cli.messages import Messages, Shown, write_line
from downloader.cli.pace import Pace, files_text
from downloader.listrun.words import duration_text, reason_text, size_text

# A run that is shorter leaves only its summary in a log.
PLAIN_EVERY = 5.0


class Live(Messages):
    """`Messages`, and `tick` every few seconds while the run goes on, until it fails.

    `broken` tells whether it has failed.
    """

    def __init__(
        self, reactor: Any, every: float, tick: Callable[[], None], verbose: int = 0
    ) -> None:
        super().__init__(verbose)
        self.broken = False
        self._every = every
        self._ticking = LoopingCall(tick)
        self._ticking.clock = reactor
        self._pace = Pace()

    def start(self, run: Shown) -> None:
        self._run = run
        self._pace.add(self._now, 0, 0)
        self._ticking.start(self._every, now=False).addErrback(self._broke)

    def stop(self) -> None:
        if self._ticking.running:
            self._ticking.stop()

    @property
    def _now(self) -> float:
        return float(self._ticking.clock.seconds())

    def _broke(self, failure: Failure) -> None:
        """Tell it once; a LoopingCall that failed does not call again."""
        self.broken = True
        error: Any = failure.value
        from_system = isinstance(error, OSError)
        reason = reason_text(error) if from_system else bug_text(error, self._verbose)
        write_line(f"no more is shown of the run, which goes on: {reason}")


class Plain(Live):
    """`Messages`, and a line every few seconds that says how far the run is."""

    def __init__(self, reactor: Any, verbose: int = 0) -> None:
        super().__init__(reactor, PLAIN_EVERY, self._tick, verbose)

    def _tick(self) -> None:
        run = self._run
        self._pace.add(self._now, run.finished, run.received - run.found)
        total = run.count(seconds=0.05)
        parts = [run.steps] if run.steps else []
        parts += [files_text(run.ended, total), size_text(run.received)]
        parts.append(f"{size_text(self._pace.bytes_rate)}/s")
        if run.failed:
            parts.append(f"{run.failed:,} failed")
        left = self._pace.seconds_left(None if total is None else total - run.ended)
        if left is not None:
            parts.append(f"{duration_text(left)} left")
        self.say(", ".join(parts))
