"""Clients for libraries that have no command of their own.

Each is `python -m benchmarks.drivers.NAME LIST OUT JOBS [CA]`: it fetches the URLs of the file
LIST into the directory OUT, each under its last segment, JOBS at a time on as many connections,
writing bytes as they come, and it fails at the first answer that is not 200. CA is a PEM file to
trust. Each does what a careful program would do with that library, and no more.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path


class Arguments:
    """The command line."""

    def __init__(self) -> None:
        self._list, self.out, self.jobs = sys.argv[1], Path(sys.argv[2]), int(sys.argv[3])
        self.ca = sys.argv[4] if len(sys.argv) > 4 else None

    def wanted(self) -> Iterator[tuple[str, str]]:
        """Each URL and the path of its file, read as it is asked for."""
        with open(self._list, encoding="ascii") as lines:  # noqa: PTH123  a driver's time counts
            for line in lines:
                url = line.rstrip("\n")
                yield url, f"{self.out}/{url.rpartition('/')[2]}"
