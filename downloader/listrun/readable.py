"""Read a pipe, a terminal or a FIFO when it has something, and never wait for it in `read`."""

from __future__ import annotations

import os
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReadDescriptor
from twisted.python.failure import Failure
from zope.interface import implementer

_READ_SIZE = 64 * 1024


@implementer(IReadDescriptor)
class Readable:
    """A file descriptor that is read once for each call of `read`, and watched only meanwhile.

    So a consumer that is behind leaves the bytes where they are, and the writer waits. The
    descriptor's flags stay as they are: O_NONBLOCK on a terminal would reach the shell too.
    `fd` is closed by `close`.
    """

    def __init__(self, reactor: Any, fd: int) -> None:
        self._reactor = reactor
        self._fd = fd
        self._waiting: Deferred[bytes] | None = None

    def __repr__(self) -> str:
        return f"<Readable fd={self._fd} {'waiting' if self._waiting else 'idle'}>"

    def read(self) -> Deferred[bytes]:
        """Read what is there, once something is.

        **Fires with** 1 to 65,536 bytes, or `b""` at the end. **Fails with** OSError.
        **Cancelling** stops the wait; nothing is lost.
        """
        self._waiting = Deferred(self._cancelled)
        self._reactor.addReader(self)
        return self._waiting

    def close(self) -> None:
        """Close the descriptor. A pending `read` fails with CancelledError."""
        if self._waiting is not None:
            self._waiting.cancel()
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1

    def _cancelled(self, waiting: Deferred[bytes]) -> None:
        self._stop()

    def _stop(self) -> Deferred[bytes] | None:
        waiting, self._waiting = self._waiting, None
        if waiting is not None:
            self._reactor.removeReader(self)
        return waiting

    # --- called by the reactor --------------------------------------------------------------

    def fileno(self) -> int:
        return self._fd

    def logPrefix(self) -> str:
        return "list"

    def doRead(self) -> None:
        try:
            data = os.read(self._fd, _READ_SIZE)
        except BlockingIOError:  # another reader of the same pipe was faster
            return
        except OSError as error:
            if waiting := self._stop():
                waiting.errback(error)
            return
        if waiting := self._stop():
            waiting.callback(data)

    def connectionLost(self, reason: Failure) -> None:
        """The last writer has gone and nothing is left to read."""
        if waiting := self._stop():
            waiting.callback(b"")
