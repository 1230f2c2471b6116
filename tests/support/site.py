"""A site with a robots.txt."""

from __future__ import annotations

from typing import Any

from downloader.testing import Connection
from support.asking import HELLO, OK, path_of


def text(body: bytes, more: bytes = b"") -> bytes:
    return OK + more + b"Content-Length: %d\r\n\r\n" % len(body) + body


def status(line: str, *fields: str) -> bytes:
    return "\r\n".join([f"HTTP/1.1 {line}", *fields, "Content-Length: 0", "", ""]).encode()


class Site:
    """Answers what is asked for robots.txt with `answers` one after the other, the last for ever;
    all else with hello. `asked` are the paths."""

    def __init__(self, scripted: Any, *answers: bytes) -> None:
        self.asked: list[str] = []
        self._answers = list(answers)
        self.server = scripted(self._script)

    def url(self, path: str) -> str:
        return str(self.server.url(path))

    @property
    def times(self) -> int:
        """How often robots.txt was asked for."""
        return self.asked.count("/robots.txt")

    async def _script(self, connection: Connection) -> None:
        while True:
            path = path_of(await connection.head())
            self.asked.append(path)
            if path != "/robots.txt":
                connection.send(HELLO)
            else:
                connection.send(self._answers[0])
                self._answers = self._answers[1:] or self._answers
