"""What is fetched: values only, so that a run can be planned before anything is made."""

from __future__ import annotations

import math
import random
from collections.abc import Callable
from dataclasses import dataclass, field

from benchmarks.data import SERVED, room
from benchmarks.servers import LIMITED

KIB, MIB, GIB = 1024, 1024**2, 1024**3
_MANY = 20_000
_LINES = 1_000_000
_ONE = "fetches a file over one connection, as curl does"
_PEERS = ("curl", "aria2c", "wget2", "pycurl", "aiohttp", "twisted")


@dataclass(frozen=True)
class Workload:
    """`jobs` files at a time of the sizes that `sizes(scale)` says.

    `repeated(scale)` is the number of lines, where the files are asked for again and again.
    `connections` bounds the connections; the tools that keep one for each job get it as jobs.
    With `streams`, each file may come over so many. `place` is where the server has the files.
    With `again`, what is measured is the second run. `round_trip` is what a proxy adds, in seconds.
    `most_rounds` bounds a workload in which time is not the point. `without` says of a tool, by
    name, why it is not run.
    """

    name: str
    title: str
    sizes: Callable[[float], list[int]]
    jobs: int
    repeated: Callable[[float], int] | None = None
    connections: int | None = None
    streams: int | None = None
    place: str = SERVED
    again: bool = False
    tls: bool = False
    round_trip: float = 0.0
    most_rounds: int | None = None
    without: dict[str, str] = field(default_factory=dict)

    def lines(self, scale: float) -> int | None:
        """The lines of the list; None is one for each file."""
        return None if self.repeated is None else self.repeated(scale)

    def room(self, scale: float) -> int:
        """The bytes it needs on the disk."""
        return room(self.sizes(scale), self.lines(scale))


def scaled(number: int, scale: float) -> int:
    """So many at this scale, and one at least."""
    return max(1, round(number * scale))


def many(number: int, size: int) -> Callable[[float], list[int]]:
    """Files of one size; the scale is for their number."""
    return lambda scale: [size] * scaled(number, scale)


def large(number: int, size: int) -> Callable[[float], list[int]]:
    """So many files; the scale is for their size."""
    return lambda scale: [scaled(size, scale)] * number


def log_uniform(least: int, most: int, total: int) -> Callable[[float], list[int]]:
    """As many files of 1 to 2 KB as of 1 to 2 MB, `total` bytes in all, shuffled by a seed.

    They are spread evenly and not drawn, so that a small scale has the same mixture.
    """
    span = math.log(most / least)
    mean = (most - least) / span

    def sizes(scale: float) -> list[int]:
        number = scaled(round(total / mean), scale)
        spread = [round(least * math.exp(span * (n + 0.5) / number)) for n in range(number)]
        random.Random(2).shuffle(spread)
        return spread

    return sizes


WORKLOADS = [
    Workload("small", "20,000 files of 4 KiB", many(_MANY, 4 * KIB), jobs=32),
    Workload("small-tls", "20,000 files of 4 KiB, TLS", many(_MANY, 4 * KIB), jobs=32, tls=True),
    Workload("large", "4 files of 1 GiB", large(4, GIB), jobs=4),
    Workload("large-tls", "1 file of 1 GiB, TLS", large(1, GIB), jobs=1, tls=True),
    Workload(
        "far",
        "2,000 files of 4 KiB, 50 ms away, 8 connections",
        many(2000, 4 * KIB),
        jobs=8,
        connections=8,
        round_trip=0.05,
    ),
    Workload(
        "mixed",
        "2 GB in files of 100 bytes to 50 MiB",
        log_uniform(100, 50 * MIB, 2_000_000_000),
        jobs=32,
    ),
    Workload(
        "lines",
        "a list of 1,000,000 lines",
        many(_MANY, 100),
        jobs=32,
        repeated=lambda scale: scaled(_LINES, scale),
        most_rounds=1,
        without={
            "aria2c": "keeps about 12 KB of memory for each line",
            "twisted": "takes many minutes",
        },
    ),
    Workload(
        "again",
        "the same list, once all of it is there",
        many(_MANY, 100),
        jobs=32,
        repeated=lambda scale: scaled(_LINES, scale),
        again=True,
        most_rounds=1,
        without=dict.fromkeys(_PEERS, "would fetch all of it again"),
    ),
    Workload(
        "split",
        "1 file of 1 GiB at 50 MB/s a connection, 4 connections",
        large(1, GIB),
        jobs=1,
        streams=4,
        place=LIMITED,
        without=dict.fromkeys(("wget2", "pycurl", "aiohttp", "twisted"), _ONE),
    ),
]

# The odd one, which fetches nothing: see cancelling.py.
CANCEL = "cancel"
CANCEL_TITLE = "10,000 requests before their heads: from cancel to the last end"
CANCEL_REQUESTS = 10_000
NAMES = [*(workload.name for workload in WORKLOADS), CANCEL]
