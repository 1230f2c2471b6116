"""Request heads, made from a template where many requests carry the same headers."""

from __future__ import annotations

from twisted.web.http_headers import Headers

from downloader.fixedheaders import FixedHeaders
from downloader.http1.upload import Length, framing_header
from downloader.sansio.url import HttpUrl
from downloader.sansio.wire import request_head

# Hosts whose template is kept; a list names the same few over and over.
_KEPT = 256


class Heads:
    """Makes heads. What is the same from request to request is kept, for each host."""

    def __init__(self) -> None:
        self._headers: Headers | None = None
        self._ends: dict[tuple[str, str, int], bytes] = {}

    def __repr__(self) -> str:
        return f"<Heads of {len(self._ends)} hosts>"

    def make(
        self,
        method: bytes,
        url: HttpUrl,
        headers: Headers,
        length: Length,
        via: bytes | None = None,
        expect: bool = True,
    ) -> bytes:
        """The head of a request with a body of `length`; ValueError for what would break the wire.

        With `via` it names the whole URL and has these lines too: it goes to a proxy
        (RFC 9112 §3.2.2). Without `expect` it does not ask whether a large body is wanted.
        """
        target = (url.target if via is None else str(url)).encode("ascii")
        if (
            method != b"GET"
            or length is not None
            or via is not None
            or not isinstance(headers, FixedHeaders)
        ):
            host = url.netloc.encode("ascii")
            framing = framing_header(method, length, expect) + (via or b"")
            return request_head(method, target, host, headers.getAllRawHeaders(), framing)
        if headers is not self._headers:
            self._headers = headers
            self._ends.clear()
        end = self._ends.get(url.origin)
        if end is None:
            end = self._end(url, headers)
        return b"GET %b%b" % (target, end)

    def _end(self, url: HttpUrl, headers: Headers) -> bytes:
        """All that follows the target in a GET to this host."""
        if len(self._ends) >= _KEPT:
            self._ends.clear()
        host = url.netloc.encode("ascii")
        head = request_head(b"GET", b"", host, headers.getAllRawHeaders())
        end = self._ends[url.origin] = head.removeprefix(b"GET ")
        return end
