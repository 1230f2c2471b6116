"""What other programs log: `/log` takes what `logging.handlers.HTTPHandler` posts, a line each."""

from __future__ import annotations

import os
from contextlib import suppress
from urllib.parse import parse_qsl

from twisted.logger import Logger

from downloader.errors import StoreError
from downloader.sansio.logline import log_line
from downloader.sansio.printable import printable
from downloader.service.answers import Answer, Refusal
from downloader.service.routes import Asked, Route
from downloader.service.state import check_private

FORM = "application/x-www-form-urlencoded"
# A LogRecord has some twenty fields, and who logs may add to them.
_MOST_FIELDS = 200
_APPEND = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK
_log = Logger()


class Logs:
    """Appends to the file `path`, which is for its owner's eyes. Raises StoreError for one that
    cannot be opened, and for one that is not: a link, a file of others or for them to read."""

    def __init__(self, path: str) -> None:
        self.path = path
        self._fd = self._opened()

    def __repr__(self) -> str:
        return f"<Logs {self.path!r}>"

    def route(self) -> Route:
        """Where it is. HTTPHandler can show the token as a Basic password only."""
        return Route("/log", {"POST": self.take}, password=True, types=(FORM,))

    async def take(self, asked: Asked) -> Answer:
        """Write one record down."""
        try:
            text = asked.body.decode("utf-8")
            fields = parse_qsl(text, keep_blank_values=True, max_num_fields=_MOST_FIELDS)
            line = log_line(dict(fields))
        except ValueError as error:
            raise Refusal(422, f"no LogRecord: {error}"[:200]) from error
        self._write(line)
        return Answer(204, content_type="")

    def reopen(self) -> None:
        """Go on in a new file, when the old one has been given another name."""
        try:
            fd = self._opened()
        except StoreError as error:
            _log.error("{error}; the old file is written on", error=error)
            return
        self.close()
        self._fd = fd

    def close(self) -> None:
        """Let go of the file."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1

    def _write(self, line: str) -> None:
        data = f"{line}\n".encode()
        try:
            if os.write(self._fd, data) < len(data):  # the disk is full now
                with suppress(OSError):
                    os.write(self._fd, b"\n")
                raise Refusal(507, "the log could not be written to its end")
        except OSError as error:
            raise Refusal(507, f"the log cannot be written: {error.strerror}") from error

    def _opened(self) -> int:
        try:
            fd = os.open(self.path, _APPEND, 0o600)
        except OSError as error:
            raise StoreError(f"{printable(self.path)}: {error.strerror}") from error
        try:
            check_private(os.fstat(fd), self.path)
        except StoreError:
            os.close(fd)
            raise
        return fd
