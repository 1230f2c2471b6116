"""Who does what is done to files: the reactor's thread while that takes no time, or a disk's own.

============================  =====================  ==================  ============
operation                     in memory, quick       a disk, quick       either, slow
============================  =====================  ==================  ============
a piece of a long body        here                   thread              thread
a short file; open, remove a  here                   here                thread
part file
a part file that was left:    here                   thread              thread
its journal, beginning anew
sync, and give a name         here, nothing to sync  one thread          one thread
============================  =====================  ==================  ============

A thread costs a copy of each piece and two changes of thread: a quarter of a second of processor
time for each GiB, which shows above 1 GiB/s and with few cores. What is in memory does not hang,
but any other disk may, at any moment and for ever (a network's server that is gone), so no long
body is written here. A short file would pay more than it costs itself, so there a disk has to show
first that it is slow; that is felt once.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from pathlib import Path
from time import monotonic
from typing import Any, TypeVar

from twisted.internet.defer import Deferred

from downloader.jobs import Durability
from downloader.threads import Threads
from downloader.transfer.commits import Commits
from downloader.transfer.system import SYSTEM, System

T = TypeVar("T")
# An operation that takes more seconds makes its disk slow. A busy machine makes some take 20 ms.
SLOW = 0.05
# So many seconds after the last of them it is quick again.
CALM = 10.0
# Threads of one disk: enough for a network's round trips to overlap, and no burden.
THREADS = 4
# Seconds that a thread waits for more: not made anew for each piece, and soon gone.
LINGER = 0.25
# Seconds that closing waits for what hangs.
PATIENCE = 3.0
# Seconds between two looks whether a full disk has space: soon enough for who has made some.
LOOK_EVERY = 3.0

_IN_MEMORY = frozenset(("tmpfs", "ramfs"))

Perform = Callable[..., Any]


def perform(operation: Callable[..., T], *arguments: Any) -> T:
    """Do it."""
    return operation(*arguments)


def is_in_memory(device: int) -> bool:
    """Whether the file system with this device number is known to be in memory."""
    number = f"{os.major(device)}:{os.minor(device)}"
    try:
        with Path("/proc/self/mountinfo").open(encoding="utf-8", errors="replace") as mounts:
            return any(_is_such(line, number) for line in mounts)
    except OSError:
        return False  # another system


def _is_such(line: str, number: str) -> bool:
    """Whether the line, as proc_pid_mountinfo(5) has it, is of `number` and in memory."""
    mount, _, kind = line.partition(" - ")
    return mount.split(" ", 3)[2] == number and kind.partition(" ")[0] in _IN_MEMORY


class Disks:
    """The file systems that files go to.

    `perform(operation, *arguments)` does an operation on a file, in whatever thread; a test's may
    hang in it. `seconds()` is a clock, and `in_memory(device)` tells of a device number whether
    what is there cannot hang. `settled` has `patience`, in seconds. `system` has the calls, and
    `durability` says what a loss of power may take. One that is full is looked at `look_every`
    seconds.
    """

    def __init__(
        self,
        reactor: Any,
        perform: Perform = perform,
        seconds: Callable[[], float] = monotonic,
        in_memory: Callable[[int], bool] = is_in_memory,
        patience: float = PATIENCE,
        system: System = SYSTEM,
        durability: Durability = Durability.BATCH,
        look_every: float = LOOK_EVERY,
    ) -> None:
        self.durability = durability
        self.look_every = look_every
        self.reactor = reactor
        self.os = system
        self.perform = perform
        self.seconds = seconds
        self._in_memory = in_memory
        self._patience = patience
        self._disks: dict[int, Disk] = {}
        self._lock = threading.Lock()
        self._busy = 0
        self._settled: list[Deferred[None]] = []

    def __repr__(self) -> str:
        return f"<Disks {list(self._disks.values())}, {self._busy} files in threads>"

    def disk(self, device: int) -> Disk:
        """The file system with this device number (`st_dev`)."""
        disk = self._disks.get(device)
        if disk is None:
            disk = self._disks[device] = Disk(self, self._in_memory(device))
        return disk

    def settled(self) -> Deferred[None]:
        """Wait for what threads do.

        **Fires with** None when they are done, or when `patience` is over: what hangs then
        goes on, and ends with the process. **Fails** never. **Cancelling** it stops the waiting
        only.
        """
        settled: Deferred[None] = Deferred()
        if not self._busy:
            settled.callback(None)
            return settled
        late = self.reactor.callLater(self._patience, self._fire, settled)
        settled.addBoth(_pass, late)
        self._settled.append(settled)
        return settled

    def began(self) -> None:
        """Threads have one file more to see to."""
        with self._lock:
            self._busy += 1

    def ended(self) -> None:
        """One file less; said in a thread."""
        with self._lock:
            self._busy -= 1
            tell = not self._busy and self._settled
        if tell:
            self.reactor.callFromThread(self._tell)

    def _tell(self) -> None:
        if not self._busy:
            for settled in list(self._settled):
                self._fire(settled)

    def _fire(self, settled: Deferred[None]) -> None:
        self._settled.remove(settled)
        if not settled.called:
            settled.callback(None)


class Disk:
    """One file system: how quick it is, and its threads. `commits` is None where nothing is to be
    synced."""

    def __init__(self, disks: Disks, in_memory: bool) -> None:
        self.disks = disks
        self.in_memory = in_memory
        self.threads = Threads("disk", THREADS, LINGER)
        self.commits: Commits | None = None
        # What is in memory is gone without power, whatever is done.
        if not in_memory and disks.durability is not Durability.NONE:
            self.commits = Commits(disks, disks.durability is Durability.EACH)
        self.under_way: dict[object, float] = {}  # in threads, and since when
        self._perform = disks.perform
        self._seconds = disks.seconds
        self._slow_until = 0.0

    def __repr__(self) -> str:
        where = "in memory" if self.in_memory else "on a disk"
        return f"<Disk {where}, {'slow' if self.slow else 'quick'}>"

    @property
    def slow(self) -> bool:
        """Whether it took long lately, or does now."""
        if not (self._slow_until or self.under_way):
            return False
        now = self._seconds()
        begun = min(list(self.under_way.values()), default=now)
        return now < self._slow_until or now - begun > SLOW

    def do(self, operation: Callable[..., T], *arguments: Any) -> T:
        """Do it in this thread, and note how long it takes."""
        seconds = self._seconds
        began = seconds()
        try:
            return self._perform(operation, *arguments)  # type: ignore[no-any-return]
        finally:
            if seconds() - began > SLOW:
                self.took(began)

    def took(self, began: float) -> None:
        """Something that began then is over."""
        now = self._seconds()
        if now - began > SLOW:
            self._slow_until = now + CALM


def _pass(result: Any, late: Any) -> None:
    if late.active():
        late.cancel()
