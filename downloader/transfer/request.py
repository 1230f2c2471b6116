"""What a job's requests carry."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Iterable
from urllib.parse import unquote_to_bytes

from twisted.web.http_headers import Headers, InvalidHeaderName

from downloader.errors import WrongRequest
from downloader.jobs import Job
from downloader.sansio.printable import printable
from downloader.sansio.url import HttpUrl


def with_headers(base: Headers, pairs: Iterable[tuple[str, str]]) -> Headers:
    """A copy of `base` in which `pairs` take the place of what has the same name.

    Case does not tell names apart, and pairs of one name are all sent, in their order. Raises
    WrongRequest for what is no header; its text leaves the value out, which may be a secret.
    """
    headers = base.copy()
    replaced: set[bytes] = set()
    for name, value in pairs:
        try:
            raw = name.lower().encode("ascii")
            if raw not in replaced:
                headers.removeHeader(raw)
                replaced.add(raw)
            headers.addRawHeader(raw, value.encode())
        except (UnicodeEncodeError, InvalidHeaderName) as error:
            raise WrongRequest(f"{printable(name)!r} is no header") from error
    return headers


def request_headers(base: Headers, job: Job, first: HttpUrl, url: HttpUrl) -> Headers:
    """What a request of `job` to `url` carries: `base`, and secrets that are of `url`'s origin.

    `first` is the job's first URL: the job's own headers are for its origin and for no other.
    """
    if not job.headers and url.userinfo is None:
        return base
    if url.userinfo is not None:
        secret = b64encode(unquote_to_bytes(url.userinfo)).decode("ascii")
        base = with_headers(base, [("Authorization", f"Basic {secret}")])
    return with_headers(base, job.headers if url.origin == first.origin else ())
