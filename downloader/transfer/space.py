"""Who waits for space on a disk that is full, and the looking whether there is some.

What statvfs says is not all: a quota shows only when something is written. So both have to be
right, statvfs and a trial. What else goes wrong with the trial is for the jobs to meet.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import suppress

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IDelayedCall, IReactorTime

from downloader.sansio.printable import printable
from downloader.sansio.space import ENOUGH, Looks, has_space
from downloader.threads import Threads
from downloader.transfer.disk import FULL
from downloader.transfer.disks import Disks
from downloader.transfer.system import System, write_all

Look = Callable[[str], Deferred[bool]]

# Looks that may hang, each on another disk, before further ones wait for them.
_THREADS = 4
_NAME = ".downloader-space"
_NAMELESS = getattr(os, "O_TMPFILE", 0) and os.O_WRONLY | os.O_TMPFILE | os.O_CLOEXEC
_NAMED = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC


class _Full:
    """A disk that is full, known by a directory on it."""

    def __init__(self, device: int, directory: str) -> None:
        self.device = device
        self.directory = directory
        self.waiting: dict[Deferred[None], None] = {}
        self.call: IDelayedCall | None = None


class Space:
    """The disks that are full. Each is looked at while somebody waits for it, and not otherwise.

    `look(directory)` tells whether there is space, `device(directory)` which disk it is on, and
    `warn(sentence)` hears when a disk is full and when there is space again. `every` is in seconds;
    see `Looks`.
    """

    def __init__(
        self,
        clock: IReactorTime,
        look: Look,
        device: Callable[[str], int],
        warn: Callable[[str], None],
        every: float,
    ) -> None:
        self._clock = clock
        self._look = look
        self._device = device
        self._warn = warn
        self._every = every
        self._full: dict[int, _Full] = {}
        self._looks: dict[int, Looks] = {}

    def __repr__(self) -> str:
        return f"<Space missing for {[len(full.waiting) for full in self._full.values()]}>"

    def is_full(self, directory: str) -> bool:
        """Whether somebody waits for space on the disk of `directory`."""
        return bool(self._full) and self._device(directory) in self._full

    def wait(self, directory: str) -> Deferred[None]:
        """The disk of `directory` is full: wait for space.

        **Fires with** None when there is some. **Fails** never by itself. **Cancelling** it stops
        the waiting; when nobody waits any more, nobody looks.
        """
        device = self._device(directory)
        full = self._full.get(device) or self._begin(device, directory)
        waiting: Deferred[None] = Deferred(lambda _: self._leave(full, waiting))
        full.waiting[waiting] = None
        if len(full.waiting) == 1:  # last: who hears of it may cancel
            where = printable(directory)
            self._warn(f"the disk is full: {where}; going on when there is space")
        return waiting

    def _begin(self, device: int, directory: str) -> _Full:
        full = self._full[device] = _Full(device, directory)
        self._looks_at(device).full(self._clock.seconds())
        self._look_later(full)
        return full

    def _looks_at(self, device: int) -> Looks:
        return self._looks.setdefault(device, Looks(self._every))

    def _look_later(self, full: _Full) -> None:
        wait = self._looks_at(full.device).wait
        full.call = self._clock.callLater(wait, self._look_now, full)

    def _look_now(self, full: _Full) -> None:
        full.call = None
        self._look(full.directory).addCallback(self._looked, full)

    def _looked(self, found: bool, full: _Full) -> None:
        if not full.waiting:
            return
        if not found:
            self._look_later(full)
            return
        del self._full[full.device]
        self._looks_at(full.device).over(self._clock.seconds())
        self._warn(f"there is space again: {printable(full.directory)}; going on")
        while full.waiting:
            waiting = next(iter(full.waiting))
            del full.waiting[waiting]
            waiting.callback(None)

    def _leave(self, full: _Full, waiting: Deferred[None]) -> None:
        del full.waiting[waiting]
        if full.waiting or self._full.get(full.device) is not full:
            return
        del self._full[full.device]
        if full.call is not None:
            full.call.cancel()


def looking(disks: Disks) -> Look:
    """What looks, in threads, whether there is space on one of `disks`."""
    threads = Threads("disk", _THREADS)

    def look(directory: str) -> Deferred[bool]:
        done: Deferred[bool] = Deferred()

        def work() -> None:
            found = disks.perform(can_write, disks.os, directory)
            disks.reactor.callFromThread(done.callback, found)
            disks.ended()

        disks.began()
        try:
            threads.run(work)
        except RuntimeError:  # no more threads may be made: better slowly than not at all
            work()
        return done

    return look


def device_of(directory: str) -> int:
    """The number of the disk that `directory` is on, or is going to be; -1 when that cannot be told
    for the moment."""
    try:
        return os.stat(_there(directory)).st_dev
    except OSError:
        return -1


def can_write(system: System, directory: str) -> bool:
    """Whether there is space, as far as one can find out."""
    directory = _there(directory)
    try:
        found = system.statvfs(directory)
        if not has_space(found.f_bavail * found.f_frsize, found.f_files, found.f_favail):
            return False
        _write_some(system, directory)
    except OSError as error:
        return error.errno not in FULL
    return True


def _there(directory: str) -> str:
    """It, or the next above it that is there."""
    while not os.path.isdir(directory) and (above := os.path.dirname(directory)) != directory:
        directory = above or "."
    return directory


def _write_some(system: System, directory: str) -> None:
    fd = _opened(system, directory)
    try:
        write_all(system, fd, os.urandom(ENOUGH))  # noughts may take no space
        system.fsync(fd)
    finally:
        system.close(fd)


def _opened(system: System, directory: str) -> int:
    """A file that goes when it is closed."""
    if _NAMELESS:
        try:
            return int(system.open(directory, _NAMELESS, 0o600))
        except OSError as error:
            if error.errno in FULL:
                raise
    path = os.path.join(directory, _NAME)
    with suppress(FileNotFoundError):  # a killed process may have left it
        system.unlink(path)
    fd = int(system.open(path, _NAMED, 0o600))
    system.unlink(path)
    return fd
