"""The demo's 500 files: which there are, how large, and which of them make trouble."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

KIB = 1024
MIB = 1024 * KIB

# How many files of which size. Together about 250 MiB: enough to see the rate, and no more than
# a folder for temporary files should have room for.
_SIZES = (
    (1, 64 * MIB),
    (2, 32 * MIB),
    (4, 8 * MIB),
    (15, 4 * MIB),
    (30, MIB),
    (20, 0),
    (20, 1),
    (90, 64 * KIB),
    (268, 4 * KIB),
)
_SLOW = 30
_MISSING = 12
_SILENT = 8
# Each slow file pauses for a time of this range, in seconds.
_PAUSES = (0.5, 4.0)


class Kind(StrEnum):
    """What the server does when it is asked for a file."""

    PROMPT = "prompt"
    SLOW = "slow"
    MISSING = "missing"
    SILENT = "silent"


@dataclass(frozen=True, slots=True)
class DemoFile:
    """A file of the demo: its path on the server, and how it is served."""

    path: str
    kind: Kind
    size: int = 0
    pause: float = 0.0

    @property
    def name(self) -> str:
        """What the file is called when it has been fetched."""
        return self.path.rpartition("/")[2]


def demo_files() -> list[DemoFile]:
    """The 500 files in the order of the list: mixed, and the same each time."""
    chance = random.Random(500)
    files = list(_all_files(chance))
    chance.shuffle(files)
    return files


def _all_files(chance: random.Random) -> Iterator[DemoFile]:
    sizes = [size for count, size in _SIZES for _ in range(count)]
    for number, size in enumerate(sizes):
        yield DemoFile(f"/files/{number:03}.bin", Kind.PROMPT, size)
    for number in range(_SLOW):
        size = chance.randrange(KIB, MIB)
        yield DemoFile(f"/slow/slow-{number}.bin", Kind.SLOW, size, chance.uniform(*_PAUSES))
    for number in range(_MISSING):
        yield DemoFile(f"/missing/missing-{number}.bin", Kind.MISSING)
    for number in range(_SILENT):
        yield DemoFile(f"/silent/silent-{number}.bin", Kind.SILENT)
