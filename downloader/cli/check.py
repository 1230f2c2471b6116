"""`downloader check`: files that are there are compared with what they should be."""

from __future__ import annotations

from typing import Any

import click

from downloader.cli.options import (
    PROGRESS,
    VERBOSE,
    SectionCommand,
    option,
    options_of,
    quiet_option,
    report_option,
)

_WHAT = options_of(
    "What to check",
    option(
        "--checksum-file",
        metavar="FILE",
        help="Compare the files below DIR that FILE, such as SHA256SUMS, names: along no link, and "
        "with their longest checksum if there are several. A PGP signature in FILE is NOT checked. "
        "Example: --checksum-file <(gpg --decrypt SHA256SUMS.asc)",
    ),
    option(
        "--ignore-missing",
        is_flag=True,
        help="Take a file that is not there for no fault, if any is there.",
    ),
)
_TOLD = options_of(
    "What is told",
    PROGRESS,
    report_option("file"),
    quiet_option("those of weak checksums"),
    VERBOSE,
)


@click.command(cls=SectionCommand, context_settings={"max_content_width": 100})
@click.argument("what", metavar="REPORT|DIR")
@_WHAT
@_TOLD
@click.pass_context
def check(ctx: click.Context, /, what: str, **options: Any) -> None:
    """Compare files with what they should be, and change none.

    REPORT is what fetch --report wrote: each complete file has to have its length, and its
    checksum if it was fetched with one; of others it is only the length that can be told. Their
    paths are those in REPORT, so call it where fetch was called. DIR is a directory that fetch -i
    has brought a list to: each complete file is compared in the same way. With --checksum-file it
    is any directory.

    \b
    Exit codes: 0 all as they should be, 1 some are not, 2 bad usage or an unreadable REPORT,
    130 SIGINT, 143 SIGTERM, 129 SIGHUP.

    \b
    Examples:
      downloader check report.jsonl
      downloader check out
      downloader check out --checksum-file SHA256SUMS --ignore-missing
    """
    ctx.ensure_object(dict)["verbose"] = options["verbose"]
    for name in ("checksum_file", "report"):
        if options[name] == "":
            raise click.UsageError(f"--{name.replace('_', '-')} needs more than an empty text")
    # Only now: --help and bad usage should not wait for Twisted to load.
    from downloader.cli.checking import run_check

    ctx.exit(run_check(what, options))
