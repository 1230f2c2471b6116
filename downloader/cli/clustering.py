"""The options that take a list to many machines, and what of the others goes with it."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Sequence
from typing import Any

import click
from click.core import ParameterSource

from downloader.cli.options import ARGUMENTS, option, options_of
from downloader.cli.types import seconds

# Decided where the run was started, and not by each shard.
_COMMANDS_OWN = frozenset(
    (
        *("input_file", "directory", "report", "failed", "progress", "quiet", "verbose"),
        *("cluster", "shard_lines", "pack", "shard_timeout", "retry_failed"),
    )
)
# What a shard would not make sense of.
_WITHOUT = {
    "urls": "URL",
    "metalinks": "-M",
    "out": "-o",
    "checksum": "--checksum",
    "if_changed": "--if-changed",
}
_FILES = frozenset(
    (
        *("checksum_file", "netrc_path", "load_cookies", "certificate", "private_key"),
        "ca_certificate",
    )
)
# Of all shards together.
_LIMITS = ("per_host", "connections_per_host", "rate", "per_host_delay", "limit_rate")
# What the files depend on.
_MATTER = ("pack", "names", "on_conflict", "content_disposition")
_ADDRESS = re.compile(r"local:[1-9][0-9]{0,3}|(?:tcp|tls|ucx|ws|wss)://.+")


def address(text: str) -> str:
    """Where a scheduler is, or how many workers are wanted here."""
    if not _ADDRESS.fullmatch(text):
        raise click.BadParameter("it is tcp://HOST:PORT, tls://HOST:PORT or local:N")
    return text


CLUSTER = options_of(
    "Many machines",
    option(
        "--cluster",
        type=address,
        metavar="ADDRESS",
        help="Fetch LIST on a Dask cluster, shard by shard: give its scheduler's address, or "
        "local:N for N processes here. LIST and DIR may be URLs such as s3://bucket/lists/part-*; "
        "-j is for each shard, and --per-host, --connections-per-host, --rate, --per-host-delay "
        "and --limit-rate are for all of them together. Files go to DIR/SHARD. "
        "Example: --cluster tcp://10.0.0.1:8786",
    ),
    option(
        "--shard-lines",
        type=click.IntRange(1, 1_000_000),
        default=10_000,
        show_default=True,
        metavar="N",
        help="With --cluster, cut LIST into shards of about N lines.",
    ),
    option(
        "--pack",
        type=click.Choice(["tar"]),
        help="With --cluster, make one tar of each shard, as WebDataset reads it, with what is "
        "told about each file beside it.",
    ),
    option(
        "--shard-timeout",
        type=seconds,
        default="86400",
        show_default=True,
        metavar="SECONDS",
        help="With --cluster, begin a shard anew that takes longer; after three times it is set "
        "aside.",
    ),
)


def check_cluster(ctx: click.Context, urls: Sequence[str], options: dict[str, Any]) -> None:
    """Raise a usage error for what does not go together with --cluster, or only with it."""
    if options["cluster"] is None:
        for name in ("shard_lines", "pack", "shard_timeout"):
            if ctx.get_parameter_source(name) is ParameterSource.COMMANDLINE:
                raise click.UsageError(f"--{name.replace('_', '-')} is for --cluster")
        return
    for name, shown in _WITHOUT.items():
        if urls if name == "urls" else options[name]:
            raise click.UsageError(f"--cluster takes a list (-i LIST), and no {shown}")
    if options["input_file"] in (None, "-"):
        raise click.UsageError("--cluster takes a list that workers can read: -i LIST")
    if not options["state"]:
        raise click.UsageError("--cluster needs the state of each shard, and no --no-state")
    for name in _FILES:
        if options[name] is not None and not os.path.isfile(options[name]):
            shown = f"--{name.replace('_', '-')}"
            raise click.UsageError(f"with --cluster {shown} takes a file that workers can read")
    if options["user"] is not None and ":" not in options["user"]:
        raise click.UsageError("with --cluster nobody can be asked for a password: --netrc has it")


def passed_on(ctx: click.Context) -> list[str]:
    """What each shard has too of the arguments of the command of `ctx`, with whole paths, and of
    its environment what options say."""
    command = ctx.command
    parser = command.make_parser(click.Context(command))
    values, _, _ = parser.parse_args(list(ctx.meta[ARGUMENTS]))
    for name, value in ctx.params.items():
        if ctx.get_parameter_source(name) is ParameterSource.ENVIRONMENT:
            values[name] = value
    return [text for param in command.params for text in _given(param, values)]


def whole_limits(options: dict[str, Any]) -> dict[str, float | int]:
    """The limits of all shards together."""
    return {name: options[name] for name in _LIMITS if options[name]}


def that_matter(options: dict[str, Any]) -> dict[str, Any]:
    """The options that the files depend on."""
    return {name: options[name] for name in _MATTER}


def _given(param: click.Parameter, values: dict[str, Any]) -> Iterator[str]:
    name = str(param.name)
    if name in _COMMANDS_OWN or name not in values or not isinstance(param, click.Option):
        return
    value = values[name]
    if param.is_flag:
        yield (param.opts if value else param.secondary_opts)[-1]
        return
    for one in value if param.multiple else [value]:
        text = os.path.abspath(one) if name in _FILES else str(one)
        if name == "oauth2_bearer" and text.startswith("@"):
            text = "@" + os.path.abspath(text[1:])
        yield from (param.opts[-1], text)
