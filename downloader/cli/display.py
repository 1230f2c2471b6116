"""What the user sees of a run while it goes on; all of it on standard error.

`Quiet` shows nothing, `Plain` a line now and then. `Bars` is in its own module, because rich
takes longer to import than a short run to finish.
"""

from __future__ import annotations

import os
import sys
from collections import deque
from typing import Any, Protocol

from twisted.internet.task import LoopingCall

from downloader.errors import BadLine
from downloader.jobs import Result
from downloader.listrun.run import ListRun, Watcher
from downloader.listrun.words import duration_text, failure_text, size_text
from downloader.sansio.printable import printable

# A run that is shorter leaves only its summary in a log.
PLAIN_EVERY = 5.0
# Rates are means over this many seconds: steady enough to read, quick enough to show a stall.
PACE_WINDOW = 10.0


class Display(Watcher, Protocol):
    """Shows one run. `say` writes a line of text between everything else."""

    def start(self, run: ListRun) -> None:
        """Begin to show `run`, which starts now."""

    def stop(self) -> None:
        """Leave the terminal as it was."""

    def say(self, text: str) -> None:
        """Write `text`, which may hold anything, as one line or several."""


def write_line(text: str) -> None:
    """Write to standard error; when nobody is there to read it, that is no reason to stop."""
    try:
        print("\n".join(map(printable, text.split("\n"))), file=sys.stderr, flush=True)
    except OSError:
        pass


class Quiet:
    """Shows nothing."""

    def start(self, run: ListRun) -> None:
        return

    def stop(self) -> None:
        return

    def say(self, text: str) -> None:
        return

    def job_failed(self, result: Result) -> None:
        return

    def line_refused(self, bad: BadLine) -> None:
        return

    def warned(self, sentence: str) -> None:
        return


class Messages:
    """Tells what a reader has to know, as it happens; with `verbose`, each failure too."""

    def __init__(self, verbose: int = 0) -> None:
        self._verbose = verbose

    def start(self, run: ListRun) -> None:
        return

    def stop(self) -> None:
        return

    def say(self, text: str) -> None:
        write_line(text)

    def job_failed(self, result: Result) -> None:
        if self._verbose:
            self.say(f"failed: {failure_text(result)}")

    def line_refused(self, bad: BadLine) -> None:
        self.say(f"line {bad.line} is left out: {bad.message}")

    def warned(self, sentence: str) -> None:
        self.say(sentence)


class Plain(Messages):
    """`Messages`, and a line every few seconds that says how far the run is."""

    def __init__(self, reactor: Any, verbose: int = 0) -> None:
        super().__init__(verbose)
        self._ticking = LoopingCall(self._tick)
        self._ticking.clock = reactor
        self._pace = Pace()

    def start(self, run: ListRun) -> None:
        self._run = run
        self._pace.add(self._ticking.clock.seconds(), 0, 0)
        self._ticking.start(PLAIN_EVERY, now=False)

    def stop(self) -> None:
        if self._ticking.running:
            self._ticking.stop()

    def _tick(self) -> None:
        run = self._run
        self._pace.add(self._ticking.clock.seconds(), run.finished, received(run))
        total = run.source.count(seconds=0.05)
        parts = [files_text(run.finished, total), size_text(received(run))]
        parts.append(f"{size_text(self._pace.bytes_rate)}/s")
        if run.counts.failed:
            parts.append(f"{run.counts.failed:,} failed")
        left = self._pace.seconds_left(None if total is None else total - run.finished)
        if left is not None:
            parts.append(f"{duration_text(left)} left")
        self.say(", ".join(parts))


class Pace:
    """Files and bytes a second, over the last `PACE_WINDOW` seconds."""

    def __init__(self) -> None:
        self._marks: deque[tuple[float, int, int]] = deque()

    def __repr__(self) -> str:
        return f"<Pace {self.files_rate:.1f} files/s, {self.bytes_rate:.0f} B/s>"

    def add(self, now: float, files: int, size: int) -> None:
        """Note that so many files and bytes had come by `now`."""
        self._marks.append((now, files, size))
        while len(self._marks) > 2 and self._marks[0][0] < now - PACE_WINDOW:
            self._marks.popleft()

    @property
    def files_rate(self) -> float:
        """Files a second."""
        return self._rate(1)

    @property
    def bytes_rate(self) -> float:
        """Bytes a second; never below 0, though a failed transfer takes its bytes away again."""
        return self._rate(2)

    def seconds_left(self, files: int | None) -> float | None:
        """How long `files` more take at this rate, or None when there is no telling."""
        rate = self.files_rate
        return files / rate if files is not None and rate > 0 else None

    def _rate(self, field: int) -> float:
        if len(self._marks) < 2:
            return 0.0
        first, last = self._marks[0], self._marks[-1]
        seconds = last[0] - first[0]
        return max(0.0, (last[field] - first[field]) / seconds) if seconds > 0 else 0.0


def received(run: ListRun) -> int:
    """The bytes of complete files and of those that are on their way."""
    active = sum(transfer.progress().received for transfer in run.downloader.active())
    return run.counts.bytes + active


def files_text(finished: int, total: int | None) -> str:
    """`17 of 500 files`, or `17 files` while the list's end is not known."""
    return f"{finished:,} files" if total is None else f"{finished:,} of {total:,} files"


def choose_display(reactor: Any, progress: str, quiet: bool, verbose: int) -> Display:
    """The display for `--progress PROGRESS`, `-q` and `-v`."""
    if quiet:
        return Quiet()
    if progress == "auto":
        able = os.isatty(2) and os.environ.get("TERM", "dumb") != "dumb"
        progress = "bar" if able else "plain"
    if progress == "bar":
        from downloader.cli.bars import Bars

        return Bars(reactor)
    return Plain(reactor, verbose) if progress == "plain" else Messages(verbose)
