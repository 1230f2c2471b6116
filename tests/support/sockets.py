"""A WebSocket client that does as a test says, broken things too."""

from __future__ import annotations

import json
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.endpoints import TCP4ClientEndpoint, wrapClientTLS
from twisted.internet.protocol import Factory, Protocol
from twisted.internet.ssl import optionsForClientTLS
from wsproto import ConnectionType, WSConnection
from wsproto.events import (
    AcceptConnection,
    CloseConnection,
    Event,
    Pong,
    RejectConnection,
    Request,
    TextMessage,
)


class Socket(Protocol):
    """One connection. `texts` are the messages that came and were not taken, `pongs` what came back
    of pings; `status` is that of the answer to its request; `code` is why the other side closed it.
    """

    transport: Any = None

    def __init__(self, host: str, headers: list[tuple[bytes, bytes]]) -> None:
        self.ws = WSConnection(ConnectionType.CLIENT)
        self.texts: list[Any] = []
        self.pongs: list[bytes] = []
        self.status: int | None = None
        self.code: int | None = None
        self.lost = False
        self._request = Request(host, "/jsonrpc", extra_headers=headers)
        self._part = ""
        self._more: Deferred[None] | None = None

    def connectionMade(self) -> None:
        self.transport.write(self.ws.send(self._request))

    def dataReceived(self, data: bytes) -> None:
        self.ws.receive_data(data)
        for event in self.ws.events():
            self._take(event)
        self._tell()

    def _take(self, event: Any) -> None:
        if isinstance(event, AcceptConnection):
            self.status = 101
        elif isinstance(event, RejectConnection):
            self.status = event.status_code
        elif isinstance(event, CloseConnection):
            self.code = event.code
        elif isinstance(event, Pong):
            self.pongs.append(bytes(event.payload))
        elif isinstance(event, TextMessage):
            self._part += event.data
            if event.message_finished:
                self.texts.append(json.loads(self._part))
                self._part = ""

    def connectionLost(self, reason: Any = None) -> None:
        self.lost = True
        self._tell()

    def _tell(self) -> None:
        more, self._more = self._more, None
        if more is not None:
            more.callback(None)

    def send(self, *events: Any) -> None:
        """Events of wsproto; others are sent as JSON."""
        for one in events:
            event = one if isinstance(one, Event) else TextMessage(json.dumps(one))
            self.transport.write(self.ws.send(event))

    async def until(self, true: Any) -> None:
        """Wait for something that the other side does."""
        while not true():
            self._more = Deferred()
            await self._more

    async def take(self) -> Any:
        """The next message."""
        await self.until(lambda: self.texts)
        return self.texts.pop(0)


class _Answer(Protocol):
    def __init__(self, head: bytes) -> None:
        self.head, self.came = head, b""
        self.answered: Deferred[bytes] = Deferred()

    def connectionMade(self) -> None:
        self.transport.write(self.head)  # type: ignore[union-attr]

    def dataReceived(self, data: bytes) -> None:
        self.came += data
        if b"\r\n\r\n" in self.came and not self.answered.called:
            self.answered.callback(self.came)


async def answer_to(reactor: Any, port: int, head: bytes) -> bytes:
    """What a request that is written as it is is answered with: its head, and what came with it."""
    endpoint = TCP4ClientEndpoint(reactor, "127.0.0.1", port)
    protocol: Any = await endpoint.connect(Factory.forProtocol(lambda: _Answer(head)))
    answer: bytes = await protocol.answered
    protocol.transport.abortConnection()
    return answer


async def connect(
    reactor: Any, port: int, host: str = "127.0.0.1", trust_root: Any = None, **headers: str
) -> Socket:
    """A socket, once its request is answered; over TLS with `trust_root`. A header's underscores
    are hyphens."""
    fields = [(name.replace("_", "-").encode(), text.encode()) for name, text in headers.items()]
    endpoint: Any = TCP4ClientEndpoint(reactor, "127.0.0.1", port)
    if trust_root is not None:
        endpoint = wrapClientTLS(optionsForClientTLS("localhost", trust_root), endpoint)
    socket: Any = await endpoint.connect(Factory.forProtocol(lambda: Socket(host, fields)))
    await socket.until(lambda: socket.status is not None or socket.lost)
    assert isinstance(socket, Socket)
    return socket
