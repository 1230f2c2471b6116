"""The journal beside a part file, `NAME.part.journal`; what stands in it is `sansio.journal`'s.

It is a side show: what goes wrong with it costs a later run some bytes, and nobody a download.
"""

from __future__ import annotations

import errno
import os
import stat
from zlib import crc32

from downloader.sansio.journal import (
    MAX_JOURNAL,
    TAIL,
    Held,
    Mark,
    is_journal,
    read_journal,
    tail_of,
)
from downloader.sansio.ranges import Ranges
from downloader.transfer.disk import NO_DESCRIPTORS
from downloader.transfer.system import System, close_settled

_FLAGS = os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK


class JournalFile:
    """The journal `name` in the directory `dir_fd`. Its writer has the lock of the part file.

    A file of that name that is none is left alone, and there is no journal then. `size` is how long
    it was when it was last read or written, in bytes.
    """

    def __init__(self, system: System, dir_fd: int, name: str) -> None:
        self._os = system
        self._dir_fd = dir_fd
        self._name = name
        self._broken = False
        self.size = 0

    def __repr__(self) -> str:
        return f"<JournalFile {self._name!r}{' broken' if self._broken else ''}>"

    def read(self) -> Held | None:
        """What it says; None when it is not there or says nothing. OSError when that cannot be told
        for the moment."""
        try:
            fd = self._open(os.O_RDONLY)
        except OSError as error:
            if error.errno in NO_DESCRIPTORS:
                raise
            return None
        try:
            data = bytearray()
            while len(data) <= MAX_JOURNAL and (piece := self._os.read(fd, 1 << 20)):
                data += piece
            self.size = len(data)
            return read_journal(bytes(data)) if len(data) <= MAX_JOURNAL else None
        except OSError:
            return None
        finally:
            close_settled(self._os, fd)

    def empty(self, sync: bool) -> None:
        """Let it say nothing, and with `sync` so that a loss of power brings none of it back.

        Raises OSError where it goes on saying something, which would be said of other bytes.
        """
        try:
            fd = self._open(os.O_RDWR)
        except OSError:
            if self.read() is None:
                return
            raise
        try:
            self._os.ftruncate(fd, 0)
            self.size = 0
            if sync:
                self._os.fsync(fd)
        finally:
            self._os.close(fd)

    def append(self, records: bytes) -> None:
        """Add `records`; the first are the head. Nothing more is added once that went wrong."""
        if self._broken:
            return
        try:
            fd = self._open(os.O_RDWR | os.O_APPEND | os.O_CREAT)
            try:
                # Its last line may be cut off: a line end of its own keeps it from the next.
                size = self._os.fstat(fd).st_size
                if size:
                    records = b"\n" + records
                self.size = size + len(records)
                while records:
                    records = records[self._os.write(fd, records) :]
            finally:
                self._os.close(fd)
        except OSError:
            self._broken = True

    def remove(self) -> bool:
        """Remove it, if there is one and it is ours. Whether it was removed."""
        try:
            close_settled(self._os, self._open(os.O_RDWR))
            self._os.unlink(self._name, dir_fd=self._dir_fd)
        except OSError:
            return False
        return True

    def _open(self, flags: int) -> int:
        fd: int = self._os.open(self._name, flags | _FLAGS, 0o600, dir_fd=self._dir_fd)
        try:
            here = self._os.fstat(fd)
            ours = stat.S_ISREG(here.st_mode) and here.st_uid == os.geteuid()
            if ours and here.st_nlink == 1 and is_journal(self._os.pread(fd, 64, 0)):
                return fd
        except OSError:
            self._os.close(fd)
            raise
        self._os.close(fd)
        raise PermissionError(errno.EPERM, "it is not a journal of ours", self._name)


def marks_of(system: System, fd: int, ranges: Ranges) -> list[Mark]:
    """`ranges` of the open file, each with the CRC-32 of its tail."""
    return [(start, stop, _tail_sum(system, fd, start, stop)) for start, stop in ranges]


def good_ranges(system: System, fd: int, held: Held) -> Ranges:
    """The ranges of `held` that the open file has, by their length and the sums of their tails."""
    size = system.fstat(fd).st_size
    return Ranges(
        (start, stop)
        for start, stop, tail in held.marks
        if stop <= size and _tail_sum(system, fd, start, stop) == tail
    )


def _tail_sum(system: System, fd: int, start: int, stop: int) -> int:
    begin = tail_of(start, stop)
    return crc32(system.pread(fd, min(TAIL, stop - begin), begin))
