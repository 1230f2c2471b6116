"""How requests leave this machine: through which proxies, from which address, over IPv4 or IPv6."""

from __future__ import annotations

from dataclasses import dataclass, field
from ipaddress import ip_address

from downloader.sansio.proxies import Proxies


@dataclass(frozen=True, slots=True)
class Network:
    """The way out. By default it is direct; nothing is taken from the environment.

    `ip_version` 4 or 6 connects to addresses of that kind only; None takes both. `local_address`
    is an address of this machine that connections leave from; its kind then decides the other's.
    Without `private`, no connection is made to an address that is not on the public Internet (see
    `downloader.sansio.addresses`), whatever name or redirect leads there: PrivateAddress. A proxy
    may be at any; what it makes of a name is its own to judge. ValueError for what cannot be.
    """

    proxies: Proxies = field(default_factory=Proxies)
    ip_version: int | None = None
    local_address: str | None = None
    private: bool = True

    def __post_init__(self) -> None:
        if self.ip_version not in (None, 4, 6):
            raise ValueError("the IP version is 4, 6 or None")
        if self.local_address is None:
            return
        version = ip_address(self.local_address).version
        if self.ip_version not in (None, version):
            raise ValueError(f"{self.local_address} is no IPv{self.ip_version} address")
        object.__setattr__(self, "ip_version", version)
