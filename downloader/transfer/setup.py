"""What all jobs of a run are fetched or put with."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from twisted.internet.interfaces import IReactorTime
from twisted.web.http_headers import Headers
from twisted.web.iweb import IAgent

from downloader.deadlines import Deadlines
from downloader.jobs import Naming, OnConflict, Retries, Splitting, Terms, Timeouts
from downloader.sansio.checksumfile import Checksums
from downloader.transfer.folder import Folders
from downloader.transfer.limiter import Limiter
from downloader.transfer.request import Authorizations
from downloader.transfer.throttle import Throttle

if TYPE_CHECKING:
    from downloader.transfer.robots import Robots


def _nothing() -> None:
    """There is nothing to free."""


@dataclass(slots=True)
class Found:
    """What earlier runs had left of files that were gone on with, in `bytes`."""

    bytes: int = 0


@dataclass(slots=True)
class Setup:
    """What transfers are made with. `agent` has deadlines of its own, and its requests are over
    once they are cancelled. `free_descriptors()` closes what is open and not needed."""

    clock: IReactorTime
    agent: IAgent
    limiter: Limiter
    deadlines: Deadlines
    folders: Folders
    timeouts: Timeouts
    retries: Retries
    backoff: Callable[[int], float]
    naming: Naming
    on_conflict: OnConflict
    content_disposition: bool
    headers: Headers
    authorizations: Authorizations | None = None
    throttle: Throttle | None = None
    splitting: Splitting = Splitting()  # noqa: RUF009  it is frozen
    robots: Robots | None = None
    checksums: Checksums | None = None
    free_descriptors: Callable[[], None] = _nothing
    found: Found = field(default_factory=Found)

    def __post_init__(self) -> None:
        if self.checksums is not None and self.content_disposition:
            raise ValueError("checksums go by names, which with content_disposition come too late")
        if self.robots is not None:  # what they permit is a job, and not its connections
            self.splitting = Splitting(1, 1, self.splitting.least)

    def on(self, terms: Terms | None) -> Setup:
        """The same, on `terms`; None are its own."""
        if terms is None:
            return self
        own, tries = self.splitting, terms.tries or self.retries.tries
        splitting = Splitting(
            terms.connections or own.connections,
            terms.parts or own.parts,
            terms.least or own.least,
        )
        return replace(self, splitting=splitting, retries=replace(self.retries, tries=tries))
