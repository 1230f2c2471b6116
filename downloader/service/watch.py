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
from typing import Any, cast

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

LISTS = (".txt", ".list", ".txt.gz", ".list.gz")
METALINKS = (".meta4", ".metalink")
DONE, FAILED = "done", "failed"
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
_WRITE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
_log = Logger()
_Seen = tuple[int, int, int]


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
        self._seen: dict[str, _Seen] = {}
        self._taking: Deferred[None] = succeed(None)
        self._calls = LoopingCall(self._look)
        self._calls.clock = reactor
        self._told = ""

    def __repr__(self) -> str:
        return f"<Watched {self._directory!r}>"

    def startService(self) -> None:
        """Look from now on."""
        super().startService()  # type: ignore[no-untyped-call]
        looking: Any = self._calls.start(EVERY, now=False)
        looking.addErrback(lambda failure: _log.failure("a bug in watching", failure))

    def stopService(self) -> Deferred[None]:
        """Look no more. **Fires with** None when no file is being read; what was not taken on of it
        is, by the next process. **Fails** never. **Cancelling** is not done."""
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
            found = dict(self._files())
        except OSError as error:
            self._tell(f"{printable(self._directory)} cannot be read: {reason_text(error)}")
            return
        still = sorted(name for name, seen in found.items() if self._seen.get(name) == seen)
        self._seen = found
        if still:
            self._taking = Deferred.fromCoroutine(self._take_all(still, queue))
            self._taking.addErrback(self._failed)

    def _files(self) -> Iterator[tuple[str, _Seen]]:
        """What is ours and a regular file, and no link to one."""
        with os.scandir(self._directory) as entries:
            for entry in entries:
                if entry.name.lower().endswith((*LISTS, *METALINKS)):
                    with suppress(FileNotFoundError):
                        found = entry.stat(follow_symlinks=False)
                        if stat.S_ISREG(found.st_mode) and found.st_uid == os.geteuid():
                            yield entry.name, (found.st_ino, found.st_size, found.st_mtime_ns)

    def _tell(self, sentence: str) -> None:
        """Once, however often it is met."""
        if sentence != self._told:
            self._told = sentence
            _log.warn("{sentence}", sentence=sentence)

    def _failed(self, failure: Any) -> None:
        if not failure.check(CancelledError):
            _log.failure("a bug in the watch over {directory}", failure, directory=self._directory)

    # --- taking ---------------------------------------------------------------------------------

    async def _take_all(self, names: list[str], queue: Queue) -> None:
        for name in names:
            try:
                await self._take(name, queue)
            except (OSError, DownloadError) as error:  # it stays, and is tried again
                self._seen.pop(name, None)
                self._tell(f"{printable(name)} is not taken: {reason_text(error)}")

    async def _take(self, name: str, queue: Queue) -> None:
        """Queue what is in the file `name`, and move it aside."""
        fd = os.open(os.path.join(self._directory, name), _READ)
        reasons: list[str] = []
        source: Source = ListFile(fd, FetchForm(self._root))
        count = 0
        try:
            key = _key(name, os.fstat(fd))
            if name.lower().endswith(METALINKS):
                source = await self._metalink(fd, name)
            count = await self._queue_all(source, key, reasons, queue)
            if source.error is not None:
                reasons.append(source.error)
        except ListError as error:
            reasons.append(str(error))
        finally:
            os.close(fd)
        self._move(name, count, reasons)

    async def _metalink(self, fd: int, name: str) -> MetalinkFiles:
        data = b""
        while len(data) <= MAX_DOCUMENT and (more := os.pread(fd, _STEP, len(data))):
            data += more
        pool = self._clock.getThreadPool()  # a long one takes seconds
        document = await deferToThreadPool(self._clock, pool, parse_metalink, data)
        return MetalinkFiles([(name, document)], self._root)

    async def _queue_all(self, source: Source, key: str, reasons: list[str], queue: Queue) -> int:
        """Take on all jobs of `source` that are not. How many it has."""

        def refuse(bad: BadLine) -> None:
            if len(reasons) < _MOST_REASONS:
                reasons.append(refusal_text(bad))

        count, known = 0, _last_known(key, queue)
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

    # --- moving aside ---------------------------------------------------------------------------

    def _move(self, name: str, count: int, reasons: list[str]) -> None:
        shown = printable(name)
        if count:
            _log.info(
                "{name}: {count} jobs, {bad} remarks", name=shown, count=count, bad=len(reasons)
            )
        else:
            reasons = reasons or ["there is no job in it"]
            _log.warn("{name}: {reason}", name=shown, reason=reasons[0])
        place = os.path.join(self._directory, DONE if count else FAILED)
        os.makedirs(place, 0o700, exist_ok=True)
        target = _free(os.path.join(place, name))
        if reasons:
            fd = os.open(f"{target}.reason", _WRITE, 0o600)
            with os.fdopen(fd, "w", encoding="utf-8", errors="replace") as file:
                file.writelines(f"{printable(reason)}\n" for reason in reasons)
        os.rename(os.path.join(self._directory, name), target)


def _key(name: str, found: os.stat_result) -> str:
    """The first ten digits of its jobs' gids. What is put here again, though it be the same bytes,
    has another: its inode changes then, or the time at which that did."""
    told = (name, found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns)
    return sha256(repr(told).encode()).hexdigest()[:10]


def _last_known(key: str, queue: Queue) -> int:
    """The last job of this file that was taken on; those before it were too, in their order, and
    may have been forgotten since."""
    entries = (*queue.active, *queue.waiting, *queue.over)
    return max((int(e.gid[10:], 16) for e in entries if e.gid.startswith(key)), default=0)


def _checked(gid: str) -> str:
    if len(gid) > 16:
        raise ListError("it has too many jobs")
    return gid


def _free(path: str) -> str:
    """`path`, numbered if there is one already, or reasons for one."""
    number, found = 0, path
    while os.path.lexists(found) or os.path.lexists(f"{found}.reason"):
        number += 1
        found = f"{path}.{number}"
    return found
