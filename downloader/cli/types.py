"""What option values look like: each function takes the text and gives the value, or refuses.

Functions and not `click.ParamType`s, whose type became generic between click's releases.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

import click

from downloader.errors import BadUrl
from downloader.sansio.amounts import parse_count, parse_rate, parse_seconds, parse_size
from downloader.sansio.checksum import checked_checksum
from downloader.sansio.mirrors import checked_location
from downloader.sansio.product import checked_contact
from downloader.sansio.url import parse_url
from downloader.sansio.urllist import checked_header

T = TypeVar("T")


def count(text: str) -> int:
    """A number of something that there has to be one of."""
    return _checked(parse_count, text)


def seconds(text: str) -> float:
    """A finite number of seconds above 0."""
    if (value := seconds_or_zero(text)) == 0:
        raise click.BadParameter("it has to be more than 0 seconds")
    return value


def seconds_or_zero(text: str) -> float:
    """A finite number of seconds, from 0 on."""
    return _checked(parse_seconds, text)


def size(text: str) -> int:
    """A number of bytes, with K, M or G for 1024, 1024² or 1024³ of them, as aria2 writes it."""
    return _checked(parse_size, text)


def positive_size(text: str) -> int:
    """A size of a byte at least."""
    if (value := size(text)) == 0:
        raise click.BadParameter("it has to be more than 0 bytes")
    return value


def speed(text: str) -> int | None:
    """A size, so many bytes a second; 0 is no limit, as with aria2."""
    return size(text) or None


def rate(text: str) -> float:
    """`N/s`, `N/m`, `N/h` or `N/d` as so many a second."""
    return _checked(parse_rate, text)


def header(text: str) -> tuple[str, str]:
    """`Name: value` as its two parts."""
    return _checked(checked_header, text)


def user_agent(text: str) -> str:
    """A User-Agent that every server can read: printable ASCII (RFC 9110 §5.5)."""
    if not text.isascii():
        raise click.BadParameter("it holds a character that is not ASCII")
    return header(f"User-Agent: {text}")[1]


def contact(text: str) -> str:
    """An http URL or a mail address."""
    return _checked(checked_contact, text)


def checksum(text: str) -> str:
    """`ALGORITHM=HEX` in lower case."""
    return _checked(checked_checksum, text)


def locations(text: str) -> tuple[str, ...]:
    """Countries, the most preferred one first, such as `de,fr`."""
    found = tuple(map(checked_location, text.split(",")))
    if None in found:
        raise click.BadParameter("a location is a country's two letters, as in de,fr")
    return tuple(one for one in found if one is not None)


# Before the path of a socket.
UNIX = "unix:"


def service_url(text: str) -> str:
    """Where a service listens: an http or https URL without a query, or `unix:` and a path."""
    if text.startswith(UNIX):
        if text == UNIX:
            raise click.BadParameter("unix: needs the path of a socket")
        return text
    try:
        url = parse_url(text)
    except BadUrl as error:
        raise click.BadParameter(error.detail) from error
    if url.userinfo is not None or "?" in url.target:
        raise click.BadParameter("a service's URL has no user, password or query")
    # A service listens at the first of localhost's addresses; at the other may be who knows who.
    named = url.scheme == "http" and url.host == "localhost"
    return str(url._replace(host="127.0.0.1", text="") if named else url)


def _checked(check: Callable[[str], T], text: str) -> T:
    try:
        return check(text)
    except ValueError as error:
        raise click.BadParameter(str(error)) from error
