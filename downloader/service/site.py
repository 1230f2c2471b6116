"""HTTP for the door: what Twisted's site does, with caps on what a stranger may make it keep.

A stranger is a connection on which the token was not shown yet.
"""

from __future__ import annotations

from contextlib import suppress
from typing import Any

from twisted.internet.defer import Deferred, TimeoutError
from twisted.internet.interfaces import IDelayedCall, IProtocol
from twisted.internet.protocol import connectionDone
from twisted.python.failure import Failure
from twisted.web.http import HTTPChannel
from twisted.web.server import Request, Site

from downloader.service.answers import problem
from downloader.service.door import HEADERS, Door
from downloader.service.strangers import Strangers

# Bytes of a body, and seconds in which nothing comes from who has not asked yet.
MAX_BODY = 4 * 1024 * 1024
PATIENCE = 30.0
# And in which a request has to be whole, a body of 4 MiB over a slow line too.
WHOLE = 120.0
# Bodies of strangers that are longer than this, where the token is in the body: so many at a time.
SHORT = 64 * 1024
MOST_LONG = 16
# Open connections. A browser has six, and an aria2 client one.
MOST_CONNECTIONS = 512
# Seconds that what was written has to go out when the service stops.
CLOSING = 1.0


class _Request(Request):
    """Refuses a body that is too long when it is told, and ends one that is not told. A body that
    the door would not look at is taken, and not kept: `is_cut` says that there was one."""

    is_cut = False
    _came = 0
    _refused = False
    _keeps = True

    def gotLength(self, length: int | None) -> None:
        if length is not None and length > MAX_BODY:
            self._too_long()
            self._keeps = False
        elif length != 0:
            self._keeps = self._is_wanted()
        # What is kept is bounded here. Told of a length, Twisted would open a file for it.
        super().gotLength(0)  # type: ignore[no-untyped-call]

    def handleContentChunk(self, data: bytes) -> None:
        channel: Any = self.channel
        self._came += len(data)
        if self._came > MAX_BODY:
            self._too_long()
        elif not self._keeps:
            self.is_cut = True
        elif not self._refused:
            if self._came > SHORT:
                channel.body_is_long()
            super().handleContentChunk(data)  # type: ignore[no-untyped-call]

    def requestReceived(self, command: bytes, path: bytes, version: bytes) -> None:
        channel: Any = self.channel
        if path == b"*":  # which Twisted would answer itself, whatever the Host
            channel.refuse(b"400 Bad Request", 400, "the target has to be a path")
        elif not self._refused:
            super().requestReceived(command, path, version)  # type: ignore[no-untyped-call]

    def _is_wanted(self) -> bool:
        channel: Any = self.channel
        self.method, self.uri = channel._command, channel._path
        self.path = self.uri.partition(b"?")[0]
        return bool(channel.site.resource.wants_body(self))

    def _too_long(self) -> None:
        channel: Any = self.channel
        if not self._refused and channel is not None:
            self._refused = True
            channel.refuse(b"413 Content Too Large", 413, "the body is too long")


class _Channel(HTTPChannel):
    """One connection, which its site counts, whatever is spoken on it. A request has to be whole in
    `WHOLE` seconds, however its bytes come. `is_known` says whether the token was shown."""

    is_known = False
    _late: IDelayedCall | None = None
    _other: IProtocol | None = None

    def connectionMade(self) -> None:
        self.factory.open.add(self)
        self.factory.strangers.add(self)
        self._wait()
        super().connectionMade()  # type: ignore[no-untyped-call]

    def token_shown(self) -> None:
        """It is no stranger any more."""
        self.is_known = True
        self.factory.strangers.leave(self)
        self.factory.long.leave(self)

    def body_is_long(self) -> None:
        """A body is here that only few strangers may have at a time."""
        if not self.is_known:
            self.factory.long.add(self)

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
        self._wait_no_more()
        if self._other is not None:
            self._other.connectionLost(reason)
        super().connectionLost(reason)  # type: ignore[no-untyped-call]

    def headerReceived(self, line: bytes) -> bool:
        try:
            return bool(super().headerReceived(line))  # type: ignore[no-untyped-call]
        except ValueError:  # a length of more digits than Python reads
            self._respondToBadRequestAndDisconnect()
            return False

    def allContentReceived(self) -> None:
        self._wait_no_more()
        super().allContentReceived()  # type: ignore[no-untyped-call]

    def requestDone(self, request: Request) -> None:
        self.factory.long.leave(self)
        self._wait()  # first, since the next request may be here already
        # While the answers are not read, the requests behind wait, as they came.
        self.paused = self._waitingForTransport
        super().requestDone(request)  # type: ignore[no-untyped-call]
        if self.paused and self.persistent:
            self._networkProducer.pauseProducing()

    def resumeProducing(self) -> None:
        super().resumeProducing()  # type: ignore[no-untyped-call]
        if self.paused:
            self.paused = False
            self.dataReceived(b"")

    def timeoutConnection(self) -> None:
        """As Twisted's own, which says each in the log: then a stranger could fill that."""
        self._abortingCall = self.callLater(  # type: ignore[no-untyped-call]
            self.abortTimeout, self.forceAbortClient
        )
        self.loseConnection()  # type: ignore[no-untyped-call]

    def forceAbortClient(self) -> None:
        """So does this."""
        self._abortingCall = None
        _abort(self)

    def refuse(self, status: bytes, code: int, title: str) -> None:
        """Answer what is no request that the door can look at, and close."""
        answer = problem(code, title)
        length = ("Content-Length", str(len(answer.body)))
        fields = (*HEADERS, ("Connection", "close"), ("Content-Type", answer.content_type), length)
        lines = "".join(f"{name}: {value}\r\n" for name, value in fields).encode("ascii")
        transport: Any = self.transport
        transport.write(b"HTTP/1.1 %b\r\n%b\r\n%b" % (status, lines, answer.body))
        self.loseConnection()  # type: ignore[no-untyped-call]

    def _respondToBadRequestAndDisconnect(self) -> None:
        """Twisted's own has no head, and so nothing that keeps a browser from guessing."""
        self.refuse(b"400 Bad Request", 400, "this is no HTTP request")

    def _wait(self) -> None:
        self._wait_no_more()
        self._late = self.callLater(WHOLE, self.forceAbortClient)  # type: ignore[no-untyped-call]

    def _wait_no_more(self) -> None:
        late, self._late = self._late, None
        if late is not None and late.active():
            late.cancel()


class DoorSite(Site):
    """Serves `door` to at most `most` at a time; `open` are those. The oldest of the `strangers`
    goes for one too many, and the oldest of those with a `long` body. No request is logged: targets
    may hold what is secret."""

    protocol = _Channel  # type: ignore[assignment]

    def __init__(self, reactor: Any, door: Door) -> None:
        super().__init__(  # type: ignore[no-untyped-call]
            door,
            requestFactory=_Request,
            timeout=PATIENCE,
            reactor=reactor,
            parsePOSTFormSubmission=False,  # nobody reads a body before the door has looked
        )
        self.displayTracebacks = False
        self.open: set[_Channel] = set()
        self.strangers = Strangers[_Channel](MOST_CONNECTIONS, _abort)
        self.long = Strangers[_Channel](MOST_LONG, _abort)
        self.reactor = reactor
        self._closed: Deferred[None] | None = None
        self.most = MOST_CONNECTIONS

    def __repr__(self) -> str:
        return f"<DoorSite {len(self.open)} connections>"

    def buildProtocol(self, addr: Any) -> Any:
        if len(self.open) >= self.most and not self.strangers.drop():
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
        self.strangers.leave(channel)
        self.long.leave(channel)
        if self._closed is not None and not self.open and not self._closed.called:
            self._closed.callback(None)


def _abort(channel: _Channel) -> None:
    transport: Any = channel.transport
    transport.abortConnection()
