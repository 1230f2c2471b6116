"""A server that never answers: `python -m benchmarks.mute REQUESTS`.

It prints its port, then "asked" when so many requests are there, then the moment, on the
monotonic clock, at which the last of their connections has ended.
"""

from __future__ import annotations

import asyncio
import resource
import sys
import time

HOST = "127.0.0.1"


class Mute(asyncio.Protocol):
    """Reads, and notes the end."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self._read = b""

    def data_received(self, data: bytes) -> None:
        """Count the request when its head is whole; nothing comes behind it."""
        self._read += data
        if self._read.endswith(b"\r\n\r\n"):
            self._server.asked()

    def connection_lost(self, exc: Exception | None) -> None:
        """Whatever the reason."""
        self._server.ended()


class Server:
    """How many requests came, and how many connections ended."""

    def __init__(self, requests: int) -> None:
        self._missing = self._open = requests

    def asked(self) -> None:
        """A request is here."""
        self._missing -= 1
        if not self._missing:
            print("asked", flush=True)

    def ended(self) -> None:
        """A connection has ended."""
        self._open -= 1
        if not self._open:
            print(time.monotonic(), flush=True)


async def serve(requests: int) -> None:
    """Accept until this process is ended."""
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    state, loop = Server(requests), asyncio.get_running_loop()
    server = await loop.create_server(lambda: Mute(state), HOST, 0, backlog=requests)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(serve(int(sys.argv[1])))
