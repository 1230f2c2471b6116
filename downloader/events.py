"""What comes of jobs, told to another program's log: one POST for each, in the form in which
`logging.handlers.HTTPHandler` sends a LogRecord, so whoever reads that reads this.

It waits for nobody: who is told comes back when there is time, and what does not fit is dropped.
"""

from __future__ import annotations

import logging
from collections import deque
from contextlib import suppress
from typing import Any, Protocol
from urllib.parse import unquote_to_bytes, urlencode

from twisted.application.internet import backoffPolicy
from twisted.internet.defer import CancelledError, Deferred, TimeoutError, succeed
from twisted.internet.task import deferLater
from twisted.logger import Logger

from downloader.errors import DownloadError, TryAgainLater
from downloader.jobs import Result, Status
from downloader.sansio.credentials import basic
from downloader.sansio.printable import printable
from downloader.sansio.url import parse_url, redacted

# Events that wait, of some 1,000 bytes each; of more, the oldest are dropped.
MOST = 1000
# Seconds that a post may take, and that all may take that are left at the end.
POST_WITHIN = 10.0
CLOSE_WITHIN = 3.0
# Characters that a URL, a path or a message is told with.
_LONGEST = 2000
_wait_after = backoffPolicy(1.0, 60.0)
_log = Logger()


class Asking(Protocol):
    """What it asks with: a `Downloader` of its own, so that no job waits for it."""

    @property
    def http(self) -> Any:
        """A treq client, with which cancelling aborts the transport."""

    @staticmethod
    def explain(error: BaseException) -> DownloadError:
        """Our error for one of its."""

    def close(self) -> Deferred[None]:
        """Close every connection."""


class EventLog:
    """Posts to `url`, with the user and password in it, if there are any, over `asking`, which it
    closes. At most `most` events wait. Raises BadUrl.

    While nobody is there, the first one is posted again and again, at growing intervals of up to a
    minute; an event that is refused (4xx) is dropped. How many were dropped is posted too.
    """

    def __init__(self, reactor: Any, asking: Asking, url: str, most: int = MOST) -> None:
        parsed = parse_url(url)
        self._url = str(parsed)
        self._shown = redacted(self._url)
        self._headers = {"Content-Type": ["application/x-www-form-urlencoded"]}
        if parsed.userinfo is not None:
            user, _, password = parsed.userinfo.partition(":")
            both = unquote_to_bytes(user) + b":" + unquote_to_bytes(password)
            self._headers["Authorization"] = [basic(both)]
        self._clock = reactor
        self._asking = asking
        self._most = most
        self._waiting: deque[bytes] = deque()
        self._current: bytes | None = None  # is being posted
        self._told = 0  # how many were dropped, as far as that is being posted
        self._is_taken = True
        self._dropped = 0
        self._delivering: Deferred[None] = succeed(None)
        self._pausing: Deferred[None] | None = None
        self._closing = False

    def __repr__(self) -> str:
        return f"<EventLog {self._shown} {len(self._waiting)} waiting>"

    def result(self, result: Result) -> None:
        """A job has ended."""
        error = None if result.error is None else str(result.error)
        self.ended(result.status, result.job.url, result.path, result.bytes, error)

    def ended(
        self, status: Status, url: str, path: str | None, size: int, error: str | None
    ) -> None:
        """A job has ended so; a file of `size` bytes is at `path`, or `error` says why not."""
        text = f"{status}: {redacted(url)[:_LONGEST]}"
        if status is Status.COMPLETE:
            text += f" -> {(path or '')[:_LONGEST]} ({size} bytes)"
        elif error is not None:
            text += f": {error[:_LONGEST]}"
        level = logging.ERROR if status is Status.ERROR else logging.INFO
        self._add(_form("downloader.job", level, printable(text)))

    def close(self) -> Deferred[None]:
        """Post what is left, for some seconds at most.

        **Fires with** None when its connections are closed. **Fails** never. **Cancelling** stops
        the waiting only.
        """
        return Deferred.fromCoroutine(self._close())

    def _add(self, form: bytes) -> None:
        if self._closing:
            return
        self._waiting.append(form)
        while len(self._waiting) > self._most:
            self._waiting.popleft()
            self._dropped += 1
        if self._delivering.called:
            self._delivering = Deferred.fromCoroutine(self._deliver())

    async def _close(self) -> None:
        self._closing = True
        if self._pausing is not None:
            self._pausing.cancel()
        with suppress(CancelledError, TimeoutError):
            await self._delivering.addTimeout(CLOSE_WITHIN, self._clock)
        unsent = self._current is not None and not self._told
        left = len(self._waiting) + unsent + self._dropped
        if left:
            _log.warn("{count} events did not get to {url}", count=left, url=self._shown)
        await self._asking.close()

    async def _deliver(self) -> None:
        """One after the other, until none waits."""
        failures = 0
        while (form := self._next()) is not None:
            error = await self._post(form)
            if error is not None and not failures:
                _log.warn("{url} takes no events: {error}", url=self._shown, error=error)
            failures = 0 if error is None else failures + 1
            if not isinstance(error, TryAgainLater):
                self._settled(error is None)
            elif self._closing:
                return
            else:
                await self._pause(_wait_after(failures))

    def _next(self) -> bytes | None:
        """What is posted next. How many were dropped is told where the one before was taken."""
        if self._current is None and self._dropped and self._is_taken:
            self._told = self._dropped
            text = f"{self._told} events were dropped here"
            self._current = _form("downloader.events", logging.WARNING, text)
        elif self._current is None and self._waiting:
            self._current = self._waiting.popleft()
        return self._current

    def _settled(self, is_taken: bool) -> None:
        """The one that was posted needs no other try."""
        self._is_taken = is_taken
        if is_taken:
            self._dropped -= self._told
        elif not self._told:
            self._dropped += 1
        self._current, self._told = None, 0

    async def _post(self, form: bytes) -> DownloadError | None:
        """Why it was not taken; None when it was. Whatever keeps us away may pass."""
        posting = Deferred.fromCoroutine(self._posted(form))
        try:
            status = await posting.addTimeout(POST_WITHIN, self._clock)
        except CancelledError:
            raise
        except TimeoutError:
            return TryAgainLater(f"no answer within {POST_WITHIN:g} s")
        except Exception as error:
            return TryAgainLater(str(self._asking.explain(error)))
        if status < 300:
            return None
        refused = status < 500 and status not in (408, 425, 429)
        return (DownloadError if refused else TryAgainLater)(f"it answered {status}")

    async def _posted(self, form: bytes) -> int:
        response = await self._asking.http.request(
            "POST", self._url, data=form, headers=self._headers, allow_redirects=False
        )
        await response.collect(lambda data: None)
        return int(response.code)

    async def _pause(self, seconds: float) -> None:
        self._pausing = deferLater(self._clock, seconds)
        try:
            await self._pausing
        except CancelledError:
            if not self._closing:
                raise
        finally:
            self._pausing = None


def _form(name: str, level: int, text: str) -> bytes:
    """What HTTPHandler sends: every field of a LogRecord, as this Python has them."""
    record = logging.LogRecord(name, level, "", 0, text, (), None)
    return urlencode(record.__dict__).encode("ascii")
