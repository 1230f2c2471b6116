"""A directory whose lists and Metalink documents are queued, and moved aside then.

A file's jobs have gids that follow from which file it is, and their number in it. So if the process
ends after some were taken on and before the file is moved, the next one sees how far it came.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import replace
from hashlib import sha256
from typing import Any, NamedTuple, TypeVar, cast

from twisted.application.service import Service
from twisted.internet.defer import CancelledError, Deferred, succeed
from twisted.internet.task import LoopingCall, deferLater
from twisted.internet.threads import deferToThreadPool
from twisted.logger import Logger

from downloader.errors import BadLine, DownloadError, ListError, QueueFull
from downloader.listrun.forms import FetchForm
from downloader.listrun.metalinks import MetalinkFiles
from downloader.listrun.source import ListFile, Source
from downloader.listrun.words import reason_text, refusal_text
from downloader.queue import Queue, Wanted
from downloader.sansio.metalink import MAX_DOCUMENT, parse_metalink
from downloader.sansio.printable import printable
from downloader.service.aside import DONE, FAILED, Seen, seen_of, set_aside

LISTS = (".txt", ".list", ".txt.gz", ".list.gz")
METALINKS = (".meta4", ".metalink")
# Seconds between two looks; a file that did not change in between is all there.
EVERY = 1.0
# Jobs that are taken on with one commit.
PORTION = 200
# Reasons that are written beside a file of which nothing could be queued.
_MOST_REASONS = 100
_STEP = 256 * 1024
# Steps of a list between two turns of the reactor.
_STEPS = 200
_READ = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_log = Logger()
T = TypeVar("T")


class _Taken(NamedTuple):
    """A file whose jobs are queued; it is still to be moved to `place`."""

    seen: Seen
    place: str
    reasons: list[str]


class Watched(Service):
    """Looks into `directory` while it runs, and adds to `queue()`, which is None while there is
    none. Files go to `root`."""

    def __init__(
        self, reactor: Any, directory: str, root: str, queue: Callable[[], Queue | None]
    ) -> None:
        self._clock = reactor
        self._directory = directory
        self._root = root
        self._queue = queue
        self._seen: dict[str, Seen] = {}
        self._taking: Deferred[None] = succeed(None)
        self._calls = LoopingCall(self._look)
        self._calls.clock = reactor
        self._taken: dict[str, _Taken] = {}
        self._told: dict[str, str] = {}  # by the file's name; of the directory by none
        self._passed: dict[str, str] = {}  # what is not taken, and why

    def __repr__(self) -> str:
        return f"<Watched {self._directory!r}>"

    def startService(self) -> None:
        """Look from now on."""
        super().startService()  # type: ignore[no-untyped-call]
        looking: Any = self._calls.start(EVERY, now=False)
        looking.addErrback(lambda failure: _log.failure("a bug in watching", failure))

    def stopService(self) -> Deferred[None]:
        """Look no more. **Fires with** None when no file is being read; what was not taken on of it
        is, by the next process. A file that is just being moved is. **Fails** never. **Cancelling**
        is not done."""
        super().stopService()  # type: ignore[no-untyped-call]
        self._calls.stop()
        self._taking.cancel()
        return self._taking

    # --- looking --------------------------------------------------------------------------------

    def _look(self) -> None:
        queue = self._queue()
        if queue is None or not self._taking.called:
            return
        try:
            found = self._files()
        except OSError as error:
            self._tell(f"{printable(self._directory)} cannot be read: {reason_text(error)}")
            return
        still = {name: seen for name, seen in found.items() if self._seen.get(name) == seen}
        self._seen = found
        self._taken = {n: taken for n, taken in self._taken.items() if found.get(n) == taken.seen}
        self._told = {n: told for n, told in self._told.items() if not n or n in found}
        if still:
            self._taking = Deferred.fromCoroutine(self._take_all(still, queue))
            self._taking.addErrback(self._failed)

    def _files(self) -> dict[str, Seen]:
        """What is ours and a regular file, and no link to one."""
        files, passed = {}, {}
        with os.scandir(self._directory) as entries:
            for entry in entries:
                if entry.name.lower().endswith((*LISTS, *METALINKS)):
                    with suppress(FileNotFoundError):
                        found = entry.stat(follow_symlinks=False)
                        why = why_not(found)
                        if why is None:
                            files[entry.name] = seen_of(found)
                        else:
                            passed[entry.name] = why
        self._pass_over(passed)
        return files

    def _pass_over(self, passed: dict[str, str]) -> None:
        """Say once of each that it is, all that are new together."""
        new = sorted(name for name, why in passed.items() if self._passed.get(name) != why)
        self._passed = passed
        if new:
            more = f" (and {len(new) - 1} more)" if new[1:] else ""
            name = printable(os.path.join(self._directory, new[0]))
            _log.warn(
                "{name} is passed over: {why}{more}", name=name, why=passed[new[0]], more=more
            )

    def _tell(self, sentence: str, name: str = "") -> None:
        """Once, however often it is met."""
        if sentence != self._told.get(name):
            self._told[name] = sentence
            _log.warn("{sentence}", sentence=sentence)

    def _failed(self, failure: Any) -> None:
        if not failure.check(CancelledError):
            _log.failure("a bug in the watch over {directory}", failure, directory=self._directory)

    # --- taking ---------------------------------------------------------------------------------

    async def _take_all(self, still: dict[str, Seen], queue: Queue) -> None:
        new = {name: _key(name, seen) for name, seen in still.items() if name not in self._taken}
        known = _last_known(frozenset(new.values()), queue) if new else {}
        for name in sorted(still):
            try:
                if name in new:
                    key = new[name]
                    await self._take(name, still[name], key, known.get(key, 0), queue)
                if name in self._taken:
                    await self._set_aside(name, self._taken[name])
            except (OSError, DownloadError) as error:  # it stays, and is tried again
                self._seen.pop(name, None)
                taken = self._taken.get(name)
                what = "is not taken" if taken is None else f"cannot be moved to {taken.place}/"
                self._tell(f"{printable(name)} {what}: {reason_text(error)}", name)

    async def _take(self, name: str, seen: Seen, key: str, known: int, queue: Queue) -> None:
        """Queue what is in the file `name`, behind the first `known` jobs."""
        fd = os.open(os.path.join(self._directory, name), _READ)
        reasons: list[str] = []
        source: Source = ListFile(fd, FetchForm(self._root))
        count = 0
        try:
            if seen_of(os.fstat(fd)) != seen:
                return  # another by now, which is looked at again
            if name.lower().endswith(METALINKS):
                source = await self._metalink(fd, name)
            count = await self._queue_all(source, key, known, reasons, queue)
            if source.error is not None:
                reasons.append(source.error)
        except ListError as error:
            reasons.append(str(error))
        finally:
            os.close(fd)
        reasons = reasons if count else reasons or ["there is no job in it"]
        self._taken[name] = _Taken(seen, DONE if count else FAILED, reasons)
        self._say(name, count, reasons)

    async def _metalink(self, fd: int, name: str) -> MetalinkFiles:
        data = b""
        while len(data) <= MAX_DOCUMENT and (more := os.pread(fd, _STEP, len(data))):
            data += more
        document = await self._in_thread(parse_metalink, data)  # a long one takes seconds
        return MetalinkFiles([(name, document)], self._root)

    async def _queue_all(
        self, source: Source, key: str, known: int, reasons: list[str], queue: Queue
    ) -> int:
        """Take on the jobs of `source` behind the first `known` ones. How many it has."""

        def refuse(bad: BadLine) -> None:
            if len(reasons) < _MOST_REASONS:
                reasons.append(refusal_text(bad))

        count = 0
        portion: list[Wanted] = []
        for step, job in enumerate(cast(Iterator[Any], source.jobs(refuse, lambda _: None))):
            if job is not None:
                count += 1
                if count > known:
                    gid = f"{key}{count:06x}"
                    portion.append(Wanted(replace(job, line=None), gid=_checked(gid)))
            if len(portion) == PORTION:
                await self._add(portion, queue)
                portion = []
            elif step % _STEPS == 0:
                await deferLater(self._clock, 0)
        await self._add(portion, queue)
        return count

    async def _add(self, portion: list[Wanted], queue: Queue) -> None:
        """Take these on, once there is room."""
        while portion:
            try:
                await queue.add(portion)
                return
            except QueueFull as error:
                self._tell(f"{printable(self._directory)} has to wait: {error}")
                await deferLater(self._clock, EVERY)

    def _say(self, name: str, count: int, reasons: list[str]) -> None:
        shown = printable(name)
        if count:
            _log.info(
                "{name}: {count} jobs, {bad} remarks", name=shown, count=count, bad=len(reasons)
            )
        else:
            _log.warn("{name}: {reason}", name=shown, reason=reasons[0])

    async def _set_aside(self, name: str, taken: _Taken) -> None:
        """Move it, and nothing else that has its name by now."""
        is_moved = await self._in_thread(set_aside, self._directory, name, *taken)
        del self._taken[name]
        if not is_moved:
            _log.warn("{name} was changed while it was read: it stays", name=printable(name))

    def _in_thread(self, work: Callable[..., T], *arguments: Any) -> Deferred[T]:
        """**Fires** and **fails with** what it comes to. **Cancelling** stops the waiting only."""
        pool = self._clock.getThreadPool()
        return deferToThreadPool(self._clock, pool, work, *arguments)


def why_not(found: os.stat_result) -> str | None:
    """Why a file is none of those that are taken, if so."""
    if not stat.S_ISREG(found.st_mode):
        return "it is no regular file"
    return None if found.st_uid == os.geteuid() else "it belongs to another user"


def _key(name: str, seen: Seen) -> str:
    """The first ten digits of its jobs' gids. What is put here again, though it be the same bytes,
    has another: its inode changes then, or the time at which that did."""
    return sha256(repr((name, *seen)).encode()).hexdigest()[:10]


def _last_known(keys: frozenset[str], queue: Queue) -> dict[str, int]:
    """By the keys of files, the last job of each that was taken on; those before it were too, in
    their order, and may have been forgotten since."""
    found: dict[str, int] = {}
    for entry in (*queue.active, *queue.waiting, *queue.over):
        key = entry.gid[:10]
        if key in keys:
            found[key] = max(found.get(key, 0), int(entry.gid[10:], 16))
    return found


def _checked(gid: str) -> str:
    if len(gid) > 16:
        raise ListError("it has too many jobs")
    return gid
