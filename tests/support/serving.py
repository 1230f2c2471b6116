"""Who asks a service over HTTP."""

from __future__ import annotations

import json
from io import BytesIO
from typing import Any

from twisted.internet.task import Cooperator
from twisted.web.client import FileBodyProducer, readBody
from twisted.web.http_headers import Headers

from downloader.http1.agent import Agent


class Answered:
    """What a request was answered with."""

    def __init__(self, status: int, headers: Any, body: bytes) -> None:
        self.status = status
        self.headers = headers
        self.body = body

    def header(self, name: str) -> str | None:
        values = self.headers.getRawHeaders(name)
        return None if values is None else str(values[0])

    @property
    def json(self) -> Any:
        return json.loads(self.body)


class Client:
    """Asks the service at `port` of loopback; with its token and JSON, unless told otherwise."""

    def __init__(self, reactor: Any, port: int, token: str) -> None:
        self.port = port
        self.token = token
        self._reactor = reactor
        self._agent = Agent(reactor)

    async def ask(
        self, method: str, path: str, body: Any = None, headers: dict[str, str] | None = None
    ) -> Answered:
        """A body that is no bytes is sent as JSON; a header that is "" is left out."""
        sent = {"Authorization": f"Bearer {self.token}", "Content-Type": "application/json"}
        sent.update(headers or {})
        fields = Headers({name: [value] for name, value in sent.items() if value})
        producer = None
        if body is not None:
            raw = body if isinstance(body, bytes) else json.dumps(body).encode()
            cooperator = Cooperator(scheduler=lambda call: self._reactor.callLater(0, call))
            producer = FileBodyProducer(BytesIO(raw), cooperator=cooperator)
        url = f"http://127.0.0.1:{self.port}{path}".encode()
        response = await self._agent.request(method.encode(), url, fields, producer)
        return Answered(response.code, response.headers, await readBody(response))

    async def close(self) -> None:
        await self._agent.close()
