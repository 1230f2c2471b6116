"""What `fetch` and `put` share: options that are checked, and a run that ends in a code."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import click

from downloader.cli.exits import ExitCode
from downloader.cli.network import MAY_BE_EMPTY, network_of
from downloader.errors import BadUrl
from downloader.jobs import AnyJob, Report
from downloader.sansio.url import parse_url, redacted

if TYPE_CHECKING:
    from downloader.cli.work import Work


def settled(command: click.Command, options: dict[str, Any]) -> dict[str, Any]:
    """The options of `command` with those decided that several of them decide."""
    for param in command.params:
        if options.get(str(param.name)) == "" and param.name not in MAY_BE_EMPTY:
            raise click.UsageError(f"{param.opts[-1]} needs more than an empty text")
    if options.get("log_url") is not None:
        _check_url(options["log_url"])
    headers = options["headers"]
    if options["user_agent"] is not None:
        headers = tuple(header for header in headers if header[0].lower() != "user-agent")
    insecure = options["insecure"] or not options["check_certificate"]
    network = network_of(options, os.environ)
    return {**options, "headers": headers, "insecure": insecure, "network": network}


def _check_url(url: str) -> None:
    try:
        parse_url(url)
    except BadUrl as error:
        raise no_url(url, error) from error


def no_url(url: str, error: BadUrl, hint: str = "") -> click.UsageError:
    """What to say of a URL on the command line that is none."""
    return click.UsageError(f"{redacted(url)!r} is no URL: {error.detail}{hint}")


def run_jobs(jobs: Sequence[AnyJob], options: dict[str, Any], uploads: bool = False) -> int:
    """Fetch or send `jobs`, or the list that `options` name, in a reactor of its own."""
    # Only now: --help and bad usage should not wait for Twisted to load.
    from twisted.internet import reactor

    from downloader.cli.display import choose_display
    from downloader.cli.logs import show_logs
    from downloader.cli.running import run_reactor
    from downloader.cli.work import open_work
    from downloader.descriptors import allow_descriptors

    allow_descriptors()
    display = choose_display(reactor, options["progress"], options["quiet"], options["verbose"])
    show_logs(display.say, options["verbose"])
    work = open_work(reactor, jobs, options, display, uploads)
    counts, signal = run_reactor(reactor, work.start, work.stop)
    if not options["quiet"]:
        for line in work.last_words():
            display.say(line)
    return exit_code(work, counts, signal)


def exit_code(work: Work, counts: Report, signal: int | None) -> ExitCode:
    """How this run ended: by a signal, with an unreadable list, or as the counts say."""
    if signal is not None:
        return ExitCode.of_signal(signal)
    if work.list_error is not None:
        raise click.UsageError(work.list_error)
    return ExitCode.FAILED if work.troubled else ExitCode.of(counts)
