"""Jobs as others see them: plain values, and nothing that is secret."""

from __future__ import annotations

import os
from typing import Any

from downloader.jobs import Status
from downloader.queue import Entry, Queue
from downloader.sansio.url import redacted


def shown(entry: Entry, queue: Queue) -> dict[str, Any]:
    """A job of the API."""
    job, told = entry.job, entry.told
    return {
        "gid": entry.gid,
        "status": str(entry.status),
        "urls": [redacted(url) for url in job.urls],
        "dir": os.path.join(job.directory, job.subdirectory) if job.subdirectory else job.directory,
        "path": None if entry.path is None else os.path.join(job.directory, entry.path),
        "name": name_of(entry),
        "received": entry.received,
        "length": entry.length if entry.length is not None else job.size,
        "rate": round(entry.rate),
        "priority": entry.priority,
        "position": queue.position(entry),
        "added": entry.added,
        "ended": told.ended if told and entry.is_over else None,
        "error": None if told is None else told.error,
        "message": None if told is None else told.message,
        "http_status": None if told is None else told.http_status,
        "final_url": None if told is None else told.final_url,
        "attempts": 0 if told is None else told.attempts,
        "seconds": 0.0 if told is None else round(told.seconds, 3),
        "verified": told.verified if told and entry.status is Status.COMPLETE else None,
        "checksum": job.checksum or (None if told is None else told.checksum),
        "troubles": [{"at": at, "message": message} for at, message in entry.troubles],
    }


def name_of(entry: Entry) -> str:
    """A few words for it: its file's name, or what its URL ends with."""
    if entry.path is not None:
        return entry.path.rpartition("/")[2]
    if entry.job.name is not None:
        return entry.job.name.rpartition("/")[2]
    url = redacted(entry.job.url).partition("?")[0].rstrip("/")
    return url.rpartition("/")[2]


def stats(queue: Queue) -> dict[str, Any]:
    """How the whole stands."""
    jobs = {str(status): count for status, count in queue.counts.items()}
    return {"jobs": jobs, "rate": round(queue.meter.rate), "limits": limits(queue)}


def limits(queue: Queue) -> dict[str, Any]:
    """What may be changed while it runs."""
    limits = queue.limits
    return {
        "concurrency": limits.total,
        "per_host": limits.per_host,
        "bytes_per_second": limits.bytes_per_second,
    }
