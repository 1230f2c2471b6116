"""A pytest plugin: a test that leaves something behind fails.

Left behind are: delayed calls, sockets in the reactor, open file descriptors, threads and jobs in
the reactor's own, and failures that were logged and that the test did not take from
`logged_failures`. Descriptors are looked at before garbage is collected: what only the collector
closes was not closed.
"""

from __future__ import annotations

import gc
import os
import threading
from collections.abc import Generator
from dataclasses import dataclass
from typing import Any

import pytest
import pytest_twisted
from twisted.internet.defer import Deferred
from twisted.internet.protocol import Factory
from twisted.internet.task import deferLater
from twisted.logger import LogEvent, LogLevel, formatEvent, globalLogPublisher
from twisted.python.failure import Failure

# Enough for a chain of callLater(0): a connection that is aborted is gone in the second turn.
TURNS = 5
# The other end of a socket on loopback, or a thread that was told to end, gets this long.
GRACE = 0.5


@dataclass(frozen=True)
class Snapshot:
    """What is there at one moment."""

    delayed: frozenset[Any]
    selectables: frozenset[Any]
    files: frozenset[tuple[str, str]]
    threads: frozenset[threading.Thread]


def snapshot(reactor: Any) -> Snapshot:
    """What is there now."""
    return Snapshot(
        frozenset(reactor.getDelayedCalls()),
        frozenset([*reactor.getReaders(), *reactor.getWriters()]),
        frozenset(_open_files()),
        frozenset(t for t in threading.enumerate() if not _pooled(reactor, t)),
    )


def _open_files() -> Generator[tuple[str, str], None, None]:
    for fd in os.listdir("/proc/self/fd"):
        try:
            yield fd, os.readlink(f"/proc/self/fd/{fd}")
        except FileNotFoundError:
            continue  # the directory that is being listed


def _pooled(reactor: Any, thread: threading.Thread) -> bool:
    pool = reactor.threadpool
    return pool is not None and thread in pool.threads


def leftovers(reactor: Any, before: Snapshot) -> list[str]:
    """What is there now and was not `before`, in words; delayed calls are not among it."""
    now = snapshot(reactor)
    pool = reactor.threadpool
    left = [f"in the reactor: {one!r}" for one in now.selectables - before.selectables]
    left += [f"descriptor {fd}: {target}" for fd, target in now.files - before.files]
    left += [f"thread: {one.name}" for one in now.threads - before.threads]
    left += ["a job in the reactor's thread pool" for _ in (pool.working if pool else ())]
    return left


async def settle(reactor: Any, before: Snapshot) -> list[str]:
    """Let the reactor turn a little, then tell what is left, and end what would fire later."""
    for _ in range(TURNS):
        await deferLater(reactor, 0)
    late = frozenset(reactor.getDelayedCalls()) - before.delayed
    left = [f"delayed call: {one}" for one in late]
    for one in late:
        one.cancel()
    until = reactor.seconds() + GRACE
    while leftovers(reactor, before) and reactor.seconds() < until:
        await deferLater(reactor, 0.005)
    return left + leftovers(reactor, before)


class LoggedFailures:
    """Every failure that Twisted logged during a test: a log event of level error or above."""

    def __init__(self) -> None:
        self._events: list[LogEvent] = []

    def __call__(self, event: LogEvent) -> None:
        # This headline comes before the event that has the failure.
        headline = event.get("log_format") == "Unhandled error in Deferred:"
        if event.get("log_level", LogLevel.info) >= LogLevel.error and not headline:
            self._events.append(event)

    def flush(self, *kinds: type[BaseException]) -> list[Failure]:
        """Take the failures of these `kinds` (none: all), so that they do not fail the test.

        Garbage is collected first, since Twisted logs an unhandled failure when its Deferred goes.
        """
        gc.collect()
        taken = [event for event in self._events if not kinds or _is(event, kinds)]
        self._events = [event for event in self._events if event not in taken]
        return [event["log_failure"] for event in taken if "log_failure" in event]

    def texts(self) -> list[str]:
        """What was logged and not taken, each with its traceback."""
        return [f"logged: {_text(event)}" for event in self._events]


def _is(event: LogEvent, kinds: tuple[type[BaseException], ...]) -> bool:
    failure = event.get("log_failure")
    return failure is not None and failure.check(*kinds) is not None


def _text(event: LogEvent) -> str:
    failure = event.get("log_failure")
    return (formatEvent(event) or "Unhandled error in Deferred") + (
        "\n" + failure.getTraceback() if failure else ""
    )


def pytest_collection_finish(session: pytest.Session) -> None:
    # What was imported stays; without it a collection after each test costs little.
    gc.collect()
    gc.freeze()


@pytest.fixture(scope="session")
def reactor() -> Any:
    """The one reactor, which pytest-twisted runs."""
    from twisted.internet import reactor

    # Its waker, and the descriptor it reserves at the first port, are no test's leftovers.
    first = reactor.listenTCP(0, Factory(), interface="127.0.0.1")
    pytest_twisted.blockon(first.stopListening())
    return reactor


@pytest.fixture
def logged_failures() -> Generator[LoggedFailures, None, None]:
    """What Twisted logs as failed; `flush` takes what the test expects."""
    failures = LoggedFailures()
    globalLogPublisher.addObserver(failures)
    yield failures
    globalLogPublisher.removeObserver(failures)


@pytest.fixture(autouse=True)
def leaves_nothing(reactor: Any, logged_failures: LoggedFailures) -> Generator[None, None, None]:
    """Fail the test, after all its fixtures are gone, for anything that it left."""
    before = snapshot(reactor)
    yield
    left = pytest_twisted.blockon(Deferred.fromCoroutine(settle(reactor, before)))
    gc.collect()
    gc.freeze()  # what is still there now would be gone through again after each later test
    left += logged_failures.texts()
    if left:
        pytest.fail("the test left\n  " + "\n  ".join(left), pytrace=False)
