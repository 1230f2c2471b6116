"""The progress display of a terminal: a bar for the list, a line for each file that takes a while.

rich draws, and nothing else: its own thread is off, and a LoopingCall drives it, so what it
shows is read between two events and costs the transfers nothing.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from rich.console import Console, ConsoleOptions, RenderableType, RenderResult
from rich.progress import BarColumn, Progress, TaskID, TextColumn
from rich.table import Column
from rich.text import Text
from twisted.internet.defer import maybeDeferred
from twisted.python.failure import Failure

from downloader.cli.live import Live
from downloader.cli.messages import Shown, Transfer, write_line
from downloader.cli.pace import files_text
from downloader.errors import BadLine
from downloader.jobs import Progress as FileProgress
from downloader.jobs import PutJob, Result, Status
from downloader.listrun.words import (
    MAX_EXAMPLES,
    duration_text,
    failure_text,
    refusal_text,
    size_text,
)
from downloader.sansio.printable import printable, printable_lines
from downloader.sansio.url import redacted

FRAMES_PER_SECOND = 8
MAX_FILES = 8
# Files that are done sooner get no line: hundreds a second would only flicker.
SHOW_AFTER = 1.0
_BAR_WIDTH = 16
# Not "": rich gives a column of no width one all the same, and its rows shrink to fit that in.
_NOTHING = " "
# What two keys such as Ctrl-C leave on the terminal: ^C^C
_ECHO_WIDTH = 4
# More failures at once are a number: printing all of a dead host's would hold up the others. The
# last words would name so many of them, the first ones: all of those have been told by then.
_MOST_AT_ONCE = MAX_EXAMPLES
# Of what the command itself has to say more is kept: none of it should be lost among bad lines.
_MOST_SAID = 100


class Bars(Live):
    """Bars on standard error, with failures and messages above them."""

    def __init__(self, reactor: Any, verbose: int = 0) -> None:
        super().__init__(reactor, 1 / FRAMES_PER_SECOND, self._tick, verbose)
        self._console = Console(stderr=True, highlight=False)
        self._progress = _progress(self._console)
        self._said: list[str] = []
        self._failed: list[str] = []
        self._unprinted = 0
        self._unsaid = 0
        self._since: dict[Transfer, float] = {}
        self._lines: dict[Transfer, TaskID] = {}

    @property
    def told_failures(self) -> bool:
        return not self.broken

    def start(self, run: Shown) -> None:
        nothing: dict[str, Any] = dict.fromkeys(("size", "rate", "left"), _NOTHING)
        self._whole = self._progress.add_task(run.doing, total=None, **nothing)
        super().start(run)
        try:
            self._progress.start()
        except OSError:  # the terminal is gone already
            super().stop()
            self._broke(Failure())

    def stop(self) -> None:
        super().stop()
        if not self.broken:
            maybeDeferred(self._end).addErrback(self._broke)

    def say(self, text: str) -> None:
        self._keep(text, _MOST_SAID)

    def line_refused(self, bad: BadLine) -> None:
        self._keep(refusal_text(bad), _MOST_AT_ONCE)

    def warned(self, sentence: str) -> None:
        self._keep(sentence, _MOST_AT_ONCE)

    def _keep(self, text: str, most: int) -> None:
        """For the next frame, if there are not so many already."""
        if not self._ticking.running:
            write_line(text)
        elif len(self._said) < most:
            self._said.append(text)
        else:
            self._unsaid += 1

    def job_failed(self, result: Result) -> None:
        if len(self._failed) < _MOST_AT_ONCE:
            self._failed.append(f"failed: {failure_text(result)}")
        else:
            self._unprinted += 1

    def _end(self) -> None:
        try:
            self._print_messages()
            for line in self._lines.values():
                self._progress.remove_task(line)
            self._show_whole()
            self._progress.update(self._whole, left=_NOTHING)
        finally:
            self._progress.stop()  # the cursor comes back, whatever happened

    def _broke(self, failure: Failure) -> None:
        try:
            self._progress.stop()
        except Exception:  # the first error is told, and the cursor is back all the same
            pass
        super()._broke(failure)
        for text in self._taken_messages():
            write_line(text)

    def _tick(self) -> None:
        self._print_messages()
        self._show_whole()
        self._show_files()
        self._progress.refresh()

    def _print_messages(self) -> None:
        if lines := self._taken_messages() + self._taken_failures():
            self._console.print(Text(printable_lines("\n".join(lines))), soft_wrap=True)

    def _taken_messages(self) -> list[str]:
        lines, more = self._said, self._unsaid
        self._said, self._unsaid = [], 0
        return [*lines, f"and {more:,} more messages"] if more else lines

    def _taken_failures(self) -> list[str]:
        lines, more = self._failed, self._unprinted
        self._failed, self._unprinted = [], 0
        return [*lines, f"and {more:,} more failed"] if more else lines

    def _show_whole(self) -> None:
        run, size = self._run, self._run.received
        total = run.count(seconds=0.03)
        self._pace.add(self._now, run.finished, size - run.found)
        left = self._pace.seconds_left(None if total is None else total - run.ended)
        failed = f"{run.failed:,} failed" if run.failed else ""
        self._progress.update(
            self._whole,
            total=total,
            completed=run.ended,
            description=", ".join(filter(None, [run.steps, failed])) or run.doing,
            size=f"{files_text(run.ended, total)}, {size_text(size)}",
            rate=f"{size_text(self._pace.bytes_rate)}/s",
            left=f"{duration_text(left)} left" if left else _NOTHING,
        )

    def _show_files(self) -> None:
        now = self._now
        active = self._run.active()
        self._since = {transfer: self._since.get(transfer, now) for transfer in active}
        for gone in self._lines.keys() - self._since.keys():
            self._progress.remove_task(self._lines.pop(gone))
        slow = (one for one, since in self._since.items() if now - since >= SHOW_AFTER)
        for transfer in slow:
            if transfer not in self._lines and len(self._lines) < MAX_FILES:
                line = _file_line(transfer.progress())
                self._lines[transfer] = self._progress.add_task(**line, left="")
        for transfer, task in self._lines.items():
            self._progress.update(task, **_file_line(transfer.progress()))


class _Rows(Progress):
    """rich's rows, a little narrower than the terminal."""

    def get_renderables(self) -> Iterator[RenderableType]:
        return map(_Narrower, super().get_renderables())


@dataclass
class _Narrower:
    """A terminal writes `^C` where the cursor is: at the end of the last row.

    In a row that is full it would begin another one, of which rich does not know when it goes
    back up.
    """

    rows: RenderableType

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        width = max(1, options.max_width - _ECHO_WIDTH)
        return console.render(self.rows, options.update_width(width))


def _progress(console: Console) -> Progress:
    name = Column(ratio=1, no_wrap=True, overflow="ellipsis")
    return _Rows(
        TextColumn("{task.description}", markup=False, table_column=name),
        BarColumn(bar_width=_BAR_WIDTH),
        *(
            TextColumn(f"{{task.fields[{field}]}}", markup=False, justify="right")
            for field in ("size", "rate", "left")
        ),
        console=console,
        auto_refresh=False,
        redirect_stdout=False,
        redirect_stderr=False,
        expand=True,
    )


def _file_line(progress: FileProgress) -> dict[str, Any]:
    size = size_text(progress.received)
    if progress.length is not None:
        size += f" of {size_text(progress.length)}"
    return {
        "description": printable(f"  {_name(progress)}"),
        "total": progress.length,
        "completed": progress.received,
        "size": size,
        "rate": _state(progress),
    }


def _name(progress: FileProgress) -> str:
    if progress.path is None:
        return redacted(progress.job.url)
    if isinstance(progress.job, PutJob):
        return progress.path
    return progress.path.removeprefix(progress.job.directory).removeprefix("/")


def _state(progress: FileProgress) -> str:
    if progress.status is Status.WAITING:
        return "waiting"
    if progress.attempts > 1:
        return f"try {progress.attempts}"
    return "" if progress.received or progress.length is not None else "no answer"
