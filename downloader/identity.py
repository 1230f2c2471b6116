"""Who we are to servers: what a `Downloader` may show of us, and the files that say it."""

from __future__ import annotations

import os
import stat
from dataclasses import dataclass

from downloader.sansio.cookies import Cookies, parse_cookies
from downloader.sansio.credentials import Bearer, Credentials
from downloader.sansio.netrc import Netrc, parse_netrc

__all__ = ["Bearer", "Cookies", "Credentials", "Identity", "Netrc", "read_cookies", "read_netrc"]

# A browser's whole jar is some MB; a .netrc has a line for each server of a person.
MAX_COOKIES = 16 * 1024 * 1024
MAX_NETRC = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Identity:
    """What is shown of us, each part to its own server and never across a redirect to another.

    `credentials` are for one server. `netrc` has users and passwords by host. Both are for a
    job's own URLs, its mirrors among them; what the job or the URL says itself goes before them,
    and `credentials` before `netrc`. With `digest`, a user and password are used only to answer a
    Digest challenge, and are never sent themselves.

    `cookies` go to whatever URL they fit, those that a redirect leads to as well.
    """

    credentials: Credentials | Bearer | None = None
    netrc: Netrc | None = None
    cookies: Cookies | None = None
    digest: bool = False


def read_netrc(path: str) -> Netrc:
    """Read a .netrc file, which only its owner may be able to read, and that has to be us.

    Links are followed; what they lead to is judged. Raises OSError, or ValueError with a reason
    that quotes nothing of the file.
    """
    return parse_netrc(_read(path, MAX_NETRC, private=True).decode("utf-8", "surrogateescape"))


def read_cookies(path: str) -> Cookies:
    """Read a cookie file in Netscape's format. Raises OSError, or ValueError with a reason."""
    return parse_cookies(_read(path, MAX_COOKIES))


def _read(path: str, most: int, private: bool = False) -> bytes:
    with open(path, "rb", opener=_opened) as file:
        found = os.fstat(file.fileno())
        if not stat.S_ISREG(found.st_mode):
            raise ValueError("it is not a regular file")
        if private and found.st_uid != os.geteuid():
            raise ValueError("it is somebody else's file")
        if private and found.st_mode & 0o077:
            raise ValueError("others may read or change it; chmod 600 would keep them from it")
        data = file.read(most + 1)
    if len(data) > most:
        raise ValueError(f"it is larger than {most} bytes")
    return data


def _opened(path: str, flags: int) -> int:
    # O_NONBLOCK: a FIFO without a writer would hold us up for ever.
    return os.open(path, flags | os.O_NONBLOCK | os.O_NOCTTY)
