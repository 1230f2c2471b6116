"""What the user sees of a run while it goes on; all of it on standard error.

`Quiet` shows next to nothing, `Plain` a line now and then. `Bars` is in its own module, because
rich takes longer to import than a short run to finish.
"""

from __future__ import annotations

import os
import sys
from typing import Any, Protocol

from twisted.internet.task import LoopingCall

from downloader.cli.pace import Pace, files_text, received
from downloader.errors import BadLine
from downloader.jobs import Result
from downloader.listrun.run import ListRun, Watcher
from downloader.listrun.words import duration_text, failure_text, size_text
from downloader.sansio.printable import printable

# A run that is shorter leaves only its summary in a log.
PLAIN_EVERY = 5.0


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
    """Shows nothing of the run, only what is said about the command itself."""

    def start(self, run: ListRun) -> None:
        return

    def stop(self) -> None:
        return

    def say(self, text: str) -> None:
        write_line(text)

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
