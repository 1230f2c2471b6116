"""A connection from its first moment until a request may be written."""

from __future__ import annotations

from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IHandshakeListener
from twisted.internet.protocol import Protocol
from twisted.python.failure import Failure
from zope.interface import implementer

from downloader.http1.flow import Flow
from downloader.http1.owner import Owner


@implementer(IHandshakeListener)
class Opening(Protocol):
    """`ready` fires with the connection when it is connected, and over TLS with the server's
    certificate accepted. Cancelling it aborts."""

    transport: Any
    _flow: Flow

    def __init__(self, owner: Owner[Any], tls: bool) -> None:
        self.ready: Deferred[Any] = Deferred(lambda _: self.abort())
        self._owner = owner
        self._tls = tls

    def abort(self) -> None:
        """Close at once."""
        raise NotImplementedError

    def connectionMade(self) -> None:
        self._flow.transport = self.transport
        self._owner.made(self)
        if not self._tls:
            self._become_ready()

    def handshakeCompleted(self) -> None:
        """The server's certificate was accepted."""
        self._become_ready()

    def never_ready(self, reason: Failure) -> None:
        """The transport is closed."""
        if not self.ready.called:
            self.ready.errback(reason)

    def _become_ready(self) -> None:
        if not self.ready.called:
            self.ready.callback(self)
