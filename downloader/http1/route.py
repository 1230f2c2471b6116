"""What two requests must agree on to share a connection."""

from __future__ import annotations

from dataclasses import dataclass, field

from downloader.http1.tls import TlsOptions
from downloader.sansio.network import Network
from downloader.sansio.proxies import Proxy
from downloader.sansio.url import bracketed


@dataclass(frozen=True, slots=True, repr=False)
class Route:
    """The way to an origin: the pool's key.

    Its proxy counts with user and password, so that no connection is used under another's name.
    `via` is None, or for plain http through an HTTP proxy the line that logs in there, perhaps
    empty: requests then name the whole URL (RFC 9112 §3.2.2).
    """

    scheme: str
    host: str
    port: int
    tls: TlsOptions
    proxy: Proxy | None = None
    local_address: str | None = None
    ip_version: int | None = None
    private: bool = True
    via: bytes | None = field(init=False, compare=False)
    _hash: int = field(init=False, compare=False)

    def __post_init__(self) -> None:
        forwards = self.proxy is not None and self.proxy.scheme == self.scheme == "http"
        via = self.proxy.authorization if self.proxy is not None and forwards else None
        object.__setattr__(self, "via", via)
        own = (self.proxy, self.local_address, self.ip_version, self.private)
        # Once, since each request looks its route up.
        object.__setattr__(self, "_hash", hash((self.scheme, self.host, self.port, self.tls, own)))

    def __hash__(self) -> int:
        return self._hash

    def __repr__(self) -> str:
        return f"<Route {self}{'' if self.proxy is None else f' through {self.proxy}'}>"

    def __str__(self) -> str:
        return f"{self.scheme}://{bracketed(self.host)}:{self.port}"

    @property
    def may_pipeline(self) -> bool:
        """Whether the origin itself reads what is sent: a proxy that reads it may mix it up."""
        return self.via is None


def route_to(network: Network, tls: TlsOptions, scheme: str, host: str, port: int) -> Route:
    """The way to an origin over `network`."""
    proxy = network.proxies.choose(scheme, host, port)
    own = (network.local_address, network.ip_version, network.private)
    return Route(scheme, host, port, tls, proxy, *own)
