"""What stands in the head of an answer, whichever agent it is of."""

from __future__ import annotations

import time
from collections.abc import Callable

from twisted.web.iweb import IResponse

from downloader.sansio.quota import pause_asked
from downloader.sansio.url import HttpUrl, parse_url
from downloader.transfer.limiter import Limiter


def has_any(response: IResponse, names: frozenset[bytes]) -> bool:
    """Whether there is a header of these names, in lower case. Ours tells without Headers."""
    ours = getattr(response, "has_any", None)
    if ours is not None:
        return bool(ours(names))
    return any(response.headers.hasHeader(name) for name in names)


def values_in(response: IResponse) -> Callable[[str], list[str]]:
    """A function that gives the values of the header of a name."""

    def get(name: str) -> list[str]:
        values = response.headers.getRawHeaders(name.encode("ascii"), ())
        return [value.decode("latin-1") for value in values]

    return get


def host_of(url: HttpUrl) -> str:
    """What jobs are counted by."""
    return f"{url.host}:{url.port}"


def obey(response: IResponse, limiter: Limiter) -> None:
    """Leave the host that has answered alone for as long as it asks."""
    seconds = pause_asked(response.code, values_in(response), time.time())
    if seconds:
        uri = response.request.absoluteURI.decode("ascii", "replace")
        limiter.hold(host_of(parse_url(uri)), seconds)
