"""What goes to somebody who may read slowly, or not at all."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

from twisted.internet.interfaces import IPushProducer
from zope.interface import implementer


@implementer(IPushProducer)
class Outgoing:
    """Passes on to `write` what is sent, and holds it while nothing is read: `most` bytes, which
    may be replaced at any time. Who has the transport makes it its producer."""

    def __init__(self, write: Callable[[bytes], object], most: int) -> None:
        self.most = most
        self.paused = False
        self._write = write
        self._held: deque[bytes] = deque()
        self._size = 0

    def __repr__(self) -> str:
        return f"<Outgoing {self._size} bytes held{', not read' if self.paused else ''}>"

    def send(self, data: bytes) -> bool:
        """Send it, now or once all before it is read. Returns False when too much waits."""
        if not self.paused:
            self._write(data)
            return True
        self._held.append(data)
        self._size += len(data)
        return self._size <= self.most

    def pauseProducing(self) -> None:
        """Nothing is read."""
        self.paused = True

    def resumeProducing(self) -> None:
        """It is read again."""
        self.paused = False
        while self._held and not self.paused:
            data = self._held.popleft()
            self._size -= len(data)
            self._write(data)

    def stopProducing(self) -> None:
        """Nobody reads any more."""
        self.paused = True
        self._held.clear()
        self._size = 0
