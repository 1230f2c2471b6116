"""A list that comes through a pipe, a FIFO, a socket or a terminal, as it comes."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from typing import Any

from downloader.errors import BadLine, ListError
from downloader.listrun.entries import Entries
from downloader.listrun.forms import Form
from downloader.listrun.readable import Readable
from downloader.listrun.unzip import Unzip
from downloader.listrun.words import reason_text


class ListStream:
    """A list read from `fd` when there is something to read; nothing is read ahead.

    However slow its writer, a job to fetch comes when the next entry begins or the list ends, and
    no sooner: without an option that is yet to come it would be another job. One to send has its
    line for itself, and comes with it.

    `fd` is closed by `close`. `error` and the methods are those of a `Source`.
    """

    def __init__(self, reactor: Any, fd: int, form: Form) -> None:
        self.error: str | None = None
        self._readable = Readable(reactor, fd)
        self._form = form
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
    ) -> AsyncIterator[Any]:
        self._entries = entries = Entries(self._form, refuse, warn)
        try:
            while chunk := await self._readable.read():
                for job in entries.read(self._unzip.feed(chunk)):
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

    def rest(self, seconds: float) -> int:
        try:
            return self._entries.rest(seconds) if self._entries else 0
        except (ListError, OSError) as error:
            self.error = reason_text(error)
            return 0

    def close(self) -> None:
        self._readable.close()
