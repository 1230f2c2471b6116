"""One URL, parsed once: connect, Host, SNI, pool key, names and logs all read this object.

Parsers that differ are how requests end up at the wrong host (CVE-2016-8624, CVE-2022-27780),
so nothing else in the package splits a URL. What is refused here is refused everywhere.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import lru_cache
from ipaddress import IPv6Address
from typing import NamedTuple
from urllib.parse import SplitResult, quote, unquote, urljoin, urlsplit

import idna

from downloader.errors import BadUrl
from downloader.sansio.secrecy import is_secret

# Longer than any server accepts (nginx: 8 KiB by default), short enough to parse at once.
MAX_URL = 64 * 1024
MAX_HOST = 253  # RFC 1035, without the dot at the end
# Nearly every URL is shorter. Longer ones are not remembered: 64 KiB each would be much to keep.
_REMEMBERED = 2048
PORTS = {"http": 80, "https": 443}

# The standard one remembers the last 128, however long.
_urlsplit: Callable[[str], SplitResult] = getattr(urlsplit, "__wrapped__", urlsplit)
_REFUSED = frozenset(map(chr, range(33))) | {"\x7f", "\\"}
# C1 controls, white space, surrogates, and what turns the writing direction around.
_REFUSED_WIDE = re.compile(r"[\x80-\x9f\s\ud800-\udfff\u202a-\u202e\u2066-\u2069]")
_HOST_CHARS = frozenset("abcdefghijklmnopqrstuvwxyz0123456789-._~")
# RFC 3986 reserved and unreserved, and the percent sign of what is encoded already.
_SAFE = "%!#$&'()*+,/:;=?@[]~-._"
# What nearly every URL looks like; urlsplit, with all its cases, takes several times as long.
_PLAIN = re.compile(
    r"(https?)://([a-z0-9.-]+(?::[0-9]{1,5})?)(/[!-\"$->@-\[\]-~]*)?(?:\?([!-\"$-\[\]-~]*))?"
)
_BRACKETED = re.compile(r"\[[0-9A-Fa-f:.]+\](:[0-9]*)?")
# What stands before the host of a URL or a reference to one, then the host with its port.
_HOST = re.compile(r"((?:[A-Za-z][A-Za-z0-9+.-]*:)?//(?:[^/?#]*@)?)([^/?#]*)")
# What becomes / ? # @ or : for a parser that puts Unicode into its compatible form (NFKC) first.
_DISGUISED = re.compile(
    "[\u2047-\u2049\u2100\u2101\u2105\u2106\u2a74\ufe13\ufe16\ufe55\ufe56\ufe5f\ufe6b"
    "\uff03\uff0f\uff1a\uff1f\uff20]"
)
_USERINFO = re.compile(r"^([A-Za-z][A-Za-z0-9+.-]*:/+|//)?[^/?#]*@")
_SEPARATOR = re.compile(r"([&;])")
# An address within a parameter's value: `?next=http://user:password@host/`.
_NESTED_USERINFO = re.compile(r"//[^/?#&;]*@")


class HttpUrl(NamedTuple):
    """An http or https URL, ready for the wire.

    `host` is lower-case ASCII, an IPv6 address without brackets; `target` is the path and query
    as sent, never empty; `userinfo` is what stood before the @, still encoded, or None. `text` is
    the whole without it, which `parse_url` keeps where it has it.
    """

    scheme: str
    host: str
    port: int
    target: str
    userinfo: str | None = None
    text: str = ""

    @property
    def origin(self) -> tuple[str, str, int]:
        """The scheme, host and port that secrets stay with (RFC 9110 §4.3.1)."""
        return (self.scheme, self.host, self.port)

    @property
    def server(self) -> str:
        """Host and port: what jobs are counted by."""
        return f"{self.host}:{self.port}"

    @property
    def netloc(self) -> str:
        """The Host header's value: the port is left out when it is the scheme's own."""
        host = bracketed(self.host)
        return host if PORTS[self.scheme] == self.port else f"{host}:{self.port}"

    def __str__(self) -> str:
        return self.text or f"{self.scheme}://{self.netloc}{self.target}"


def bracketed(host: str) -> str:
    """`host` as it stands before a port: an IPv6 address in brackets (RFC 3986 §3.2.2)."""
    return f"[{host}]" if ":" in host else host


def parse_url(text: str) -> HttpUrl:
    """Parse `text` or raise `BadUrl` with one plain reason.

    Non-ASCII letters are encoded (UTF-8, IDNA 2008); white space and control characters are
    refused, not stripped, since two parsers may strip differently. The fragment is dropped.
    """
    return _remembered(text) if len(text) <= _REMEMBERED else _parsed(text)


def _parsed(text: str) -> HttpUrl:
    plain = _PLAIN.fullmatch(text) if len(text) <= MAX_URL else None
    try:
        scheme, netloc, path, query = plain.groups("") if plain else _split(text)
        find = _authority if len(netloc) <= _REMEMBERED else _authority.__wrapped__
        host, port, userinfo, canonical = find(scheme, netloc)
    except ValueError as error:
        # Its own words quote what stands before the @ of a password with a slash in it.
        raise BadUrl("the host or the port is not valid", url=redacted_invalid(text)) from error
    except BadUrl as error:
        error.url = redacted_invalid(text)
        raise
    target = path or "/"
    if query:
        target = f"{target}?{query}"
    # A plain one is as it will be written, unless something is left out or added.
    as_is = plain and path and netloc == canonical and not text.endswith("?")
    return HttpUrl(scheme, host, port, target, userinfo, text if as_is else "")


# A job's URL is parsed for its name, and some hundred jobs later by the agent, as bytes.
_remembered = lru_cache(maxsize=1024)(_parsed)


def _split(text: str) -> tuple[str, str, str, str]:
    _check_characters(text)
    if not text.isascii():
        text = _as_ascii(text)
    return _urlsplit(text)[:4]


# A list names the same few hosts over and over.
@lru_cache(maxsize=1024)
def _authority(scheme: str, netloc: str) -> tuple[str, int, str | None, str]:
    """Host, port and userinfo, checked, and the two first as they are written."""
    if scheme not in PORTS:
        raise BadUrl(_scheme_reason(scheme))
    parts = SplitResult(scheme, netloc, "", "", "")
    port = parts.port
    if port == 0:
        raise BadUrl("the port is 0")
    host = _checked_host(parts.hostname or "", netloc)
    userinfo, at, _ = netloc.rpartition("@")
    url = HttpUrl(scheme, host, PORTS[scheme] if port is None else port, "")
    return host, url.port, userinfo if at else None, url.netloc


def join(base: HttpUrl, location: str) -> HttpUrl:
    """The URL that a Location header means, seen from `base` (RFC 9110 §10.2.2)."""
    if not location:
        raise BadUrl("an empty Location")
    _check_characters(location)  # urljoin would strip some
    try:
        # Made ASCII before urljoin looks at it, which takes seconds for a host of many marks.
        ascii_only = location if location.isascii() else _as_ascii(location)
        return parse_url(urljoin(str(base), ascii_only))
    except ValueError as error:
        raise BadUrl("a Location that is no URL", url=redacted_invalid(location)) from error


def redacted(url: str) -> str:
    """`url` for logs and reports: no user, no password, no value of a secret-looking parameter.

    The fragment is dropped too: it may carry a token and never reaches a server.
    """
    if "@" not in url and "?" not in url and "#" not in url:
        return url
    url = url[:MAX_URL].partition("#")[0]
    path, mark, query = _USERINFO.sub(r"\1", url).partition("?")
    query = "".join(map(_redacted_parameter, _SEPARATOR.split(query)))
    return path + mark + _NESTED_USERINFO.sub("//", query)


def redacted_invalid(text: str) -> str:
    """The same for what is no URL: all up to its last @ may be a user and password."""
    start, _, rest = text[:MAX_URL].rpartition("@")
    scheme, slashes, _ = start.partition("//")
    return redacted(f"{scheme}//{rest}" if slashes else rest)


def _redacted_parameter(parameter: str) -> str:
    name, equals, _ = parameter.partition("=")
    if not equals:
        return parameter
    return f"{name}=***" if is_secret(unquote(name)) else parameter


def _scheme_reason(scheme: str) -> str:
    return f"the scheme {scheme!r} is not http or https" if scheme else "it has no http:// in front"


def _check_characters(text: str) -> None:
    if len(text) > MAX_URL:
        raise BadUrl(f"longer than {MAX_URL} characters")
    if not _REFUSED.isdisjoint(text):
        character = next(c for c in text if c in _REFUSED)
    elif not text.isascii() and (match := _REFUSED_WIDE.search(text)):
        character = match.group()
    else:
        return
    raise BadUrl(f"the character {character!r} is not allowed", url=redacted_invalid(text))


def _as_ascii(text: str) -> str:
    """`text`, a URL or a reference to one, with its host as A-labels and the rest percent-encoded
    (RFC 3987 §3.1)."""
    match = _HOST.match(text)
    if match and (disguised := _DISGUISED.search(match[1])):
        what = f"the character {disguised.group()!r} is not allowed before a host"
        raise BadUrl(what, url=redacted_invalid(text))
    if match and not match[2].isascii():
        # Before anything is encoded or decoded: %2F and %3A are no part of a host name.
        host, colon, port = match[2].partition(":")
        text = f"{match[1]}{_idna_host(host, text)}{colon}{port}{text[match.end() :]}"
    encoded = quote(text, safe=_SAFE)
    _check_characters(encoded)  # it grew
    return encoded


def _idna_host(host: str, text: str) -> str:
    try:
        if len(host) > MAX_HOST:  # idna may take the square of it (CVE-2024-3651)
            raise UnicodeError("it is too long")
        return idna.encode(host, uts46=True).decode("ascii")
    except UnicodeError as error:
        raise BadUrl(f"the host name is not valid: {error}", url=redacted_invalid(text)) from error


def _checked_host(host: str, netloc: str) -> str:
    if "[" in netloc or ":" in host:
        return _checked_address(host, netloc)
    if not host:
        raise BadUrl("it names no host")
    if not _HOST_CHARS.issuperset(host) or len(host) > MAX_HOST:
        raise BadUrl(f"the host {host!r} is not valid")
    if host.startswith(".") or ".." in host:
        raise BadUrl(f"the host {host!r} has an empty label")
    return host


def _checked_address(host: str, netloc: str) -> str:
    """An IPv6 address in brackets, with nothing before, behind or in it (no zone either)."""
    try:
        if _BRACKETED.fullmatch(netloc.rpartition("@")[2]):
            return str(IPv6Address(host))
    except ValueError:
        pass
    raise BadUrl(f"the address {host!r} is not valid")
