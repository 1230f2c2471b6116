"""`downloader ctl`: a service is asked, from a terminal or a script."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import click

from downloader.cli.ctltoken import ENVIRONMENT, Token, addressed
from downloader.cli.exits import ExitCode
from downloader.cli.options import VERBOSE, SectionCommand, option, options_of
from downloader.cli.types import checksum, service_url
from downloader.errors import ServiceError
from downloader.jobs import Status

_SERVICE = options_of(
    "Which service",
    option(
        "--url",
        type=service_url,
        default="http://127.0.0.1:6800",
        show_default=True,
        metavar="URL",
        help="Ask the service at this http or https URL, or at a socket: unix:/run/d.sock",
    ),
    option(
        "--token-file",
        metavar="FILE",
        show_default=f"${ENVIRONMENT}, or token in the state directory of your own service",
        help="Show the token that is in FILE. It can be on no command line: others may read that.",
    ),
    VERBOSE,
)
_ALL = option("--all", "all_jobs", is_flag=True, help="All that there are.")


@click.group()
def ctl() -> None:
    """Ask a service (twistd downloader) to fetch, and how its jobs stand.

    A job is known by its gid, or by what that begins with.

    \b
    Exit codes: 0 done, 1 the service did not do it, or could not be asked,
    2 bad usage or an unreadable list, 130 SIGINT, 143 SIGTERM, 129 SIGHUP.
    """


def _verb(function: Callable[..., Any]) -> Callable[..., Any]:
    """A command of `ctl` of this name, with the options that all of them have."""
    name = function.__name__.rstrip("_")
    settings = {"max_content_width": 100}
    return ctl.command(name, cls=SectionCommand, context_settings=settings)(_SERVICE(function))


_WHAT = options_of(
    "What to fetch",
    option(
        "-i",
        "--input-file",
        metavar="LIST",
        help="Add what is in the file LIST, or in standard input for -, in the format of "
        "downloader fetch -i.",
    ),
    option(
        "-d",
        "--dir",
        metavar="DIR",
        help="Write files below this directory: one of the service's, below one, or relative to "
        "its first.",
    ),
    option("-o", "--out", metavar="NAME", help="Call the file NAME; for a single URL."),
    option(
        "--checksum",
        type=checksum,
        metavar="TYPE=HEX",
        help="Keep the file only if its digest is this one; for a single URL.",
    ),
    option("--paused", is_flag=True, help="Fetch nothing until it is resumed."),
    option(
        "--priority",
        type=click.IntRange(-1000, 1000),
        default=0,
        show_default=True,
        metavar="N",
        help="Of the jobs that wait, those with the highest priority begin first.",
    ),
)


@_verb
@click.argument("urls", nargs=-1, metavar="[URL]...")
@_WHAT
@click.pass_context
def add(ctx: click.Context, /, urls: tuple[str, ...], **options: Any) -> None:
    """Add files to fetch: a job for each URL. Writes the gid and the name of each."""
    if bool(urls) == (options["input_file"] is not None):
        raise click.UsageError("give URLs, or a list with -i")
    for name, value in (("-o", options["out"]), ("--checksum", options["checksum"])):
        if value is not None and len(urls) != 1:
            raise click.UsageError(f"{name} is for a single URL")
    _run(ctx, {**options, "urls": urls})


@_verb
@options_of(
    "What is shown",
    option(
        "--status",
        type=click.Choice([str(status) for status in Status]),
        multiple=True,
        help="Only jobs of this status. May be repeated.",
    ),
    option("--json", "as_json", is_flag=True, help="A JSON line for each job."),
)
@click.pass_context
def list_(ctx: click.Context, /, **options: Any) -> None:
    """Show jobs: those that run, those that wait, then those that have ended, the latest first."""
    _run(ctx, options)


def _about_jobs(function: Callable[..., Any]) -> Callable[..., Any]:
    given = click.argument("gids", nargs=-1, metavar="[GID]...")
    return _verb(given(options_of("Which jobs", _ALL)(click.pass_context(function))))


@_about_jobs
def pause(ctx: click.Context, /, **options: Any) -> None:
    """Stop jobs, to go on with them later. Ends when their connections are closed."""
    _run_on_jobs(ctx, options)


@_about_jobs
def resume(ctx: click.Context, /, **options: Any) -> None:
    """Go on with jobs that are paused, or try again those that failed; --all are those paused."""
    _run_on_jobs(ctx, options)


@_about_jobs
def remove(ctx: click.Context, /, **options: Any) -> None:
    """Stop jobs for good, or forget those that have ended; --all are those that have not. What is
    on the disk stays there."""
    _run_on_jobs(ctx, options)


@_verb
@click.pass_context
def watch(ctx: click.Context, /, **options: Any) -> None:
    """Show what happens, as it happens, until Ctrl-C. A service that goes is asked again."""
    _run(ctx, options)


@_verb
@click.pass_context
def shutdown(ctx: click.Context, /, **options: Any) -> None:
    """End the service. Its jobs go on when it is started again."""
    _run(ctx, options)


def _run_on_jobs(ctx: click.Context, options: dict[str, Any]) -> None:
    if bool(options["gids"]) == options["all_jobs"]:
        raise click.UsageError("give gids, or --all")
    _run(ctx, options)


def _run(ctx: click.Context, options: dict[str, Any]) -> None:
    # Only now: --help and bad usage should not wait for Twisted and treq to load.
    from downloader.cli.ctlrun import run
    from downloader.cli.messages import write_line

    ctx.ensure_object(dict)["verbose"] = options["verbose"]
    options["url"] = addressed(options["url"])
    token = Token(options["url"], options["token_file"])
    try:
        token.show()
    except ServiceError as error:
        write_line(f"downloader: {error}")
        ctx.exit(ExitCode.FAILED)
    ctx.exit(run(str(ctx.info_name), options, token))
