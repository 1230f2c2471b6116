"""A CONNECT through an HTTP proxy (RFC 9110 §9.3.6): bytes in, bytes out, or why not.

The server behind the proxy hears nothing before we speak, so that a byte behind the proxy's
answer is nobody's: it is refused, and never taken for the server's.
"""

from __future__ import annotations

import re
from typing import Protocol

from downloader.errors import ProxyAuthRequired, ProxyError, ProxyFailed, ProxyRefused
from downloader.sansio.retry import may_pass
from downloader.sansio.url import bracketed
from downloader.sansio.wire import MAX_HEAD_BYTES, MAX_HEADERS, MAX_INFORMATIONAL

_STATUS = re.compile(rb"HTTP/1\.[01] ([1-5][0-9]{2})(?: [^\r\n\0]*)?")
_BEGINNING = b"HTTP/1."
_BLANK = b"\r\n\r\n"


class Handshake(Protocol):
    """What is said to a proxy before the server can be spoken to."""

    complete: bool

    def begin(self) -> bytes:
        """What to send first."""

    def receive(self, data: bytes) -> bytes:
        """What to send next, perhaps nothing; a ProxyError when it has come to nothing."""


class ConnectHandshake:
    """Asks an HTTP proxy for a tunnel to `host`:`port`; `authorization` is a whole line or empty.

    Informational answers are skipped, `wire.MAX_INFORMATIONAL` of them at most.
    """

    def __init__(self, host: str, port: int, authorization: bytes) -> None:
        self.complete = False
        self._target = f"{bracketed(host)}:{port}"
        self._authorization = authorization
        self._received = bytearray()
        self._searched = 0
        self._informational = 0

    def __repr__(self) -> str:
        return f"<ConnectHandshake {self._target}{' complete' if self.complete else ''}>"

    def begin(self) -> bytes:
        """The request's head."""
        target = self._target.encode("ascii")
        return b"CONNECT %b HTTP/1.1\r\nHost: %b\r\n%b\r\n" % (target, target, self._authorization)

    def receive(self, data: bytes) -> bytes:
        """Judge what has come; nothing more is sent."""
        self._received += data
        while not self.complete and self._next_head():
            pass
        if self.complete and self._received:
            raise ProxyRefused("it sent bytes behind its answer")
        return b""

    def _next_head(self) -> bool:
        """Take one head, if a whole one is there."""
        if self._received[: len(_BEGINNING)] != _BEGINNING[: len(self._received)]:
            raise ProxyRefused("its answer is not HTTP")
        end = self._received.find(_BLANK, self._searched)
        if max(end, len(self._received) if end < 0 else 0) > MAX_HEAD_BYTES:
            raise ProxyRefused("its answer's header is too large")
        if end < 0:
            self._searched = max(0, len(self._received) - len(_BLANK) + 1)
            return False
        head = bytes(self._received[:end])
        del self._received[: end + len(_BLANK)]
        self._searched = 0
        self._judge(head)
        return bool(self._received)

    def _judge(self, head: bytes) -> None:
        line, *fields = head.split(b"\r\n", MAX_HEADERS + 1)
        match = _STATUS.fullmatch(line)
        if match is None:
            raise ProxyRefused("its answer is not HTTP")
        if len(fields) > MAX_HEADERS:
            raise ProxyRefused("its answer's header is too large")
        status = int(match[1])
        if 200 <= status < 300:
            self.complete = True
        elif 100 <= status < 200 and status != 101:
            self._informational += 1
            if self._informational > MAX_INFORMATIONAL:
                raise ProxyRefused("its informational answers do not end")
        else:
            raise refusal(status)


def refusal(status: int) -> ProxyError:
    """What a proxy means by a status that is no success."""
    if status == 407:
        return ProxyAuthRequired(http_status=407)
    kind = ProxyFailed if may_pass(status) else ProxyRefused
    return kind(f"HTTP status {status}", http_status=status)
