"""A raw TCP or TLS server whose every connection follows a script.

A script is a coroutine function that is given the `Connection`, or a list of steps. A step is
bytes, which are sent, or a function that is given the `Connection` and may return an awaitable::

    ScriptedServer(reactor, [head, b"HTTP/1.1 200 OK\\r\\nContent-Le", rst])

The server knows no HTTP, so that it can break it. After its last step a connection stays open,
reading and silent, until the client or `stop` ends it. When it ends, its script is cancelled.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.interfaces import IOpenSSLServerConnectionCreator
from twisted.internet.task import deferLater
from twisted.logger import Logger
from twisted.python.failure import Failure

from downloader.testing.loopback import End, LoopbackServer, Peer

_log = Logger()


class Connection(Peer):
    """One scripted connection: what a script does with it, and what it has seen.

    `heads` are the request heads that the script has taken, each up to and with its blank line.
    """

    server: ScriptedServer

    def __init__(self, server: ScriptedServer, number: int) -> None:
        super().__init__(server, number)
        self.heads: list[bytes] = []
        self._received = bytearray()
        self._taken = 0
        self._more: Deferred[None] | None = None
        self._script: Deferred[None] | None = None

    @property
    def received(self) -> bytes:
        """Every byte that came, inside TLS where there is TLS."""
        return bytes(self._received)

    async def head(self) -> bytes:
        """Take the next request head, its blank line included, once it is there."""
        while (blank := self._received.find(b"\r\n\r\n", self._taken)) < 0:
            self._more = Deferred()
            await self._more
        head = bytes(self._received[self._taken : blank + 4])
        self._taken = blank + 4
        self.heads.append(head)
        return head

    async def take(self, count: int) -> bytes:
        """Take the next `count` bytes, such as a request's body, once they are there."""
        while len(self._received) < self._taken + count:
            self._more = Deferred()
            await self._more
        start, self._taken = self._taken, self._taken + count
        return bytes(self._received[start : self._taken])

    def send(self, data: bytes) -> None:
        """Send `data` in one write."""
        self.transport.write(data)

    async def trickle(self, data: bytes) -> None:
        """Send `data` byte by byte; a client on this reactor reads each one alone."""
        for index in range(len(data)):
            self.transport.write(data[index : index + 1])
            await self.flush()

    async def flush(self) -> None:
        """Wait until small writes are out: TLS packs in one turn, TCP sends in the next."""
        for _ in range(3):
            await self.wait(0)

    async def wait(self, seconds: float) -> None:
        """Do nothing for `seconds`."""
        await deferLater(self.server.reactor, seconds)

    def stop_reading(self) -> None:
        """Read no more. A server that does not read learns of no end, not even of a RST."""
        self.transport.pauseProducing()

    def resume_reading(self) -> None:
        """Read again, and so learn what came meanwhile."""
        self.transport.resumeProducing()

    def connectionMade(self) -> None:
        self.transport.setTcpNoDelay(True)
        self._script = Deferred.fromCoroutine(self.server.run(self))
        self._script.addErrback(self._script_failed)

    def dataReceived(self, data: bytes) -> None:
        self._received += data
        more, self._more = self._more, None
        if more is not None:
            more.callback(None)

    def clean_up(self, end: End) -> None:
        if self._script is not None:
            self._script.cancel()

    def _script_failed(self, failure: Failure) -> None:
        """A script that ends with its connection is done; any other failure is a bug in a test."""
        if self.end is None or not failure.check(CancelledError):
            _log.failure("The script of {connection} failed", failure, connection=self)
            self.reset()


Step = bytes | Callable[[Connection], Any]
Script = Callable[[Connection], Awaitable[None]] | Sequence[Step]


class ScriptedServer(LoopbackServer):
    """Listens on loopback and runs `script` on each connection; see the module's text.

    A script that differs between connections asks for `connection.number`.
    """

    connections: list[Connection]  # type: ignore[assignment]  # all are made by make_peer

    def __init__(
        self,
        reactor: Any,
        script: Script,
        *,
        tls: IOpenSSLServerConnectionCreator | None = None,
    ) -> None:
        self._script = script
        self._arrivals: list[tuple[int, Deferred[Connection]]] = []
        super().__init__(reactor, tls=tls)

    def make_peer(self, number: int) -> Connection:
        return Connection(self, number)

    def arrived(self, number: int = 0) -> Deferred[Connection]:
        """Wait for the connection `number`.

        **Fires with** the connection, at once when it is there. **Fails** never.
        **Cancelling** stops waiting.
        """
        waiting: Deferred[Connection] = Deferred(self._forget_arrival)
        self._arrivals.append((number, waiting))
        self._tell_arrived()
        return waiting

    async def run(self, connection: Connection) -> None:
        """Follow the script on `connection`."""
        self._tell_arrived()
        if callable(self._script):
            return await self._script(connection)
        for step in self._script:
            if isinstance(step, bytes):
                connection.send(step)
            elif (waiting := step(connection)) is not None:
                await waiting
        return None

    def _tell_arrived(self) -> None:
        there = [(n, d) for n, d in self._arrivals if n < len(self.connections)]
        self._arrivals = [pair for pair in self._arrivals if pair not in there]
        for number, waiting in there:
            waiting.callback(self.connections[number])

    def _forget_arrival(self, waiting: Deferred[Connection]) -> None:
        self._arrivals = [(n, d) for n, d in self._arrivals if d is not waiting]


# --- steps ----------------------------------------------------------------------------------


def head(connection: Connection) -> Awaitable[bytes]:
    """Step: wait for the next request head."""
    return connection.head()


def fin(connection: Connection) -> None:
    """Step: close with FIN after what was sent."""
    connection.close()


async def rst(connection: Connection) -> None:
    """Step: reset, once what the steps before it sent is out."""
    await connection.flush()
    connection.reset()


def mute(connection: Connection) -> Awaitable[Any]:
    """Step: read and say nothing until the end. As a whole script, a mute TLS peer."""
    return connection.ended()


def stop_reading(connection: Connection) -> None:
    """Step: read no more."""
    connection.stop_reading()


def trickle(data: bytes) -> Callable[[Connection], Awaitable[None]]:
    """Step: send `data` byte by byte."""
    return lambda connection: connection.trickle(data)


def wait(seconds: float) -> Callable[[Connection], Awaitable[None]]:
    """Step: do nothing for `seconds`."""
    return lambda connection: connection.wait(seconds)
