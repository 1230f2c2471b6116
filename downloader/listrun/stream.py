"""A list that comes through a pipe, a FIFO, a socket or a terminal, as it comes."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from typing import Any

from twisted.internet.defer import TimeoutError as DeferredTimeout

from downloader.errors import BadLine, ListError
from downloader.jobs import Job
from downloader.listrun.entries import Entries
from downloader.listrun.readable import Readable
from downloader.listrun.unzip import Unzip
from downloader.listrun.words import reason_text

# An entry's options follow its URL. A writer who is silent for so many seconds after a whole
# line has none to add: an entry from a slow writer starts now, not when the next one comes.
QUIET = 0.5


class ListStream:
    """A list read from `fd` when there is something to read; nothing is read ahead.

    `fd` is closed by `close`. `error` and the methods are those of a `Source`.
    """

    def __init__(
        self, reactor: Any, fd: int, directory: str, headers: Sequence[tuple[str, str]] = ()
    ) -> None:
        self.error: str | None = None
        self._reactor = reactor
        self._readable = Readable(reactor, fd)
        self._directory = directory
        self._headers = headers
        self._unzip = Unzip()
        self._entries: Entries | None = None
        self._ended = False

    def __repr__(self) -> str:
        return f"<ListStream {'ended' if self._ended else 'open'} {self._entries}>"

    @property
    def taken(self) -> int:
        return self._entries.taken if self._entries else 0

    async def jobs(
        self, refuse: Callable[[BadLine], None], warn: Callable[[str], None]
    ) -> AsyncIterator[Job]:
        self._entries = entries = Entries(self._directory, refuse, warn, self._headers)
        try:
            async for job in self._read(entries):
                yield job
            for job in entries.read(self._unzip.end()):
                yield job
        except (ListError, OSError) as error:
            self.error = reason_text(error)
            return  # half a line may be a URL too, only not the right one
        self._ended = True
        for job in entries.end():
            yield job

    def count(self, seconds: float) -> int | None:
        entries = self._entries
        return entries.taken + entries.refused if entries and self._ended else None

    def rest(self) -> int:
        try:
            return self._entries.rest() if self._entries else 0
        except (ListError, OSError) as error:
            self.error = reason_text(error)
            return 0

    def close(self) -> None:
        self._readable.close()

    async def _read(self, entries: Entries) -> AsyncIterator[Job]:
        news = False
        while True:
            try:
                chunk = await self._next(news and entries.at_line_end)
            except DeferredTimeout:
                news = False
                for job in entries.flush():
                    yield job
                continue
            if not chunk:
                return
            news = True
            for job in entries.read(self._unzip.feed(chunk)):
                yield job

    async def _next(self, until_quiet: bool) -> bytes:
        reading = self._readable.read()
        if until_quiet:
            reading.addTimeout(QUIET, self._reactor)
        return await reading
