"""Which addresses are nobody's but ours: this machine, its networks, and what no server has.

Only what is known to be public is let through, so that a new kind of address is none. An IPv6
address that carries one of IPv4 leads where that one does, and is as public as it is.
"""

from __future__ import annotations

from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address

# RFC 4291 §2.4: what is given out as global unicast.
_GLOBAL = IPv6Network("2000::/3")
_NAT64 = IPv6Network("64:ff9b::/96")  # RFC 6052 §2.1
_6TO4_RELAY = IPv4Network("192.88.99.0/24")  # RFC 7526


def is_private(address: str) -> bool:
    """Whether a server at `address`, IPv4 or IPv6 as text, is not on the public Internet: loopback,
    private, link-local, shared (RFC 6598), multicast, reserved, unspecified. True for what is no
    address at all."""
    try:
        found = ip_address(address)
    except ValueError:
        return True
    return not (_is_public4(found) if isinstance(found, IPv4Address) else _is_public6(found))


def _is_public4(address: IPv4Address) -> bool:
    return address.is_global and not address.is_multicast and address not in _6TO4_RELAY


def _is_public6(address: IPv6Address) -> bool:
    if address.scope_id is not None:
        return False
    carried = address.ipv4_mapped or address.sixtofour
    if address in _NAT64:
        carried = IPv4Address(address.packed[12:])
    if carried is not None:
        return _is_public4(carried)
    return address in _GLOBAL and address.is_global and address.teredo is None
