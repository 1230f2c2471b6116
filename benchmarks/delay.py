"""A network far away: `python -m benchmarks.delay PORT SECONDS` is a proxy to PORT on loopback.

It passes on every byte SECONDS after it came, in both directions, so a round trip is twice that.
It limits nothing and reorders nothing. A connection itself is accepted at once.
"""

from __future__ import annotations

import asyncio
import sys
from collections import deque

HOST = "127.0.0.1"


async def one_way(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, seconds: float
) -> None:
    """Pass on what comes, late, and the end of it too."""
    loop, late = asyncio.get_running_loop(), deque[bytes]()

    def pass_on() -> None:
        # Each timer passes on the oldest bytes: timers of the same moment have no order.
        data = late.popleft()
        if data:
            writer.write(data)
        else:
            writer.close()

    data = b"."
    while data:
        try:
            data = await reader.read(256 * 1024)
        except OSError:
            data = b""
        late.append(data)
        loop.call_later(seconds, pass_on)


async def serve(port: int, seconds: float) -> None:
    """Accept until this process is ended."""

    async def accepted(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        far_reader, far_writer = await asyncio.open_connection(HOST, port)
        there = one_way(reader, far_writer, seconds)
        await asyncio.gather(there, one_way(far_reader, writer, seconds))

    server = await asyncio.start_server(accepted, HOST, 0, backlog=512)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(serve(int(sys.argv[1]), float(sys.argv[2])))
