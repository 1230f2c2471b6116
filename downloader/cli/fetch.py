"""`downloader fetch`: options in, files and an exit code out."""

from __future__ import annotations

import os
from typing import Any

import click

from downloader.cli.clustering import CLUSTER, check_cluster, passed_on
from downloader.cli.command import no_url, run_jobs, settled
from downloader.cli.identity import AUTHORITIES, IDENTITY, check_identity
from downloader.cli.network import NETWORK
from downloader.cli.options import (
    HOW_FAST,
    HOW_LONG,
    HOW_MUCH,
    TLS,
    SectionCommand,
    telling,
)
from downloader.cli.splitting import SPLITTING
from downloader.cli.wanted import WHAT, WHERE
from downloader.errors import BadName, BadUrl
from downloader.jobs import Job
from downloader.sansio.names import checked_name
from downloader.sansio.url import parse_url


@click.command(cls=SectionCommand, context_settings={"max_content_width": 100})
@click.argument("urls", nargs=-1, metavar="[URL]...")
@WHAT
@IDENTITY
@WHERE
@HOW_MUCH
@SPLITTING
@CLUSTER
@HOW_FAST
@HOW_LONG
@NETWORK
@TLS
@AUTHORITIES
@telling(
    ", which gives the same names. It holds the URLs as they are and the headers of LIST "
    "(not those of -H)"
)
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
      downloader fetch -M release.meta4 -d out
    """
    ctx.ensure_object(dict)["verbose"] = options["verbose"]
    check_cluster(ctx, urls, options)
    options = checked(urls, options)
    if options["cluster"] is not None:
        from downloader.cli.clusterrun import run_cluster

        ctx.exit(run_cluster(options, passed_on(ctx)))
    ctx.exit(run_jobs(given_jobs(urls, options), options))


def checked(urls: tuple[str, ...], options: dict[str, Any]) -> dict[str, Any]:
    """`options` when they make sense together; else a usage error says why not."""
    options = settled(fetch, options)
    given = [bool(urls), options["input_file"] is not None, bool(options["metalinks"])]
    if sum(given) > 1:
        raise click.UsageError("give URLs or a list, not both, and nothing beside -M")
    if not any(given):
        raise click.UsageError("give URLs, a list with -i, or a Metalink document with -M")
    if options["metalink_location"] is not None and not options["metalinks"]:
        raise click.UsageError("--metalink-location is for -M")
    if options["retry_failed"] and not (options["state"] and options["input_file"]):
        raise click.UsageError("--retry-failed is for a list whose state is kept: -i LIST")
    if options["if_changed"] and not (options["state"] and options["input_file"]):
        raise click.UsageError("--if-changed is for a list whose state is kept: -i LIST")
    if options["if_changed"] and options["retry_failed"]:
        raise click.UsageError("--if-changed and --retry-failed exclude each other")
    for name, value in (("-o", options["out"]), ("--checksum", options["checksum"])):
        if value is not None and len(urls) != 1:
            raise click.UsageError(f"{name} is for a single URL")
    if options["checksum_file"] is not None and options["content_disposition"]:
        why = "the names it goes by would come only with the answers"
        raise click.UsageError(f"--checksum-file excludes --content-disposition: {why}")
    return options


def given_jobs(urls: tuple[str, ...], options: dict[str, Any]) -> list[Job]:
    """The jobs that the URLs on the command line ask for."""
    for url in urls:
        try:
            parse_url(url)
        except BadUrl as error:
            hint = f" (is it a list? then: -i {url})" if os.path.exists(url) else ""
            raise no_url(url, error, hint) from error
    check_identity(urls, options)
    if options["out"] is not None:
        try:
            checked_name(options["out"])
        except BadName as error:
            raise click.UsageError(f"-o takes a name below DIR: {error.detail}") from error
    wanted = {"directory": options["directory"], "headers": options["headers"]}
    wanted |= {"name": options["out"], "checksum": options["checksum"]}
    return [Job(url, **wanted) for url in urls]
