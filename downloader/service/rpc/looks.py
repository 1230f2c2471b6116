"""aria2's methods that look at what is there, and change nothing.

URLs are told as they were given, with whatever secrets: clients hand them back to change them, and
to fetch again what failed. Who asks has shown the token.
"""

from __future__ import annotations

import os
import secrets
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from downloader._version import __version__
from downloader.errors import NoSuchJob, RpcError
from downloader.jobs import Status
from downloader.queue import Entry, Queue
from downloader.sansio.aria2 import page
from downloader.sansio.aria2options import FIXED, Pairs, shown_options
from downloader.sansio.aria2params import Params
from downloader.sansio.aria2status import Download, shown_files, shown_status, shown_uris
from downloader.service.desk import Desk

Method = Callable[[Params], Awaitable[Any]]
# As of aria2, which clients look at to know what they may ask; ours is in enabledFeatures.
ARIA2_VERSION = "1.37.0"
_FEATURES = ["Async DNS", "HTTPS", "Message Digest", "Metalink"]

# Jobs of one answer, as of one of our own API.
MOST_SHOWN = 1000


class Looks:
    """The methods on `queue`. `defaults` are the options of downloads that are added without."""

    def __init__(self, queue: Queue, desk: Desk) -> None:
        self.defaults: Pairs = ()
        self._queue = queue
        self._desk = desk
        self._session = secrets.token_hex(20)
        self._stopped = len(queue.over)
        queue.watch(self._changed)

    def __repr__(self) -> str:
        return f"<Looks at {self._queue!r}>"

    def methods(self) -> dict[str, Method]:
        """They, by their names."""
        return {
            "aria2.tellStatus": self.tell_status,
            "aria2.tellActive": self.tell_active,
            "aria2.tellWaiting": self.tell_waiting,
            "aria2.tellStopped": self.tell_stopped,
            "aria2.getUris": self.get_uris,
            "aria2.getFiles": self.get_files,
            "aria2.getServers": self.get_servers,
            "aria2.getPeers": self.get_peers,
            "aria2.getOption": self.get_option,
            "aria2.getGlobalOption": self.get_global_option,
            "aria2.getGlobalStat": self.get_global_stat,
            "aria2.getVersion": self.get_version,
            "aria2.getSessionInfo": self.get_session_info,
        }

    async def tell_status(self, params: Params) -> dict[str, Any]:
        entry, keys = find(self._queue, params.gid()), params.texts(1, optional=True)
        self._queue.meter.look()
        return shown_status(download_of(entry), frozenset(keys))

    async def tell_active(self, params: Params) -> list[dict[str, Any]]:
        keys = params.texts(0, optional=True)
        return _told(self._queue.meter.look(), keys)

    async def tell_waiting(self, params: Params) -> list[dict[str, Any]]:
        return _told(*_page(self._queue.waiting, params))

    async def tell_stopped(self, params: Params) -> list[dict[str, Any]]:
        return _told(*_page(self._queue.over, params))

    async def get_uris(self, params: Params) -> list[dict[str, str]]:
        gid = params.gid()
        entry = find(self._queue, gid)
        if entry.is_over:
            raise RpcError(f"No URI data is available for GID#{gid}")
        return shown_uris(download_of(entry))

    async def get_files(self, params: Params) -> list[dict[str, Any]]:
        entry = find(self._queue, params.gid())
        self._queue.meter.look()
        return shown_files(download_of(entry))

    async def get_servers(self, params: Params) -> list[dict[str, Any]]:
        gid = params.gid()
        entry = find(self._queue, gid)
        if entry.status is not Status.ACTIVE:
            raise RpcError(f"No active download for GID#{gid}")
        url, speed = entry.job.url, str(round(entry.rate))
        server = {"uri": url, "currentUri": url, "downloadSpeed": speed}
        return [{"index": "1", "servers": [server]}]

    async def get_peers(self, params: Params) -> list[Any]:
        """There are none of a file that comes over HTTP."""
        find(self._queue, params.gid())
        return []

    async def get_option(self, params: Params) -> dict[str, str]:
        entry = find(self._queue, params.gid())
        return {**shown_options(entry.options), "dir": _directory(entry)}

    async def get_global_option(self, params: Params) -> dict[str, str]:
        limits = self._queue.limits
        return {
            **FIXED,
            "dir": self._desk.roots[0],
            "max-concurrent-downloads": str(limits.total),
            "max-overall-download-limit": str(limits.bytes_per_second or 0),
            "max-download-result": str(self._queue.most_over),
            **shown_options(self.defaults),
        }

    async def get_global_stat(self, params: Params) -> dict[str, str]:
        queue = self._queue
        return {
            "downloadSpeed": str(round(queue.meter.rate)),
            "uploadSpeed": "0",
            "numActive": str(len(queue.active)),
            "numWaiting": str(len(queue.waiting)),
            "numStopped": str(len(queue.over)),
            "numStoppedTotal": str(self._stopped),
        }

    async def get_version(self, params: Params) -> dict[str, Any]:
        """aria2's version that is spoken, and ours."""
        return {
            "version": ARIA2_VERSION,
            "enabledFeatures": [*_FEATURES, f"downloader {__version__}"],
        }

    async def get_session_info(self, params: Params) -> dict[str, str]:
        return {"sessionId": self._session}

    def _changed(self, entry: Entry, before: Status) -> None:
        self._stopped += entry.is_over and before is Status.ACTIVE


def find(queue: Queue, gid: str) -> Entry:
    """The job whose gid begins with `gid`. Raises RpcError."""
    try:
        return queue.find(gid)
    except NoSuchJob as error:
        what = "unique" if error.detail.startswith("several") else "found"
        raise RpcError(f"GID {gid} is not {what}") from error


def download_of(entry: Entry) -> Download:
    """`entry` as a plain value."""
    job, told = entry.job, entry.told
    return Download(
        *(entry.gid, entry.status, job.urls, _used(entry), _directory(entry)),
        "" if entry.path is None else os.path.join(job.directory, entry.path),
        entry.received,
        entry.length if entry.length is not None else job.size,
        entry.rate,
        None if told is None else told.error,
        None if told is None else told.http_status,
        None if told is None else told.message,
    )


def _used(entry: Entry) -> int:
    """How many of its URLs were asked: one that failed has asked each."""
    if entry.status is Status.ERROR:
        return len(entry.job.urls)
    return int(entry.status in (Status.ACTIVE, Status.COMPLETE))


def _directory(entry: Entry) -> str:
    return os.path.join(entry.job.directory, entry.job.subdirectory).rstrip("/") or "/"


def _page(entries: Sequence[Entry], params: Params) -> tuple[list[Entry], list[str]]:
    offset, number = params.integer(0), min(params.integer(1), MOST_SHOWN)
    return page(entries, offset, number), params.texts(2, optional=True)


def _told(entries: Sequence[Entry], keys: Sequence[str]) -> list[dict[str, Any]]:
    wanted = frozenset(keys)
    return [shown_status(download_of(entry), wanted) for entry in entries]
