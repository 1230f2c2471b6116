"""A raw client for tests of servers: it keeps its reads apart and tells why it ended."""

from __future__ import annotations

from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.endpoints import HostnameEndpoint, wrapClientTLS
from twisted.internet.protocol import Factory, Protocol, connectionDone
from twisted.internet.ssl import optionsForClientTLS
from twisted.python.failure import Failure


class Client(Protocol):
    """`reads` are the reads, each apart; `lost` fires with the class of the error at the end."""

    transport: Any

    def __init__(self) -> None:
        self.reads: list[bytes] = []
        self.lost: Deferred[type[BaseException]] = Deferred()

    def dataReceived(self, data: bytes) -> None:
        self.reads.append(data)

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        self.lost.callback(reason.type)


async def connect(reactor: Any, server: Any, ca: Any = None) -> Any:
    """A client of `server`, over TLS when there is a `ca` to trust."""
    endpoint: Any = HostnameEndpoint(reactor, "127.0.0.1", server.port)
    if ca is not None:
        options = optionsForClientTLS("localhost", trustRoot=ca.trust_root)
        endpoint = wrapClientTLS(options, endpoint)
    return await endpoint.connect(Factory.forProtocol(Client))
