"""What the operating system says about files, in our words."""

from __future__ import annotations

import errno
import os

import pytest

from downloader.errors import BadName, DiskError, DiskFull, TooManyOpenFiles
from downloader.transfer.disk import disk_error

FULL = [errno.ENOSPC, errno.EDQUOT]
OPEN = [errno.EMFILE, errno.ENFILE]
NAME = [errno.ENAMETOOLONG, errno.ELOOP, errno.EISDIR, errno.EINVAL, errno.EILSEQ, errno.ENXIO]
OTHER = [errno.EACCES, errno.EROFS, errno.EIO, errno.ENOENT, errno.ENOTDIR, errno.EFBIG]


@pytest.mark.parametrize(
    ("number", "ours"),
    [
        *((n, DiskFull) for n in FULL),
        *((n, TooManyOpenFiles) for n in OPEN),
        *((n, BadName) for n in NAME),
        *((n, DiskError) for n in OTHER),
    ],
)
def test_each_error_has_its_class(number: int, ours: type[Exception]) -> None:
    found = disk_error(OSError(number, os.strerror(number)), "a/b")
    assert type(found) is ours
    assert found.detail == f"a/b: {os.strerror(number)}"


def test_a_name_is_shown_without_what_a_terminal_obeys() -> None:
    found = disk_error(OSError(errno.EIO, "bad"), "a\x1b[2J")
    assert "\x1b" not in str(found)


def test_an_error_without_a_number() -> None:
    assert disk_error(OSError("odd"), "a").detail == "a: odd"
