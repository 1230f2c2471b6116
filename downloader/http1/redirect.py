"""Following redirects without losing a connection, a secret or the way back.

Twisted's own follows at once and leaves the redirect's own answer paused for ever, goes from
https to http, and drops only what it knows to be secret. Here the hop's body is read to its end
when it is short, so that its connection can be used again, or else aborted; and across origins
only headers that are known to be no secret are kept.
"""

from __future__ import annotations

from typing import Any

from twisted.internet.defer import Deferred
from twisted.web.http_headers import Headers
from twisted.web.iweb import IAgent, IBodyProducer, IResponse
from zope.interface import implementer

from downloader.deadlines import Deadlines
from downloader.drain import drain
from downloader.errors import InsecureRedirect, TooManyRedirects
from downloader.replay import replayable
from downloader.sansio.secrecy import is_public
from downloader.sansio.url import HttpUrl, join, parse_url, redacted

# As many as browsers follow (the Fetch standard's number).
MAX_REDIRECTS = 20
BODY_HEADERS = (b"content-encoding", b"content-language", b"content-location", b"content-type")
_KEEP_METHOD = frozenset((307, 308))
_REDIRECTS = frozenset((301, 302, 303)) | _KEEP_METHOD


@implementer(IAgent)
class RedirectAgent:
    """Follows 301, 302, 303, 307 and 308 over `agent`, to http and https only.

    Hops of one request come one after the other, each a request of its own: its own connection,
    deadlines and checks. The last response's `previousResponse` leads back to the first, and its
    `request` names the URL it came from. A body goes along where 307 or 308 says so and it is an
    `IReplayable`; else a redirect that wants it once more is the answer. It follows up to `most`.
    """

    def __init__(self, agent: IAgent, deadlines: Deadlines, most: int = MAX_REDIRECTS) -> None:
        self._agent = agent
        self._deadlines = deadlines
        self._most = most

    def request(
        self,
        method: bytes,
        uri: bytes,
        headers: Headers | None = None,
        bodyProducer: IBodyProducer | None = None,
    ) -> Deferred[IResponse]:
        """Ask for `uri`, and for what it redirects to.

        **Fires with** the IResponse of the last hop. **Fails with** TooManyRedirects,
        InsecureRedirect, BadUrl for a Location that cannot be fetched, or as the agent below.
        **Cancelling** it cancels the hop under way.
        """
        d: Deferred[IResponse] = self._agent.request(method, uri, headers, bodyProducer)
        return d.addCallback(self._answered, method, uri, headers, bodyProducer)

    def _answered(self, response: IResponse, *asked: Any) -> IResponse | Deferred[IResponse]:
        if response.code not in _REDIRECTS:
            return response
        return Deferred.fromCoroutine(self._follow(response, *asked))

    async def _follow(
        self,
        response: IResponse,
        method: bytes,
        uri: bytes,
        headers: Headers | None,
        producer: IBodyProducer | None,
    ) -> IResponse:
        url = parse_url(uri.decode("ascii"))
        for _ in range(self._most):
            keeps_method = _keeps_method(response.code, method)
            location = response.headers.getRawHeaders(b"location")
            if not location or (keeps_method and not _may_resend(response.code, producer)):
                return response
            await drain(response, self._deadlines)
            target = _target(url, location[0])
            if target.origin != url.origin:
                headers = _public(headers)
            if not keeps_method:
                method, producer, headers = b"GET", None, _without_body(headers)
            url, previous = target, response
            asked = (method, str(url).encode("ascii"), headers, producer)
            response = await self._agent.request(*asked)
            response.setPreviousResponse(previous)
            if response.code not in _REDIRECTS:
                return response
        await drain(response, self._deadlines)
        raise TooManyRedirects(f"over {self._most}", url=redacted(str(url)))


def _target(url: HttpUrl, location: bytes) -> HttpUrl:
    """Where a Location leads. Its user and password are not used: they are the server's words."""
    target = join(url, location.decode("utf-8", "replace"))
    if url.scheme == "https" and target.scheme == "http":
        raise InsecureRedirect(redacted(str(target)), url=redacted(str(url)))
    return target


def _keeps_method(code: int, method: bytes) -> bool:
    """As the Fetch standard has it: a POST may become a GET, a DELETE does not."""
    if code in _KEEP_METHOD:
        return True
    return method in (b"GET", b"HEAD") if code == 303 else method != b"POST"


def _may_resend(code: int, producer: IBodyProducer | None) -> bool:
    return producer is None or (code in _KEEP_METHOD and replayable(producer))


def _without_body(headers: Headers | None) -> Headers | None:
    """`headers` without those that spoke of the request's body."""
    if headers is None:
        return None
    kept = headers.copy()
    for name in BODY_HEADERS:
        kept.removeHeader(name)
    return kept


def _public(headers: Headers | None) -> Headers:
    kept = Headers()
    for name, values in headers.getAllRawHeaders() if headers else ():
        if is_public(name.decode("latin-1")) or name.lower() in BODY_HEADERS:
            kept.setRawHeaders(name, list(values))
    return kept
