"""The token that `ctl` shows, and whom it may be shown to.

Any program of this machine can listen where a service did not yet, or does not any more. So the
token of the user's own service is read only while that runs, and one that is in a file goes, on
loopback, only to who runs as the file's owner, as ourselves or as root.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable
from contextlib import suppress
from ipaddress import ip_address
from pathlib import Path

import click

from downloader.cli.types import UNIX
from downloader.errors import ServiceError
from downloader.sansio.listening import owners
from downloader.sansio.url import parse_url

ENVIRONMENT = "DOWNLOADER_TOKEN"
_TABLES = (Path("/proc/net/tcp"), Path("/proc/net/tcp6"))  # of Linux


def token_for(url: str, file: str | None, tables: Iterable[Path] = _TABLES) -> str:
    """The token to show at `url`: of `file`, of the environment, or of the user's own service.
    `tables` say who listens. Raises UsageError, or ServiceError for who may not see it."""
    token = os.environ.get(ENVIRONMENT)
    if file is not None or not token:
        path = Path(file or _own())
        hint = "" if file else f"; --token-file or ${ENVIRONMENT} says where the token is"
        token = _read(path, hint)
        _check_listener(url, path, tables)
    if not token.isascii() or not token.isprintable() or not token:
        raise click.UsageError("the token is empty, or holds what none does")
    return token


def _own() -> str:
    from downloader.store import is_busy  # only now: it brings a database along
    from downloader.store.place import TOKEN, default_state

    state = default_state()
    path = os.path.join(state, TOKEN)
    if os.path.exists(path) and not is_busy(state):
        raise ServiceError(f"the service of {state} does not run")
    return path


def _read(path: Path, hint: str) -> str:
    try:
        return path.read_text("ascii").strip()
    except OSError as error:
        raise click.UsageError(f"{path}: {error.strerror}{hint}") from error
    except UnicodeDecodeError as error:
        raise click.UsageError(f"{path}: it holds no token") from error


def _check_listener(url: str, path: Path, tables: Iterable[Path]) -> None:
    """Raise ServiceError if somebody else listens. Where the system does not say who, or another
    machine is asked, nobody is known to."""
    if url.startswith(UNIX):
        return
    place = parse_url(url)
    if not _is_loopback(place.host):
        return
    allowed = {0, os.geteuid(), path.stat().st_uid}
    for user in _listeners(place.host, place.port, tables) - allowed:
        raise ServiceError(
            f"{url}: what listens there is of the user {user}, and the token in {path} is not"
        )


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


def _listeners(address: str, port: int, tables: Iterable[Path]) -> set[int]:
    found: set[int] = set()
    for table in tables:
        with suppress(OSError):
            found |= owners(table.read_text("ascii"), address, port, sys.byteorder)
    return found
