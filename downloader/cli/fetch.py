"""`downloader fetch`: options in, files and an exit code out."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import click

from downloader.cli.exits import ExitCode
from downloader.cli.identity import AUTHORITIES, IDENTITY, check_identity
from downloader.cli.network import MAY_BE_EMPTY, NETWORK, network_of
from downloader.cli.options import (
    HOW_FAST,
    HOW_LONG,
    HOW_MUCH,
    TELLING,
    TLS,
    WHAT,
    WHERE,
    SectionCommand,
)
from downloader.errors import BadName, BadUrl
from downloader.jobs import Job, Report
from downloader.sansio.names import checked_name
from downloader.sansio.url import parse_url, redacted

if TYPE_CHECKING:
    from downloader.cli.work import Work


@click.command(cls=SectionCommand, context_settings={"max_content_width": 100})
@click.argument("urls", nargs=-1, metavar="[URL]...")
@WHAT
@IDENTITY
@WHERE
@HOW_MUCH
@HOW_FAST
@HOW_LONG
@NETWORK
@TLS
@AUTHORITIES
@TELLING
@click.pass_context
def fetch(ctx: click.Context, /, urls: tuple[str, ...], **options: Any) -> None:
    """Fetch URLs to files.

    A file has its final name once it is whole; until then it is NAME.part. Ctrl-C stops
    everything and keeps what has come; a second one ends at once.

    \b
    Exit codes: 0 all fetched, 1 some failed, 2 bad usage or an unreadable list,
    130 SIGINT, 143 SIGTERM, 129 SIGHUP.

    \b
    Examples:
      downloader fetch https://example.org/a.iso
      downloader fetch -i urls.txt -d out -j 64 --report report.jsonl
    """
    ctx.ensure_object(dict)["verbose"] = options["verbose"]
    options = checked(urls, options)
    ctx.exit(run_fetch(given_jobs(urls, options), options))


def checked(urls: tuple[str, ...], options: dict[str, Any]) -> dict[str, Any]:
    """`options` when they make sense together; else a usage error says why not."""
    for param in fetch.params:
        if options.get(str(param.name)) == "" and param.name not in MAY_BE_EMPTY:
            raise click.UsageError(f"{param.opts[-1]} needs more than an empty text")
    if bool(urls) == (options["input_file"] is not None):
        what = "give URLs or a list, not both" if urls else "give URLs, or a list with -i LIST"
        raise click.UsageError(what)
    for name, value in (("-o", options["out"]), ("--checksum", options["checksum"])):
        if value is not None and len(urls) != 1:
            raise click.UsageError(f"{name} is for a single URL")
    headers = options["headers"]
    if options["user_agent"] is not None:
        headers = tuple(header for header in headers if header[0].lower() != "user-agent")
    insecure = options["insecure"] or not options["check_certificate"]
    network = network_of(options, os.environ)
    return {**options, "headers": headers, "insecure": insecure, "network": network}


def given_jobs(urls: tuple[str, ...], options: dict[str, Any]) -> list[Job]:
    """The jobs that the URLs on the command line ask for."""
    for url in urls:
        try:
            parse_url(url)
        except BadUrl as error:
            hint = f" (is it a list? then: -i {url})" if os.path.exists(url) else ""
            raise click.UsageError(f"{redacted(url)!r} is no URL: {error.detail}{hint}") from error
    check_identity(urls, options)
    if options["out"] is not None:
        try:
            checked_name(options["out"])
        except BadName as error:
            raise click.UsageError(f"-o takes a name below DIR: {error.detail}") from error
    wanted = {"directory": options["directory"], "headers": options["headers"]}
    wanted |= {"name": options["out"], "checksum": options["checksum"]}
    return [Job(url, **wanted) for url in urls]


def run_fetch(jobs: list[Job], options: dict[str, Any]) -> int:
    """Fetch `jobs`, or the list that `options` name, in a reactor of its own."""
    # Only now: --help and bad usage should not wait for Twisted to load.
    from twisted.internet import reactor

    from downloader.cli.display import choose_display
    from downloader.cli.logs import show_logs
    from downloader.cli.running import run_reactor
    from downloader.cli.work import open_work

    display = choose_display(reactor, options["progress"], options["quiet"], options["verbose"])
    show_logs(display.say, options["verbose"])
    work = open_work(reactor, jobs, options, display)
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
