"""Asking an agent for the whole of an answer, and servers that answer plainly."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from twisted.internet.task import deferLater
from twisted.web.client import readBody
from twisted.web.http_headers import Headers
from twisted.web.iweb import IAgent

OK = b"HTTP/1.1 200 OK\r\n"
HELLO = OK + b"Content-Length: 5\r\n\r\nhello"


async def get(agent: IAgent, url: str, method: bytes = b"GET", **headers: str) -> tuple[Any, bytes]:
    """The response and its body. A header's underscores are hyphens."""
    fields = Headers({name.replace("_", "-"): [value] for name, value in headers.items()})
    response = await agent.request(method, url.encode("ascii"), fields)
    return response, await readBody(response)


async def hello(connection: Any) -> None:
    """Script: answer every request with hello."""
    while True:
        await connection.head()
        connection.send(HELLO)


async def until(reactor: Any, condition: Callable[[], Any]) -> None:
    """Let the reactor turn until `condition()`; the test's time limit bounds it."""
    while not condition():
        await deferLater(reactor, 0.001)


def path_of(head: bytes) -> str:
    """The target of a request head."""
    return head.split(b" ")[1].decode("ascii")
