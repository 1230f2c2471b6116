"""The options of the commands: letters, units, defaults, and the help that explains them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import click

from downloader.cli.types import (
    contact,
    count,
    header,
    rate,
    seconds,
    seconds_or_zero,
    size,
    speed,
    user_agent,
)
from downloader.jobs import Limits, Retries, Timeouts

F = TypeVar("F", bound=Callable[..., Any])
# Where a context has its command's arguments.
ARGUMENTS = "downloader.arguments"


class SectionOption(click.Option):
    """An option that stands in a section of its command's help."""

    def __init__(self, *args: Any, section: str, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.section = section


class SectionCommand(click.Command):
    """A command whose help shows its options section by section. Its arguments are in the context's
    `meta`, as they were given."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        ctx.meta[ARGUMENTS] = list(args)
        return super().parse_args(ctx, args)

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        sections: dict[str, list[tuple[str, str]]] = {}
        for param in self.get_params(ctx):
            record = param.get_help_record(ctx)
            if isinstance(param, click.Option) and record is not None:
                section = getattr(param, "section", "Other")
                sections.setdefault(section, []).append(record)
        for section, records in sections.items():
            with formatter.section(section):
                formatter.write_dl(records)


def options_of(section: str, *options: Callable[..., Any]) -> Callable[[F], F]:
    """A decorator that adds `options`, made by `option`, in their order to one section."""

    def decorate(function: F) -> F:
        for add in reversed(options):
            function = add(section)(function)
        return function

    return decorate


def option(*names: str, **kwargs: Any) -> Callable[[str], Callable[[F], F]]:
    """An option that waits for its section."""
    return lambda section: click.option(*names, cls=SectionOption, section=section, **kwargs)


def header_option(more: str = "") -> Callable[[str], Callable[[F], F]]:
    """-H; `more` is what else is to be known of where it goes."""
    return option(
        "-H",
        "--header",
        "headers",
        type=header,
        metavar="'NAME: VALUE'",
        multiple=True,
        help="Send this header with each request, to the URL's own origin only, not to where "
        f"it redirects{more}. May be repeated. Example: -H 'Authorization: Bearer abc'",
    )


USER_AGENT = option(
    "-U",
    "--user-agent",
    type=user_agent,
    metavar="TEXT",
    help="Call yourself TEXT in each request, whatever its origin.",
)
CONTACT = option(
    "--contact",
    type=contact,
    metavar="URL|MAIL",
    help="Say in each request how whoever runs the server can reach you, unless -U says who you "
    "are. Example: --contact me@example.org",
)
JOBS = option(
    "-j",
    "--jobs",
    "--max-concurrent-downloads",
    "jobs",
    type=count,
    default=str(Limits().total),
    show_default=True,
    metavar="N",
    help="Have up to N files under way at once.",
)
PER_HOST = option(
    "--per-host",
    type=count,
    metavar="N",
    show_default="as many as --jobs",
    help="Have up to N files of one host under way at once.",
)
CONNECTIONS_PER_HOST = option(
    "--connections-per-host",
    type=count,
    default=str(Limits().connections_per_host),
    show_default=True,
    metavar="N",
    help="Open up to N connections to one host; files beyond it share one or wait.",
)

HOW_MUCH = options_of(
    "How much at once",
    JOBS,
    PER_HOST,
    CONNECTIONS_PER_HOST,
    option(
        "--pipeline",
        type=count,
        default=str(Limits().pipeline),
        show_default=True,
        metavar="N",
        help="Have up to N requests under way on one connection, once a server has shown that "
        "it can; fewer when files are large, and 1 after any doubt. 1 turns it off. Where "
        "others may write a server's answers, one of theirs can pass for another file: use 1 "
        "there, or checksums.",
    ),
)

RATE = option(
    "--rate",
    type=rate,
    metavar="N/s",
    show_default="no limit",
    help="Start no more than N requests a second, or a minute, hour or day with /m, /h or /d. "
    "Each try of a file is one; redirects are not counted. Example: 100/m",
)
PER_HOST_DELAY = option(
    "--per-host-delay",
    type=seconds_or_zero,
    metavar="SECONDS",
    show_default="none",
    help="Leave so much time between the starts of two requests to one host; 0 is none. Other "
    "hosts go on meanwhile.",
)
HOW_FAST = options_of(
    "How fast",
    option(
        "--limit-rate",
        "--max-overall-download-limit",
        "limit_rate",
        type=speed,
        metavar="SIZE",
        show_default="no limit",
        help="Receive no more than so many bytes a second in all, averaged over a few seconds: of "
        "files, without headers, redirects or refusals. Files take turns, and one that waits for "
        "its own has not stalled. 0 is no limit. Example: 2M",
    ),
    option(
        "--limit-rate-per-file",
        "--max-download-limit",
        "limit_rate_per_file",
        type=speed,
        metavar="SIZE",
        show_default="no limit",
        help="Receive no more than so many bytes a second of each file; 0 is no limit. "
        "Example: 500K",
    ),
    RATE,
    PER_HOST_DELAY,
)

HOW_LONG = options_of(
    "How long, and how often",
    option(
        "-m",
        "--max-tries",
        type=count,
        default=str(Retries().tries),
        show_default=True,
        metavar="N",
        help="Ask each URL N times, the first time included. Only what may work later is tried "
        "again: no connection, a stall, a file cut short, 408, 425, 429, and 5xx but 501 and 505. "
        "A host that does not answer is asked for one file at a time; the others wait as long.",
    ),
    option(
        "--retry-wait",
        type=seconds_or_zero,
        metavar="SECONDS",
        default=f"{Retries().wait:g}",
        show_default=True,
        help="Wait so long before the second try; later waits grow, up to a minute. "
        "A server's Retry-After is obeyed, up to ten minutes, for all of its files.",
    ),
    option(
        "--connect-timeout",
        type=seconds,
        metavar="SECONDS",
        default=f"{Timeouts().connect:g}",
        show_default=True,
        help="Give up a connection that is not ready by then: name, TCP and TLS together.",
    ),
    option(
        "-t",
        "--timeout",
        "first_byte_timeout",
        type=seconds,
        metavar="SECONDS",
        default=f"{Timeouts().first_byte:g}",
        show_default=True,
        help="Give up when a request has no answer by then.",
    ),
    option(
        "--stall-timeout",
        type=seconds,
        metavar="SECONDS",
        default=f"{Timeouts().stall:g}",
        show_default=True,
        help="Give up a transfer in which nothing moved for so long, or less than "
        "--lowest-speed-limit.",
    ),
    option(
        "--lowest-speed-limit",
        type=size,
        metavar="SIZE",
        default="0",
        show_default="no limit",
        help="Give up a transfer slower than so many bytes a second, averaged over "
        "--stall-timeout. Example: 10K",
    ),
    option(
        "--max-time",
        type=seconds,
        metavar="SECONDS",
        show_default="no limit",
        help="Give up a file after so long, with all its tries and waits.",
    ),
)

TLS = options_of(
    "TLS",
    option(
        "-k",
        "--insecure",
        is_flag=True,
        help="Accept any certificate. Whoever is on the way can then read and change all that "
        "is sent and fetched.",
    ),
    option(
        "--check-certificate",
        type=bool,
        default=True,
        show_default="true",
        metavar="true|false",
        help="false is --insecure, in aria2's words.",
    ),
)


PROGRESS = option(
    "--progress",
    type=click.Choice(["auto", "bar", "plain", "none"]),
    default="auto",
    show_default=True,
    help="Show bars, a plain line every 5 seconds, or nothing, on standard error. auto: "
    "bars on a terminal, else plain lines.",
)
VERBOSE = option(
    "-v",
    "--verbose",
    count=True,
    help="Tell more: failures as they happen, tracebacks of bugs; -vv the network's events.",
)
LOG_URL = option(
    "--log-url",
    metavar="URL",
    envvar="DOWNLOADER_LOG_URL",
    help="Post a log record to URL for each file that has ended, as Python's HTTPHandler does; a "
    "user and a password in URL are sent with it. Nobody waits for it, and what it does not take "
    "is told in the end. A password on the command line is seen by others on this machine, one in "
    "the environment's DOWNLOADER_LOG_URL is not. Example: --log-url http://me:TOKEN@127.0.0.1:6800/log",
)
_QUIET = "Tell only what keeps the command from running, bugs, and warnings such as "
_REPLACED = "to FILE; - is standard output. An existing file is replaced."


def report_option(what: str) -> Callable[[str], Callable[[F], F]]:
    """--report, of which each line is about `what`."""
    told = f"Write a JSON line for each {what}, and one with the summary, {_REPLACED}"
    return option("--report", metavar="FILE", help=told)


def quiet_option(warning: str) -> Callable[[str], Callable[[F], F]]:
    """-q, in spite of which `warning` is told."""
    return option("-q", "--quiet", is_flag=True, help=f"{_QUIET}{warning}.")


def telling(failed: str) -> Callable[[F], F]:
    """What is told; `failed` is what the list of failures holds."""
    return options_of(
        "What is told",
        PROGRESS,
        report_option("URL"),
        option(
            "--failed",
            metavar="FILE",
            help=f"Write what failed as a list for -i{failed}, so only its owner can read it. "
            "An existing file is replaced.",
        ),
        LOG_URL,
        quiet_option("-k's"),
        VERBOSE,
    )
