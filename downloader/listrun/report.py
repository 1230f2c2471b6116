"""What a run writes down: the report, one JSON object a line, and the list of what failed.

Report lines never hold a secret: URLs are redacted, headers left out. The list of failures has
to hold them, so only its owner may read it.
"""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from dataclasses import asdict, replace

from downloader.errors import BadLine
from downloader.jobs import Job, PutJob, Report, Result, Status
from downloader.listrun.outputs import OutputFile
from downloader.sansio.putlist import format_put
from downloader.sansio.url import redacted
from downloader.sansio.urllist import format_entry

# ASCII only: what a server sent can act on no terminal that the report is shown on.
_quoted = json.encoder.encode_basestring_ascii


class ReportFile:
    """The report: a line for each job and each bad line, and one with the summary at the end."""

    def __init__(self, file: OutputFile, version: str) -> None:
        self.file = file
        self._version = _text(version)

    def add(self, result: Result) -> None:
        """Write what came of one job."""
        url = _without_secrets(result.job.url)
        final_url = result.final_url
        if final_url is not None and final_url != url:
            final_url = _without_secrets(final_url)
        # A job that was skipped did not fail: why it was is in the message alone.
        failed = result.error is not None and result.status is Status.ERROR
        error = type(result.error).__name__ if failed else None
        self._write(result, url, final_url, error, str(result.error) if result.error else None)

    def add_bad(self, bad: BadLine) -> None:
        """Write a line of the list that makes no job, with the fields of the others."""
        nothing = Result(Job("", line=bad.line), Status.ERROR)
        self._write(nothing, None, None, type(bad).__name__, bad.message)

    def _write(
        self,
        result: Result,
        url: str | None,
        final_url: str | None,
        error: str | None,
        message: str | None,
    ) -> None:
        verified = "null"
        if result.status is Status.COMPLETE:
            verified = "true" if result.verified else "false"
        # By hand, since json's encoder takes three times as long, for each of many small files.
        line = (
            f'{{"line":{_number(result.job.line)},"url":{_text(url)},'
            f'"final_url":{_text(final_url)},'
            f'"path":{_text(result.path)},"status":"{result.status.value}",'
            f'"http_status":{_number(result.http_status)},"bytes":{result.bytes},'
            f'"seconds":{result.seconds:.6f},"attempts":{result.attempts},'
            f'"verified":{verified},"error":{_text(error)},'
            f'"message":{_text(message)},"version":{self._version}'
        )
        if result.checksum is not None:
            line += f',"checksum":{_text(result.checksum)}'
            if result.sha256 is not None:
                line += f',"sha256":{_text(result.sha256)}'
        self.file.write(line + "}\n")

    def end(self, counts: Report, interrupted: bool) -> None:
        """Write the summary."""
        numbers = asdict(counts)
        seconds = round(numbers.pop("seconds"), 6)
        summary = {"lines": counts.lines, **numbers, "seconds": seconds, "interrupted": interrupted}
        self.file.write(json.dumps({"summary": summary}, separators=(",", ":")) + "\n")


class FailedFile:
    """What failed, as a list that asks for it again, each file under the name it was given.

    `headers` are the run's own, not the list's: the run that reads the file brings its own too,
    maybe with a newer secret.
    """

    def __init__(self, file: OutputFile, headers: Sequence[tuple[str, str]] = ()) -> None:
        self.file = file
        self._headers = headers

    def add(self, result: Result) -> None:
        """Write the entry of one job."""
        job = result.job
        if isinstance(job, PutJob):
            self.file.write(format_put(job))
            return
        own = tuple(header for header in job.headers if header not in self._headers)
        self.file.write(format_entry(replace(job, headers=own), given_name(job, result.path)))


def _text(value: str | None) -> str:
    return "null" if value is None else _quoted(value)


def _number(value: int | None) -> str:
    return "null" if value is None else str(value)


def _without_secrets(url: str) -> str:
    """`redacted`, without its cost for the many URLs that have no place for a secret."""
    return redacted(url) if "@" in url or "?" in url else url


def given_name(job: Job, path: str | None) -> str | None:
    """The name below the job's directory that `path` has, or what the list said."""
    if path is None:
        return job.name
    return os.path.relpath(path, os.path.join(job.directory, job.subdirectory))
