"""An agent that holds a body after its first piece, as a consumer that is too slow does."""

from __future__ import annotations

from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.protocol import Protocol, connectionDone
from twisted.python.components import proxyForInterface
from twisted.python.failure import Failure
from twisted.web.iweb import IAgent, IResponse
from zope.interface import implementer


@implementer(IAgent)
class PausingAgent:
    """Asks `agent`, and pauses the first body that comes; `paused` has its transport then."""

    def __init__(self, agent: Any) -> None:
        self._agent = agent
        self.paused: list[Any] = []

    def request(self, *arguments: Any, **options: Any) -> Deferred[Any]:
        """As `agent`."""
        d: Deferred[Any] = self._agent.request(*arguments, **options)
        return d.addCallback(_Response, self.paused)


class _Response(proxyForInterface(IResponse)):  # type: ignore[misc]
    def __init__(self, original: Any, paused: list[Any]) -> None:
        super().__init__(original)
        self._paused = paused

    def deliverBody(self, protocol: Any) -> None:
        self.original.deliverBody(_Pauser(protocol, self._paused))


class _Pauser(Protocol):
    def __init__(self, protocol: Any, paused: list[Any]) -> None:
        self._protocol = protocol
        self._paused = paused

    def connectionMade(self) -> None:
        self._protocol.makeConnection(self.transport)

    def dataReceived(self, data: bytes) -> None:
        self._protocol.dataReceived(data)
        if not self._paused:
            self._paused.append(self.transport)
            self.transport.pauseProducing()  # type: ignore[union-attr]

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        self._protocol.connectionLost(reason)
