"""`--checksum-file`: what becomes of the file that it names."""

from __future__ import annotations

from collections.abc import Callable

import click

from downloader.checksums import Checksums, read_checksums
from downloader.listrun.words import reason_text
from downloader.sansio.printable import printable

_REMOTE = "; it has to be a file on this machine"


def opened_checksums(path: str, say: Callable[[str], None]) -> Checksums:
    """The checksums in the file `path`, or a usage error that says why not. Lines in it that are
    none are told of."""
    try:
        checksums = read_checksums(path)
    except (OSError, ValueError) as error:
        hint = _REMOTE if "://" in path else ""
        what = f"cannot use the checksum file {printable(path)}: {reason_text(error)}{hint}"
        raise click.UsageError(what) from error
    if checksums.odd:
        first = f"the first is line {checksums.first_odd:,}"
        say(f"lines of {printable(path)} that are no checksums: {checksums.odd:,}; {first}")
    return checksums
