"""SIGHUP: the configuration is read again, and log files are opened anew."""

from __future__ import annotations

import signal
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from twisted.application.service import Service
from twisted.logger import Logger
from twisted.python.usage import UsageError

from downloader.service.service import DownloadService

# Options that hold at once, and the field of Limits that they are.
LIMITS = {"concurrency": "total", "per-host": "per_host", "limit-rate": "bytes_per_second"}
LIVE = frozenset((*LIMITS, "allow-host", "allow-origin"))


class Hangup(Service):
    """Calls `heard()` in the reactor for each SIGHUP while it runs."""

    def __init__(self, reactor: Any, heard: Callable[[], object]) -> None:
        self._reactor = reactor
        self._heard = heard

    def startService(self) -> None:
        """Hear of it from now on."""
        super().startService()  # type: ignore[no-untyped-call]
        signal.signal(signal.SIGHUP, self._handle)

    def stopService(self) -> None:
        """Hear of it no more; it ends nothing while the process stops."""
        super().stopService()  # type: ignore[no-untyped-call]
        signal.signal(signal.SIGHUP, signal.SIG_IGN)

    def _handle(self, number: int, frame: Any) -> None:
        self._reactor.callFromThread(self._heard)


class Reload:
    """Gives `service` what has changed since `options`, which `again()` reads anew.

    What was changed by other ways meanwhile, and stands in the file as before, stays.
    """

    log = Logger()

    def __init__(
        self,
        service: DownloadService,
        options: Mapping[str, Any],
        again: Callable[[], Mapping[str, Any]],
    ) -> None:
        self._service = service
        self._options = options
        self._again = again

    def __repr__(self) -> str:
        return f"<Reload for {self._service!r}>"

    def __call__(self) -> None:
        """Do it. What is wrong is logged, and then everything stays as it is."""
        self._service.reopen()
        try:
            new = self._again()
        except UsageError as error:
            self.log.error("the configuration stays as it is: {error}", error=error)
            return
        changed = {name for name in new if new[name] != self._options[name]}
        self._options = new
        self._apply(changed & LIVE, new)
        late = sorted(changed - LIVE)
        if late:
            self.log.warn("a restart is needed for {names}", names=", ".join(late))
        self.log.info("read again; new: {names}", names=", ".join(sorted(changed)) or "nothing")

    def _apply(self, changed: set[str], new: Mapping[str, Any]) -> None:
        self._service.door.hosts = frozenset(new["allow-host"])
        self._service.door.origins = frozenset(new["allow-origin"])
        limits: dict[str, Any] = {
            LIMITS[name]: new[name] or None for name in changed if name in LIMITS
        }
        if limits:
            self._service.limit(replace(self._service.limits, **limits))
