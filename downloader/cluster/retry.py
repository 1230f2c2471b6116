"""What failed, tried again: a run of its own, of a list that the shards' failures make.

Such runs are in the places ``retry-1``, ``retry-2`` and so on below the run's. What has gone into
the list of one is no failure of the others any more.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import count

from downloader.cluster.places import Place
from downloader.cluster.plan import RUN, resumed
from downloader.cluster.spec import FAILED

LIST = "list.txt"


class Failures:
    """What failed in the run in `place`, and in those that have tried it again. All of it raises
    PlaceError."""

    def __init__(self, place: Place) -> None:
        self._runs = [place]
        self._listed: list[tuple[Place, str]] = []
        for number in count(1):
            below = place.below(f"retry-{number}")
            if not below.has(RUN):
                self._next = below
                return
            self._runs.append(below)

    def __repr__(self) -> str:
        return f"<Failures of {self._runs[0]}>"

    @property
    def undone(self) -> int:
        """How many shards of the first run have no manifest."""
        plan = resumed(self._runs[0])
        return plan.count - len(plan.done())

    def listed(self) -> Place | None:
        """The place of a run that was not finished, or that for the next one, with its list; None
        if nothing has failed."""
        for run in self._runs[1:]:
            plan = resumed(run)
            if len(plan.done()) < plan.count:
                return run
        self._listed = [(run, name) for run in self._runs for name in _failed(run)]
        if not self._listed:
            return None
        self._next.write(LIST, _joined(self._listed))
        return self._next

    def forget(self) -> None:
        """Once the next run is planned: what is in its list is its own."""
        for run, name in self._listed:
            run.remove(name)


def _failed(run: Place) -> list[str]:
    return sorted(name for name in run.names() if name.endswith(FAILED))


def _joined(names: list[tuple[Place, str]]) -> Iterator[bytes]:
    for run, name in names:
        yield from run.lines(name)
