"""One file is compared with what it should be, in a thread."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

from downloader.sansio.checksum import Checksum
from downloader.sansio.expected import Expected

# Bytes that are read at a time, between two looks whether it is still wanted.
_PIECE = 1024 * 1024
# O_NONBLOCK: a FIFO without a writer is told of, and not waited for.
READ = os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC


class Verdict(StrEnum):
    """What a file is found to be. Of one that is LENGTH_ONLY nothing more was known."""

    OK = "ok"
    LENGTH_ONLY = "length only"
    MISSING = "missing"
    WRONG_LENGTH = "wrong length"
    MISMATCH = "mismatch"
    UNREADABLE = "unreadable"


GOOD = frozenset((Verdict.OK, Verdict.LENGTH_ONLY))


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one file: `detail` says what was seen, where it is not as `expected`.

    `length` is the file's in bytes, None where it could not be told.
    """

    expected: Expected
    verdict: Verdict
    length: int | None = None
    detail: str | None = None


class Verification:
    """Compares one file, in any thread. `open_file(path)` gives a descriptor of it, to be closed.

    `read` is how many bytes were read so far. With `unwanted` set it ends after the next piece,
    and what it returns means nothing.
    """

    def __init__(self, expected: Expected, open_file: Callable[[str], int]) -> None:
        self.read = 0
        self.unwanted = False
        self._expected = expected
        self._open = open_file

    def __repr__(self) -> str:
        return f"<Verification {self._expected.path!r} {self.read} bytes read>"

    def run(self) -> Outcome:
        """Compare it."""
        try:
            fd = self._open(self._expected.path)
        except FileNotFoundError:
            return Outcome(self._expected, Verdict.MISSING)
        except (OSError, ValueError) as error:
            return self._unreadable(error)
        try:
            return self._compared(fd)
        except OSError as error:
            return self._unreadable(error)
        finally:
            os.close(fd)

    def _compared(self, fd: int) -> Outcome:
        expected, found = self._expected, os.fstat(fd)
        if not stat.S_ISREG(found.st_mode):
            return Outcome(expected, Verdict.UNREADABLE, detail="it is no regular file")
        length = found.st_size
        if expected.length not in (None, length):
            wanted = f"{length:,} bytes in place of {expected.length:,}"
            return Outcome(expected, Verdict.WRONG_LENGTH, length, wanted)
        if expected.objection is not None:
            return Outcome(expected, Verdict.MISMATCH, length, expected.objection)
        if expected.checksum is None:
            return Outcome(expected, Verdict.LENGTH_ONLY, length)
        checksum = Checksum(expected.checksum)
        self._read_into(checksum, fd, min(_PIECE, max(length, 1)))
        if checksum.matches:
            return Outcome(expected, Verdict.OK, length)
        seen = f"{checksum.kind} is {checksum.found}"
        return Outcome(expected, Verdict.MISMATCH, length, seen)

    def _read_into(self, checksum: Checksum, fd: int, at_a_time: int) -> None:
        piece = memoryview(bytearray(at_a_time))
        while (size := os.readv(fd, [piece])) and not self.unwanted:
            checksum.update(piece[:size])
            self.read += size

    def _unreadable(self, error: OSError | ValueError) -> Outcome:
        reason = error.strerror if isinstance(error, OSError) else None
        return Outcome(self._expected, Verdict.UNREADABLE, detail=reason or str(error))
