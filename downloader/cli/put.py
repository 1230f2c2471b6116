"""`downloader put`: options in, files sent and an exit code out."""

from __future__ import annotations

from typing import Any

import click

from downloader.cli.command import no_url, run_jobs, settled
from downloader.cli.identity import AUTHORITIES, IDENTITY, check_identity
from downloader.cli.network import NETWORK
from downloader.cli.options import (
    CONNECTIONS_PER_HOST,
    CONTACT,
    HOW_LONG,
    JOBS,
    PER_HOST,
    PER_HOST_DELAY,
    RATE,
    TLS,
    USER_AGENT,
    SectionCommand,
    header_option,
    option,
    options_of,
    telling,
)
from downloader.cli.types import count
from downloader.errors import BadUrl
from downloader.jobs import PutJob
from downloader.sansio.putlist import put_url

_WHAT = options_of(
    "What to send",
    option(
        "-i",
        "--input-file",
        metavar="LIST",
        help="Send the files that LIST names, or standard input for -, as they come: FILE, TAB, "
        "URL in each line, comments after #. gzip is recognised. "
        "Example: printf '%s\\t%s\\n' a.iso https://example.org/d/ | downloader put -i -",
    ),
    header_option(),
    USER_AGENT,
    CONTACT,
)
_HOW_MUCH = options_of(
    "How much at once",
    JOBS,
    PER_HOST,
    CONNECTIONS_PER_HOST,
    option(
        "--pipeline",
        type=count,
        default="1",
        show_default=True,
        metavar="N",
        help="Send up to N files of up to 1 MiB on one connection before the first is answered, "
        "once a server has shown that it can. Where it refuses one and closes, the others are sent "
        "once more.",
    ),
)
_HOW_FAST = options_of("How fast", RATE, PER_HOST_DELAY)


@click.command(cls=SectionCommand, context_settings={"max_content_width": 100})
@click.argument("what", nargs=-1, metavar="[FILE URL]")
@_WHAT
@IDENTITY
@_HOW_MUCH
@_HOW_FAST
@HOW_LONG
@NETWORK
@TLS
@AUTHORITIES
@telling(". It holds the URLs as they are")
@click.pass_context
def put(ctx: click.Context, /, what: tuple[str, ...], **options: Any) -> None:
    """Send a file, or a list of them, with PUT.

    A URL that ends with a slash gets the file's name. A file has to stay as it is until it is
    sent. The server is asked first about one over 1 MiB. Ctrl-C stops everything; a second one
    ends at once.

    \b
    Exit codes: 0 all sent, 1 some failed, 2 bad usage or an unreadable list,
    130 SIGINT, 143 SIGTERM, 129 SIGHUP.

    \b
    Examples:
      downloader put a.iso https://example.org/files/
      downloader put -i list.txt -j 64 --pipeline 8 --report report.jsonl
    """
    ctx.ensure_object(dict)["verbose"] = options["verbose"]
    options = settled(put, options)
    ctx.exit(run_jobs(given_puts(what, options), options, uploads=True))


def given_puts(what: tuple[str, ...], options: dict[str, Any]) -> list[PutJob]:
    """The job that the command line asks for, if no list does; else a usage error."""
    if options["input_file"] is not None:
        if what:
            raise click.UsageError("give a file and its URL or a list, not both")
        check_identity((), options)
        return []
    if len(what) != 2:
        raise click.UsageError("give a file and its URL, or a list with -i LIST")
    file, url = what
    try:
        url = put_url(file, url)
    except BadUrl as error:
        raise no_url(url, error) from error
    except ValueError as error:
        raise click.UsageError(str(error)) from error
    check_identity((url,), options)
    return [PutJob(file, url, options["headers"])]
