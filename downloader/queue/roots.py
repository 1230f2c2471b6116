"""Where a queue's files may go: what was allowed to an earlier process may not be to this one."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from dataclasses import replace

from downloader.errors import OutsideRoots
from downloader.jobs import Status
from downloader.queue.entry import Entry, Told
from downloader.sansio.printable import printable


class Roots:
    """The directories that jobs may have; None is any."""

    def __init__(self, directories: Sequence[str] | None) -> None:
        self._directories = directories

    def __repr__(self) -> str:
        return f"<Roots {self._directories!r}>"

    def check(self, directory: str) -> None:
        """Raises OutsideRoots if it is none of them, as they are written: where a link leads may
        change."""
        if self._directories is not None and directory not in self._directories:
            raise OutsideRoots(printable(directory))

    def meet(self, entries: Iterable[Entry]) -> list[Entry]:
        """Jobs of an earlier process. Those that waited and may not go on are paused, and wait
        again once they may. Returns those of which that is new.

        A root that is another path to a job's directory now is its directory from then on.
        """
        real: dict[str, str] = {}
        for root in self._directories or ():
            real.setdefault(os.path.realpath(root), root)
        places: dict[str, str | None] = {root: root for root in self._directories or ()}
        changed = []
        for entry in entries:
            directory = entry.job.directory
            if directory not in places:
                places[directory] = real.get(os.path.realpath(directory))
            if self._is_other(entry, directory if self._directories is None else places[directory]):
                changed.append(entry)
        return changed

    def _is_other(self, entry: Entry, place: str | None) -> bool:
        """Whether it stands otherwise, now that its directory is the root `place`, or none."""
        if place not in (None, entry.job.directory):
            entry.job = replace(entry.job, directory=place)
        if place is None and entry.status is Status.WAITING:
            error = OutsideRoots(printable(entry.job.directory))
            entry.status, entry.told = Status.PAUSED, Told(type(error).__name__, str(error))
            return True
        if place is not None and entry.status is Status.PAUSED and entry.told is not None:
            entry.status, entry.told = Status.WAITING, None
            return True
        return False
