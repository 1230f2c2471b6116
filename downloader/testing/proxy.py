"""Real proxies on loopback: HTTP with CONNECT, and SOCKS5. They remember what they were asked.

Whatever host they are asked for, they connect to the port on 127.0.0.1, so that a test may use any
name. For a proxy that misbehaves or hangs in some phase, script one with `ScriptedServer`.
"""

from __future__ import annotations

import socket
from base64 import b64decode
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.endpoints import TCP4ClientEndpoint
from twisted.internet.error import ConnectError
from twisted.internet.protocol import Factory, Protocol, connectionDone
from twisted.python.failure import Failure

from downloader.sansio.url import parse_url
from downloader.testing.loopback import HOST, End
from downloader.testing.scripted import Connection, ScriptedServer


@dataclass(frozen=True)
class Asked:
    """One request to a proxy: `what`, such as `CONNECT h.test:443`, and who says he asks.

    `login` is `user:password`, None without.
    """

    what: str
    login: str | None = None


class _Upstream(Protocol):
    """The connection to the server, for one client."""

    transport: Any

    def __init__(self, client: _Client) -> None:
        self._client = client
        self.lost: Deferred[None] = Deferred()

    def dataReceived(self, data: bytes) -> None:
        self._client.send(data)

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        if self._client.end is None:
            self._client.close()
        self.lost.callback(None)


class _Client(Connection):
    """A client of the proxy: once it is joined to a server, its bytes go there."""

    def __init__(self, server: ScriptedServer, number: int) -> None:
        super().__init__(server, number)
        self.upstream: _Upstream | None = None
        self._joined = False

    async def connect(self, port: int) -> _Upstream:
        """Connect to the server at `port`; an earlier one is left."""
        if self.upstream is not None:
            self.upstream.transport.abortConnection()
        endpoint = TCP4ClientEndpoint(self.server.reactor, HOST, port)
        connected: Any = await endpoint.connect(Factory.forProtocol(lambda: _Upstream(self)))
        self.upstream = connected
        # Each end feels when the other does not read.
        connected.transport.registerProducer(self.transport, True)
        self.transport.registerProducer(connected.transport, True)
        return self.upstream

    def join(self) -> None:
        """From now on all that comes is the server's."""
        self._joined = True

    def dataReceived(self, data: bytes) -> None:
        if self._joined and self.upstream is not None:
            self.upstream.transport.write(data)
        else:
            super().dataReceived(data)

    def clean_up(self, end: End) -> None:
        super().clean_up(end)
        if self.upstream is not None:
            self.upstream.transport.unregisterProducer()
            self.upstream.transport.abortConnection()


class _Proxy(ScriptedServer):
    """What both have in common. With `login`, `user:password`, nobody else is served.

    `asked` is every request, in its order.
    """

    def __init__(self, reactor: Any, login: str | None = None) -> None:
        self.asked: list[Asked] = []
        self._login = login
        super().__init__(reactor, self._serve)

    def make_peer(self, number: int) -> _Client:
        return _Client(self, number)

    async def _serve(self, connection: Connection) -> None:
        raise NotImplementedError


class HttpProxy(_Proxy):
    """Forwards `GET http://...` and the like, with a Content-Length or no body, and tunnels."""

    async def _serve(self, connection: Connection) -> None:
        assert isinstance(connection, _Client)
        while not connection._joined:
            head = await connection.head()
            line, *fields = head.removesuffix(b"\r\n\r\n").split(b"\r\n")
            method, target, _ = line.decode("ascii").split(" ")
            asked = Asked(f"{method} {target}", _login(fields))
            self.asked.append(asked)
            if self._login not in (None, asked.login):
                self._refuse(connection, b"407 Proxy Authentication Required")
            elif method == "CONNECT":
                await self._tunnel(connection, target)
            else:
                await self._forward(connection, method, target, fields)

    async def _tunnel(self, connection: _Client, target: str) -> None:
        try:
            await connection.connect(int(target.rpartition(":")[2]))
        except ConnectError:
            self._refuse(connection, b"502 Bad Gateway")
            return
        connection.send(b"HTTP/1.1 200 Connection established\r\n\r\n")
        connection.join()

    async def _forward(
        self, connection: _Client, method: str, target: str, fields: list[bytes]
    ) -> None:
        url = parse_url(target)
        if connection.upstream is None:
            try:
                await connection.connect(url.port)
            except ConnectError:
                self._refuse(connection, b"502 Bad Gateway")
                return
        assert connection.upstream is not None
        kept = [field for field in fields if not field.lower().startswith(b"proxy-")]
        head = [f"{method} {url.target} HTTP/1.1".encode("ascii"), *kept, b"", b""]
        connection.upstream.transport.write(b"\r\n".join(head))
        if length := _length(fields):
            connection.upstream.transport.write(await connection.take(length))

    def _refuse(self, connection: Connection, status: bytes) -> None:
        connection.send(b"HTTP/1.1 %b\r\nContent-Length: 0\r\n\r\n" % status)


class SocksProxy(_Proxy):
    """SOCKS5 (RFC 1928): CONNECT to names and addresses, with user and password (RFC 1929)."""

    async def _serve(self, connection: Connection) -> None:
        assert isinstance(connection, _Client)
        _, count = await connection.take(2)
        methods = await connection.take(count)
        login = await self._log_in(connection) if 2 in methods else None
        if login is None:
            connection.send(b"\x05\x00" if self._login is None else b"\x05\xff")
        elif self._login not in (None, login):
            connection.send(b"\x01\x01")
            connection.close()
        else:
            connection.send(b"\x01\x00")
        await self._connect(connection, login)

    async def _log_in(self, connection: _Client) -> str:
        connection.send(b"\x05\x02")
        _, length = await connection.take(2)
        user = await connection.take(length)
        password = await connection.take((await connection.take(1))[0])
        return f"{user.decode()}:{password.decode()}"

    async def _connect(self, connection: _Client, login: str | None) -> None:
        kind = (await connection.take(4))[3]
        host = await _HOSTS[kind](connection)
        port = int.from_bytes(await connection.take(2), "big")
        self.asked.append(Asked(f"CONNECT {host}:{port}", login))
        try:
            await connection.connect(port)
        except ConnectError:
            connection.send(b"\x05\x05\x00\x01" + bytes(6))
            return
        connection.send(b"\x05\x00\x00\x01" + bytes(6))
        connection.join()


async def _ipv4(connection: Connection) -> str:
    return socket.inet_ntop(socket.AF_INET, await connection.take(4))


async def _name(connection: Connection) -> str:
    return (await connection.take((await connection.take(1))[0])).decode("ascii")


async def _ipv6(connection: Connection) -> str:
    return f"[{socket.inet_ntop(socket.AF_INET6, await connection.take(16))}]"


_HOSTS: dict[int, Callable[[Connection], Awaitable[str]]] = {1: _ipv4, 3: _name, 4: _ipv6}


def _login(fields: list[bytes]) -> str | None:
    """`user:password` of a Proxy-Authorization header."""
    for field in fields:
        name, _, value = field.partition(b": ")
        if name.lower() == b"proxy-authorization":
            return b64decode(value.removeprefix(b"Basic ")).decode()
    return None


def _length(fields: list[bytes]) -> int:
    lengths = (field.partition(b": ") for field in fields)
    return sum(int(value) for name, _, value in lengths if name.lower() == b"content-length")
