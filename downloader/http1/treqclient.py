"""treq on our agent, with the promise kept to the end: cancelling a body's Deferred aborts it.

treq's own `content`, `text`, `json` and `collect` return Deferreds that cannot be cancelled: the
transfer would go on, and into memory (treq issue 83).
"""

from __future__ import annotations

from collections.abc import Callable
from http.cookiejar import CookieJar
from typing import Any, TypeVar

from treq.client import HTTPClient as TreqClient
from twisted.internet.defer import CancelledError, Deferred
from twisted.python.components import proxyForInterface
from twisted.web.iweb import IAgent, IResponse

from downloader.http1.response import Response

T = TypeVar("T")


class HTTPClient(TreqClient):
    """A treq client whose responses can be cancelled while they are read.

    `agent` follows redirects, and `direct`, which serves `allow_redirects=False`, does not. None
    is for an agent that does not follow them either: then treq does.
    """

    def __init__(self, agent: IAgent, direct: IAgent | None) -> None:
        cookies: Any = CookieJar()
        super().__init__(agent, cookies)
        self._direct = TreqClient(direct or agent, cookies)
        self._treq_follows = direct is None

    def request(
        self, method: str, url: Any, *, allow_redirects: bool = True, **kwargs: Any
    ) -> Deferred[Any]:
        """As `treq.request`.

        **Fires with** a treq response. **Fails with** what `agent.request` fails with.
        **Cancelling** it aborts its transport.
        """
        ask = super().request if allow_redirects else self._direct.request
        follow = allow_redirects and self._treq_follows
        d: Deferred[Any] = ask(method, url, allow_redirects=follow, **kwargs)
        return d.addCallback(CancellableResponse)


class CancellableResponse(proxyForInterface(IResponse)):  # type: ignore[misc]
    """A treq response, `original`, whose body can be cancelled.

    The four readers **fire with** what treq's do and **fail with** what the body ended with.
    **Cancelling** aborts the transport.
    """

    original: Any

    def __getattr__(self, name: str) -> Any:
        return getattr(self.original, name)

    def collect(self, collector: Callable[[bytes], None]) -> Deferred[None]:
        """As `treq.collect`."""
        return self._cancellable(self.original.collect(collector))

    def content(self) -> Deferred[bytes]:
        """As `treq.content`."""
        return self._cancellable(self.original.content())

    def json(self, **kwargs: Any) -> Deferred[Any]:
        """As `treq.json_content`."""
        return self._cancellable(self.original.json(**kwargs))

    def text(self, encoding: str = "ISO-8859-1") -> Deferred[str]:
        """As `treq.text_content`."""
        return self._cancellable(self.original.text(encoding))

    def _cancellable(self, reading: Deferred[T]) -> Deferred[T]:
        outer: Deferred[T] = Deferred(self._abort)

        def pass_on(result: Any) -> None:
            if not outer.called:
                outer.callback(result)

        reading.addBoth(pass_on)
        return outer

    def _abort(self, outer: Deferred[T]) -> None:
        outer.errback(CancelledError())
        response: Any = self.original
        while response is not None and not isinstance(response, Response):
            response = getattr(response, "original", None)  # treq's buffer and decoder around it
        if response is not None:  # of another agent's response the transport is out of reach
            response.abort()
