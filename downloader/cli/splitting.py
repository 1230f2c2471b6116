"""The options of `fetch` that let one file come over several connections."""

from __future__ import annotations

from typing import Any

from downloader.cli.options import option, options_of
from downloader.cli.types import count, positive_size
from downloader.jobs import Splitting

SPLITTING = options_of(
    "How much at once",
    option(
        "-x",
        "--max-connection-per-server",
        "connections_per_file",
        type=count,
        default=str(Splitting().connections),
        show_default=True,
        metavar="N",
        help="Fetch one file over up to N connections to each of its hosts, a part over each, "
        "where a server does parts and proves that they are of one version. "
        "--connections-per-host bounds it too. Example: -x 4",
    ),
    option(
        "-s",
        "--split",
        "parts_per_file",
        type=count,
        default=str(Splitting().parts),
        show_default=True,
        metavar="N",
        help="Fetch up to N parts of one file at once, from all its mirrors together.",
    ),
    option(
        "--min-split-size",
        type=positive_size,
        default="20M",
        show_default=True,
        metavar="SIZE",
        help="Cut no file, and no part of one, that is shorter than twice SIZE. Example: 1M",
    ),
)


def splitting_of(options: dict[str, Any]) -> Splitting:
    """What the options say."""
    return Splitting(
        options["connections_per_file"], options["parts_per_file"], options["min_split_size"]
    )
