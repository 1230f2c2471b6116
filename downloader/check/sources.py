"""What says how files should be: a report of `fetch`, what it has kept of a list in a directory,
or a checksum file with a directory.

A source gives what is expected, file by file, and opens the files. How they are compared is no
concern of it.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Iterator
from typing import Protocol

from downloader.check.verify import READ
from downloader.checksums import Checksums
from downloader.errors import BadLine, ListError, StoreError
from downloader.listrun.words import reason_text
from downloader.sansio.expected import MAX_LINE, Expected, checked_expected, expected_in
from downloader.sansio.names import STATE
from downloader.sansio.urllist import LineSplitter
from downloader.store import Finished
from downloader.transfer.folder import open_below

_CHUNK = 64 * 1024
# Lines that tell of no file, after which others get their turn.
_A_TURN = 200


class Source(Protocol):
    """Files and how they should be. `name` says to a reader who says it.

    `error` is set when it could not be read to its end: what came before is compared.
    """

    name: str
    error: str | None

    @property
    def total(self) -> int | None:
        """How many files there are, or None while that is not known."""

    def files(self, refuse: Callable[[BadLine], None]) -> Iterator[Expected | None]:
        """The files, once; None says that it may take a while until the next.

        Lines that say nothing that can be used go to `refuse`.
        """

    def open(self, path: str) -> int:
        """A descriptor of one of them to read by. Raises OSError, or ValueError with a reason.

        Called in any thread.
        """

    def close(self) -> None:
        """Let go of what it was read from."""


class ReportSource:
    """The report in the file `path`. Its paths are taken as they are written: from the directory
    that `fetch` was called in, along links.

    Raises OSError, or ValueError for what is no regular file. Reads block, each for 64 KiB.
    """

    name = "the report"

    def __init__(self, path: str) -> None:
        self.error: str | None = None
        self.total: int | None = None
        self._fd = os.open(path, READ)
        if not stat.S_ISREG(os.fstat(self._fd).st_mode):
            os.close(self._fd)
            raise ValueError("it is neither a directory nor a regular file")

    def files(self, refuse: Callable[[BadLine], None]) -> Iterator[Expected | None]:
        found = 0
        try:
            number = 0
            for number, line in enumerate(self._lines(), 1):
                expected = self._expected(number, line, refuse)
                if expected is not None:
                    found += 1
                    yield expected
                elif number % _A_TURN == 0:
                    yield None
            if not number:
                raise ListError("it is empty")
        except (OSError, ListError) as error:
            self.error = reason_text(error)
        self.total = found

    def open(self, path: str) -> int:
        return os.open(path, READ)

    def close(self) -> None:
        os.close(self._fd)

    def _expected(
        self, number: int, line: bytes, refuse: Callable[[BadLine], None]
    ) -> Expected | None:
        try:
            return expected_in(line)
        except ValueError as error:
            if number == 1:
                raise ListError("it is no report of fetch") from error
            refuse(BadLine(number, str(error)))
            return None

    def _lines(self) -> Iterator[bytes]:
        splitter = LineSplitter(MAX_LINE)
        while chunk := os.read(self._fd, _CHUNK):
            yield from splitter.feed(chunk)
        yield from splitter.close()


class ChecksumSource:
    """Those of `checksums` below `directory`, along no link. Raises OSError."""

    name = "--checksum-file"
    error: str | None = None

    def __init__(self, directory: str, checksums: Checksums) -> None:
        self._checksums = checksums
        self._fd = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)

    @property
    def total(self) -> int:
        return len(self._checksums)

    def files(self, refuse: Callable[[BadLine], None]) -> Iterator[Expected | None]:
        for name, checksum in self._checksums:
            objection = None if checksum else "there are different checksums for it"
            yield Expected(name, checksum=checksum, objection=objection)

    def open(self, path: str) -> int:
        return open_below(self._fd, path, READ)

    def close(self) -> None:
        os.close(self._fd)


class StateSource:
    """The files that runs of a list have brought to `directory`, along no link.

    Raises OSError, StoreBusy, StoreTooNew, or StoreError.
    """

    name = "the state of the list"

    def __init__(self, directory: str) -> None:
        self.error: str | None = None
        self._finished = Finished(os.path.join(directory, STATE))
        self.total = self._finished.count
        try:
            self._fd = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        except BaseException:
            self._finished.close()
            raise

    def files(self, refuse: Callable[[BadLine], None]) -> Iterator[Expected | None]:
        try:
            for number, row in enumerate(self._finished.rows(), 1):
                try:
                    yield checked_expected(*row)
                except ValueError as error:
                    refuse(BadLine(number, str(error)))
        except StoreError as error:
            self.error = str(error)

    def open(self, path: str) -> int:
        return open_below(self._fd, path, READ)

    def close(self) -> None:
        os.close(self._fd)
        self._finished.close()
