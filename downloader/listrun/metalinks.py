"""Metalink documents as a list: each of their files is a job, or is refused like a bad line."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from downloader.errors import BadLine, ListError
from downloader.listrun.source import Refuse, Warn
from downloader.listrun.words import reason_text
from downloader.sansio.metalink import MAX_DOCUMENT, Metalink, parse_metalink
from downloader.sansio.printable import printable


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
