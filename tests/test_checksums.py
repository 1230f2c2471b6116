"""Checksum files that a program reads."""

from __future__ import annotations

import os
import threading
from pathlib import Path

import pytest

from downloader import Checksums, read_checksums

ONE = "1" * 64


def test_a_file_is_read(tmp_path: Path) -> None:
    """Or what a program has of one in memory: a file that is open is its pieces too."""
    path = tmp_path / "SHA256SUMS"
    path.write_text("".join(f"{ONE}  {number}\n" for number in range(10_000)))
    checksums = read_checksums(str(path))
    with path.open("rb") as file:
        assert list(checksums) == list(Checksums(file)) == list(Checksums([path.read_bytes()]))
    assert len(checksums) == 10_000 and checksums.find("9999") == f"sha-256={ONE}"


def test_a_pipe_is_read_to_its_end(tmp_path: Path) -> None:
    """However its writer cuts it."""
    reader, writer = os.pipe()

    def write() -> None:
        for piece in (ONE[:10], ONE[10:], "  a", "\n", f"{ONE}  b"):
            os.write(writer, piece.encode())
        os.close(writer)

    thread = threading.Thread(target=write)
    thread.start()
    checksums = read_checksums(f"/dev/fd/{reader}")
    thread.join()
    os.close(reader)
    assert [name for name, _ in checksums] == ["a", "b"]


def test_what_cannot_be_read(tmp_path: Path) -> None:
    (tmp_path / "empty").touch()
    with pytest.raises(ValueError, match="no checksum in it"):
        read_checksums(str(tmp_path / "empty"))
    with pytest.raises(FileNotFoundError):
        read_checksums(str(tmp_path / "none"))
    with pytest.raises(IsADirectoryError):
        read_checksums(str(tmp_path))
