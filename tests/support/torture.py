"""Runs in which the k-th call fails that may fail: on the disk, at the agent, in the store.

What is synced does not matter here, so fsync and its like do nothing but fail.
"""

from __future__ import annotations

import errno
import itertools
import os
import threading
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

from twisted.internet.defer import Deferred, fail
from twisted.internet.error import ConnectionLost, ConnectionRefusedError, DNSLookupError
from twisted.python.failure import Failure
from twisted.web.client import ResponseNeverReceived
from twisted.web.iweb import IAgent, IResponse
from zope.interface import implementer

from downloader.errors import StoreError
from downloader.store import JobStore
from downloader.transfer.system import SYSTEM

SYNCS = frozenset(("fdatasync", "fsync", "syncfs"))
WRITES = frozenset(("ftruncate", "link", "mkdir", "makedirs", "open", "pwrite", "write"))


class Faults:
    """Counts calls, and lets the one with the number `last` fail; `met` is its name then.

    A call on files fails with `number`, an errno. `system` is for `Disks`.
    """

    def __init__(self, last: int | None = None, number: int = errno.EIO) -> None:
        self.met = ""
        self._last = last
        self._number = number
        self._calls = itertools.count()
        self._lock = threading.Lock()
        calls = {name: self._faulty(name, call) for name, call in vars(SYSTEM).items()}
        self.system: Any = SimpleNamespace(**calls)

    def now(self, name: str) -> bool:
        """Whether the call of this name, which is about to be made, fails."""
        with self._lock:
            if next(self._calls) != self._last:
                return False
            self.met = name
        return True

    def _faulty(self, name: str, call: Callable[..., Any]) -> Callable[..., Any]:
        def faulty(*arguments: Any, **keywords: Any) -> Any:
            fails = self.now(name)
            if fails and name == "close":
                call(*arguments)  # close(2): the descriptor is gone all the same
            if fails:
                raise OSError(self._number, os.strerror(self._number))
            return None if name in SYNCS else call(*arguments, **keywords)

        return faulty


@implementer(IAgent)
class FaultyAgent:
    """`agent`, with names that are not found, connections that are refused, and lost ones."""

    def __init__(self, agent: IAgent, faults: Faults) -> None:
        self._agent = agent
        self._faults = faults

    def request(
        self, method: bytes, uri: bytes, headers: Any = None, bodyProducer: Any = None
    ) -> Deferred[IResponse]:
        if self._faults.now("resolve"):
            return fail(DNSLookupError("no such name"))
        if self._faults.now("connect"):
            return fail(ConnectionRefusedError())
        asked = self._agent.request(method, uri, headers, bodyProducer)
        if self._faults.now("send"):
            asked.addErrback(lambda _: None)
            asked.cancel()
            return fail(ResponseNeverReceived([Failure(ConnectionLost())]))
        return asked


class FaultyStore:
    """`store`, whose steps fail."""

    def __init__(self, store: JobStore, faults: Faults) -> None:
        self._store = store
        self._faults = faults
        self.close = store.close
        self.directory = store.directory

    def find(self, records: Any) -> Deferred[Any]:
        return self._step("find", self._store.find, records)

    def plan(self, rows: Any) -> Deferred[Any]:
        return self._step("plan", self._store.plan, rows)

    def end(self, rows: Any) -> Deferred[Any]:
        return self._step("end", self._store.end, rows)

    def _step(self, name: str, call: Callable[[Any], Deferred[Any]], rows: Any) -> Deferred[Any]:
        return fail(StoreError(name)) if self._faults.now(name) else call(rows)
