"""A service as `ctl` meets it: its API over HTTP, and one sentence for each way that fails."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any
from urllib.parse import urlencode

from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.error import ConnectError

from downloader.cli.ctlsocket import socket_agent
from downloader.cli.ctltoken import Away
from downloader.cli.types import UNIX
from downloader.client import Downloader
from downloader.drain import abort_unread
from downloader.errors import DownloadError, NoSuchJob, ServiceError, TryAgainLater, first_sentence
from downloader.sansio.eventstream import Event, EventStream
from downloader.sansio.printable import printable

JSON = "application/json"
EVENTS = "text/event-stream"
# Seconds. The service sends something each second.
SILENCE = 10.0
# It is starting, or has too many who ask; or a proxy in front does not find it.
_AWAY = frozenset((429, 502, 503, 504))
_OTHER = "what answers there is no downloader service, or one of another version"


class Client:
    """Asks the service at `url`, and shows it what `token` gives for each request, or raises
    ServiceError; so does `check` for a user whose socket may not see it. Events that are followed
    by none for `silence` seconds have broken off."""

    def __init__(
        self,
        reactor: Any,
        url: str,
        token: Callable[[], str],
        check: Callable[[int], None],
        silence: float = SILENCE,
    ) -> None:
        self.reactor = reactor
        self._url = url
        self._base = "http://localhost" if url.startswith(UNIX) else url.rstrip("/")
        self._token = token
        self._silence = silence
        path = url.removeprefix(UNIX)
        agent = None if path == url else socket_agent(reactor, path, check)
        self._downloader = Downloader(reactor, agent=agent)

    def __repr__(self) -> str:
        return f"<Client of {self._url}>"

    async def ask(
        self, method: str, path: str, body: Any = None, has: tuple[str, ...] = (), **query: Any
    ) -> Any:
        """The JSON of the answer, which `has` these fields; None for an answer without any. Raises
        ServiceError."""
        data = None if body is None else json.dumps(body).encode("ascii")
        response = await self._request(method, _target(path, query), data)
        if response.code == 204:
            return None
        found = _json(await self._read(response.content()))
        if not isinstance(found, dict) or set(has) - set(found):
            raise ServiceError(f"{self._url}: {_OTHER}")
        return found

    async def read(self, stream: EventStream, tell: Callable[[Event], object]) -> None:
        """Call `tell` with each event as it comes through `stream`, until the service ends them.
        Raises ServiceError; Away too when nothing comes."""
        headers = {"Last-Event-ID": stream.last} if stream.last else {}
        target = ("GET", "/events")
        response = await self._request(*target, unbuffered=True, accept=EVENTS, headers=headers)
        wrong: list[Exception] = []

        def read(data: bytes) -> None:
            if silence.active():
                silence.reset(self._silence)
            try:
                for event in stream.feed(data):
                    tell(event)
            except Exception as error:  # the connection is aborted, which tells nobody why
                wrong.append(error)
                raise

        silence: Any = self.reactor.callLater(self._silence, lambda: reading.cancel())
        reading: Deferred[None] = response.collect(read)
        try:
            await self._read(reading)
        except (CancelledError, ServiceError) as error:
            if wrong:
                raise ServiceError(f"{self._url}: {_OTHER}") from wrong[0]
            if silence.called and isinstance(error, CancelledError):
                raise Away(f"{self._url}: nothing is heard of the service") from error
            raise
        finally:
            if silence.active():
                silence.cancel()

    async def close(self) -> None:
        """Close its connections."""
        await self._downloader.close()

    async def _request(
        self,
        method: str,
        target: str,
        data: bytes | None = None,
        unbuffered: bool = False,
        accept: str = JSON,
        headers: dict[str, str] | None = None,
    ) -> Any:
        headers = {**(headers or {}), "Authorization": f"Bearer {self._token()}", "Accept": accept}
        if data is not None:
            headers["Content-Type"] = JSON
        asked = self._downloader.http.request(
            *(method, self._base + target),
            headers=headers,
            data=data,
            allow_redirects=False,
            unbuffered=unbuffered,
        )
        response = await self._read(asked)
        if 200 <= response.code < 300 and _is(response, accept):
            return response
        kind = Away if response.code in _AWAY else ServiceError
        raise kind(await self._why(response))

    async def _why(self, response: Any) -> str:
        """What to say of one that is no success. Its body is read, or its connection closed."""
        is_problem = _is(response, "application/problem+json")
        if response.code == 401 or not is_problem:
            abort_unread(response)
        if response.code == 401:
            return f"{self._url}: the token is not the service's; see --token-file"
        if not is_problem:
            return f"{self._url}: {_OTHER}"
        title = str(_json(await self._read(response.content())).get("title", response.code))
        if response.code == 404 and not title.startswith(first_sentence(NoSuchJob)):
            return f"{self._url}: {_OTHER}"
        return printable(title)

    async def _read(self, asked: Any) -> Any:
        try:
            return await asked
        except ConnectError as error:
            raise Away(f"{self._url}: no service listens there") from error
        except (CancelledError, ServiceError):
            raise
        except DownloadError as error:
            kind = Away if isinstance(error, TryAgainLater) else ServiceError
            raise kind(f"{self._url}: {error}") from error
        except Exception as error:
            raise Away(f"{self._url}: the connection was lost") from error


def _target(path: str, query: dict[str, Any]) -> str:
    given = {name: value for name, value in query.items() if value not in (None, "")}
    return f"/api/v1{path}" + (f"?{urlencode(given)}" if given else "")


def _is(response: Any, kind: str) -> bool:
    """Whether its body is of this kind; one without a body is of each."""
    (told,) = response.headers.getRawHeaders("content-type", [""])[:1]
    found: bool = response.code == 204 or told.partition(";")[0].strip().lower() == kind
    return found


def _json(data: bytes) -> Any:
    try:
        return json.loads(data)
    except ValueError as error:
        raise ServiceError(_OTHER) from error
