"""The table of phases: where a request waits, told as what its server has done until then."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from twisted.internet.defer import Deferred

from downloader.testing import Connection, End, content, head, stop_reading

# More than all buffers between the two ends hold.
BODY = b"".join(content("/file", 16 * 1024 * 1024))
PIECE = BODY[:1500]
OK = b"HTTP/1.1 200 OK\r\n"
LENGTH = OK + b"Content-Length: %d\r\n\r\n" % len(BODY)
SMALL = OK + b"Content-Length: 5\r\n\r\nsmall"
EARLY_HINTS = b"HTTP/1.1 103 Early Hints\r\nLink: </style.css>\r\n\r\n"
FOUND = b"HTTP/1.1 302 Found\r\nLocation: /elsewhere\r\n"
NOT_FOUND = b"HTTP/1.1 404 Not Found\r\nContent-Length: 1000\r\n\r\nno such"


@dataclass(frozen=True)
class Phase:
    """Where a request waits: what the server does until then.

    `first`, `second` are the steps of the first and the second connection. `arrives` is how
    many bytes of BODY have come by then, None before the head of the answer. `warm` requests are
    answered before on the same connection. With `reads` off the server has stopped reading.
    With `pauses` the client's body has paused its transport.
    """

    first: tuple[Any, ...]
    second: tuple[Any, ...] = ()
    arrives: int | None = None
    warm: bool = False
    reads: bool = True
    pauses: bool = False

    @property
    def connections(self) -> list[tuple[Any, ...]]:
        """The steps of each connection until the phase is reached."""
        return [steps for steps in (self.first, self.second) if steps]


CHUNKS = b"5dc\r\n" + PIECE + b"\r\n5dc\r\n" + BODY[1500:2000]
PHASES = {
    "sent, not a byte back": Phase((head,)),
    "half a status line": Phase((head, b"HTTP/1.1 20")),
    "half the headers": Phase((head, OK + b"Content-Type: text/plain\r\nContent-Le")),
    "after a 1xx": Phase((head, EARLY_HINTS)),
    "half the headers after a 1xx": Phase((head, EARLY_HINTS + OK + b"Content-Le")),
    "reused connection, not a byte back": Phase((head, SMALL, head), warm=True),
    "reused connection, half the headers": Phase((head, SMALL, head, OK), warm=True),
    "reused connection, body": Phase((head, SMALL, head, LENGTH + PIECE), warm=True, arrives=1500),
    "body with a length": Phase((head, LENGTH + PIECE), arrives=1500),
    "body, chunked": Phase(
        (head, OK + b"Transfer-Encoding: chunked\r\n\r\n" + CHUNKS), arrives=2000
    ),
    "body, ended by close": Phase((head, OK + b"\r\n" + PIECE), arrives=1500),
    "body, not a byte of it": Phase((head, LENGTH), arrives=0),
    "body, flowing": Phase((head, LENGTH + BODY[:-1]), arrives=1),
    "body, paused by back-pressure": Phase((head, LENGTH + BODY), arrives=1, pauses=True),
    "body, server stopped reading": Phase(
        (head, LENGTH + PIECE, stop_reading), arrives=1500, reads=False
    ),
    "second hop, first with a small body": Phase(
        (head, FOUND + b"Content-Length: 5\r\n\r\nthere", head)
    ),
    "second hop, first with a large body": Phase(
        (head, FOUND + b"Content-Length: 99999999\r\n\r\nthere"), (head,)
    ),
    "second hop, first ended by close": Phase(
        (head, FOUND + b"Connection: close\r\n\r\nthere", Connection.close), (head,)
    ),
    "second hop, body": Phase(
        (head, FOUND + b"Content-Length: 0\r\n\r\n", head, LENGTH + PIECE), arrives=1500
    ),
    "an error's body being drained": Phase((head, NOT_FOUND)),
    "first hop, its body incomplete": Phase((head, FOUND + b"Content-Length: 9\r\n\r\nthere")),
}


class Served:
    """A server that leads clients into `phase`, and serves SMALL to all that come later."""

    def __init__(self, scripted: Any, phase: Phase, tls: Any = None) -> None:
        self.reached: Deferred[Connection] = Deferred()
        self._phase = phase
        self.server = scripted(self._script, tls=tls)

    def url(self, path: str = "/file") -> str:
        return str(self.server.url(path))

    async def _script(self, connection: Connection) -> None:
        scripts = self._phase.connections
        if connection.number >= len(scripts):
            await connection.head()
            connection.send(SMALL)
            return
        for step in scripts[connection.number]:
            if isinstance(step, bytes):
                connection.send(step)
            elif (waiting := step(connection)) is not None:
                await waiting
        if connection.number == len(scripts) - 1:
            self.reached.callback(connection)


# Those of the table in which each connection takes the same steps, with no large buffer.
ALIKE = [
    phase
    for name, phase in PHASES.items()
    if name.startswith(("sent", "half", "after", "body"))
    and phase.reads
    and name not in ("body, flowing", "body, paused by back-pressure")
]
# A host's first jobs: with so many of each server, all of them run at once.
EACH = 6
MANY = 200


class Crowd:
    """Servers that hold at least `MANY` downloads in all phases of `ALIKE`, plain and TLS.

    `arrived` are the lengths of the part files that there will be.
    """

    def __init__(self, scripted: Any, ca: Any) -> None:
        ways = [(phase, tls) for tls in (None, ca.server()) for phase in ALIKE]
        ways *= 1 + MANY // (EACH * len(ways))
        self.arrived = sorted(
            phase.arrives for phase, _ in ways if phase.arrives for _ in range(EACH)
        )
        self._servers = [scripted(phase.first, tls=tls) for phase, tls in ways]

    def urls(self) -> Iterator[str]:
        """`EACH` of every server."""
        return (server.url(f"/{n}") for server in self._servers for n in range(EACH))

    def reached(self) -> bool:
        """Whether every server has taken all its requests."""
        return all(
            sum(len(one.heads) for one in server.connections) == EACH for server in self._servers
        )

    @property
    def ends(self) -> list[End | None]:
        """How each connection ended."""
        return [one.end for server in self._servers for one in server.connections]
