"""Where a watched file goes when it was read: `done`, or `failed`, with the reasons beside it.

All of it may wait for a disk: it is for a thread.
"""

from __future__ import annotations

import os
from collections.abc import Sequence

from downloader.sansio.printable import printable

DONE, FAILED = "done", "failed"
_WRITE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC


def set_aside(directory: str, name: str, place: str, reasons: Sequence[str]) -> None:
    """Move the file `name` of `directory` to `place` in it, and write down `reasons` if there are
    any. Raises OSError."""
    aside = os.path.join(directory, place)
    os.makedirs(aside, 0o700, exist_ok=True)
    target = _free(os.path.join(aside, name))
    if reasons:
        fd = os.open(f"{target}.reason", _WRITE, 0o600)
        with os.fdopen(fd, "w", encoding="utf-8", errors="replace") as file:
            file.writelines(f"{printable(reason)}\n" for reason in reasons)
    os.rename(os.path.join(directory, name), target)


def _free(path: str) -> str:
    """`path`, numbered if there is one already, or reasons for one."""
    number, found = 0, path
    while os.path.lexists(found) or os.path.lexists(f"{found}.reason"):
        number += 1
        found = f"{path}.{number}"
    return found
