"""A run on a cluster: which shards it has, and which of them are done.

What a run was begun with is kept in its place, in ``run.json``: so the same command goes on with
the same shards, and another one is told that the place has a run already.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from typing import Any

from downloader.cluster.places import Found, Place, find_parts, sample
from downloader.cluster.spec import MANIFEST
from downloader.errors import PlaceError
from downloader.sansio.names import STATE
from downloader.sansio.shards import Part, Shard, cut, run_identity, shard_count, shard_size

RUN = "run.json"


@dataclass(frozen=True)
class Plan:
    """The shards of a run in `place`: `parts` in ranges of about `size` bytes. `options` are those
    that its files depend on."""

    place: Place
    parts: Sequence[Found]
    size: int
    options: Mapping[str, Any]

    @cached_property
    def identity(self) -> str:
        """The same for the same run, and for no other."""
        parts = [(found.part.url, found.version) for found in self.parts]
        return run_identity(parts, self.size, self.options)

    @cached_property
    def count(self) -> int:
        """How many shards there are."""
        return shard_count([found.part for found in self.parts], self.size)

    def shards(self) -> Iterator[Shard]:
        """All of them, in their order."""
        return cut([found.part for found in self.parts], self.size)

    def done(self) -> set[int]:
        """The numbers of those that have a manifest. Raises PlaceError."""
        stems = (n.removesuffix(MANIFEST) for n in self.place.names() if n.endswith(MANIFEST))
        return {int(stem) for stem in stems if stem.isascii() and stem.isdigit()}

    def clean(self, shard: Shard, pack: str | None) -> None:
        """Remove what a process has left that was killed when `shard` was done."""
        if self.place.folder is not None:
            directory = f"{self.place.folder}/{shard.name}"
            shutil.rmtree(directory if pack else f"{directory}/{STATE}", ignore_errors=True)


def planned(place: Place, url: str, lines: int, options: Mapping[str, Any]) -> Plan:
    """The run of the list at `url` in `place`: a new one with about so many `lines` to a shard, or
    the one that is there. Raises PlaceError, also if that is another one."""
    parts = find_parts(url)
    options = {**options, "shard_lines": lines}
    if place.has(RUN):
        return _known(place, parts, options)
    if any(name.endswith(MANIFEST) for name in place.names()):
        raise PlaceError(f"{place} has manifests of another run; another -d begins a new one")
    plan = Plan(place, parts, shard_size(sample(parts[0].part.url), lines), options)
    told = {
        "identity": plan.identity,
        "size": plan.size,
        "options": options,
        "parts": [{**asdict(found.part), "version": found.version} for found in parts],
    }
    place.write(RUN, iter([json.dumps(told, indent=1).encode("ascii"), b"\n"]))
    return plan


def resumed(place: Place) -> Plan:
    """The run in `place`, whatever its list is now. Raises PlaceError."""
    told = _told(place)
    try:
        parts = [
            Found(Part(one["url"], one["size"], one["is_plain"]), one["version"])
            for one in told["parts"]
        ]
        return Plan(place, parts, int(told["size"]), told["options"])
    except (KeyError, TypeError, ValueError) as error:
        raise _no_run(place) from error


def _known(place: Place, parts: Sequence[Found], options: Mapping[str, Any]) -> Plan:
    plan = resumed(place)
    changed = [name for name, value in options.items() if plan.options.get(name) != value]
    if changed:
        names = ", ".join("--" + name.replace("_", "-") for name in sorted(changed))
        raise PlaceError(f"{place} has a run with another {names}; another -d begins a new one")
    if list(plan.parts) != list(parts):
        raise PlaceError(
            f"{place} has a run of another list, or the list has changed; "
            "another -d begins a new one"
        )
    return plan


def run_in(place: Place) -> str | None:
    """The identity of the run in `place`; None if there is none. Raises PlaceError."""
    return _told(place).get("identity") if place.has(RUN) else None


def _told(place: Place) -> dict[str, Any]:
    try:
        told = json.loads(place.read(RUN))
    except ValueError as error:
        raise _no_run(place) from error
    if not isinstance(told, dict):
        raise _no_run(place)
    return told


def _no_run(place: Place) -> PlaceError:
    return PlaceError(f"{place}: its {RUN} is none of ours")
