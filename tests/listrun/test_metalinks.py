"""Metalink documents as a source of jobs: all of them are accounted for, in their order."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from support.metalinks import VERSION_3, VERSION_4, meta4, one_file

from downloader.errors import BadLine, ListError
from downloader.jobs import Job
from downloader.listrun.metalinks import MetalinkFiles, read_metalink
from downloader.sansio.metalink import MAX_DOCUMENT, parse_metalink

URL = "http://one.example/a"
MIXED = meta4(one_file("a", URL), one_file("../b", URL), one_file("c", "ftp://h/c", URL))


class Told:
    """What a source tells while its jobs are taken, in the order it happens."""

    def __init__(self, source: MetalinkFiles) -> None:
        self.events: list[Any] = []
        for job in source.jobs(self.events.append, self.events.append):
            self.events.append(job)


def source(*documents: tuple[str, bytes]) -> MetalinkFiles:
    parsed = [(name, parse_metalink(data)) for name, data in documents]
    return MetalinkFiles(parsed, "out", (("X-One", "1"),))


def test_jobs_refusals_and_remarks() -> None:
    """With the document's name; after what is refused, others may have their turn."""
    files = source(("m.meta4", MIXED))
    remark, first, bad, turn, second = Told(files).events
    assert remark == (
        "m.meta4: 1 URL is left out: neither http nor https (FTP and torrents are not fetched)"
    )
    assert first == Job(URL, "out", "a", headers=(("X-One", "1"),), line=2)
    assert isinstance(bad, BadLine) and bad.line == 3
    assert bad.message.startswith("m.meta4: '../b': ")
    assert turn is None
    assert isinstance(second, Job) and (second.name, second.line) == ("c", 4)


def test_several_documents() -> None:
    """One after the other."""
    files = source(("four", VERSION_4), ("three", VERSION_3))
    jobs = [event for event in Told(files).events if isinstance(event, Job)]
    assert [job.name for job in jobs] == ["pool/example.iso", "notes.txt", "repomd.xml"]
    assert files.count(0) == 3


def test_every_file_is_counted() -> None:
    """Those that were taken, were refused, or are left behind."""
    files = source(("m", MIXED), ("n", VERSION_4))
    assert (files.count(0), files.rest(0), files.taken) == (5, 5, 0)
    assert repr(files) == "<MetalinkFiles 0 of 5 taken>"
    jobs = files.jobs(lambda bad: None, lambda sentence: None)
    seen = []
    for _ in jobs:
        seen.append((files.taken, files.rest(0)))
    assert seen == [(1, 4), (1, 3), (2, 2), (3, 1), (4, 0)]
    assert files.error is None
    files.close()
    assert files.rest(0) == 0


def test_the_name_of_a_document_acts_on_no_terminal() -> None:
    """It is somebody's file name."""
    remark, *_ = Told(source(("a\x1b[2J\n", MIXED))).events
    assert remark.isprintable()


def test_a_document_in_a_file(tmp_path: Path) -> None:
    """Preferred locations and all."""
    path = tmp_path / "m.meta4"
    path.write_bytes(VERSION_4)
    assert read_metalink(str(path), ("fr",)) == parse_metalink(VERSION_4, ("fr",))


@pytest.mark.parametrize(
    ("content", "why"),
    [(None, "No such file"), (b"", "not well-formed"), (b" " * MAX_DOCUMENT, "longer|formed")],
)
def test_what_cannot_be_read(tmp_path: Path, content: bytes | None, why: str) -> None:
    path = tmp_path / "m.meta4"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ListError, match=why):
        read_metalink(str(path))


def test_a_directory_is_no_document(tmp_path: Path) -> None:
    with pytest.raises(ListError, match="Is a directory"):
        read_metalink(str(tmp_path))


def test_an_endless_file_is_not_read_to_its_end() -> None:
    with pytest.raises(ListError, match="longer than 16,777,216 bytes"):
        read_metalink("/dev/zero")
