"""`downloader ctl watch`: a line for each job that changes, and on a terminal how those that run
stand, below."""

from __future__ import annotations

import json
import sys
from types import TracebackType
from typing import Any

from rich.console import Console
from rich.live import Live
from rich.text import Text

from downloader.cli.ctlshown import cell, line_of, progress, write
from downloader.listrun.words import size_text
from downloader.sansio.eventstream import Event
from downloader.sansio.printable import printable

# Jobs that run and are shown one by one.
_MOST = 10
# Names that are remembered, for the lines of those that run.
_NAMES = 1000


class Watch:
    """Shows what it is told, on standard output; with `live`, on a terminal."""

    def __init__(self, live: bool) -> None:
        self._names: dict[str, str] = {}
        console = Console(file=sys.stdout, highlight=False)
        self._live = Live(console=console, auto_refresh=False, transient=True) if live else None

    def __repr__(self) -> str:
        live = "lines" if self._live is None else "live"
        return f"<Watch {live}, {len(self._names)} names>"

    def __enter__(self) -> Watch:
        if self._live is not None:
            self._live.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._live is not None:
            self._live.stop()

    def tell(self, event: Event) -> None:
        """Show `event`. Raises ValueError, TypeError or KeyError for what no service of ours
        tells."""
        told = json.loads(event.data)
        if event.name == "job":
            self._job(told)
        elif event.name == "gone":
            self._say(f"forgotten {printable(str(told['gid']))}")
        elif event.name == "progress" and self._live is not None:
            text = Text("\n".join(self._lines(told)), no_wrap=True, overflow="ellipsis")
            self._live.update(text, refresh=True)

    def _job(self, job: dict[str, Any]) -> None:
        self._names.pop(job["gid"], None)
        self._names[job["gid"]] = cell(job, "name")
        if len(self._names) > _NAMES:
            del self._names[next(iter(self._names))]
        line = line_of(job, "status", "gid", "name")
        if job["status"] == "error":
            line += f": {cell(job, 'message')}"
        self._say(line)

    def _lines(self, told: dict[str, Any]) -> list[str]:
        """The whole, and those that run."""
        jobs = ", ".join(
            f"{count} {printable(status)}" for status, count in told["jobs"].items() if count
        )
        lines = [f"{jobs or 'no jobs'}, {size_text(told['rate'])}/s"]
        for gid, received, length, rate in told["active"][:_MOST]:
            how = f"{progress(received, length):20} {size_text(rate)}/s"
            lines.append(f"{printable(gid)} {how:34} {self._names.get(gid, '')}")
        return lines

    def _say(self, line: str) -> None:
        if self._live is not None:
            self._live.console.print(Text(line))
        else:
            write(line)
