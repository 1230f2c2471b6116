"""Twisted's log on the user's terminal: bugs in one sentence, and more on request."""

from __future__ import annotations

import traceback
from collections.abc import Callable

# With -vv, what Twisted tells of its connections is shown too.
_ALL = 2
# Comes before the event with the failure, and says no more than that one.
_HEADLINE = "Unhandled error in Deferred:"


def bug_text(error: BaseException, verbose: int) -> str:
    """A sentence for an error that nobody expected, and its traceback for who asks for it."""
    sentence = f"this is a bug in downloader, please report it: {type(error).__name__}: {error}"
    if not verbose:
        return f"{sentence} (-v shows where)"
    return "".join(traceback.format_exception(error)) + sentence


def show_logs(say: Callable[[str], None], verbose: int) -> None:
    """Send log events to `say` instead of nowhere."""
    # Late, because this module is imported for every `--help`.
    from twisted.logger import ILogObserver, LogEvent, LogLevel, formatEvent, globalLogBeginner
    from zope.interface import provider

    least = LogLevel.debug if verbose >= _ALL else LogLevel.warn

    @provider(ILogObserver)
    def observe(event: LogEvent) -> None:
        failure = event.get("log_failure")
        if failure is not None:
            say(bug_text(failure.value, verbose))
        elif event["log_level"] >= least and event.get("log_format") != _HEADLINE:
            say(formatEvent(event))

    globalLogBeginner.beginLoggingTo([observe], discardBuffer=True, redirectStandardIO=False)
