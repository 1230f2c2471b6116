"""What is known of a job's file before it is asked for."""

from __future__ import annotations

from downloader.errors import WrongRequest
from downloader.jobs import Job
from downloader.sansio.checksum import checked_checksum
from downloader.sansio.condition import condition
from downloader.sansio.names import path_for
from downloader.sansio.url import HttpUrl
from downloader.transfer.way import Setup


def condition_of(job: Job) -> tuple[str, str] | None:
    """What asks only for another version than the one that is there, if one is."""
    record = job.record
    return None if record is None else condition(record.etag, record.last_modified)


def checksum_of(job: Job) -> str | None:
    """The job's checksum in the one form that is compared."""
    try:
        return None if job.checksum is None else checked_checksum(job.checksum)
    except ValueError as error:
        raise WrongRequest(str(error)) from error


def listed_checksum(job: Job, url: HttpUrl, setup: Setup) -> str | None:
    """What the run's checksum file, if there is one, tells of the name that the job asks for."""
    if setup.checksums is None:
        return None
    subdirectory = job.subdirectory
    path = path_for(url, name=job.name, naming=setup.naming, subdirectory=subdirectory)
    return setup.checksums.find(path)
