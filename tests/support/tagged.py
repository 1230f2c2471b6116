"""A scripted server on which a test answers requests by hand, each with what names its path."""

from __future__ import annotations

from typing import Any

from support.asking import path_of, until

ETAG = b'ETag: "1"\r\n'


def body_of(path: str, size: int) -> bytes:
    """What is at `path`."""
    return (f"<{path}>".encode() * (size // (len(path) + 2) + 1))[:size]


class Tagged:
    """The script of its server.

    `asked` are the paths that came on each connection, with the first byte that was wanted where
    it was not the file's first. `answer` sends what is at the oldest of them.
    """

    def __init__(self, size: int = 100, etag: bool = True) -> None:
        self.size = size
        self.asked: list[list[str]] = []
        self.connections: list[Any] = []
        self._answered: list[int] = []
        self._etag = ETAG if etag else b""

    async def __call__(self, connection: Any) -> None:
        """Note each request."""
        self.connections.append(connection)
        asked: list[str] = []
        self.asked.append(asked)
        self._answered.append(0)
        while True:
            head = await connection.head()
            start = _start(head)
            asked.append(path_of(head) + (f" from {start}" if start else ""))

    def answer(self, number: int = 0, count: int = 1, cut: int | None = None) -> None:
        """Answer so many on connection `number`; only `cut` bytes of the last one's body."""
        for left in reversed(range(count)):
            asked = self.asked[number][self._answered[number]]
            self._answered[number] += 1
            head, body = self._parts(asked)
            self.connections[number].send(head + (body if left else body[:cut]))

    async def answer_each(self, reactor: Any, number: int, count: int) -> None:
        """Answer so many on connection `number`, each as soon as it is asked for."""
        for _ in range(count):
            await until(reactor, lambda: self._due(number))
            self.answer(number)

    def _due(self, number: int) -> bool:
        return len(self.asked) > number and len(self.asked[number]) > self._answered[number]

    def rest(self, number: int, cut: int) -> None:
        """What was cut off of the last answer on connection `number`."""
        _, body = self._parts(self.asked[number][self._answered[number] - 1])
        self.connections[number].send(body[cut:])

    def _parts(self, asked: str) -> tuple[bytes, bytes]:
        path, _, start = asked.partition(" from ")
        return parts(path, self.size, int(start or 0), self._etag)


def answer_to(head: bytes, size: int, chunked: bool = False) -> bytes:
    """A good answer to a request for a file of that size, or for its end."""
    start = _start(head)
    if not chunked or start:
        return b"".join(parts(path_of(head), size, int(start or 0)))
    body = body_of(path_of(head), size)
    chunk = b"%x\r\n%b\r\n" % (len(body), body) if body else b""
    return b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + chunk + b"0\r\n\r\n"


def parts(path: str, size: int, start: int = 0, etag: bytes = ETAG) -> tuple[bytes, bytes]:
    """Head and body of the answer to a request for what begins at `start`."""
    body, status = body_of(path, size)[start:], b"200 OK\r\n"
    if start:
        status = b"206 P\r\nContent-Range: bytes %d-%d/%d\r\n" % (start, size - 1, size)
    length = b"Content-Length: %d\r\n\r\n" % len(body)
    return b"HTTP/1.1 " + status + etag + length, body


def _start(head: bytes) -> str:
    """The first byte that is asked for, where it is not the file's first."""
    return head.partition(b"\r\nRange: bytes=")[2].partition(b"-")[0].decode()
