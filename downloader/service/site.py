"""HTTP for the door: what Twisted's site does, with caps on what a stranger may make it keep."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

from twisted.internet.defer import Deferred, TimeoutError
from twisted.internet.interfaces import IProtocol
from twisted.internet.protocol import connectionDone
from twisted.python.failure import Failure
from twisted.web.http import HTTPChannel
from twisted.web.server import Request, Site

from downloader.service.answers import PROBLEM, dumped
from downloader.service.door import Door

# Bytes of a body, and seconds in which nothing comes from who has not asked yet.
MAX_BODY = 4 * 1024 * 1024
PATIENCE = 30.0
# Open connections. A browser has six, and an aria2 client one.
MOST_CONNECTIONS = 512
# Seconds that what was written has to go out when the service stops.
CLOSING = 1.0


class _Request(Request):
    """Refuses a body that is too long when it is told, and ends one that is not told."""

    _came = 0

    def gotLength(self, length: int | None) -> None:
        if length is not None and length > MAX_BODY:
            self._too_long()
        else:
            super().gotLength(length)  # type: ignore[no-untyped-call]

    def handleContentChunk(self, data: bytes) -> None:
        self._came += len(data)
        if self._came > MAX_BODY:
            self._too_long()
        else:
            super().handleContentChunk(data)  # type: ignore[no-untyped-call]

    def _too_long(self) -> None:
        body = dumped({"type": "about:blank", "title": "the body is too long", "status": 413})
        told = (str(len(body)).encode(), PROBLEM.encode(), body)
        channel: Any = self.channel
        if channel is not None and channel.transport is not None:
            channel.transport.write(
                b"HTTP/1.1 413 Content Too Large\r\nConnection: close\r\n"
                b"Content-Length: %b\r\nContent-Type: %b\r\n\r\n%b" % told
            )
            channel.loseConnection()
        self.content = None


class _Channel(HTTPChannel):
    """One connection, which its site counts, whatever is spoken on it."""

    _other: IProtocol | None = None

    def connectionMade(self) -> None:
        self.factory.open.add(self)
        super().connectionMade()  # type: ignore[no-untyped-call]

    def upgrade(self, protocol: IProtocol, switching: bytes) -> None:
        """Write `switching` (RFC 9110 §15.2.2), and let `protocol` have the connection; it is the
        producer there too."""
        transport: Any = self.transport
        self._other = protocol
        self.setTimeout(None)  # type: ignore[no-untyped-call]
        transport.write(switching)
        transport.unregisterProducer()
        protocol.makeConnection(transport)
        transport.registerProducer(protocol, True)

    def dataReceived(self, data: bytes) -> None:
        if self._other is None:
            super().dataReceived(data)  # type: ignore[no-untyped-call]
        else:
            self._other.dataReceived(data)

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        self.factory.gone(self)
        if self._other is not None:
            self._other.connectionLost(reason)
        super().connectionLost(reason)  # type: ignore[no-untyped-call]


class DoorSite(Site):
    """Serves `door` to at most `MOST_CONNECTIONS` at a time; `open` are those. No request is
    logged: targets may hold what is secret."""

    protocol = _Channel  # type: ignore[assignment]

    def __init__(self, reactor: Any, door: Door) -> None:
        super().__init__(  # type: ignore[no-untyped-call]
            door, requestFactory=_Request, timeout=PATIENCE, reactor=reactor
        )
        self.displayTracebacks = False
        self.open: set[_Channel] = set()
        self.reactor = reactor
        self._closed: Deferred[None] | None = None

    def __repr__(self) -> str:
        return f"<DoorSite {len(self.open)} connections>"

    def buildProtocol(self, addr: Any) -> Any:
        if len(self.open) >= MOST_CONNECTIONS:
            return None
        return super().buildProtocol(addr)  # type: ignore[no-untyped-call]

    def log(self, request: Any) -> None:
        """No line for a request."""

    async def close(self) -> None:
        """End every connection. What was written goes out, if that takes a second at most."""
        for channel in list(self.open):
            if channel.transport is not None:
                channel.transport.loseConnection()
        if self.open:
            self._closed = Deferred()
            with suppress(TimeoutError):
                await self._closed.addTimeout(CLOSING, self.reactor)
        for channel in list(self.open):
            transport: Any = channel.transport
            if transport is not None:
                transport.abortConnection()

    def gone(self, channel: _Channel) -> None:
        """Its connection is closed."""
        self.open.discard(channel)
        if self._closed is not None and not self.open and not self._closed.called:
            self._closed.callback(None)
