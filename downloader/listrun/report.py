"""What a run writes down: the report, one JSON object a line, and the list of what failed.

Report lines never hold a secret: URLs are redacted, headers left out. The list of failures has
to hold them, so only its owner may read it.
"""

from __future__ import annotations

import json
import os
import select
import stat
from collections.abc import Callable, Sequence
from dataclasses import asdict, replace

from downloader.errors import BadLine
from downloader.jobs import Job, Report, Result, Status
from downloader.listrun.words import reason_text
from downloader.sansio.url import redacted
from downloader.sansio.urllist import format_entry

STDOUT = 1
# One write for about two hundred report lines.
_BUFFER = 64 * 1024
# ASCII only: what a server sent can act on no terminal that the report is shown on.
_quoted = json.encoder.encode_basestring_ascii


class OutputFile:
    """Lines to a file or to standard output (`-`).

    Writing is the side show: the first failure is told to `on_trouble` in one sentence, then
    lines are dropped and the downloads go on. Opening raises OSError, before anything is fetched.
    """

    def __init__(self, path: str, on_trouble: Callable[[str], None], mode: int = 0o666) -> None:
        self.path = path
        self.broken = False
        self._on_trouble = on_trouble
        self._lines: list[str] = []
        self._size = 0
        self._fd = os.dup(STDOUT) if path == "-" else _created(path, mode)

    def __repr__(self) -> str:
        return f"<OutputFile {self.path!r} {'broken' if self.broken else 'open'}>"

    def fileno(self) -> int:
        """The open file's number, to compare files with."""
        return self._fd

    def write(self, text: str) -> None:
        """Add `text`, which ends with a line end; it reaches the file at `flush` at the latest."""
        self._lines.append(text)
        self._size += len(text)
        if self._size >= _BUFFER:
            self.flush()

    def flush(self) -> None:
        """Hand everything over to the operating system."""
        if not self._lines:
            return
        data = "".join(self._lines).encode("utf-8", "surrogateescape")
        self._lines.clear()
        self._size = 0
        if not self.broken:
            try:
                _write_all(self._fd, data)
            except OSError as error:
                self._break(error)

    def close(self) -> None:
        """Flush and close."""
        self.flush()
        try:
            os.close(self._fd)
        except OSError as error:  # NFS tells a full disk as late as this
            self._break(error)

    def _break(self, error: OSError) -> None:
        self.broken = True
        name = "standard output" if self.path == "-" else self.path
        self._on_trouble(f"cannot write to {name}: {reason_text(error)}")


def _created(path: str, mode: int) -> int:
    flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC
    fd = os.open(path, flags, mode)
    if mode == 0o600 and stat.S_ISREG(os.fstat(fd).st_mode):
        os.fchmod(fd, mode)  # an older file of this name may be readable by all
    return fd


def _write_all(fd: int, data: bytes) -> None:
    rest = memoryview(data)
    while rest:
        try:
            rest = rest[os.write(fd, rest) :]
        except BlockingIOError:  # someone else made the shared standard output non-blocking
            waiting = select.poll()
            waiting.register(fd, select.POLLOUT)
            waiting.poll()


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
        own = tuple(header for header in result.job.headers if header not in self._headers)
        job = replace(result.job, headers=own)
        self.file.write(format_entry(job, given_name(job, result.path)))


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
