"""Run the reactor until one piece of work is done, and end well when a signal comes.

Twisted's own handlers stop the reactor, and `task.react` ends with code 0 or a traceback when
its work is interrupted; so the handlers are ours. The first signal asks the work to stop, and
the reactor runs on until every socket and file is settled. A second SIGINT or SIGTERM ends the
process where it stands. A signal that was ignored when we started (nohup, `cmd &` in a script)
stays ignored.
"""

from __future__ import annotations

import gc
import os
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from types import FrameType
from typing import Any, TypeVar

from twisted.internet.defer import Deferred, maybeDeferred
from twisted.python.failure import Failure

from downloader.cli.exits import ExitCode

T = TypeVar("T")
_STOPPING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
_SHOW_CURSOR = b"\x1b[?25h\n"


class Stopper:
    """Turns signals into one call of `stop`, made by the reactor.

    `received` is the first signal's number, or None.
    """

    def __init__(self, reactor: Any, stop: Callable[[], None]) -> None:
        self.received: int | None = None
        self._reactor = reactor
        self._stop = stop

    def __repr__(self) -> str:
        return f"<Stopper received={self.received}>"

    @contextmanager
    def installed(self) -> Iterator[None]:
        """Handle the signals inside the `with` block, those that are not ignored."""
        old = {number: signal.getsignal(number) for number in _STOPPING}
        ours = [number for number in _STOPPING if old[number] is not signal.SIG_IGN]
        for number in ours:
            signal.signal(number, self._handle)
        try:
            yield
        finally:
            for number in ours:
                signal.signal(number, old[number])

    def _handle(self, number: int, frame: FrameType | None) -> None:
        if self.received is None:
            self.received = number
            self._reactor.callFromThread(self._stop)
        elif number != signal.SIGHUP:  # a closing terminal sends it more than once
            _end_now(number)


def _end_now(number: int) -> None:
    if os.isatty(2):
        with suppress(OSError):  # the terminal may be gone
            os.write(2, _SHOW_CURSOR)
    os._exit(ExitCode.of_signal(number))


def run_reactor(
    reactor: Any, start: Callable[[], Deferred[T]], stop: Callable[[], None]
) -> tuple[T, int | None]:
    """Run `reactor` until the Deferred of `start` fires; return its value and the signal, if any.

    `stop` is called at the first signal and has to make that Deferred fire. Its failure is
    raised here.
    """
    gc.freeze()  # what was loaded stays: else the collector goes through it again and again
    outcome: list[T | Failure] = []
    stopper = Stopper(reactor, stop)

    def begin() -> None:
        done = maybeDeferred(start)
        done.addBoth(outcome.append)
        done.addBoth(lambda _: reactor.stop())

    reactor.callWhenRunning(begin)
    with stopper.installed():
        reactor.run(installSignalHandlers=False)
    (value,) = outcome
    if isinstance(value, Failure):
        value.raiseException()
    return value, stopper.received
