"""The events of a service, followed over its outages as its page does it."""

from __future__ import annotations

from collections.abc import Callable

from twisted.internet.task import deferLater

from downloader.cli.ctlclient import Client
from downloader.cli.ctltoken import Away
from downloader.sansio.eventstream import Event, EventStream

# Seconds before the next try, unless the service says how many; twice as many each time, up to the
# longest. Whatever is said, it is no fewer than the shortest.
FIRST = 1.0
SHORTEST = 0.1
LONGEST = 15.0


class Follow:
    """Calls `tell` with each event of what `client` asks, and `lost(why)` once for each outage."""

    def __init__(
        self, client: Client, tell: Callable[[Event], object], lost: Callable[[str], object]
    ) -> None:
        self._client = client
        self._tell = tell
        self._lost = lost
        self._stream = EventStream()
        self._wait = FIRST
        self._began = self._linked = False

    def __repr__(self) -> str:
        state = "linked" if self._linked else f"lost, {self._wait:g} s"
        return f"<Follow {self._client!r} {state}>"

    async def run(self) -> None:
        """Go on until that is cancelled. Raises ServiceError for what is no outage, and for a
        service that is not there at first."""
        while True:
            try:
                await self._client.read(self._stream, self._heard)
                self._broken("the service ended the connection")
            except Away as error:
                if not self._began:
                    raise
                self._broken(str(error))
            await deferLater(self._client.reactor, self._wait)
            self._wait = min(LONGEST, 2 * self._wait)

    def _heard(self, event: Event) -> None:
        self._began = self._linked = True
        told = FIRST if self._stream.retry is None else self._stream.retry
        self._wait = min(LONGEST, max(SHORTEST, told))
        self._tell(event)

    def _broken(self, why: str) -> None:
        self._stream = EventStream(self._stream.last)
        if self._linked:
            self._lost(why)
        self._linked = False
