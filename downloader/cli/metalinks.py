"""`-M`: the documents that it names, or a usage error that says why they cannot be read."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import click
from twisted.internet.defer import Deferred

from downloader.errors import ListError
from downloader.jobs import Job, Result
from downloader.listrun.metalinks import FetchedMetalinks, is_url, read_metalink
from downloader.listrun.source import Source
from downloader.sansio.metalink import Metalink
from downloader.sansio.printable import printable


def open_metalinks(
    names: Sequence[str], options: dict[str, Any], fetch: Callable[[Job], Deferred[Result]]
) -> Source:
    """The documents `names` as a source of jobs; `fetch` is for those that are behind URLs."""
    locations, headers = options["metalink_location"] or (), options["headers"]
    found: list[tuple[str, Metalink | None]] = []
    for name in names:
        try:
            found.append((name, None if is_url(name) else read_metalink(name, locations)))
        except ListError as error:
            what = f"cannot read the Metalink document {printable(name)}: {error}"
            raise click.UsageError(what) from error
    return FetchedMetalinks(found, fetch, locations, options["directory"], headers)
