"""HTTP/1.1 on the wire: a request's head out, and the judgement of an answer's head.

The bytes of an answer are cut up by llhttp; what it lets through and what this client wants are
two things, and the difference is decided here, where it can be tested without a socket.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import NamedTuple

from downloader.errors import BadResponse

# curl: 300 KiB and 5,000 headers (CVE-2023-38039); an answer over it is an attack or a bug.
MAX_HEAD_BYTES = 300 * 1024
MAX_HEADERS = 5_000
# One 100 Continue or a few 103s are usual; without a cap they can go on for ever.
MAX_INFORMATIONAL = 50
# What chunk sizes, extensions and trailers may weigh: a fixed part, and 16 bytes for each of
# the body, since one-byte chunks (6 bytes of frame each) are legal and seen.
CHUNK_OVERHEAD = 64 * 1024
CHUNK_OVERHEAD_RATIO = 16
# Content-Length beyond what a file offset can hold.
MAX_LENGTH = 2**63 - 1

# Set by the agent alone: a second value would break the framing or the routing.
FRAMING_HEADERS = frozenset(
    (b"host", b"content-length", b"transfer-encoding", b"connection", b"keep-alive", b"te",
     b"trailer", b"upgrade", b"proxy-connection", b"proxy-authorization", b"expect")
)  # fmt: skip
# RFC 9110 §9.2.2: asking twice does what asking once does.
IDEMPOTENT = frozenset((b"GET", b"HEAD", b"OPTIONS", b"PUT", b"DELETE", b"TRACE"))
_NO_BODY = frozenset((204, 304))
_TOKEN = frozenset(b"!#$%&'*+-.^_`|~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz")


class Head(NamedTuple):
    """A final answer's head, judged.

    `length` is the body's length in bytes, or None when chunks or the connection's end tell it;
    `close_delimited` says it is the end that tells; `persistent` that another request may follow.
    """

    status: int
    version: tuple[int, int]
    length: int | None
    close_delimited: bool
    persistent: bool


def request_head(
    method: bytes,
    target: bytes,
    host: bytes,
    headers: Iterable[tuple[bytes, Sequence[bytes]]],
    framing: bytes = b"",
) -> bytes:
    """The head of a request, blank line included; `framing` is a whole line that ends it.

    ValueError for a method, name or value that could end its line early or start another
    (CVE-2019-12387). Framing headers among `headers` are left out: the agent sets its own.
    """
    if not method or not _TOKEN.issuperset(method):
        raise ValueError(f"not a method: {method!r}")
    fields = _fields(tuple([(name, *values) for name, values in headers]))
    return b"%b %b HTTP/1.1\r\nHost: %b\r\n%b%b\r\n" % (method, target, host, fields, framing)


# Most requests of a program carry the same few headers.
@lru_cache(maxsize=64)
def _fields(headers: tuple[tuple[bytes, ...], ...]) -> bytes:
    """The lines of `headers`, each a name and its values."""
    return b"".join(
        header_line(name, value)
        for name, *values in headers
        if name.lower() not in FRAMING_HEADERS
        for value in values
    )


def header_line(name: bytes, value: bytes) -> bytes:
    """One header line; ValueError when it would not stay one (RFC 9110 §5.1, §5.5)."""
    if not name or not _TOKEN.issuperset(name):
        raise ValueError(f"not a header name: {name!r}")
    if b"\n" in value or b"\r" in value or b"\0" in value:
        raise ValueError(f"a header value with a line break or NUL: {name!r}")
    return b"%b: %b\r\n" % (name, value)


def judge_head(
    method: bytes,
    status: int,
    version: str,
    headers: Sequence[tuple[bytes, bytes]],
    keep_alive: bool,
) -> Head:
    """What a final answer's head means for its body and its connection (RFC 9112 §6.3).

    `keep_alive` is llhttp's reading of version and Connection. `BadResponse` for what no honest
    server sends: another HTTP, a status outside 100..599, a transfer coding nobody asked for.
    """
    if version not in ("1.0", "1.1"):
        raise BadResponse(f"HTTP version {version}")
    if not 100 <= status <= 599:
        raise BadResponse(f"status {status}")
    length: int | None = None
    chunked = False
    for name, value in headers:
        size = len(name)
        if size == 14 and name.lower() == b"content-length":
            length = _length(value)
        elif size == 17 and name.lower() == b"transfer-encoding":
            chunked = _only_chunked(value, chunked)
    one_one = (1, 1) if version == "1.1" else (1, 0)
    if method == b"HEAD" or status in _NO_BODY:
        return Head(status, one_one, 0, False, keep_alive)
    if chunked:
        # RFC 9112 §6.1: HTTP/1.0 has no chunks, so its framing is not trusted further.
        return Head(status, one_one, None, False, keep_alive and version == "1.1")
    if length is None:
        return Head(status, one_one, None, True, False)
    return Head(status, one_one, length, False, keep_alive)


def _length(value: bytes) -> int:
    value = value.rstrip(b" \t")
    if not value.isdigit() or len(value) > 19 or int(value) > MAX_LENGTH:
        raise BadResponse("a Content-Length that is no length")
    return int(value)


def _only_chunked(value: bytes, seen: bool) -> bool:
    if seen or value.strip().lower() != b"chunked":
        raise BadResponse("a transfer coding other than chunked")
    return True
