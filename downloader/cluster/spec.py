"""What a process that fetches one shard is told, and what it tells."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from downloader.jobs import Report
from downloader.sansio.shards import Shard

# The ending of a shard's manifest: its name says that the shard is done.
MANIFEST = ".jsonl"
# And of the list of what failed in it, with secrets, for its owner.
FAILED = ".failed"
# Seconds for a shard, and without a word of it.
DEADLINE = 86_400.0
SILENCE = 60.0


@dataclass(frozen=True, slots=True)
class Spec:
    """One shard and how it is fetched. All of it can be said in JSON.

    `run` and `identity` are those of the run and of the shard; `out` is the place that all shards
    of the run go to; `arguments` are those of `fetch`; `shares` is what it has of the limits of
    all. With `pack` it becomes a tar. `deadline` and `silence` are seconds: for all of it, and
    without a word. `attempt` counts the attempts of the run.
    """

    shard: Shard
    run: str
    identity: str
    out: str
    arguments: list[str]
    version: str
    pack: str | None = None
    shares: dict[str, float | int] = field(default_factory=dict)
    deadline: float = DEADLINE
    silence: float = SILENCE
    attempt: int = 1

    @property
    def manifest(self) -> str:
        """Its name."""
        return self.shard.name + MANIFEST

    @property
    def failed(self) -> str:
        """The name of the list of what failed."""
        return self.shard.name + FAILED

    def told(self) -> dict[str, Any]:
        """Itself, for JSON."""
        return asdict(self)

    @classmethod
    def heard(cls, told: Mapping[str, Any]) -> Spec:
        """The one that was `told`."""
        return cls(**{**told, "shard": Shard(**told["shard"])})


def report_of(summary: Mapping[str, Any]) -> Report:
    """The counts in a manifest's last line."""
    return Report(**{name: summary[name] for name in Report.__dataclass_fields__})


def added(one: Report, other: Report) -> Report:
    """Both together; of their seconds, the more."""
    both = {name: getattr(one, name) + getattr(other, name) for name in Report.__dataclass_fields__}
    return Report(**{**both, "seconds": max(one.seconds, other.seconds)})
