"""A reactor of our own, beside whatever the program runs.

It is never installed as Twisted's global one, handles no signal, and does not call its thread the
program's I/O thread: a program may run Twisted's own in another thread, or choose one later.
"""

from __future__ import annotations

import os
import threading
from contextlib import suppress
from typing import Any
from weakref import WeakSet

Base: Any
try:
    from twisted.internet.epollreactor import EPollReactor as Base
except ImportError:  # no Linux
    from twisted.internet.pollreactor import PollReactor as Base


class OwnReactor(Base):  # type: ignore[misc]
    """Runs in the thread that calls `run`, once; `dispose` of it afterwards, in any."""

    waker: Any
    _registerAsIOThread = False  # Twisted's own switch

    def __init__(self) -> None:
        self._waking = threading.RLock()  # a finalizer may wake it while it is being woken
        self._connectors: WeakSet[Any] = WeakSet()
        super().__init__()

    def connectTCP(self, *args: Any, **kwargs: Any) -> Any:
        """As Twisted's. The connector is remembered, for `forsake`."""
        connector = super().connectTCP(*args, **kwargs)
        self._connectors.add(connector)
        return connector

    def wakeUp(self) -> None:
        """As Twisted's, and nothing once its pipe is closed."""
        with self._waking:
            super().wakeUp()

    def dispose(self) -> None:
        """Close what it has for itself. Waking it must not write to who has the number next."""
        with self._waking:
            waker, self.waker = self.waker, None
            self._close_own(waker)

    def forsake(self) -> None:
        """In a forked child: close the copies of the parent's descriptors.

        While a copy is open, the parent's abort does not reach the server. Nothing else is done:
        what epoll watches is shared with the parent too.
        """
        for connector in list(self._connectors):
            socket = getattr(connector.transport, "socket", None)
            if socket is not None:
                socket.close()
        self._close_own(self.waker)

    def _close_own(self, waker: Any) -> None:
        for fd in (waker.i, waker.o):
            with suppress(OSError):
                os.close(fd)
        close = getattr(self._poller, "close", None)  # poll() has none
        if close is not None:
            close()
