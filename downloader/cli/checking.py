"""From the options of `check` to a run that is shown while it goes on, and its exit code."""

from __future__ import annotations

import os
from typing import Any

import click
from twisted.internet.defer import Deferred

from downloader.check.report import CheckReport
from downloader.check.run import CheckRun
from downloader.check.sources import ChecksumSource, ReportSource, Source, StateSource
from downloader.check.verify import Outcome
from downloader.cli.checksums import opened_checksums
from downloader.cli.display import choose_display
from downloader.cli.exits import ExitCode
from downloader.cli.logs import show_logs
from downloader.cli.messages import Display
from downloader.cli.running import run_reactor
from downloader.cli.work import check_apart, open_output
from downloader.errors import StoreError
from downloader.listrun.words import reason_text
from downloader.sansio.names import STATE
from downloader.sansio.printable import printable


def run_check(what: str, options: dict[str, Any]) -> int:
    """Compare the files that `what` tells of, in a reactor of its own."""
    from twisted.internet import reactor

    display = choose_display(reactor, options["progress"], options["quiet"], options["verbose"])
    show_logs(display.say, options["verbose"])
    checking = Checking(reactor, what, options, display)
    _, signal = run_reactor(reactor, checking.start, checking.run.stop)
    code = checking.exit_code(signal)
    if not checking.run.finished and signal is None:
        display.say(f"nothing was compared: {checking.run.source.name} tells of no complete file")
    if not options["quiet"]:
        display.say(f"{'stopped: ' if signal else ''}{checking.run.summary}")
    return code


class Checking:
    """One run, its display and its report; what cannot be opened is a usage error."""

    def __init__(self, reactor: Any, what: str, options: dict[str, Any], display: Display) -> None:
        self._what = what
        self._display = display
        self._quiet = options["quiet"]
        self._troubled = False
        check_apart("REPORT and --report", what, options["report"])
        check_apart("--checksum-file and --report", options["checksum_file"], options["report"])
        source = _opened(what, options["checksum_file"], display)
        report = open_output(options["report"], self._trouble)
        self.run = CheckRun(
            reactor,
            source,
            self._tell,
            display.line_refused,
            CheckReport(report) if report else None,
            options["ignore_missing"],
        )

    def start(self) -> Deferred[None]:
        """Compare everything, and show it.

        **Fires with** None, also after the run's `stop`. **Fails with** an error that is a bug.
        **Cancelling** is `stop`.
        """
        return Deferred.fromCoroutine(self._start())

    def exit_code(self, signal: int | None) -> ExitCode:
        """How the run ended: by a signal, with an unreadable report, or as its files are."""
        if signal is not None:
            return ExitCode.of_signal(signal)
        if self.run.source.error is not None:
            source = self.run.source
            what = f"cannot read {source.name} {printable(self._what)}: {source.error}"
            raise click.UsageError(what)
        return ExitCode.OK if self.run.ok and not self._troubled else ExitCode.FAILED

    async def _start(self) -> None:
        self._display.start(self.run)
        try:
            await self.run.start()
        finally:
            self._display.stop()

    def _tell(self, outcome: Outcome) -> None:
        if not self._quiet:
            seen = "" if outcome.detail is None else f": {outcome.detail}"
            path = printable(outcome.expected.path)
            self._display.say(f"{path}: {outcome.verdict.value}{seen}")

    def _trouble(self, sentence: str) -> None:
        self._troubled = True
        self._display.say(sentence)


def _opened(what: str, checksum_file: str | None, display: Display) -> Source:
    is_directory = os.path.isdir(what)
    if is_directory and checksum_file is None and not os.path.isdir(os.path.join(what, STATE)):
        raise click.UsageError(
            "no list was fetched to DIR with -i: say how its files should be, with "
            "--checksum-file FILE"
        )
    if not is_directory and checksum_file is not None:
        raise click.UsageError(
            f"--checksum-file is for a directory, which {printable(what)} is not"
        )
    try:
        if checksum_file is None:
            return StateSource(what) if is_directory else ReportSource(what)
        return ChecksumSource(what, opened_checksums(checksum_file, display.say))
    except StoreError as error:
        raise click.UsageError(str(error)) from error
    except (OSError, ValueError) as error:
        raise click.UsageError(f"cannot read {printable(what)}: {reason_text(error)}") from error
