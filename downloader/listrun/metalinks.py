"""Metalink documents as a list: each of their files is a job, or is refused like a bad line.

They are files, or behind URLs: these are fetched first, like any job, to a directory that goes.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from twisted.internet.defer import Deferred

from downloader.errors import BadLine, DownloadError, ListError
from downloader.jobs import Job, Result
from downloader.listrun.source import Refuse, Warn
from downloader.listrun.words import reason_text
from downloader.sansio.metalink import MAX_DOCUMENT, Metalink, parse_metalink
from downloader.sansio.printable import printable
from downloader.sansio.url import redacted


def read_metalink(name: str, locations: Sequence[str] = ()) -> Metalink:
    """The document in the file `name`; see `parse_metalink`. Raises ListError with a reason."""
    try:
        with Path(name).open("rb") as file:
            data = file.read(MAX_DOCUMENT + 1)
    except OSError as error:
        raise ListError(reason_text(error)) from error
    return parse_metalink(data, locations)


class MetalinkFiles:
    """The files of documents, each given with its name, one document after the other.

    Jobs go to `directory`, and have `headers`. What is refused or remarked is told with the
    document's name. It is a `Source`.
    """

    error: str | None = None

    def __init__(
        self,
        documents: Sequence[tuple[str, Metalink]],
        directory: str,
        headers: Sequence[tuple[str, str]] = (),
    ) -> None:
        self.taken = 0
        self._refused = 0
        self._documents = documents
        self._directory = directory
        self._headers = headers
        self._size = sum(len(document.files) for _, document in documents)

    def __repr__(self) -> str:
        return f"<MetalinkFiles {self.taken} of {self._size} taken>"

    def jobs(self, refuse: Refuse, warn: Warn) -> Iterator[Any]:
        for name, document in self._documents:
            for remark in document.remarks:
                warn(f"{printable(name)}: {remark}")
            for file in document.files:
                if isinstance(file, BadLine):
                    self._refused += 1
                    refuse(BadLine(file.line, f"{name}: {file.message}"))
                    yield None  # to tell of it takes as long as to start a job
                else:
                    self.taken += 1
                    yield file.job(self._directory, self._headers)

    def count(self, seconds: float) -> int | None:
        return self._size

    def rest(self, seconds: float) -> int:
        return self._size - self.taken - self._refused

    def close(self) -> None:
        return


def is_url(name: str) -> bool:
    """Whether a document of this name is to be fetched first."""
    return name.lower().startswith(("http://", "https://"))


class FetchedMetalinks:
    """The same of documents with None in place of those that are behind a URL, their name.

    `fetch(job)` fetches one, and `locations` are for it. When one cannot be had, there is no job of
    any. It is a `Source`.
    """

    def __init__(
        self,
        documents: Sequence[tuple[str, Metalink | None]],
        fetch: Callable[[Job], Deferred[Result]],
        locations: Sequence[str],
        directory: str,
        headers: Sequence[tuple[str, str]] = (),
    ) -> None:
        self.error: str | None = None
        self._documents = documents
        self._fetch = fetch
        self._locations = locations
        self._directory = directory
        self._headers = tuple(headers)
        self._files = MetalinkFiles((), directory)
        self._known = False

    def __repr__(self) -> str:
        return f"<FetchedMetalinks {self._files!r}>"

    @property
    def taken(self) -> int:
        return self._files.taken

    async def jobs(self, refuse: Refuse, warn: Warn) -> AsyncIterator[Any]:
        found = []
        for name, document in self._documents:
            try:
                found.append((redacted(name), document or await self._fetched(name)))
            except (DownloadError, ListError, OSError) as error:
                self.error = f"{printable(redacted(name))}: {reason_text(error)}"
                return
        self._files = MetalinkFiles(found, self._directory, self._headers)
        self._known = True
        for job in self._files.jobs(refuse, warn):
            yield job

    async def _fetched(self, url: str) -> Metalink:
        with TemporaryDirectory(ignore_cleanup_errors=True) as directory:
            job = Job(url, directory, name="metalink", headers=self._headers)
            result = await self._fetch(job)
            return read_metalink(str(result.path), self._locations)

    def count(self, seconds: float) -> int | None:
        return self._files.count(seconds) if self._known else None

    def rest(self, seconds: float) -> int:
        return self._files.rest(seconds)

    def close(self) -> None:
        return
