"""Where a run's jobs come from: URLs at hand, a file, or a stream as it comes."""

from __future__ import annotations

import os
import re
import stat
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from time import monotonic
from typing import Any, Protocol

from downloader.errors import BadLine, ListError
from downloader.jobs import AnyJob
from downloader.listrun.entries import Entries
from downloader.listrun.forms import Form
from downloader.listrun.stream import ListStream
from downloader.listrun.unzip import Unzip
from downloader.listrun.words import reason_text

_CHUNK = 64 * 1024
# Names of files that are open already. They are duplicated, not opened: a socket cannot be opened
# by its name, and the position in a file is the one its owner left it at.
_OPEN_FILE = re.compile(r"-|/dev/stdin|/(?:dev|proc/self)/fd/([0-9]{1,9})")

Refuse = Callable[[BadLine], None]
Warn = Callable[[str], None]


class Source(Protocol):
    """A list that is read as fast as jobs are taken from it.

    `error` is set when it could not be read to its end: what was read before is fetched.
    """

    error: str | None

    @property
    def taken(self) -> int:
        """How many jobs were taken; of a bad line, those before it."""

    def jobs(self, refuse: Refuse, warn: Warn) -> Iterator[Any] | AsyncIterator[Any]:
        """The jobs, once and all of one kind; None between them says that it may take a while
        until the next.

        Bad lines go to `refuse`, remarks about the list to `warn`.
        """

    def count(self, seconds: float) -> int | None:
        """How many lines become a job or are refused, or None while that is not known.

        Each call may go on counting for so many `seconds`. After `close` it is not known.
        """

    def rest(self, seconds: float) -> int:
        """How many entries were not taken, as far as that is found in so many `seconds`.

        What has yet to come through a pipe is not waited for.
        """

    def close(self) -> None:
        """Let go of the file."""


class GivenJobs:
    """Jobs that are at hand."""

    error: str | None = None

    def __init__(self, jobs: Sequence[AnyJob]) -> None:
        self.taken = 0
        self._jobs = jobs

    def jobs(self, refuse: Refuse, warn: Warn) -> Iterator[Any]:
        for job in self._jobs:
            self.taken += 1
            yield job

    def count(self, seconds: float) -> int | None:
        return len(self._jobs)

    def rest(self, seconds: float) -> int:
        return len(self._jobs) - self.taken

    def close(self) -> None:
        return


class ListFile:
    """A list in a file on disk. Reads block, each for 64 KiB; `fd` is closed by `close`.

    Reading begins at the file's current position, and leaves that position as it is: the file
    may be someone else's standard input too.
    """

    def __init__(self, fd: int, form: Form) -> None:
        self.error: str | None = None
        self._fd = fd
        self._form = form
        self._start = os.lseek(fd, 0, os.SEEK_CUR) if stat.S_ISREG(os.fstat(fd).st_mode) else 0
        self._entries: Entries | None = None
        self._counter = form.counter()
        self._uncounted: Iterator[bytes] | None = self._pieces()

    def __repr__(self) -> str:
        return f"<ListFile {self._entries}>"

    @property
    def taken(self) -> int:
        return self._entries.taken if self._entries else 0

    def jobs(self, refuse: Refuse, warn: Warn) -> Iterator[Any]:
        self._entries = entries = Entries(self._form, refuse, warn)
        try:
            yield from entries.read(self._pieces())
        except (ListError, OSError) as error:
            self.error = reason_text(error)
            return  # half a line may be a URL too, only not the right one
        yield from entries.end()

    def count(self, seconds: float) -> int | None:
        if self._fd < 0:
            return None
        deadline = monotonic() + seconds
        try:
            while self._uncounted is not None:
                if (piece := next(self._uncounted, None)) is None:
                    self._counter.close()
                    self._uncounted = None
                else:
                    self._counter.feed(piece)
                if monotonic() > deadline:
                    break
        except (ListError, OSError):  # told when the reading itself gets there
            self._counter.close()
            self._uncounted = None
        return self._counter.entries if self._uncounted is None else None

    def rest(self, seconds: float) -> int:
        if self._entries is None:
            self.count(seconds)
            return self._counter.entries
        try:
            return self._entries.rest(seconds)
        except (ListError, OSError) as error:
            self.error = reason_text(error)
            return 0

    def close(self) -> None:
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1

    def _pieces(self) -> Iterator[bytes]:
        unzip, position = Unzip(), self._start
        while chunk := os.pread(self._fd, _CHUNK, position):
            position += len(chunk)
            yield from unzip.feed(chunk)
        yield from unzip.end()


def open_list(reactor: Any, name: str, form: Form) -> ListFile | ListStream:
    """The list called `name`, in this form; `-` is standard input.

    Raises `ListError` with a reason. A FIFO opens at once, whether or not it has a writer.
    """
    fd, is_stream = opened(name)
    return ListStream(reactor, fd, form) if is_stream else ListFile(fd, form)


def opened(name: str) -> tuple[int, bool]:
    """A descriptor of the list called `name`, as for `open_list`, and whether it may have nothing
    to read for a while. Raises `ListError`."""
    try:
        fd = _opened(name)
        mode = os.fstat(fd).st_mode
    except OSError as error:
        raise ListError(reason_text(error)) from error
    if stat.S_ISDIR(mode):
        os.close(fd)
        raise ListError("it is a directory")
    # /dev/null and its like are always readable, and some of them cannot be watched.
    return fd, not (stat.S_ISREG(mode) or (stat.S_ISCHR(mode) and not os.isatty(fd)))


def _opened(name: str) -> int:
    if match := _OPEN_FILE.fullmatch(name):
        return os.dup(int(match[1] or 0))
    # O_NONBLOCK only keeps a FIFO without a writer from blocking; this file is ours alone.
    return os.open(name, os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC)
