"""What is said in words while a run goes on; all of it on standard error."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Protocol

from downloader.errors import BadLine
from downloader.jobs import Progress, Result
from downloader.listrun.run import Watcher
from downloader.listrun.words import failure_text, refusal_text
from downloader.sansio.printable import printable_lines


class Transfer(Protocol):
    """A running job, as it is shown."""

    def progress(self) -> Progress:
        """How it stands."""


class Shown(Protocol):
    """A run, as it is shown."""

    @property
    def doing(self) -> str:
        """What it does, in one word."""

    @property
    def steps(self) -> str:
        """How far it is, where it goes by more than files: `3 of 10 shards`; else nothing."""

    @property
    def finished(self) -> int:
        """How many files have ended."""

    @property
    def failed(self) -> int:
        """How many of them failed."""

    @property
    def ended(self) -> int:
        """How many lines have come to an end, refused ones too: `count` at last."""

    @property
    def received(self) -> int:
        """The bytes of files that have ended well, and of those under way."""

    @property
    def found(self) -> int:
        """How many of these were there when it began."""

    def count(self, seconds: float) -> int | None:
        """How many lines there are, or None while that is not known. Each call may go on counting
        for so many `seconds`."""

    def active(self) -> Sequence[Transfer]:
        """The jobs under way that are to be shown one by one."""


class Display(Watcher, Protocol):
    """Shows one run. `say` writes a line of text between everything else."""

    @property
    def told_failures(self) -> bool:
        """Whether failures were told when they happened, the first ones at least."""

    def start(self, run: Shown) -> None:
        """Begin to show `run`, which starts now."""

    def stop(self) -> None:
        """Leave the terminal as it was."""

    def say(self, text: str) -> None:
        """Write `text`, which may hold anything, as one line or several."""


def write_line(text: str) -> None:
    """Write to standard error; when nobody is there to read it, that is no reason to stop."""
    try:
        print(printable_lines(text), file=sys.stderr, flush=True)
    except OSError:
        pass


class Quiet:
    """Shows nothing of the run, only what is said about the command itself."""

    @property
    def told_failures(self) -> bool:
        return False

    def start(self, run: Shown) -> None:
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


class Messages(Quiet):
    """Tells what a reader has to know, as it happens; with `verbose`, each failure too."""

    def __init__(self, verbose: int = 0) -> None:
        self._verbose = verbose

    @property
    def told_failures(self) -> bool:
        return self._verbose > 0

    def job_failed(self, result: Result) -> None:
        if self._verbose:
            self.say(f"failed: {failure_text(result)}")

    def line_refused(self, bad: BadLine) -> None:
        self.say(refusal_text(bad))

    def warned(self, sentence: str) -> None:
        self.say(sentence)
