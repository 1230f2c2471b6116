"""Servers that are sent files, for tests of uploads."""

from __future__ import annotations

from downloader import Retries
from downloader.testing import Connection

CREATED = b"HTTP/1.1 201 Created\r\nContent-Length: 0\r\n\r\n"
CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
LARGE = 2 * 1024 * 1024
# More than all buffers between the two ends hold.
HUGE = 32 * 1024 * 1024
FAST = Retries(tries=3, wait=0.0)


def refusal(code: int, more: bytes = b"") -> bytes:
    return b"HTTP/1.1 %d No\r\nContent-Length: 2\r\n%b\r\nno" % (code, more)


def length_of(head: bytes) -> int:
    return int(head.partition(b"Content-Length: ")[2].partition(b"\r\n")[0])


async def take(connection: Connection) -> tuple[bytes, bytes]:
    """Read one request, body and all."""
    head = await connection.head()
    if b"Expect: " in head:
        connection.send(CONTINUE)
    return head, await connection.take(length_of(head))
