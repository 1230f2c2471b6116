"""What stands in the head of an answer, whichever agent it is of."""

from __future__ import annotations

import time
from collections.abc import Callable

from twisted.web.iweb import UNKNOWN_LENGTH, IResponse

from downloader.sansio.quota import pause_asked
from downloader.sansio.resume import Answer
from downloader.sansio.url import parse_url
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


def length_of(response: IResponse) -> int | None:
    """How long its body is, in bytes; None where that is not told."""
    return None if response.length is UNKNOWN_LENGTH else response.length


def answer_of(response: IResponse) -> Answer:
    """Its head, as decisions are made by it."""
    return Answer(response.code, values_in(response), length_of(response))


def validators_of(response: IResponse) -> tuple[str | None, str | None]:
    """Its ETag and Last-Modified. Ours can tell without a Headers object."""
    if hasattr(response, "validators"):
        etag, modified = response.validators()
    else:
        get = response.headers.getRawHeaders
        etag, modified = get(b"etag", [None])[-1], get(b"last-modified", [None])[-1]
    return etag and etag.decode("latin-1"), modified and modified.decode("latin-1")


def obey(response: IResponse, limiter: Limiter) -> None:
    """Leave the host that has answered alone for as long as it asks."""
    seconds = pause_asked(response.code, values_in(response), time.time())
    if seconds:
        uri = response.request.absoluteURI.decode("ascii", "replace")
        limiter.hold(parse_url(uri).server, seconds)
