"""A server whose files have versions: it knows ranges and conditions, and can be stopped midway."""

from __future__ import annotations

import re
from typing import Any

from twisted.internet.defer import Deferred

from downloader.testing import Connection, ScriptedServer

DATE = b"Sat, 21 Nov 2026 12:00:00 GMT"


class Versions(ScriptedServer):
    """`put` gives a path its bytes and validators; `heads` are the requests, in their order.

    A path in `gates` gets half of its body, and the rest when its Deferred there fires.
    """

    def __init__(self, reactor: Any) -> None:
        super().__init__(reactor, self._serve)
        self.heads: list[bytes] = []
        self.gates: dict[str, Deferred[None]] = {}
        self._files: dict[str, tuple[bytes, bytes | None, bytes | None]] = {}

    def put(
        self, path: str, data: bytes, etag: bytes | None = None, modified: bytes | None = None
    ) -> str:
        """Its URL."""
        self._files[path] = (data, etag, modified)
        return self.url(path)

    async def _serve(self, connection: Connection) -> None:
        while True:
            head = await connection.head()
            self.heads.append(head)
            await self._answer(connection, head)

    async def _answer(self, connection: Connection, head: bytes) -> None:
        path = head.split(b" ")[1].decode()
        data, etag, modified = self._files[path]
        fields = b"Date: " + DATE + b"\r\n"
        fields += b"ETag: %b\r\n" % etag if etag else b""
        fields += b"Last-Modified: %b\r\n" % modified if modified else b""
        if (etag and field(head, b"if-none-match") == etag) or (
            modified and field(head, b"if-modified-since") == modified
        ):
            connection.send(b"HTTP/1.1 304 Not Modified\r\n%b\r\n" % fields)
            return
        status, start = b"200 OK", 0
        wanted = re.fullmatch(rb"bytes=(\d+)-", field(head, b"range") or b"")
        if wanted and field(head, b"if-range") in (None, etag):
            status, start = b"206 Partial Content", int(wanted[1])
            fields += b"Content-Range: bytes %d-%d/%d\r\n" % (start, len(data) - 1, len(data))
        length = len(data) - start
        connection.send(b"HTTP/1.1 %b\r\nContent-Length: %d\r\n%b\r\n" % (status, length, fields))
        middle = start + length // 2
        gate = self.gates.pop(path, None)
        connection.send(data[start:middle])
        if gate is not None:
            await gate
        connection.send(data[middle:])


def field(head: bytes, name: bytes) -> bytes | None:
    """The value of a header in a request's head."""
    found = re.search(rb"(?im)^%b: *([^\r\n]*)" % name, head)
    return found and found[1]
