"""A shard's manifest: who reads it knows that all of the shard is there, and what came of it.

It is the report of the shard's run with a line before it that names the shard. It is written to
where nobody looks and gets its name last.
"""

from __future__ import annotations

import json
import os
from dataclasses import asdict, replace
from typing import Any

from downloader.cluster.spec import Spec
from downloader.errors import FetchedBefore, PlaceError
from downloader.jobs import Report, Result, Status
from downloader.listrun.outputs import OutputFile
from downloader.listrun.report import ReportFile
from downloader.sansio.shards import member_name
from downloader.sansio.url import redacted_invalid

FORMAT = 1


class Manifest(ReportFile):
    """The report of the run of `spec` in the folder `directory`.

    What an earlier attempt had fetched is complete here as well. `files` are the complete ones:
    where they are, and the names that the manifest has for them.
    """

    def __init__(self, file: OutputFile, version: str, spec: Spec, directory: str) -> None:
        super().__init__(file, version)
        self.files: list[tuple[str, str]] = []
        self.counts = Report()
        self._spec = spec
        self._directory = directory
        file.write(_line(_head(spec)))

    def add(self, result: Result) -> None:
        """Write what came of one job."""
        if isinstance(result.error, FetchedBefore) and result.path is not None:
            size = os.stat(result.path).st_size
            result = replace(result, status=Status.COMPLETE, error=None, bytes=size, verified=True)
        self.counts.count(result)
        if result.status is Status.COMPLETE and result.path is not None:
            name = self._name(result.job.line or 0, result.path)
            self.files.append((result.path, name))
            result = replace(result, path=name)
        else:
            result = replace(result, path=None)
        super().add(result)

    def end(self, counts: Report, interrupted: bool) -> None:
        """Write the summary: of all attempts together."""
        mine = replace(self.counts, invalid=counts.invalid, pending=counts.pending)
        told = {**asdict(replace(mine, seconds=round(counts.seconds, 6))), "lines": mine.lines}
        told |= {"interrupted": interrupted, "identity": self._spec.identity}
        self.file.write(_line({"summary": told}))

    def _name(self, line: int, path: str) -> str:
        if self._spec.pack:
            return member_name(self._spec.shard.name, line, path)
        return f"{self._spec.shard.name}/{os.path.relpath(path, self._directory)}"


def summary_in(tail: bytes, name: str, identity: str) -> dict[str, Any]:
    """The summary of the manifest `name`, of the shard of this identity, that ends so. Raises
    PlaceError, also if it is of another one."""
    try:
        last = tail.rstrip(b"\n").rpartition(b"\n")[2]
        summary: dict[str, Any] = json.loads(last)["summary"]
        found = summary["identity"]
    except (ValueError, KeyError, TypeError) as error:
        raise PlaceError(f"{name}: this is no manifest") from error
    if found != identity:
        raise PlaceError(f"{name}: this is the manifest of another run")
    return summary


def _head(spec: Spec) -> dict[str, Any]:
    shard = asdict(spec.shard)
    shard |= {"number": spec.shard.number, "url": redacted_invalid(spec.shard.url)}
    return {"shard": spec.shard.name, "identity": spec.identity, **shard, "format": FORMAT}


def _line(told: dict[str, Any]) -> str:
    return json.dumps(told, separators=(",", ":")) + "\n"
