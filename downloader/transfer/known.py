"""What is known of a job's file before it is asked for."""

from __future__ import annotations

from downloader.jobs import Job
from downloader.sansio.condition import condition


def condition_of(job: Job) -> tuple[str, str] | None:
    """What asks only for another version than the one that is there, if one is."""
    record = job.record
    if record is None or not (record.etag or record.last_modified):
        return None
    return condition(record.etag, record.last_modified)
