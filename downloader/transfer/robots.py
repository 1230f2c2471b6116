"""The robots.txt of each site, asked for by the first job that is to ask the site for anything.

That job has the only slot of its host until the answer is there, so no other is before it; it is
then admitted to have more, as far apart as the site wants. That robots.txt cannot be had is as any
failure of the host: the job tries again, and a host that is down is treated as one.
"""

from __future__ import annotations

import time
from collections import OrderedDict
from typing import Any

from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.interfaces import IReactorTime
from twisted.internet.protocol import Protocol, connectionDone
from twisted.python.failure import Failure
from twisted.web.client import ResponseDone
from twisted.web.http import PotentialDataLoss
from twisted.web.http_headers import Headers
from twisted.web.iweb import IAgent, IResponse

from downloader.deadlines import Deadlines
from downloader.drain import abort_body, drain
from downloader.errors import (
    BadResponse,
    BadUrl,
    InsecureRedirect,
    ServerBusy,
    StallTimeout,
    TooManyRedirects,
)
from downloader.sansio.retry import may_pass, retry_after
from downloader.sansio.robots import MAX_BYTES, Rules
from downloader.sansio.url import HttpUrl
from downloader.transfer.door import translate
from downloader.transfer.heads import obey, values_in
from downloader.transfer.limiter import Limiter, Slot

# RFC 9309 §2.3.1.2: as many are to be followed.
REDIRECTS = 5
# RFC 9309 §2.4: what is known is not to be used for longer.
DAY = 24 * 3600.0
# While it is asked for anew, or cannot be had then, what was known holds on so long.
AGAIN = 60.0
# How many sites are remembered, and how much of what they said; in memory it is twenty times that.
SITES = 1024
CHARACTERS = 4 * 1024 * 1024

Origin = tuple[str, str, int]


class Robots:
    """What sites allow, by their origin.

    `agent` follows `REDIRECTS` redirects. `headers` go to every site. `seconds` is how long the
    text may take once it has begun.
    """

    def __init__(
        self,
        clock: IReactorTime,
        agent: IAgent,
        limiter: Limiter,
        deadlines: Deadlines,
        headers: Headers,
        seconds: float,
    ) -> None:
        self._clock = clock
        self._agent = agent
        self._limiter = limiter
        self._deadlines = deadlines
        self._headers = headers
        self._seconds = seconds
        self._known: OrderedDict[Origin, Rules] = OrderedDict()
        self._until: dict[Origin, float] = {}
        self._size = 0

    def __repr__(self) -> str:
        return f"<Robots of {len(self._known)} sites>"

    def check(self, url: HttpUrl) -> None:
        """Raise RobotsForbidden if it is known that `url` is not to be asked for."""
        rules = self._known.get(url.origin)
        if rules is not None and self._until[url.origin] > self._clock.seconds():
            self._known.move_to_end(url.origin)
            rules.check(url)

    async def permit(self, url: HttpUrl, slot: Slot) -> None:
        """Find out whether `url` may be asked for, with that slot, and how fast others may.

        Raises RobotsForbidden, and whatever keeps robots.txt from being had.
        """
        origin, now = url.origin, self._clock.seconds()
        rules = self._known.get(origin)
        if rules is None or self._until[origin] <= now:
            if rules is not None:
                self._until[origin] = now + AGAIN  # the others go on meanwhile
            rules = Rules(await self._text(url))
            self._remember(origin, rules)
        slot.admit(rules.delay)
        rules.check(url)

    def _remember(self, origin: Origin, rules: Rules) -> None:
        self._forget(origin)
        self._known[origin] = rules
        self._until[origin] = self._clock.seconds() + DAY
        self._size += rules.size
        while len(self._known) > SITES or self._size > CHARACTERS:
            self._forget(next(iter(self._known)))

    def _forget(self, origin: Origin) -> None:
        rules = self._known.pop(origin, None)
        if rules is not None:
            del self._until[origin]
            self._size -= rules.size

    async def _text(self, url: HttpUrl) -> str:
        """The site's robots.txt; nothing where it has none (RFC 9309 §2.3.1.3)."""
        uri = f"{url.scheme}://{url.netloc}/robots.txt".encode("ascii")
        try:
            request: Deferred[IResponse] = self._agent.request(b"GET", uri, self._headers)
            response = await request
            obey(response, self._limiter)
            if 200 <= response.code < 300:
                return await self._read(response)
            await drain(response, self._deadlines)
        except CancelledError:
            raise
        except Exception as error:
            ours = translate(error)
            if isinstance(ours, (BadUrl, InsecureRedirect, TooManyRedirects)):
                return ""  # it leads to nowhere, which is no site that does not answer
            raise ours from ours.__cause__
        if response.code >= 500 or may_pass(response.code):
            raise _busy(response)
        return ""

    async def _read(self, response: IResponse) -> str:
        if any(value.lower() != "identity" for value in values_in(response)("content-encoding")):
            await drain(response, self._deadlines)
            raise BadResponse("robots.txt has a coding that nobody asked for")
        text = _Text()
        response.deliverBody(text)
        deadline = self._deadlines.set(self._seconds, text.late)
        try:
            return (await text.done).decode("utf-8-sig", "replace")
        finally:
            deadline.cancel()


class _Text(Protocol):
    """Takes a body up to `MAX_BYTES`. `done` fires with it, or fails as the body did; cancelling it
    aborts the transport."""

    transport: Any

    def __init__(self) -> None:
        self.done: Deferred[bytes] = Deferred(lambda _: self._stop(Failure(CancelledError())))
        self._received = bytearray()

    def dataReceived(self, data: bytes) -> None:
        self._received += data
        if len(self._received) >= MAX_BYTES:
            self._stop(bytes(self._received[:MAX_BYTES]))

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        whole = reason.check(ResponseDone, PotentialDataLoss) is not None
        self._end(bytes(self._received) if whole else reason)

    def late(self) -> None:
        self._stop(Failure(StallTimeout("robots.txt")))

    def _stop(self, result: bytes | Failure) -> None:
        self._end(result)
        abort_body(self.transport)

    def _end(self, result: bytes | Failure) -> None:
        if not self.done.called:
            self.done.callback(result)  # a Failure makes it fail


def _busy(response: IResponse) -> ServerBusy:
    busy = ServerBusy(f"robots.txt: HTTP status {response.code}", http_status=response.code)
    for value in values_in(response)("retry-after"):
        busy.retry_after = retry_after(value, time.time())
    return busy
