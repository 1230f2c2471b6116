"""Whoever keeps a connection."""

from __future__ import annotations

from typing import Generic, TypeVar
from typing import Protocol as Shape

from downloader.http1.exchange import Exchange

ConnectionT = TypeVar("ConnectionT", contravariant=True)


class Owner(Shape, Generic[ConnectionT]):
    """Hears what becomes of its connections."""

    def made(self, connection: ConnectionT) -> None:
        """The transport is open."""

    def answered(self, length: int) -> None:
        """An answer of so many bytes came whole, and showed that others may come behind it."""

    def slowed(self) -> None:
        """An answer did not come for a while, with others behind it."""

    def doubted(self, surplus: bool = False) -> None:
        """The server is not to be trusted with several requests at once. `surplus`: it was, and
        has sent more than their answers, so any of them may be another's."""

    def freed(self, connection: ConnectionT) -> None:
        """Exchanges have ended and others may follow."""

    def returned(self, exchanges: list[Exchange]) -> None:
        """These were given up here and are to be sent elsewhere."""

    def gone(self, connection: ConnectionT, again: list[Exchange]) -> None:
        """The transport is closed; the exchanges in `again` are to be sent once more."""
