"""Whether to try again, where, and how long to wait first."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from datetime import UTC
from email.utils import parsedate_to_datetime

from downloader.errors import (
    BadResponse,
    DownloadError,
    HostUnavailable,
    HttpError,
    Interrupted,
    NotFound,
    ServerBusy,
    TryAgainLater,
)
from downloader.jobs import Retries

# RFC 9110 §15.5.9 and §15.6, RFC 8470 §5.2, RFC 6585 §4: these say "later", the others "no".
_LATER = frozenset((408, 425, 429))
# RFC 9110 §15.6.2 and §15.6.6: the server does not do this, now or later.
_NEVER = frozenset((501, 505))
_NOT_FOUND = frozenset((404, 410))


def may_pass(status: int) -> bool:
    """Whether a status code is worth another try."""
    return status in _LATER or (500 <= status <= 599 and status not in _NEVER)


def retry_after(value: str, now: float) -> float | None:
    """Seconds that a Retry-After header asks for (RFC 9110 §10.2.3), or None when it says nothing.

    `now` is the time of day in seconds since 1970. A moment that has passed is 0.
    """
    value = value.strip()
    if value.isascii() and value.isdigit():
        return float(value[:12])  # longer than any cap; float("9" * 400) would be infinite
    try:
        moment = parsedate_to_datetime(value)
        if moment.tzinfo is None:
            moment = moment.replace(tzinfo=UTC)
        return max(0.0, moment.timestamp() - now)
    except (ValueError, OverflowError):
        return None


def refusal(status: int, retry_afters: Iterable[str], now: float) -> DownloadError:
    """The error for an answer that is no file. `retry_afters` are its Retry-After headers."""
    said = f"HTTP status {status}"
    if may_pass(status):
        busy = ServerBusy(said, http_status=status)
        for value in retry_afters:
            busy.retry_after = retry_after(value, now)
        return busy
    if status in _NOT_FOUND:
        return NotFound(said, http_status=status)
    if 400 <= status <= 599:
        return HttpError(said, http_status=status)
    return BadResponse(f"{said} brings no file", http_status=status)


class Tries:
    """One job's tries: over its URLs in turn, in rounds, until none is worth asking.

    A URL that answered with something final leaves; what may pass is asked again in the next
    round. `backoff(n)` gives the seconds to wait, jitter included, after n waits before. URLs that
    an answer offered are asked once each: nobody but a server has vouched for them.
    """

    def __init__(
        self, urls: tuple[str, ...], retries: Retries, backoff: Callable[[int], float]
    ) -> None:
        self.made = 0
        self._round = 1
        self._here = list(urls)
        self._own = urls
        self._offered = False
        self._later: list[str] = []
        self._asked_to_wait = 0.0
        self._retries = retries
        self._backoff = backoff

    def __repr__(self) -> str:
        return f"<Tries {self.made} made, round {self._round}>"

    @property
    def url(self) -> str:
        """The URL to ask now."""
        return self._here[0]

    @property
    def urls(self) -> tuple[str, ...]:
        """That one, and those that this round has not asked yet."""
        return tuple(self._here)

    @property
    def has_other(self) -> bool:
        """Whether there is another URL to ask in this round."""
        return len(self._here) > 1

    @property
    def takes_offers(self) -> bool:
        """Whether `offer` takes any: once it has, nobody else is heard, or nobody would ever be the
        last."""
        return not self._offered

    def offer(self, urls: Sequence[str]) -> None:
        """Others have the file too, says whoever was asked: they come last."""
        if urls and not self._offered:
            self._offered = True
            self._here += [url for url in urls if url not in self._own]

    def pass_over(self) -> None:
        """Ask the next URL in place of this one, which is left for the next round."""
        self._later.append(self._here.pop(0))

    def failed(self, error: DownloadError) -> float | None:
        """The try failed. Returns the seconds to wait before the next, or None: give up.

        One that was interrupted is as if it had not been made. A host that is down was waited for
        as long as there would have been tries.
        """
        if isinstance(error, Interrupted):
            self.made -= 1
            return 0.0
        url = self._here.pop(0)
        may_pass = isinstance(error, TryAgainLater) and not isinstance(error, HostUnavailable)
        if may_pass and url in self._own:
            self._later.append(url)
            asked = error.retry_after if isinstance(error, ServerBusy) else None
            capped = min(asked or 0.0, self._retries.retry_after_cap)
            self._asked_to_wait = max(self._asked_to_wait, capped)
        if self._here:
            return 0.0
        return self._next_round()

    def _next_round(self) -> float | None:
        if not self._later or self._round >= self._retries.tries:
            return None
        wait = max(self._backoff(self._round - 1), self._asked_to_wait)
        self._here, self._later = self._later, []
        self._round += 1
        self._asked_to_wait = 0.0
        return wait
