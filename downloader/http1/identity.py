"""What each request shows of who we are, hop by hop; below whoever follows redirects.

`RedirectAgent` drops secrets across origins. So a hop that still has an Authorization header may
have it, and cookies are chosen anew for each hop's URL.
"""

from __future__ import annotations

from base64 import b64decode
from collections.abc import Callable
from secrets import token_hex

from twisted.internet.defer import Deferred
from twisted.web.http_headers import Headers
from twisted.web.iweb import IAgent, IBodyProducer, IResponse
from zope.interface import implementer

from downloader.deadlines import Deadlines
from downloader.drain import drain
from downloader.errors import BadUrl
from downloader.replay import replayable
from downloader.sansio.cookies import Cookies
from downloader.sansio.digest import answer, find_challenge
from downloader.sansio.url import HttpUrl, parse_url


@implementer(IAgent)
class CookieAgent:
    """Adds the cookies that fit the URL. A Cookie header that is there takes their place.

    `now()` is the time in seconds since 1970. What servers set is not taken.
    """

    def __init__(self, agent: IAgent, cookies: Cookies, now: Callable[[], float]) -> None:
        self._agent = agent
        self._cookies = cookies
        self._now = now

    def request(
        self,
        method: bytes,
        uri: bytes,
        headers: Headers | None = None,
        bodyProducer: IBodyProducer | None = None,
    ) -> Deferred[IResponse]:
        """**Fires with**, **fails with** and **cancelling**: as the agent below."""
        if headers is None or not headers.hasHeader(b"cookie"):
            url = _parsed(uri)
            cookies = None if url is None else self._cookies.header(url, self._now())
            if cookies is not None:
                headers = Headers() if headers is None else headers.copy()
                headers.setRawHeaders(b"Cookie", [cookies])
        return self._agent.request(method, uri, headers, bodyProducer)


@implementer(IAgent)
class DigestAgent:
    """Keeps users and passwords to itself: it uses them to answer a Digest challenge.

    A request with a Basic Authorization header goes out without it. If the server answers 401
    with a challenge, the request is made once more, with the answer to that; not one with a body
    that cannot be sent twice.
    """

    def __init__(self, agent: IAgent, deadlines: Deadlines) -> None:
        self._agent = agent
        self._deadlines = deadlines

    def request(
        self,
        method: bytes,
        uri: bytes,
        headers: Headers | None = None,
        bodyProducer: IBodyProducer | None = None,
    ) -> Deferred[IResponse]:
        """**Fires with** the response: a 401 when there was no challenge, or its answer was not
        accepted. **Fails with** as the agent below. **Cancelling** it cancels what is under way.
        """
        secret = _user_and_password(headers)
        if headers is None or secret is None:
            return self._agent.request(method, uri, headers, bodyProducer)
        bare = headers.copy()
        bare.removeHeader(b"authorization")
        d: Deferred[IResponse] = self._agent.request(method, uri, bare, bodyProducer)

        def answered(response: IResponse) -> IResponse | Deferred[IResponse]:
            if response.code != 401 or not replayable(bodyProducer):
                return response
            return Deferred.fromCoroutine(
                self._again(response, method, uri, bare, secret, bodyProducer)
            )

        return d.addCallback(answered)

    async def _again(
        self,
        response: IResponse,
        method: bytes,
        uri: bytes,
        bare: Headers,
        secret: bytes,
        producer: IBodyProducer | None,
    ) -> IResponse:
        values = response.headers.getRawHeaders(b"www-authenticate", ())
        challenge, url = find_challenge(values), _parsed(uri)
        if challenge is None or url is None:
            return response
        user, _, password = secret.partition(b":")
        target, cnonce = url.target.encode("ascii"), token_hex(16).encode("ascii")
        await drain(response, self._deadlines)
        bare.setRawHeaders(
            b"Authorization", [answer(challenge, method, target, user, password, cnonce)]
        )
        return await self._agent.request(method, uri, bare, producer)


def _parsed(uri: bytes) -> HttpUrl | None:
    """None for what is no URL, which the agent below says in its own way."""
    try:
        return parse_url(uri.decode("ascii"))
    except (BadUrl, UnicodeDecodeError):
        return None


def _user_and_password(headers: Headers | None) -> bytes | None:
    """What a Basic Authorization header holds."""
    values = () if headers is None else headers.getRawHeaders(b"authorization", ())
    for value in values:
        scheme, _, encoded = value.partition(b" ")
        if scheme.lower() == b"basic":
            try:
                return b64decode(encoded)
            except ValueError:
                return b""  # it was to be kept from the server all the same
    return None
