"""aria2's calls over WebSocket (RFC 6455): GET /jsonrpc, and what happens, as it happens.

Each message is answered before the next is looked at, and nothing is read meanwhile, nor from who
does not read: so nobody makes us keep more than one message and what it came with.
"""

from __future__ import annotations

from collections import deque
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IPushProducer
from twisted.internet.protocol import Protocol, connectionDone
from twisted.logger import Logger
from twisted.python.failure import Failure
from wsproto import ConnectionType
from wsproto.connection import Connection
from wsproto.events import AcceptConnection, BytesMessage, CloseConnection, Event, Ping, TextMessage
from wsproto.handshake import H11Handshake
from wsproto.utilities import LocalProtocolError, RemoteProtocolError
from zope.interface import implementer

from downloader.jobs import Status
from downloader.queue import Entry, Queue
from downloader.sansio.aria2 import parse_message
from downloader.service.answers import Refusal, dumped
from downloader.service.door import peer_of
from downloader.service.routes import Asked
from downloader.service.rpc.jsonrpc import JsonRpc, whole
from downloader.service.site import MAX_BODY

# As of a reader of events, in bytes.
MOST_WAITING = 4 * 1024 * 1024
# Sockets at a time; a browser has one for each page, and a program one.
MOST_SOCKETS = 128
# RFC 6455 §7.4.1.
_GOING_AWAY, _NO_TEXT, _POLICY, _TOO_BIG = 1001, 1003, 1008, 1009
_EVENTS = {
    Status.ACTIVE: "Start",
    Status.PAUSED: "Pause",
    Status.REMOVED: "Stop",
    Status.COMPLETE: "Complete",
    Status.ERROR: "Error",
}
_log = Logger()


class Sockets:
    """The open sockets, which are told what happens in `queue`; `rpc` answers what they ask. One
    that is not read, and for which more than `most_waiting` bytes wait, is closed."""

    def __init__(self, queue: Queue, rpc: JsonRpc, most_waiting: int = MOST_WAITING) -> None:
        self.rpc = rpc
        self.most_waiting = most_waiting
        self.open: set[Socket] = set()
        queue.watch(self._changed)

    def __repr__(self) -> str:
        return f"<Sockets {len(self.open)} open>"

    async def get(self, asked: Asked) -> None:
        """Answer the request for a socket, which has no end. Raises Refusal."""
        request = asked.request
        if request.method != b"GET" or request.getHeader(b"upgrade") is None:
            raise Refusal(426, "POST, or a WebSocket", Upgrade="websocket")
        if len(self.open) >= MOST_SOCKETS:
            raise Refusal(503, "too many sockets are open", Retry_After="10")
        connection, switching = _shaken(request)
        request.channel.upgrade(Socket(connection, self, peer_of(request)), switching)

    def close(self) -> None:
        """End every socket."""
        for socket in list(self.open):
            socket.end(_GOING_AWAY)

    def _changed(self, entry: Entry, before: Status) -> None:
        name = _event(entry.status, before)
        if name is None or not self.open:
            return
        told = {"jsonrpc": "2.0", "method": name, "params": [{"gid": entry.gid}]}
        for socket in list(self.open):
            socket.send(dumped(told))


@implementer(IPushProducer)
class Socket(Protocol):
    """One of `sockets`, of the client at `peer`."""

    transport: Any = None

    def __init__(self, connection: Connection, sockets: Sockets, peer: str) -> None:
        self._connection = connection
        self._sockets = sockets
        self._peer = peer
        self._parts: list[str] = []  # of a message that is not whole
        self._size = 0  # bytes of it, four at most for a character
        self._messages: deque[str] = deque()
        self._held: deque[bytes] = deque()
        self._held_size = 0
        self._paused = False  # it is not read
        self._busy = self._ended = False

    def __repr__(self) -> str:
        return f"<Socket of {self._peer}{', not read' if self._paused else ''}>"

    def connectionMade(self) -> None:
        if hasattr(self.transport, "setTcpKeepAlive"):
            self.transport.setTcpKeepAlive(True)  # who has gone without a word is found out
        self._sockets.open.add(self)

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        self._ended = True
        self._sockets.open.discard(self)

    def dataReceived(self, data: bytes) -> None:
        if self._ended:
            return
        self._connection.receive_data(data)
        for event in self._connection.events():
            self._take(event)
            if self._ended:
                return
        self._begin()

    def send(self, text: bytes) -> None:
        """Send a message; later, while nothing is read."""
        self._write(TextMessage(text.decode("ascii").rstrip("\n")))

    def end(self, code: int) -> None:
        """Say goodbye, and why."""
        if not self._ended:
            self._write(CloseConnection(code))
            self._abandon()

    # --- what comes -----------------------------------------------------------------------------

    def _take(self, event: Event) -> None:
        if isinstance(event, TextMessage):
            self._take_text(event)
        elif isinstance(event, BytesMessage):
            self.end(_NO_TEXT)
        elif isinstance(event, Ping):
            self._write(event.response())
        elif isinstance(event, CloseConnection):  # theirs, or what is due to a broken frame
            self._write(event.response())
            self._abandon()

    def _take_text(self, event: TextMessage) -> None:
        self._parts.append(event.data)
        self._size += len(event.data.encode())
        if self._size > MAX_BODY or len(self._parts) > MAX_BODY // 64:
            self.end(_TOO_BIG)
        elif event.message_finished:
            self._messages.append("".join(self._parts))
            self._parts, self._size = [], 0

    def _begin(self) -> None:
        if self._messages and not self._busy and not self._ended:
            self._busy = True
            self._read(False)
            answering = Deferred.fromCoroutine(self._answer_all())
            answering.addErrback(lambda failure: _log.failure("answering a socket", failure))

    async def _answer_all(self) -> None:
        try:
            while self._messages and not self._ended:
                await self._answer(self._messages.popleft())
        finally:
            self._busy = False
        if not self._paused:
            self._read(True)

    async def _answer(self, text: str) -> None:
        message = parse_message(text.encode("utf-8"))
        try:
            answers = await self._sockets.rpc.answers(message, self._peer)
        except Refusal:
            self.end(_POLICY)
        else:
            if not self._ended:
                self.send(dumped(whole(message, answers)))

    # --- what goes ------------------------------------------------------------------------------

    def _write(self, event: Event) -> None:
        if self._ended:
            return
        data = self._connection.send(event)
        if not self._paused:
            self.transport.write(data)
            return
        self._held.append(data)
        self._held_size += len(data)
        if self._held_size > self._sockets.most_waiting:
            self._ended = True
            self.transport.abortConnection()

    def pauseProducing(self) -> None:
        self._paused = True
        self._read(False)

    def resumeProducing(self) -> None:
        self._paused = False
        while self._held and not self._paused:
            data = self._held.popleft()
            self._held_size -= len(data)
            self.transport.write(data)
        if not self._paused and not self._busy:
            self._read(True)

    def stopProducing(self) -> None:
        self._held.clear()

    def _abandon(self) -> None:
        """Close it once all is written; at once, if it is not read."""
        self._ended = True
        self.transport.unregisterProducer()
        if self._paused:
            self.transport.abortConnection()
        else:
            self.transport.loseConnection()

    def _read(self, wanted: bool) -> None:
        if not self._ended:
            self.transport.resumeProducing() if wanted else self.transport.pauseProducing()


def _shaken(request: Any) -> tuple[Connection, bytes]:
    """The connection that `request` begins, and the answer that says so. Raises Refusal."""
    handshake = H11Handshake(ConnectionType.SERVER)
    headers = request.requestHeaders.getAllRawHeaders()
    try:
        handshake.initiate_upgrade_connection(
            [(name, value) for name, values in headers for value in values], request.path
        )
        switching = handshake.send(AcceptConnection())
    except (RemoteProtocolError, LocalProtocolError, ValueError) as error:
        if request.getHeader(b"sec-websocket-version") != b"13":
            raise Refusal(426, "version 13 is spoken", Sec_WebSocket_Version="13") from error
        raise Refusal(400, "this begins no WebSocket") from error
    connection = handshake.connection
    assert connection is not None
    return connection, switching


def _event(status: Status, before: Status) -> str | None:
    """What aria2 calls it. That a job was taken on, or forgotten, has no name."""
    if before is Status.REMOVED or status is before:
        return None
    if status in (Status.COMPLETE, Status.ERROR, Status.REMOVED) and before is not Status.ACTIVE:
        return None
    name = _EVENTS.get(status)
    return None if name is None else f"aria2.onDownload{name}"
