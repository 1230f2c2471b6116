"""An agent for a service's socket in the file system, which may be anybody's."""

from __future__ import annotations

import socket
import struct
from collections.abc import Callable
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.endpoints import UNIXClientEndpoint
from twisted.internet.interfaces import IProtocol, IProtocolFactory, IStreamClientEndpoint
from twisted.web.client import URI, Agent
from twisted.web.iweb import IAgent, IAgentEndpointFactory
from zope.interface import implementer

_PEER: int | None = getattr(socket, "SO_PEERCRED", None)  # Linux has it
_CREDENTIALS = struct.Struct("iII")  # the process, its user and its group (unix(7))


def socket_agent(reactor: Any, path: str, check: Callable[[int], None]) -> IAgent:
    """An agent whose every request goes to the socket at `path`, where the system says who listens
    only after `check(user)`, which raises if that is the wrong one."""
    agent: IAgent = Agent.usingEndpointFactory(reactor, _Socket(reactor, path, check))
    return agent


@implementer(IAgentEndpointFactory, IStreamClientEndpoint)
class _Socket:
    def __init__(self, reactor: Any, path: str, check: Callable[[int], None]) -> None:
        self._endpoint = UNIXClientEndpoint(reactor, path)
        self._check = check

    def endpointForURI(self, uri: URI) -> IStreamClientEndpoint:
        return self

    def connect(self, factory: IProtocolFactory) -> Deferred[IProtocol]:
        """Connect to it, and look who listens before a byte is sent."""
        connecting: Deferred[IProtocol] = self._endpoint.connect(factory)
        return connecting.addCallback(self._looked_at)

    def _looked_at(self, protocol: Any) -> Any:
        if _PEER is not None:
            connection = protocol.transport.getHandle()
            told = connection.getsockopt(socket.SOL_SOCKET, _PEER, _CREDENTIALS.size)
            _, user, _ = _CREDENTIALS.unpack(told)
            try:
                self._check(user)
            except BaseException:
                protocol.transport.abortConnection()
                raise
        return protocol
