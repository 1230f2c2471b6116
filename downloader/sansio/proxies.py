"""Which proxy a URL goes through, if any, as curl decides it.

A proxy is written as a URL or as HOST:PORT; what `no_proxy` names is asked directly. Nothing here
reads the environment: it is handed in by whoever wants it obeyed.
"""

from __future__ import annotations

import re
from base64 import b64encode
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from urllib.parse import unquote_to_bytes

import idna

from downloader.errors import BadUrl
from downloader.sansio.url import bracketed, parse_url

# curl's, for every kind of proxy.
DEFAULT_PORT = 1080
SCHEMES = ("http", "socks5", "socks5h")
# RFC 1929: the length of either is told in one byte.
MAX_SECRET = 255

_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)://")
_BRACKETED = re.compile(r"\[([^\]]*)\](?::([0-9]{1,5}))?")
_PORTED = re.compile(r"([^:]*):([0-9]{1,5})")
_CONTROLS = frozenset((*range(32), 127))

_Address = IPv4Address | IPv6Address
_AnyNetwork = IPv4Network | IPv6Network


@dataclass(frozen=True, slots=True, repr=False)
class Proxy:
    """One proxy. `scheme` is http, socks5 (names are looked up here) or socks5h (there).

    `host` is as in HttpUrl. `user` and `password` are plain bytes, None and empty without.
    """

    scheme: str
    host: str
    port: int
    user: bytes | None = None
    password: bytes = b""

    def __str__(self) -> str:
        """Without user and password."""
        return f"{self.scheme}://{bracketed(self.host)}:{self.port}"

    def __repr__(self) -> str:
        return f"<Proxy {self}{'' if self.user is None else ' with a user'}>"

    @property
    def authorization(self) -> bytes:
        """The header line that logs in to an HTTP proxy (RFC 7617); empty without a user."""
        if self.user is None:
            return b""
        basic = b64encode(self.user + b":" + self.password)
        return b"Proxy-Authorization: Basic %b\r\n" % basic


def parse_proxy(text: str) -> Proxy:
    """`[SCHEME://][USER[:PASSWORD]@]HOST[:PORT]` as a Proxy; without a scheme it is http.

    ValueError with one plain reason, which quotes nothing that may be secret.
    """
    match = _SCHEME.match(text)
    scheme = match[1].lower() if match else "http"
    if scheme == "https":
        raise ValueError("TLS to the proxy itself is not supported: use http:// or socks5h://")
    if scheme not in SCHEMES:
        raise ValueError("a proxy is http://, socks5:// or socks5h://, and no other")
    login, at, place = text[match.end() if match else 0 :].rpartition("@")
    place = place.removesuffix("/")
    if any(mark in login + place for mark in "/?#"):
        raise ValueError("nothing may follow a proxy's port; a / in a password is written %2F")
    host, port = _place(place)
    user, password = _login(login, scheme) if at else (None, b"")
    return Proxy(scheme, host, port, user, password)


def _place(place: str) -> tuple[str, int]:
    try:
        url = parse_url(f"http://{place}/")
    except BadUrl as error:
        reason = error.detail
    else:
        has_port = ":" in place.rpartition("]")[2]
        return url.host, url.port if has_port else DEFAULT_PORT
    # Not its own words where they quote: a password may have got into the host.
    quotes = "'" in reason or '"' in reason
    raise ValueError("the proxy's host or port is not valid" if quotes else reason)


def _login(login: str, scheme: str) -> tuple[bytes, bytes]:
    try:  # what is no text in the environment is bytes for the proxy
        encoded = login.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:  # which quotes it
        raise ValueError("the proxy's user or password is no text") from None
    user, password = (unquote_to_bytes(part) for part in encoded.partition(b":")[::2])
    if not _CONTROLS.isdisjoint(user + password):
        raise ValueError("the proxy's user or password holds a control character")
    if max(len(user), len(password)) > MAX_SECRET:
        raise ValueError(f"the proxy's user or password has more than {MAX_SECRET} bytes")
    if scheme == "http" and b":" in user:
        raise ValueError("the proxy's user holds a colon, which Basic cannot say (RFC 7617)")
    if not user and not password:
        raise ValueError("the proxy's user is empty")
    return user, password


@dataclass(frozen=True, repr=False)
class Proxies:
    """The proxies for http and for https URLs, and the hosts that are asked directly.

    `http` and `https` are as `parse_proxy` reads them; None is what `all` says, and an empty
    text no proxy. `no_proxy` are names, addresses and networks parted by commas or spaces, each
    perhaps with a port: a name stands for those below it too, `*` for every host.

    ValueError for a proxy that cannot be used.
    """

    http: str | None = None
    https: str | None = None
    all: str | None = None
    no_proxy: str = ""

    def __post_init__(self) -> None:
        for name in ("http", "https", "all"):
            if text := getattr(self, name):
                try:
                    parse_proxy(text)
                except ValueError as error:
                    raise ValueError(f"the proxy for {name}: {error}") from None

    def __repr__(self) -> str:
        return f"<Proxies {self._chosen!r} except {self.no_proxy!r}>"

    def choose(self, scheme: str, host: str, port: int) -> Proxy | None:
        """The proxy for this origin, or None: ask it directly."""
        proxy = self._chosen[scheme]
        return None if proxy is None or self._direct.covers(host, port) else proxy

    @cached_property
    def _chosen(self) -> dict[str, Proxy | None]:
        chosen = {
            "http": self.all if self.http is None else self.http,
            "https": self.all if self.https is None else self.https,
        }
        return {name: parse_proxy(text) if text else None for name, text in chosen.items()}

    @cached_property
    def _direct(self) -> NoProxy:
        return NoProxy(self.no_proxy)


def environment_proxies(environment: Mapping[str, str]) -> dict[str, str]:
    """What `http_proxy` and its like say, as arguments of `Proxies`; empty ones say nothing.

    Lower case goes before upper case. HTTP_PROXY is not read at all, as by curl: where a web
    server runs programs, it is a header of whoever asks (CVE-2016-5385).
    """
    names = {"http": "http_proxy", "https": "https_proxy", "all": "all_proxy"}
    names["no_proxy"] = "no_proxy"
    said = {}
    for field, name in names.items():
        upper = "" if field == "http" else environment.get(name.upper(), "")
        if text := environment.get(name) or upper:
            said[field] = text
    return said


class NoProxy:
    """The hosts that no proxy is used for. What it does not understand covers nothing."""

    def __init__(self, text: str) -> None:
        words = [word for word in re.split(r"[,\s]+", text.lower()) if word]
        self._everything = "*" in words
        self._names: set[tuple[str, int | None]] = set()
        self._networks: list[tuple[_AnyNetwork, int | None]] = []
        for word in words:
            self._add(*_split_port(word))

    def covers(self, host: str, port: int) -> bool:
        """Whether `host`, as in HttpUrl, is asked directly at `port`."""
        if self._everything:
            return True
        host = host.lower().removesuffix(".")
        address = _address(host)
        if address is None:
            return any((name, p) in self._names for name in _parents(host) for p in (None, port))
        return any(
            address.version == network.version and address in network and only in (None, port)
            for network, only in self._networks
        )

    def _add(self, word: str, port: int | None) -> None:
        try:
            self._networks.append((ip_network(word, strict=False), port))
        except ValueError:
            name = word.removeprefix("*").strip(".")
            self._names.add((_ascii(name), port))


def _split_port(word: str) -> tuple[str, int | None]:
    """A word without its port, and without the brackets that an IPv6 address may have."""
    match = _BRACKETED.fullmatch(word) or _PORTED.fullmatch(word)
    if match is None:
        return word, None
    return match[1], int(match[2]) if match[2] else None


def _address(host: str) -> _Address | None:
    try:
        address = ip_address(host)
    except ValueError:
        return None
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return mapped or address


def _parents(host: str) -> list[str]:
    """`a.b.c`, `b.c` and `c` for `a.b.c`."""
    labels = host.split(".")
    return [".".join(labels[start:]) for start in range(len(labels))]


def _ascii(name: str) -> str:
    """The name as URLs have it, or as it is when it is none."""
    try:
        return name if name.isascii() else idna.encode(name, uts46=True).decode("ascii")
    except UnicodeError:
        return name
