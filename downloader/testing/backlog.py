"""A listener that nobody accepts from, for the phase in which TCP is still connecting."""

from __future__ import annotations

import socket
from pathlib import Path
from types import TracebackType

from downloader.testing.loopback import HOST

# /proc/net/tcp and TCP_INFO both number the states as the kernel does.
_SYN_SENT = 2


class FullListener:
    """A listening socket whose backlog is full: further connects stay in SYN_SENT. Linux only.

    Sockets of its own fill the backlog until the first that does not get through, whatever the
    kernel makes of a backlog of 0. Needs no reactor; `close` it, or use it in a `with`.
    """

    def __init__(self) -> None:
        self._listener = socket.create_server((HOST, 0), backlog=0)
        self.port: int = self._listener.getsockname()[1]
        self._fill: list[socket.socket] = []
        while self.connecting() == 0:
            self._fill.append(self._connect())
        self._fill.pop().close()

    def __repr__(self) -> str:
        return f"<FullListener {self.port} connecting={self.connecting()}>"

    def url(self, path: str = "/", scheme: str = "http") -> str:
        """The URL of `path` here, which will never answer."""
        return f"{scheme}://{HOST}:{self.port}{path}"

    def connecting(self) -> int:
        """How many sockets of this machine are trying to connect to it now."""
        rows = (line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:])
        return sum(
            int(row[2].partition(":")[2], 16) == self.port and int(row[3], 16) == _SYN_SENT
            for row in rows
        )

    def close(self) -> None:
        """Close the listener and what fills it."""
        for one in (*self._fill, self._listener):
            one.close()

    def __enter__(self) -> FullListener:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def _connect(self) -> socket.socket:
        one = socket.socket()
        one.setblocking(False)
        one.connect_ex((HOST, self.port))
        return one
