"""A file as the body of a request, held to what it was when it was opened."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable
from typing import Any

from twisted.internet.defer import Deferred, fail
from twisted.python.failure import Failure
from zope.interface import implementer

from downloader.deadlines import Deadlines
from downloader.errors import (
    DownloadError,
    FileChanged,
    StallTimeout,
    TooManyOpenFiles,
    UnreadableFile,
)
from downloader.jobs import Timeouts
from downloader.replay import IReplayable
from downloader.sansio.printable import printable
from downloader.transfer.disk import NO_DESCRIPTORS
from downloader.transfer.stall import StallWatch

# As much as Twisted hands to the kernel at once: more would only wait, in memory.
BLOCK = 128 * 1024
# O_NONBLOCK: a FIFO without a writer is refused too, and not waited for.
_FLAGS = os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC


@implementer(IReplayable)
class FileContent:
    """Sends a regular file, block by block as the connection takes them, as often as it is asked.

    Its `length`, and the time of its last change, are those of the moment when it was opened.
    Before the last block is sent they are looked at again: a server gets all of a file that stayed
    as it was, or less than was announced, and what `startProducing` returned fails with
    FileChanged. It fails with StallTimeout when too little goes out for too long.

    `sent` is how many bytes were written, `finished` whether all of them have left for the kernel,
    up to what a transport holds without complaint. Both begin anew each time. `on_finished()` is
    called when it is.
    """

    def __init__(self, path: str, deadlines: Deadlines, timeouts: Timeouts) -> None:
        self.path = path
        self.sent = 0
        self.finished = False
        self.on_finished: Callable[[], None] | None = None
        self._deadlines = deadlines
        self._timeouts = timeouts
        self._consumer: Any = None
        self._paused = False
        self._written = False
        self._done: Deferred[None] = Deferred()
        self._watch: StallWatch | None = None
        self._fd = _opened(path)
        self._state = self._look()
        self.length = self._state[0]

    def __repr__(self) -> str:
        return f"<FileContent {self.path!r} {self.sent} of {self.length}>"

    def close(self) -> None:
        """Close the file; nothing of it is sent any more."""
        self.stopProducing()
        fd, self._fd = self._fd, -1
        if fd >= 0:
            os.close(fd)

    # --- called by the agent ----------------------------------------------------------------

    def startProducing(self, consumer: Any) -> Deferred[None]:
        """Begin, from the first byte on.

        **Fires with** None when all is written. **Fails with** a DownloadError. **Cancelling** it
        writes no more.
        """
        self.stopProducing()
        if self._fd < 0:
            return fail(UnreadableFile("it is closed"))
        self.sent, self.finished = 0, False
        self._consumer, self._written = consumer, False
        done: Deferred[None] = Deferred(lambda _: self.stopProducing())
        self._done = done
        self._watch = StallWatch(self._deadlines, self._timeouts, lambda: self.sent, self._stalled)
        self._watch.go_on()
        self.resumeProducing()
        return done

    def resumeProducing(self) -> None:
        self._paused = False
        while self._consumer is not None and not self._paused:
            if self._written:
                self._finish()
            else:
                self._send()

    def pauseProducing(self) -> None:
        self._paused = True

    @property
    def stopped(self) -> bool:
        """Whether nothing of it is being sent."""
        return self._consumer is None

    def stopProducing(self) -> None:
        self._consumer = None
        if self._watch is not None:
            self._watch.stop()
            self._watch = None

    # --- block by block ---------------------------------------------------------------------

    def _read(self) -> bytes:
        """The next block; empty only at the end of a file that is as it was."""
        wanted = min(BLOCK, self.length - self.sent)
        try:
            block = os.pread(self._fd, wanted, self.sent)
        except OSError as error:
            raise UnreadableFile(_detail(self.path, error)) from error
        at_end = self.sent + len(block) == self.length
        if (wanted and not block) or (at_end and self._look() != self._state):
            raise FileChanged(printable(self.path))
        return block

    def _send(self) -> None:
        try:
            block = self._read()
        except DownloadError:
            self._end(Failure())
            return
        self.sent += len(block)
        self._written = self.sent == self.length
        if block:
            self._consumer.write(block)

    def _finish(self) -> None:
        self.finished = True
        self._end(None)
        if self.on_finished is not None:
            self.on_finished()

    def _end(self, result: Failure | None) -> None:
        self.stopProducing()
        if not self._done.called:
            self._done.callback(result)  # a Failure too, which makes it fail

    def _look(self) -> tuple[int, int]:
        try:
            found = os.fstat(self._fd)
        except OSError as error:
            raise UnreadableFile(_detail(self.path, error)) from error
        return found.st_size, found.st_mtime_ns

    def _stalled(self, error: StallTimeout) -> None:
        self._end(Failure(error))


def _opened(path: str) -> int:
    try:
        fd = os.open(path, _FLAGS)
    except (OSError, ValueError) as error:
        if isinstance(error, OSError) and error.errno in NO_DESCRIPTORS:
            raise TooManyOpenFiles(_detail(path, error)) from error
        raise UnreadableFile(_detail(path, error)) from error
    if not stat.S_ISREG(os.fstat(fd).st_mode):
        os.close(fd)
        raise UnreadableFile(f"{printable(path)}: it is no regular file")
    return fd


def _detail(path: str, error: Exception) -> str:
    reason = error.strerror if isinstance(error, OSError) else None
    return f"{printable(path)}: {reason or error}"
