"""The door of the service: each request is looked at before anybody acts on it.

The order is what makes it safe: the Host, on every path; the Origin; the route; the token; the
method; the type of the body. What is refused has had no effect, and its body was not looked at, nor
kept: the site asks when the head is here, before it takes a body.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.task import deferLater
from twisted.logger import Logger
from twisted.python.failure import Failure
from twisted.web.http import parse_qs
from twisted.web.resource import Resource
from twisted.web.server import NOT_DONE_YET

from downloader.sansio.guard import (
    basic_password,
    bearer,
    host_of,
    is_host_allowed,
    is_origin_allowed,
    is_token,
    media_type,
)
from downloader.service.answers import Answer, Refusal, problem, problem_of
from downloader.service.brake import Brake
from downloader.service.routes import Asked, Route, Routes, verb_of

_log = Logger()
_WITH_BODY = frozenset(("POST", "PUT", "PATCH", "DELETE"))
# On every answer.
HEADERS = (
    ("Cache-Control", "no-store"),
    ("X-Content-Type-Options", "nosniff"),
    ("X-Frame-Options", "DENY"),
    ("Referrer-Policy", "no-referrer"),
    ("Cross-Origin-Resource-Policy", "same-origin"),
    ("Cross-Origin-Opener-Policy", "same-origin"),
    (
        "Content-Security-Policy",
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; "
        "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    ),
)


class Door(Resource):
    """Lets requests in to `routes`, which show the `token`; nobody while there is none.

    `hosts` are further names of this machine, `origins` those of other pages that may ask. All of
    them may be replaced at any time.
    """

    isLeaf = True

    def __init__(self, reactor: Any) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.routes = Routes([])
        self.hosts: frozenset[str] = frozenset()
        self.origins: frozenset[str] = frozenset()
        self._reactor = reactor
        self.token = ""
        self._brake = Brake(reactor.seconds)

    def __repr__(self) -> str:
        return f"<Door {self.routes!r}>"

    def render(self, request: Any) -> int:
        """Answer `request`, at once or later."""
        answering = Deferred.fromCoroutine(self._answer(request))
        answering.addErrback(self._failed, request)
        gone = request.notifyFinish()
        gone.addErrback(lambda _: answering.cancel())
        return NOT_DONE_YET

    async def _answer(self, request: Any) -> None:
        answer = await self._answer_of(request)
        if answer is not None and answer.is_late:
            answer = await self._late(request, answer)
        write(request, answer)

    async def _answer_of(self, request: Any) -> Answer | None:
        try:
            self._check_host(request)
            self._check_origin(request)
            return await self._let_in(request)
        except CancelledError:
            raise
        except Exception as error:
            answer = problem_of(error)
            if answer.status == 500:
                _log.failure("answering {path}", path=_path(request)[:200])
            return answer

    async def _let_in(self, request: Any) -> Answer | None:
        method = request.method.decode("latin-1")
        route, named = self.routes.find(_path(request))
        if method == "OPTIONS":
            return self._options(request, route)
        if not self._may(request, route):
            needed = problem(401, "the token is needed", {"WWW-Authenticate": "Bearer"})
            return replace(needed, is_late=True)
        verb = verb_of(route, method)
        content_type = media_type(request.getHeader(b"content-type"))
        body = request.content.read()
        has_body = body or request.is_cut or method == "POST"
        if method in _WITH_BODY and content_type not in route.types and has_body:
            known = " or ".join(filter(None, route.types))
            raise Refusal(415, f"the body has to be {known}")
        if method in _WITH_BODY and request.is_cut:  # it would have been refused a moment ago
            raise Refusal(503, "that has just changed; ask again", Retry_After="1")
        query = {_text(name): _text(values[0]) for name, values in _query(request).items()}
        asked = Asked(method, route.path, named, query, body, content_type, request)
        return await verb(asked)

    # --- looking at the head ------------------------------------------------------------------

    def wants_body(self, request: Any) -> bool:
        """Whether the body of `request` will be looked at, as far as its head tells."""
        method = request.method.decode("latin-1")
        try:
            self._check_host(request)
            self._check_origin(request)
            route, _ = self.routes.find(_path(request))
            verb_of(route, method)
        except Refusal:
            return False
        fits = media_type(request.getHeader(b"content-type")) in route.types
        return method in _WITH_BODY and fits and self._may(request, route)

    def _check_host(self, request: Any) -> None:
        host = host_of(request.requestHeaders.getRawHeaders(b"host", []))
        if host is None:
            raise Refusal(400, "one Host header is needed, with a host")
        if not is_host_allowed(host, self.hosts):
            raise Refusal(421, "this host is not served here; --allow-host names further ones")
        if not request.uri.startswith(b"/"):
            raise Refusal(400, "the target has to be a path")

    def _check_origin(self, request: Any) -> None:
        for origin in request.requestHeaders.getRawHeaders(b"origin", []):
            host = request.getHeader(b"host")
            if not is_origin_allowed(origin, host, request.isSecure(), self.origins):
                raise Refusal(403, "this page may not ask; --allow-origin names those that may")
            if origin.decode("latin-1").lower() in self.origins:
                request.setHeader(b"access-control-allow-origin", origin)
                request.setHeader(b"vary", b"Origin")

    def _options(self, request: Any, route: Route) -> Answer:
        """What may be done here; a browser asks before another page's request (CORS)."""
        headers = {"Allow": ", ".join(route.allowed)}
        if request.getHeader(b"origin") and request.getHeader(b"access-control-request-method"):
            headers["Access-Control-Allow-Methods"] = headers["Allow"]
            headers["Access-Control-Allow-Headers"] = "Authorization, Content-Type, Last-Event-ID"
            headers["Access-Control-Max-Age"] = "600"
        return Answer(204, b"", "", headers)

    def _may(self, request: Any, route: Route) -> bool:
        """Whether it shows the token, where that is needed; its connection is known then."""
        if not route.is_open and self._has_token(request, route):
            request.channel.token_shown()
            return True
        return route.is_open

    def _has_token(self, request: Any, route: Route) -> bool:
        given = request.getHeader(b"authorization")
        shown = bearer(given)
        if shown is None and route.password:
            shown = basic_password(given)
        return self.is_token(shown)

    def is_token(self, given: str | None) -> bool:
        """Whether it is the token."""
        return bool(self.token) and is_token(given, self.token)

    async def delay(self, peer: str) -> bool:
        """Let who showed a wrong token wait; False when too many do already."""
        if not self._brake.enter(peer):
            return False
        try:
            await deferLater(self._reactor, self._brake.wrong(peer))
        finally:
            self._brake.leave(peer)
        return True

    async def _late(self, request: Any, answer: Answer) -> Answer:
        """Of those that wait, nothing of what they sent is kept."""
        request.content.close()
        if not await self.delay(peer_of(request)):
            return problem(429, "too many wrong tokens", {"Retry-After": "8"})
        return answer

    def _failed(self, failure: Failure, request: Any) -> None:
        if not failure.check(CancelledError):
            _log.failure("answering {path}", failure, path=_path(request)[:200])


def write(request: Any, answer: Answer | None) -> None:
    """Write `answer`, whole; None was written by somebody else."""
    if answer is None or request._disconnected:
        return
    head(request, answer)
    if answer.content_type or answer.body:
        request.setHeader(b"content-length", str(len(answer.body)).encode())
    if request.method != b"HEAD":
        request.write(answer.body)
    request.finish()


def head(request: Any, answer: Answer) -> None:
    """Set what stands before the body of `answer`."""
    request.setResponseCode(answer.status)
    request.responseHeaders.removeHeader(b"server")
    for name, value in (*HEADERS, *answer.headers.items()):
        request.setHeader(name.encode(), value.encode("ascii", "replace"))
    if answer.content_type:
        request.setHeader(b"content-type", answer.content_type.encode())


def peer_of(request: Any) -> str:
    """Who asks: an address without its port."""
    address = request.getClientAddress()
    return str(getattr(address, "host", address))


def _path(request: Any) -> str:
    return str(request.path.decode("latin-1"))


def _query(request: Any) -> dict[bytes, list[bytes]]:
    """The parameters of the target; those of a form in the body are none."""
    found: dict[bytes, list[bytes]] = parse_qs(request.uri.partition(b"?")[2], True)
    return found


def _text(raw: bytes) -> str:
    return raw.decode("utf-8", "replace")
