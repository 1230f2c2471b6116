"""What failed, tried again: a run of its own, of a list that the shards' failures make.

It is in the place ``retry`` below the run's, and what fails in it again is in one below that.
"""

from __future__ import annotations

from collections.abc import Iterator

from downloader.cluster.places import Place
from downloader.cluster.plan import LIST, RETRY, RUN, Plan, resumed
from downloader.errors import PlaceError


def retried(place: Place) -> Place | None:
    """The place to fetch what failed in the run in `place`, with its list there; None if nothing
    failed. One that was not finished is gone on with. Raises PlaceError, also where the run itself
    was not finished."""
    while (below := place.below(RETRY)).has(RUN):
        if not _is_done(resumed(below)):
            return below
        place = below
    plan = resumed(place)
    if not _is_done(plan):
        raise PlaceError(f"{place}: this run has shards that are not done; finish it first")
    names = list(plan.failures())
    if not names:
        return None
    below.write(LIST, _joined(place, names))
    return below


def _is_done(plan: Plan) -> bool:
    return len(plan.done()) == plan.count


def _joined(place: Place, names: list[str]) -> Iterator[bytes]:
    for name in names:
        yield from place.lines(name)
