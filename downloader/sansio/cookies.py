"""Cookies from the text of a Netscape cookie file, and which of them a URL is sent.

A line is `domain TAB subdomains TAB path TAB secure TAB expires TAB name TAB value`; what begins
with `#` is a comment, but for `#HttpOnly_`. The rules are RFC 6265's (§5.1.3, 5.1.4, 5.4). What
differs: there is no list of public suffixes, the file being its owner's word, but a cookie of a
single label such as `com` is never sent to the hosts below it.

The standard library's http.cookiejar quotes a line that is wrong in its error, secret and all; its
rules are older than RFC 6265, and it asks them of urllib's requests.

Nothing is ever added: what servers set is not taken.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from ipaddress import ip_address
from typing import NamedTuple

from downloader.sansio.url import HttpUrl

# As curl: enough for any site, and no more than servers take (CVE-2022-32205).
MAX_SENT = 150
MAX_HEADER = 8190
_HTTP_ONLY = "#HttpOnly_"
_FLAGS = {"TRUE": True, "FALSE": False}
_EXPIRES = re.compile(r"(-?[0-9]{1,18})(?:\.[0-9]*)?")
# What would end the cookie, its header, or its name.
_REFUSED_NAME = re.compile(r"[\x00-\x20\x7f;,=]")
_REFUSED_VALUE = re.compile(r"[\x00-\x1f\x7f;]")
_NUMBER = re.compile(r"[0-9]+|0x[0-9a-f]*")


class Cookie(NamedTuple):
    """One cookie. `expires` is seconds since 1970, or None when it does not."""

    domain: str
    subdomains: bool
    path: str
    secure: bool
    expires: float | None
    name: str
    value: str

    def fits(self, path: str, secure: bool, now: float) -> bool:
        """Whether it goes to `path` of a host that its domain fits."""
        if self.secure > secure or (self.expires is not None and self.expires <= now):
            return False
        mine = self.path
        return path.startswith(mine) and (
            len(path) == len(mine) or mine.endswith("/") or path[len(mine)] == "/"
        )


class Cookies:
    """Cookies that do not change. A later one takes the place of its like."""

    def __init__(self, cookies: Iterable[Cookie] = ()) -> None:
        self._by_domain: dict[str, dict[tuple[str, str], Cookie]] = {}
        for cookie in cookies:
            alike = self._by_domain.setdefault(cookie.domain, {})
            alike[cookie.path, cookie.name] = cookie

    def __repr__(self) -> str:
        return f"<Cookies {len(self)}>"

    def __len__(self) -> int:
        return sum(map(len, self._by_domain.values()))

    def header(self, url: HttpUrl, now: float) -> bytes | None:
        """The Cookie header for a request to `url` at the time `now`, or None.

        Longer paths come first. `now` is seconds since 1970.
        """
        path, secure = url.target.partition("?")[0], url.scheme == "https"
        fitting = [one for one in self._of_host(url.host) if one.fits(path, secure, now)]
        fitting.sort(key=lambda one: -len(one.path))
        header = b""
        for cookie in fitting[:MAX_SENT]:
            longer = b"%b; " % header if header else b""
            longer += f"{cookie.name}={cookie.value}".encode("latin-1")
            if len(longer) > MAX_HEADER:
                break
            header = longer
        return header or None

    def _of_host(self, host: str) -> Iterator[Cookie]:
        yield from self._by_domain.get(host, {}).values()
        if _is_address(host):
            return
        while (dot := host.find(".")) >= 0:
            host = host[dot + 1 :]
            for cookie in self._by_domain.get(host, {}).values():
                if cookie.subdomains:
                    yield cookie


def parse_cookies(data: bytes) -> Cookies:
    """Read a cookie file, or raise ValueError with the number of the line that is no cookie.

    Cookies that could not be sent as they are, with control characters or `;` in them, are left
    out.
    """
    text = data.decode("latin-1").removeprefix("\xef\xbb\xbf")
    found = []
    for number, line in enumerate(text.split("\n"), 1):
        line = line.removesuffix("\r")
        if line.startswith(_HTTP_ONLY):
            line = line.removeprefix(_HTTP_ONLY)
        elif line.startswith("#") or not line.strip():
            continue
        try:
            cookie = _cookie(line)
        except (ValueError, KeyError):
            raise ValueError(f"line {number} is no cookie: seven fields parted by TAB") from None
        if cookie is not None:
            found.append(cookie)
    return Cookies(found)


def _cookie(line: str) -> Cookie | None:
    """The cookie, or None when it cannot be sent. Raises ValueError or KeyError for no cookie."""
    domain, subdomains, path, secure, expires, name, *rest = line.split("\t", 6)
    value = rest[0] if rest else ""
    domain = domain.lower().removeprefix(".").removeprefix("[").removesuffix("]")
    below = _FLAGS[subdomains.upper()] and "." in domain.strip(".")
    cookie = Cookie(
        domain,
        below,
        path if path.startswith("/") else "/",
        _FLAGS[secure.upper()],
        _expires(expires),
        name,
        value,
    )
    unfit = not domain or not name or _REFUSED_NAME.search(name) or _REFUSED_VALUE.search(value)
    return None if unfit else cookie


def _expires(text: str) -> float | None:
    """0 and nothing stand for the end of the session, which for us has not come."""
    if not text:
        return None
    match = _EXPIRES.fullmatch(text)
    if match is None:
        raise ValueError("no number")
    return float(match[1]) or None


def _is_address(host: str) -> bool:
    """Whether `host` is an IP address, in unusual writing too: it has no domain above it."""
    if _NUMBER.fullmatch(host.removesuffix(".").rpartition(".")[2]):
        return True
    try:
        ip_address(host)
    except ValueError:
        return False
    return True
