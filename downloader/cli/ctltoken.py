"""The token that `ctl` shows, and whom it may be shown to.

Any program of this machine can listen where a service did not yet, or does not any more. So the
token of the user's own service is read only while that runs, and one that is in a file goes, on
loopback and to a socket, only to who runs as the file's owner, as ourselves or as root.
"""

from __future__ import annotations

import os
import socket
import sys
import threading
from collections.abc import Iterable
from contextlib import suppress
from ipaddress import IPv6Address, ip_address
from pathlib import Path

import click

from downloader.cli.types import UNIX
from downloader.errors import ServiceError
from downloader.sansio.listening import owners
from downloader.sansio.url import parse_url

ENVIRONMENT = "DOWNLOADER_TOKEN"
_TABLES = (Path("/proc/net/tcp"), Path("/proc/net/tcp6"))  # of Linux


class Away(ServiceError):
    """The service cannot be asked just now."""


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
        """It, for one request. Raises ServiceError where another listens, and Away where nobody
        does: whoever begins to between our look and the request would be shown it."""
        if self._state is not None and not _is_kept(self._state):
            raise Away(f"the service of {self._state} does not run")
        users = self._listeners()
        for user in users or ():
            self.check(user)
        if users is not None and not users:
            raise Away(f"{self._url}: no service listens there")
        return self._text

    def check(self, user: int) -> None:
        """Raises ServiceError if what listens as `user` may not see it."""
        if self._file is not None and user not in self._owners:
            raise ServiceError(
                f"{self._url}: what listens there is of the user {user}, and the token in "
                f"{self._file} is not"
            )

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

    def _listeners(self) -> set[int] | None:
        """Who listens; None where the system does not say, or another machine is asked."""
        if self._file is None or self._url.startswith(UNIX):
            return None
        place = parse_url(self._url)
        if (address := _loopback(place.host)) is None:
            return None
        texts = list[str]()
        for table in self._tables:
            with suppress(OSError):
                texts.append(table.read_text("ascii"))
        return owners("\n".join(texts), address, place.port, sys.byteorder) if texts else None


def addressed(url: str) -> str:
    """`url`, with the address for a name that is this machine's own: else the name might lead to
    another address than the one that was looked at. One of https has to prove itself anyway."""
    if url.startswith(UNIX):
        return url
    place = parse_url(url)
    found = map(_loopback, _addresses(place.host) if place.scheme == "http" else ())
    # A service listens at one of IPv4, if not told otherwise.
    own = sorted(filter(None, found), key=lambda address: ":" in address)
    return str(place._replace(host=own[0], text="")) if own else url


def _own() -> tuple[str, str]:
    """The state of the user's own service, and its token's file."""
    from downloader.store.place import TOKEN, default_state  # a database comes along

    state = default_state()
    return state, os.path.join(state, TOKEN)


def _is_kept(state: str) -> bool:
    from downloader.store import is_busy

    return is_busy(state)


def _addresses(host: str) -> list[str]:
    """Those of `host`, none where it has none."""
    found = list[str]()

    def look() -> None:
        with suppress(OSError, UnicodeError):
            kind = socket.SOCK_STREAM
            found.extend(str(one[4][0]) for one in socket.getaddrinfo(host, None, type=kind))

    looking = threading.Thread(target=look, daemon=True)  # it cannot be interrupted, but we can
    looking.start()
    looking.join()
    return found


def _loopback(host: str) -> str | None:
    """The address that what is sent to `host` comes to, if that is on loopback."""
    try:
        address = ip_address(host)
    except ValueError:
        return None
    if isinstance(address, IPv6Address) and address.ipv4_mapped:
        address = address.ipv4_mapped
    if address.is_unspecified:  # Linux takes it for this one
        return "127.0.0.1" if address.version == 4 else "::1"
    return str(address) if address.is_loopback else None
