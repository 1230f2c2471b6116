"""A server of short files, each of which comes at once, a while after it was asked for."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from downloader.testing import Connection, ScriptedServer


class Late(ScriptedServer):
    """Answers `seconds` after each request with the bytes that `files` has for its path.

    `asked(path)` is called for each request, before it is answered.
    """

    def __init__(self, reactor: Any, seconds: float) -> None:
        super().__init__(reactor, self._serve)
        self.files: dict[str, bytes] = {}
        self.asked: Callable[[str], object] = lambda path: None
        self._seconds = seconds

    async def _serve(self, connection: Connection) -> None:
        while True:
            path = (await connection.head()).split(b" ")[1].decode()
            self.asked(path)
            await connection.wait(self._seconds)
            data = self.files[path]
            connection.send(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(data) + data)
