"""Options that are kept in a TOML file: a key is the name of an option, its value what would stand
behind it; a list, for one that may be repeated."""

from __future__ import annotations

import os
import stat
import tomllib
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

from downloader.sansio.printable import printable
from downloader.sansio.url import redacted

# Bytes; nobody writes as many by hand.
MAX_CONFIG = 1024 * 1024
# Options whose values may have passwords in them.
SECRET = ("proxy", "log-url")


class BadConfig(ValueError):
    """The configuration cannot be used."""


def read_config(path: str) -> dict[str, Any]:
    """What stands in the file `path`, which nobody but us and root may write to: who does says what
    the service is to do. Nor may others read it, if it has passwords. Raises BadConfig."""
    try:
        with Path(path).open("rb") as file:
            found = os.fstat(file.fileno())
            check_ours(found)
            data = file.read(MAX_CONFIG + 1)
        if len(data) > MAX_CONFIG:
            raise BadConfig(f"it is longer than {MAX_CONFIG:,} bytes")
        values = tomllib.loads(data.decode("utf-8"))
        check_private(found, values)
        return values
    except OSError as error:
        raise BadConfig(error.strerror) from error
    except (ValueError, RecursionError) as error:
        if isinstance(error, BadConfig):
            raise
        raise BadConfig(printable(str(error)[:300])) from error


def check_ours(found: os.stat_result) -> None:
    """Raises BadConfig for a file that others may write to."""
    if found.st_uid not in (0, os.geteuid()) or found.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
        raise BadConfig("others may write to it: its owner has to be root or you, and nobody else")


def check_private(found: os.stat_result, values: Mapping[str, Any]) -> None:
    """Raises BadConfig for a file with passwords that others may read. Root's is read by its group:
    it is through that that the service's user may."""
    others = stat.S_IRWXO if found.st_uid == 0 else stat.S_IRWXG | stat.S_IRWXO
    texts = [values[name] for name in SECRET if isinstance(values.get(name), str)]
    if found.st_mode & others and any(redacted(text) != text for text in texts):
        raise BadConfig("others may read the password in it: chmod 600, or 640 if it is root's")


def arguments_of(
    values: Mapping[str, Any],
    options: Collection[str],
    flags: Collection[str],
    repeated: Collection[str],
) -> list[str]:
    """`values` as they would stand on a command line that has these `options`, of which some are
    `flags` and some may be `repeated`. Raises BadConfig."""
    found: list[str] = []
    for name, value in values.items():
        shown = printable(name[:100])
        if name not in options:
            raise BadConfig(f"there is no option {shown!a}")
        if name in flags:
            if not isinstance(value, bool):
                raise BadConfig(f"{shown} is true or false")
            found += [f"--{name}"] if value else []
            continue
        many = value if isinstance(value, list) else [value]
        if isinstance(value, list) and name not in repeated:
            raise BadConfig(f"{shown} has one value, and is no list")
        for one in many:
            if isinstance(one, bool) or not isinstance(one, (str, int, float)):
                raise BadConfig(f"{shown} is a text or a number")
            found += [f"--{name}={one}"]
    return found
