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


class Token:
    """The token to show at `url`: of `file`, of the environment, or of the user's own service.

    `tables` say who listens. Raises UsageError if there is none.
    """

    def __init__(self, url: str, file: str | None, tables: Iterable[Path] = _TABLES) -> None:
        self._url = url
        self._file: Path | None = None
        self._state: str | None = None
        self._tables = list(tables)
        self._owners: set[int] = set()
        token = os.environ.get(ENVIRONMENT)
        if file is not None or not token:
            token = self._read(file)
        if not token.isascii() or not token.isprintable() or not token:
            raise click.UsageError("the token is empty, or holds what none does")
        self._text = token

    def __repr__(self) -> str:
        return f"<Token of {self._file or self._state or ENVIRONMENT}>"

    def show(self) -> str:
        """It, for one request. Raises ServiceError for who may not see it, which may be another at
        the next request."""
        if self._state is not None and not _is_kept(self._state):
            raise ServiceError(f"the service of {self._state} does not run")
        for user in self._listeners() - self._owners:
            raise ServiceError(
                f"{self._url}: what listens there is of the user {user}, and the token in "
                f"{self._file} is not"
            )
        return self._text

    def _read(self, file: str | None) -> str:
        hint = ""
        if file is None:
            self._state, file = _own()
            hint = f"; --token-file or ${ENVIRONMENT} says where the token is"
        self._file = Path(file)
        try:
            self._owners = {0, os.geteuid(), self._file.stat().st_uid}
            return self._file.read_text("ascii").strip()
        except OSError as error:
            raise click.UsageError(f"{file}: {error.strerror}{hint}") from error
        except UnicodeDecodeError as error:
            raise click.UsageError(f"{file}: it holds no token") from error

    def _listeners(self) -> set[int]:
        """Who is known to listen; where the system does not say, or another machine is asked,
        nobody is."""
        found: set[int] = set()
        if self._file is None or self._url.startswith(UNIX):
            return found
        place = parse_url(self._url)
        for table in self._tables if _is_loopback(place.host) else ():
            with suppress(OSError):
                text = table.read_text("ascii")
                found |= owners(text, place.host, place.port, sys.byteorder)
        return found


def _own() -> tuple[str, str]:
    """The state of the user's own service, and its token's file."""
    from downloader.store.place import TOKEN, default_state  # a database comes along

    state = default_state()
    return state, os.path.join(state, TOKEN)


def _is_kept(state: str) -> bool:
    from downloader.store import is_busy

    return is_busy(state)


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False
