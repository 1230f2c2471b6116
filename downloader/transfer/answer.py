"""What an answer's head says, of ours and of any other agent's."""

from __future__ import annotations

from twisted.web.iweb import UNKNOWN_LENGTH, IResponse

from downloader.sansio.resume import Answer
from downloader.transfer.heads import values_in


def length_of(response: IResponse) -> int | None:
    """Its body's length in bytes; None when it is not told."""
    return None if response.length is UNKNOWN_LENGTH else response.length


def validators_of(response: IResponse) -> tuple[str | None, str | None]:
    """Its ETag and Last-Modified. Ours can tell without a Headers object."""
    if hasattr(response, "validators"):
        etag, modified = response.validators()
    else:
        get = response.headers.getRawHeaders
        etag, modified = get(b"etag", [None])[-1], get(b"last-modified", [None])[-1]
    return etag and etag.decode("latin-1"), modified and modified.decode("latin-1")


def answer_of(response: IResponse) -> Answer:
    """Its head, as decisions want it."""
    return Answer(response.code, values_in(response), length_of(response))
