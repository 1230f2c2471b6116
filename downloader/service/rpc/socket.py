"""aria2's calls over WebSocket (RFC 6455): GET /jsonrpc, and what happens, as it happens.

Each message is answered before the next is looked at, and nothing is read meanwhile, nor from who
does not read: so nobody makes us keep more than one message and what it came with. Who has not
shown the token hears what happens all the same, as aria2's clients expect: some only listen, and
never say a word. So such sockets are kept, but few of them, and little for each.
"""

from __future__ import annotations

from collections import deque
from typing import Any

from twisted.internet.defer import CancelledError, Deferred
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
from downloader.queue import OVER, Entry, Queue
from downloader.sansio.aria2 import parse_message
from downloader.service.answers import Refusal, dumped
from downloader.service.door import peer_of
from downloader.service.outgoing import Outgoing
from downloader.service.routes import Asked
from downloader.service.rpc.jsonrpc import MAX_ANSWER, JsonRpc, Reply
from downloader.service.site import MAX_BODY
from downloader.service.strangers import Strangers

# Bytes that may wait for one: an answer that came to its limit with the last call, and news.
MOST_WAITING = 2 * MAX_ANSWER
# Sockets at a time; a browser has one for each page, and a program one.
MOST_SOCKETS = 128
# Those that have not shown the token, and the bytes of a message from one, and for one.
MOST_STRANGERS = 16
LITTLE = 64 * 1024
# RFC 6455 §7.4.1.
_GOING_AWAY, _NO_TEXT, _POLICY, _TOO_BIG, _BUG = 1001, 1003, 1008, 1009, 1011
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
    that is not read, and for which more than `most_waiting` bytes wait, is closed; so is one that
    is to be sent a longer message. `strangers` are those that have not shown the token."""

    def __init__(self, queue: Queue, rpc: JsonRpc, most_waiting: int = MOST_WAITING) -> None:
        self.rpc = rpc
        self.most_waiting = most_waiting
        self.open: set[Socket] = set()
        self.strangers = Strangers[Socket](MOST_STRANGERS, lambda socket: socket.end(_POLICY))
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
        socket = Socket(connection, self, request.channel, peer_of(request))
        request.channel.upgrade(socket, switching)

    def close(self) -> None:
        """End every socket."""
        for socket in list(self.open):
            socket.end(_GOING_AWAY)

    def gone(self, socket: Socket) -> None:
        """It is closed, or will be."""
        self.open.discard(socket)
        self.strangers.leave(socket)

    def _changed(self, entry: Entry, before: Status) -> None:
        name = _event(entry.status, before)
        if name is None or not self.open:
            return
        told = {"jsonrpc": "2.0", "method": name, "params": [{"gid": entry.gid}]}
        for socket in list(self.open):
            socket.send(dumped(told))


@implementer(IPushProducer)
class Socket(Protocol):
    """One of `sockets`, on `channel`, of the client at `peer`."""

    transport: Any = None

    def __init__(self, connection: Connection, sockets: Sockets, channel: Any, peer: str) -> None:
        self._connection = connection
        self._sockets = sockets
        self._channel = channel
        self._peer = peer
        self._outgoing = Outgoing(self._pass_on, min(LITTLE, sockets.most_waiting))
        self._most_read = LITTLE  # bytes of a message
        self._parts: list[str] = []  # of a message that is not whole
        self._size = 0  # bytes of it, four at most for a character
        self._messages: deque[str] = deque()
        self._answering: Deferred[None] | None = None
        self._busy = self._ended = False

    def __repr__(self) -> str:
        return f"<Socket of {self._peer}, {self._outgoing!r}>"

    def connectionMade(self) -> None:
        if hasattr(self.transport, "setTcpKeepAlive"):
            self.transport.setTcpKeepAlive(True)  # who has gone without a word is found out
        self._sockets.open.add(self)
        if self._channel.is_known:
            self._shown()
        else:
            self._sockets.strangers.add(self)

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        self._ended = True
        self._sockets.gone(self)
        self._outgoing.stopProducing()
        if self._answering is not None:
            self._answering.cancel()

    def dataReceived(self, data: bytes) -> None:
        if self._ended:
            return
        self._connection.receive_data(data)
        for event in self._connection.events():
            self._take(event)
            if self._ended:
                return
        if self._messages:
            self._begin()

    def send(self, text: bytes) -> None:
        """Send a message; later, while nothing is read. One that may not wait ends the socket."""
        if len(text) > self._outgoing.most:
            self.end(_TOO_BIG)
        else:
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
        if self._size > self._most_read or len(self._parts) > MAX_BODY // 64:
            self.end(_TOO_BIG)
        elif event.message_finished:
            self._messages.append("".join(self._parts))
            self._parts, self._size = [], 0

    def _begin(self) -> None:
        """Answer what has come, unless something is being answered, and then read on."""
        if not self._busy:
            self._busy = True
            self._read(False)
            self._answering = Deferred.fromCoroutine(self._answer_all())
            self._answering.addErrback(self._failed)

    async def _answer_all(self) -> None:
        try:
            while self._messages and not self._ended and not self._outgoing.paused:
                await self._answer(await self._reply(self._messages.popleft()))
        finally:
            self._busy = False
        if not self._outgoing.paused:
            self._read(True)

    async def _reply(self, text: str) -> Reply:
        message = parse_message(text.encode("utf-8"))
        return await self._sockets.rpc.reply(message, self._shown, self._channel.is_known)

    async def _answer(self, reply: Reply) -> None:
        if reply.is_late and not await self._sockets.rpc.door.delay(self._peer):
            self.end(_POLICY)
        else:
            self.send(reply.body)

    def _failed(self, failure: Failure) -> None:
        if not failure.check(CancelledError):
            _log.failure("answering a socket", failure)
            self.end(_BUG)

    def _shown(self) -> None:
        """The token was shown."""
        self._channel.token_shown()
        self._sockets.strangers.leave(self)
        self._outgoing.most = self._sockets.most_waiting
        self._most_read = MAX_BODY

    # --- what goes ------------------------------------------------------------------------------

    def _write(self, event: Event) -> None:
        if self._ended:
            return
        if not self._outgoing.send(self._connection.send(event)):
            self._outgoing.stopProducing()
            self._abandon()

    def _pass_on(self, data: bytes) -> None:
        self.transport.write(data)

    def pauseProducing(self) -> None:
        self._outgoing.pauseProducing()
        self._read(False)

    def resumeProducing(self) -> None:
        self._outgoing.resumeProducing()
        self._begin()

    def stopProducing(self) -> None:
        self._outgoing.stopProducing()

    def _abandon(self) -> None:
        """Close it once all is written; at once, if it is not read. It counts no more."""
        if self._ended:
            return
        self._ended = True
        self._sockets.gone(self)
        self.transport.unregisterProducer()
        if self._outgoing.paused:
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
    if status in OVER and before is not Status.ACTIVE:
        return None
    name = _EVENTS.get(status)
    return None if name is None else f"aria2.onDownload{name}"
