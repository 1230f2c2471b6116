"""What came of a run, as values that go to JSON and back."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from statistics import median
from typing import Any

# The tool that the others are compared with.
OURS = "downloader"


@dataclass(frozen=True)
class Measured:
    """One run: wall seconds, CPU seconds (user and system), and peak memory in bytes."""

    seconds: float
    cpu: float
    memory: int


@dataclass
class Row:
    """One tool at one workload: a Measured for each round, or why it `failed`.

    A tool that failed once is not run again there, and has no figures.
    """

    tool: str
    label: str
    runs: list[Measured] = field(default_factory=list)
    failed: str | None = None

    @property
    def seconds(self) -> float:
        """The median."""
        return median(run.seconds for run in self.runs)

    @property
    def cpu(self) -> float:
        """The median, in seconds."""
        return median(run.cpu for run in self.runs)

    @property
    def memory(self) -> float:
        """The median, in bytes."""
        return median(run.memory for run in self.runs)


@dataclass
class Work:
    """One workload: `lines` were fetched, `bytes` in all, `jobs` at a time.

    `notes` are sentences about it, such as why a tool was not run.
    """

    name: str
    title: str
    lines: int
    bytes: int
    jobs: int
    notes: list[str] = field(default_factory=list)
    rows: list[Row] = field(default_factory=list)

    def row(self, tool: str) -> Row | None:
        """The tool's row, if it has figures."""
        return next((r for r in self.rows if r.tool == tool and not r.failed and r.runs), None)

    def ratio(self, row: Row) -> float | None:
        """How many times our seconds it took; None when ours are not there."""
        ours = self.row(OURS)
        return row.seconds / ours.seconds if ours is not None and ours.seconds else None


@dataclass
class Results:
    """A whole run. `machine` and `versions` say where, and of what, in the words of each."""

    when: str
    scale: float
    rounds: int
    machine: dict[str, str] = field(default_factory=dict)
    versions: dict[str, str] = field(default_factory=dict)
    works: list[Work] = field(default_factory=list)

    def work(self, name: str) -> Work | None:
        """The workload of that name, if it was run."""
        return next((work for work in self.works if work.name == name), None)

    def to_json(self) -> str:
        """All of it, with the medians for whoever reads it by eye."""
        whole = asdict(self)
        for work, into in zip(self.works, whole["works"], strict=True):
            for row, shown in zip(work.rows, into["rows"], strict=True):
                shown["median"] = _medians(work, row)
        return json.dumps(whole, indent=1) + "\n"


def _medians(work: Work, row: Row) -> dict[str, float | None] | None:
    if row.failed or not row.runs:
        return None
    return {
        "seconds": row.seconds,
        "to_ours": work.ratio(row),
        "cpu": row.cpu,
        "memory": row.memory,
    }


def from_json(text: str) -> Results:
    """What `to_json` wrote."""
    whole: dict[str, Any] = json.loads(text)
    works = [
        Work(**{**work, "rows": [_row(row) for row in work["rows"]]}) for work in whole["works"]
    ]
    return Results(**{**whole, "works": works})


def _row(row: dict[str, Any]) -> Row:
    runs = [Measured(**run) for run in row["runs"]]
    return Row(row["tool"], row["label"], runs, row["failed"])
