"""Lines to a file: a new one, which takes the place of an old one of the same name.

What is there may not be what the user thinks. A list of failures holds secrets, so it is written to
a file that is new and private, and to nothing else: through no link, into no pipe, over nobody
else's file. A report may go wherever its user can write; what is no file is written to as it is.
"""

from __future__ import annotations

import errno
import os
import re
import select
import stat
from collections.abc import Callable
from secrets import token_hex

from downloader.listrun.words import reason_text

STDOUT = 1
PRIVATE = 0o600
# One write for about two hundred report lines.
_BUFFER = 64 * 1024
_NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
# Without O_NONBLOCK, a FIFO that nobody reads would stop the process until somebody does.
_THERE = os.O_WRONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC
# Names of what is open already: duplicated, since a socket cannot be opened by its name, and a file
# would be written from its beginning, over what its owner wrote.
_OPEN_FILE = re.compile(r"/(?:dev|proc/self)/fd/([0-9]{1,9})")
_BY_NAME = {"/dev/stdout": STDOUT, "/dev/stderr": 2}
_NOT_OURS = "what is there is not a regular file of yours"


class OutputFile:
    """Lines to a file or to standard output (`-`).

    Writing is the side show: the first failure is told to `on_trouble` in one sentence, then
    lines are dropped and the downloads go on. Opening raises OSError, before anything is fetched.
    `mode`, less the umask, is a new file's, with no right that the one it replaces has not; with
    `PRIVATE`, nothing but a file is written.
    """

    def __init__(self, path: str, on_trouble: Callable[[str], None], mode: int = 0o666) -> None:
        self.path = path
        self.broken = False
        self._on_trouble = on_trouble
        self._lines: list[str] = []
        self._size = 0
        self._fd = _opened(path, mode)

    def __repr__(self) -> str:
        return f"<OutputFile {self.path!r} {'broken' if self.broken else 'open'}>"

    def write(self, text: str) -> None:
        """Add `text`, which ends with a line end; it reaches the file at `flush` at the latest."""
        self._lines.append(text)
        self._size += len(text)
        if self._size >= _BUFFER:
            self.flush()

    def flush(self) -> None:
        """Hand everything over to the operating system."""
        if not self._lines:
            return
        data = "".join(self._lines).encode("utf-8", "surrogateescape")
        self._lines.clear()
        self._size = 0
        if not self.broken:
            try:
                _write_all(self._fd, data)
            except OSError as error:
                self._break(error)

    def close(self) -> None:
        """Flush and close."""
        self.flush()
        try:
            os.close(self._fd)
        except OSError as error:  # NFS tells a full disk as late as this
            self._break(error)

    def _break(self, error: OSError) -> None:
        self.broken = True
        name = "standard output" if self.path == "-" else self.path
        self._on_trouble(f"cannot write to {name}: {reason_text(error)}")


def _opened(path: str, mode: int) -> int:
    if path == "-":
        return os.dup(STDOUT)
    if mode != PRIVATE and (number := _number(path)) is not None:
        return os.dup(number)
    try:
        found = os.lstat(path)
    except FileNotFoundError:
        return os.open(path, _NEW, mode)
    if stat.S_ISREG(found.st_mode) and found.st_uid == os.geteuid():
        return _replaced(path, mode & (found.st_mode | PRIVATE))
    if mode == PRIVATE or stat.S_ISREG(found.st_mode) or stat.S_ISLNK(found.st_mode):
        raise FileExistsError(errno.EEXIST, _NOT_OURS)
    return _joined(path)


def _number(path: str) -> int | None:
    """The number of the open file that `path` stands for, if it does."""
    match = _OPEN_FILE.fullmatch(path)
    return int(match[1]) if match else _BY_NAME.get(path)


def _replaced(path: str, mode: int) -> int:
    """A new file in the place of an old one, whose readers see no more than they had."""
    beside = os.path.join(os.path.dirname(path), f".downloader-{token_hex(8)}")
    fd = os.open(beside, _NEW, mode)
    try:
        os.rename(beside, path)
    except OSError:
        os.close(fd)
        os.unlink(beside)
        raise
    return fd


def _joined(path: str) -> int:
    """A FIFO or a device, as it is."""
    try:
        fd = os.open(path, _THERE)
    except OSError as error:
        if error.errno == errno.ENXIO and stat.S_ISFIFO(os.lstat(path).st_mode):
            raise OSError(errno.ENXIO, "nobody reads it") from error
        raise
    if stat.S_ISREG(os.fstat(fd).st_mode):  # it took the place of what was there
        os.close(fd)
        raise FileExistsError(errno.EEXIST, _NOT_OURS)
    return fd


def _write_all(fd: int, data: bytes) -> None:
    rest = memoryview(data)
    while rest:
        try:
            rest = rest[os.write(fd, rest) :]
        except BlockingIOError:  # a full FIFO, or others made the shared output non-blocking
            waiting = select.poll()
            waiting.register(fd, select.POLLOUT)
            waiting.poll()
