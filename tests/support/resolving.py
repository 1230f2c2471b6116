"""Resolvers that keep a request waiting: one of Twisted's kind, and the system's call."""

from __future__ import annotations

import socket
import threading
from collections.abc import Sequence
from typing import Any

from twisted.internet.address import IPv4Address
from twisted.internet.interfaces import IAddress, IHostnameResolver, IHostResolution
from zope.interface import implementer


@implementer(IHostResolution)
class Resolution:
    """A lookup under way."""

    def __init__(self, receiver: Any, name: str, port: int, times: int) -> None:
        self.name = name
        self.cancelled = False
        self._receiver = receiver
        self._addresses = [IPv4Address("TCP", "127.0.0.1", port)] * times

    def cancel(self) -> None:
        self.cancelled = True

    def answer(self) -> None:
        """Tell the addresses, whether anybody still wants them or not."""
        for address in self._addresses:
            self._receiver.addressResolved(address)
        self._receiver.resolutionComplete()


@implementer(IHostnameResolver)
class SilentResolver:
    """Answers 127.0.0.1, `times` over, or nothing while `silent`."""

    def __init__(self, silent: bool = True, times: int = 1) -> None:
        self.silent = silent
        self._times = times
        self.lookups: list[Resolution] = []

    def resolveHostName(
        self,
        resolutionReceiver: Any,
        hostName: str,
        portNumber: int = 0,
        addressTypes: Sequence[type[IAddress]] | None = None,
        transportSemantics: str = "TCP",
    ) -> Resolution:
        lookup = Resolution(resolutionReceiver, hostName, portNumber, self._times)
        self.lookups.append(lookup)
        resolutionReceiver.resolutionBegan(lookup)
        if not self.silent:
            lookup.answer()
        return lookup


class HeldLookups:
    """A `getaddrinfo` that holds its thread until `release`; `names` are those it was asked."""

    def __init__(self) -> None:
        self.names: list[str] = []
        self._released = threading.Event()

    def release(self) -> None:
        """Let all lookups go, and those to come."""
        self._released.set()

    def __call__(self, name: str, port: int, **kind: Any) -> list[Any]:
        self.names.append(name)
        self._released.wait(30)
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", port))]
