"""Bodies of requests, as tests want them."""

from __future__ import annotations

from typing import Any

from twisted.internet.defer import Deferred, succeed
from twisted.web.iweb import IBodyProducer
from zope.interface import implementer

from downloader.replay import IReplayable


@implementer(IBodyProducer)
class Producer:
    """Produces what the test says, when it says; `calls` are what it was told."""

    def __init__(self, length: Any) -> None:
        self.length = length
        self.calls: list[str] = []
        self.done: Deferred[None] = Deferred()
        self.consumer: Any = None

    def startProducing(self, consumer: Any) -> Deferred[None]:
        self.calls.append("start")
        self.consumer = consumer
        return self.done

    def pauseProducing(self) -> None:
        self.calls.append("pause")

    def resumeProducing(self) -> None:
        self.calls.append("resume")

    def stopProducing(self) -> None:
        self.calls.append("stop")


class AtOnce(Producer):
    """Writes its whole body in one turn, whatever the connection makes of it."""

    def startProducing(self, consumer: Any) -> Deferred[None]:
        self.calls.append("start")
        consumer.write(b"x" * self.length)
        return succeed(None)


@implementer(IReplayable)
class Again(Producer):
    """`data`, as often as it is wanted; `calls` tell how often that was."""

    def __init__(self, data: bytes) -> None:
        super().__init__(len(data))
        self._data = data

    def startProducing(self, consumer: Any) -> Deferred[None]:
        self.calls.append("start")
        consumer.write(self._data)
        return succeed(None)


@implementer(IReplayable)
class Slow(Producer):
    """A body that can be sent again, in pieces that the test writes to `consumer`."""

    def startProducing(self, consumer: Any) -> Deferred[None]:
        self.done = Deferred()
        self.done.addErrback(lambda failure: None)
        return super().startProducing(consumer)
