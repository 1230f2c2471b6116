"""A pytest plugin: no test hangs. After its limit it fails, and shows where it was.

A test that awaits, a test that loops and a fixture that waits hang in different ways, so there
are three steps, each for what the one before it could not end.

1. The test's Deferred is cancelled, in the reactor: the error rises where the test awaits.
2. An exception is raised: in whatever runs, or, while the reactor turns, in pytest's own greenlet,
   which waits for it in a fixture.
3. faulthandler prints every thread's stack and ends the process: a C call that does not return.

The alarm is a signal and no delayed call, so that a test sees only its own delayed calls.
"""

from __future__ import annotations

import faulthandler
import os
import signal
from collections.abc import Callable, Generator
from contextlib import contextmanager
from functools import partial
from types import FrameType
from typing import Any

import greenlet
import pytest
from twisted.internet.defer import CancelledError, Deferred, maybeDeferred
from twisted.python.failure import Failure

DEFAULT = 60.0
# Time for a cancelled test to clean up, and for a raised exception to arrive.
GRACE = 5.0

_KEY = pytest.StashKey["TimeLimit"]()
_STDERR = pytest.StashKey[int]()


class TimeIsUp(BaseException):
    """The test took too long. No `except Exception` on its way may keep it."""


class TimeLimit:
    """One phase of one test: setup, call or teardown."""

    def __init__(self, name: str, seconds: float) -> None:
        self.message = f"{name} took more than {seconds:g} s"
        self.running: Deferred[Any] | None = None
        self._step = 0
        self._reactor_turned = False

    def alarm(self, signum: int, frame: FrameType | None) -> None:
        """Take the next step; runs wherever the main thread is, so it hardly touches a thing."""
        self._step += 1
        if self._step == 1:
            _reactor().callFromThread(self._cancel)
        elif self._reactor_turned:
            _reactor().callFromThread(self._throw)
        else:
            raise TimeIsUp(self.message)

    def run(self, test: Callable[..., Any], **arguments: Any) -> Deferred[Any]:
        """Run `test`, and let the first step cancel it."""
        self.running = maybeDeferred(test, **arguments)
        return self.running.addErrback(self._explain)

    def _cancel(self) -> None:
        self._reactor_turned = True
        if self.running is not None:
            self.running.cancel()

    def _throw(self) -> None:
        waiting = greenlet.getcurrent().parent
        if waiting is not None:
            waiting.throw(TimeIsUp(self.message))

    def _explain(self, failure: Failure) -> Failure:
        if self._step and failure.check(CancelledError):
            raise TimeIsUp(self.message) from failure.value
        return failure


def _reactor() -> Any:
    from twisted.internet import reactor

    return reactor


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line(
        "markers", f"time_limit(seconds): how long each phase of a test may take ({DEFAULT:g} s)"
    )
    # Output is not captured yet, so this is the terminal's stderr.
    config.stash[_STDERR] = os.dup(2)


def pytest_unconfigure(config: pytest.Config) -> None:
    os.close(config.stash[_STDERR])


@contextmanager
def _limited(item: pytest.Item) -> Generator[None, None, None]:
    mark = item.get_closest_marker("time_limit")
    seconds = float(mark.args[0]) if mark else DEFAULT
    limit = item.stash[_KEY] = TimeLimit(item.nodeid, seconds)
    before = signal.signal(signal.SIGALRM, limit.alarm)
    signal.setitimer(signal.ITIMER_REAL, seconds, GRACE)
    faulthandler.dump_traceback_later(
        seconds + 3 * GRACE, exit=True, file=item.config.stash[_STDERR]
    )
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
        faulthandler.cancel_dump_traceback_later()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_setup(item: pytest.Item) -> Generator[None, None, None]:
    with _limited(item):
        return (yield)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Generator[None, None, None]:
    with _limited(item):
        return (yield)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_teardown(item: pytest.Item) -> Generator[None, None, None]:
    with _limited(item):
        return (yield)


@pytest.hookimpl(wrapper=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> Generator[None, Any, Any]:
    """Put the limit around the test, and inside Hypothesis where it calls the test."""
    limit = pyfuncitem.stash[_KEY]
    test = pyfuncitem.obj
    hypothesis = getattr(test, "hypothesis", None)
    holder, name = (hypothesis, "inner_test") if hypothesis else (pyfuncitem, "obj")
    inner = getattr(holder, name)
    setattr(holder, name, partial(limit.run, inner))
    try:
        return (yield)
    finally:
        setattr(holder, name, inner)
