"""HTTP as bytes: what is asked is written as it is given, and what comes is taken apart."""

from __future__ import annotations

import json
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.endpoints import TCP4ClientEndpoint
from twisted.internet.protocol import Factory, Protocol, connectionDone
from twisted.python.failure import Failure


class Raw(Protocol):
    """A connection to a server: what came, and `ended`, which fires when the server closes it."""

    transport: Any

    def __init__(self) -> None:
        self.came = b""
        self.ended: Deferred[None] = Deferred()

    def dataReceived(self, data: bytes) -> None:
        self.came += data

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        self.ended.callback(None)


async def connect(reactor: Any, port: int, peer: str = "127.0.0.1") -> Raw:
    """Connect to `port` of loopback, from the address `peer`."""
    endpoint = TCP4ClientEndpoint(reactor, "127.0.0.1", port, bindAddress=(peer, 0))
    raw: Any = await endpoint.connect(Factory.forProtocol(Raw))
    return raw


async def say(reactor: Any, port: int, data: bytes, peer: str = "127.0.0.1") -> Reply:
    """Send `data`, which has to ask for the connection's end. Returns the first answer."""
    raw = await connect(reactor, port, peer)
    raw.transport.write(data)
    await raw.ended
    return replies(raw.came)[0]


class Reply:
    """One answer."""

    def __init__(self, head: bytes, body: bytes) -> None:
        status, *lines = head.decode("latin-1").split("\r\n")
        self.status = int(status.split()[1])
        pairs = [line.partition(": ") for line in lines]
        self.headers = {name.lower(): value for name, _, value in pairs}
        self.body = body

    @property
    def json(self) -> Any:
        return json.loads(self.body)


def replies(came: bytes, bodiless: bool = False) -> list[Reply]:
    """The answers in `came`, each of which has a Content-Length, or is `bodiless`."""
    found = []
    while came:
        head, _, came = came.partition(b"\r\n\r\n")
        reply = Reply(head, b"")
        size = 0 if bodiless else int(reply.headers.get("content-length", 0))
        reply.body, came = came[:size], came[size:]
        found.append(reply)
    return found


def request(
    method: str, target: str, token: str | None, body: bytes | None = None, **headers: str | None
) -> bytes:
    """A request that ends the connection. A header's underscores are hyphens; None leaves out."""
    fields: dict[str, str | None] = {"Host": "127.0.0.1", "Connection": "close"}
    if token is not None:
        fields["Authorization"] = f"Bearer {token}"
    if body is not None:
        fields |= {"Content-Type": "application/json", "Content-Length": str(len(body))}
    fields |= {name.replace("_", "-"): value for name, value in headers.items()}
    lines = [f"{name}: {value}" for name, value in fields.items() if value is not None]
    head = "\r\n".join([f"{method} {target} HTTP/1.1", *lines])
    return head.encode("latin-1") + b"\r\n\r\n" + (body or b"")
