"""Which function answers what: a path and a method lead to one, or to a clear refusal."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from downloader.service.answers import JSON, Answer, Refusal

# RFC 9110 §9.3, RFC 5789 and httpbis's safe method with a body; another is no method of HTTP.
METHODS = frozenset(
    ("GET", "HEAD", "POST", "PUT", "DELETE", "CONNECT", "OPTIONS", "TRACE", "PATCH", "QUERY")
)
_PLACE = re.compile(r"\{([a-z]+)\}")


@dataclass(frozen=True, slots=True)
class Asked:
    """A request that was let in: what of it a verb needs.

    `named` are the parts of the path that the route names, `query` the first value of each
    parameter, `body` the whole of it. `request` is Twisted's, for what is answered bit by bit.
    """

    method: str
    path: str
    named: dict[str, str]
    query: dict[str, str]
    body: bytes
    content_type: str
    request: Any


Verb = Callable[[Asked], Awaitable[Answer | None]]


@dataclass(frozen=True, slots=True)
class Route:
    """A path, with `{name}` for a part of it, and what may be done there.

    `is_open` needs no token. `password` takes it as a Basic password too. `types` are the media
    types that a body may have, "" for one that does not say. A verb that answers None has answered,
    or will, by itself.
    """

    path: str
    verbs: Mapping[str, Verb]
    is_open: bool = False
    password: bool = False
    types: tuple[str, ...] = (JSON,)
    pattern: re.Pattern[str] = field(init=False)

    def __post_init__(self) -> None:
        parts = _PLACE.split(self.path)
        text = "".join(
            re.escape(part) if n % 2 == 0 else f"(?P<{part}>[^/]+)" for n, part in enumerate(parts)
        )
        object.__setattr__(self, "pattern", re.compile(text))

    @property
    def allowed(self) -> list[str]:
        """The methods that it has, as an Allow header names them."""
        more = ["HEAD"] if "GET" in self.verbs else []
        return sorted([*self.verbs, *more, "OPTIONS"])


class Routes:
    """All of them."""

    def __init__(self, routes: list[Route]) -> None:
        self.all = routes
        self._plain = {route.path: route for route in routes if "{" not in route.path}

    def __repr__(self) -> str:
        return f"<Routes {len(self.all)}>"

    def find(self, path: str) -> tuple[Route, dict[str, str]]:
        """The route of `path`, and what it names. Raises Refusal, 503 before there are any."""
        if not self.all:
            raise Refusal(503, "the service is starting, or stopping", Retry_After="1")
        if (plain := self._plain.get(path)) is not None:
            return plain, {}
        for route in self.all:
            if (match := route.pattern.fullmatch(path)) is not None:
                return route, match.groupdict()
        raise Refusal(404, "there is nothing here")


def verb_of(route: Route, method: str) -> Verb:
    """What `method` does there. Raises Refusal 405, or 501 for what is no method."""
    if method not in METHODS:
        raise Refusal(501, "not a method that this server knows")
    verb = route.verbs.get("GET" if method == "HEAD" else method)
    if verb is None:
        raise Refusal(405, "not here", Allow=", ".join(route.allowed))
    return verb
