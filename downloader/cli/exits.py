"""The command's exit codes, the same in every version: scripts branch on them."""

from __future__ import annotations

from enum import IntEnum
from signal import Signals

from downloader.jobs import Report


class ExitCode(IntEnum):
    """How the command ended. For a signal: 128 and its number, as shells count."""

    OK = 0
    FAILED = 1
    USAGE = 2
    HANGUP = 128 + Signals.SIGHUP
    INTERRUPTED = 128 + Signals.SIGINT
    TERMINATED = 128 + Signals.SIGTERM

    @classmethod
    def of(cls, report: Report) -> ExitCode:
        """OK only if each line of the list was fetched, or was already there."""
        return cls.OK if report.ok and not report.invalid else cls.FAILED

    @classmethod
    def of_signal(cls, number: int) -> ExitCode:
        """The code for a run that this signal ended."""
        return cls(128 + number)
