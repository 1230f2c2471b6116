"""One URL, parsed once: connect, Host, SNI, pool key, names and logs all read this object.

Parsers that differ are how requests end up at the wrong host (CVE-2016-8624, CVE-2022-27780),
so nothing else in the package splits a URL. What is refused here is refused everywhere.
"""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import IPv6Address
from urllib.parse import quote, unquote, urljoin, urlsplit

import idna

from downloader.errors import BadUrl

# Longer than any server accepts (nginx: 8 KiB by default), short enough to parse at once.
MAX_URL = 64 * 1024
PORTS = {"http": 80, "https": 443}

_REFUSED = frozenset(map(chr, range(33))) | {"\x7f", "\\"}
_HOST_CHARS = frozenset("abcdefghijklmnopqrstuvwxyz0123456789-._~")
# RFC 3986 reserved and unreserved, and the percent sign of what is encoded already.
_SAFE = "%!#$&'()*+,/:;=?@[]~-._"
# Query parameters that carry a secret in the signed URLs of today's object stores.
_SECRET_WORDS = ("token", "sig", "secret", "password", "passwd", "credential", "auth", "key")


@dataclass(frozen=True, slots=True)
class HttpUrl:
    """An http or https URL, ready for the wire.

    `host` is lower-case ASCII, an IPv6 address without brackets; `target` is the path and query
    as sent, never empty; `userinfo` is what stood before the @, still encoded, or None.
    """

    scheme: str
    host: str
    port: int
    target: str
    userinfo: str | None = None

    @property
    def origin(self) -> tuple[str, str, int]:
        """The scheme, host and port that secrets stay with (RFC 9110 §4.3.1)."""
        return (self.scheme, self.host, self.port)

    @property
    def netloc(self) -> str:
        """The Host header's value: the port is left out when it is the scheme's own."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if PORTS[self.scheme] == self.port else f"{host}:{self.port}"

    def __str__(self) -> str:
        return f"{self.scheme}://{self.netloc}{self.target}"


def parse_url(text: str) -> HttpUrl:
    """Parse `text` or raise `BadUrl` with one plain reason.

    Non-ASCII letters are encoded (UTF-8, IDNA 2008); white space and control characters are
    refused, not stripped, since two parsers may strip differently. The fragment is dropped.
    """
    if len(text) > MAX_URL:
        raise BadUrl(f"longer than {MAX_URL} characters")
    if not text.isascii():
        text = quote(text, safe=_SAFE) if text.isprintable() and " " not in text else text
        text = _with_idna_host(text)
    if not _REFUSED.isdisjoint(text):
        character = next(c for c in text if c in _REFUSED)
        raise BadUrl(f"the character {character!r} is not allowed", url=redacted(text))
    try:
        parts = urlsplit(text)
        port = parts.port
    except ValueError as error:
        raise BadUrl(str(error), url=redacted(text)) from error
    if parts.scheme not in PORTS:
        raise BadUrl(_scheme_reason(parts.scheme), url=redacted(text))
    userinfo, at, _ = parts.netloc.rpartition("@")
    target = parts.path or "/"
    return HttpUrl(
        parts.scheme,
        _checked_host(parts.hostname or "", parts.netloc, text),
        PORTS[parts.scheme] if port is None else port,
        f"{target}?{parts.query}" if parts.query else target,
        userinfo if at else None,
    )


def join(base: HttpUrl, location: str) -> HttpUrl:
    """The URL that a Location header means, seen from `base` (RFC 9110 §10.2.2)."""
    if not location:
        raise BadUrl("an empty Location")
    return parse_url(urljoin(str(base), location))


def redacted(url: str) -> str:
    """`url` for logs and reports: no user, no password, no value of a secret-looking parameter."""
    head, slashes, rest = url.partition("://")
    if slashes:
        end = min((i for c in "/?#" if (i := rest.find(c)) >= 0), default=len(rest))
        rest = rest[:end].rpartition("@")[2] + rest[end:]
        url = head + slashes + rest
    path, mark, query = url.partition("?")
    if not mark:
        return url
    query = query.partition("#")[0]
    return path + mark + "&".join(_redacted_parameter(p) for p in query.split("&"))


def _redacted_parameter(parameter: str) -> str:
    name, equals, _ = parameter.partition("=")
    secret = any(word in name.lower() for word in _SECRET_WORDS)
    return f"{name}=***" if equals and secret else parameter


def _scheme_reason(scheme: str) -> str:
    return f"the scheme {scheme!r} is not http or https" if scheme else "it has no http:// in front"


def _with_idna_host(text: str) -> str:
    """`text` with its percent-encoded UTF-8 host as A-labels; the rest as it was."""
    scheme, slashes, rest = text.partition("://")
    end = min((i for c in "/?#" if (i := rest.find(c)) >= 0), default=len(rest))
    userinfo, at, hostport = rest[:end].rpartition("@")
    if not slashes or "%" not in hostport:
        return text
    host, colon, port = unquote(hostport).partition(":")
    try:
        ascii_host = idna.encode(host, uts46=True).decode("ascii")
    except idna.IDNAError as error:
        raise BadUrl(f"the host name is not valid: {error}", url=redacted(text)) from error
    return f"{scheme}://{userinfo}{at}{ascii_host}{colon}{port}{rest[end:]}"


def _checked_host(host: str, netloc: str, text: str) -> str:
    if "[" in netloc or ":" in host:
        try:
            return str(IPv6Address(host))
        except ValueError as error:
            raise BadUrl(str(error), url=redacted(text)) from error
    if not host:
        raise BadUrl("it names no host", url=redacted(text))
    if not _HOST_CHARS.issuperset(host) or len(host) > 253:
        raise BadUrl(f"the host {host!r} is not valid", url=redacted(text))
    if host.startswith(".") or ".." in host:
        raise BadUrl(f"the host {host!r} has an empty label", url=redacted(text))
    return host
