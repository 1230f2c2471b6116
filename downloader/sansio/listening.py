"""Whose sockets listen on this machine: the tables that Linux shows in /proc/net."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address
from typing import Literal

_LISTEN = "0A"
Order = Literal["little", "big"]


def owners(table: str, address: str, port: int, order: Order) -> set[int]:
    """The users whose sockets take what is sent to `address` and `port`, as far as `table` says:
    the text of /proc/net/tcp and tcp6 (proc(5)), whose words are in the `order` of this machine's
    bytes. Lines of another form are left out."""
    found: dict[str, set[int]] = {}
    for line in table.splitlines():
        fields = line.split()
        if len(fields) > 7 and fields[3] == _LISTEN and fields[7].isdigit():
            found.setdefault(fields[1], set()).add(int(fields[7]))
    for forms in _forms(address):
        users = [found.get(f"{_as_hex(form, order)}:{port:04X}", set()) for form in forms]
        if any(users):
            return set().union(*users)
    return set()


def _forms(address: str) -> list[list[bytes]]:
    """It and those for all, as the system looks for a socket: the next only where there is none at
    the one before. What is sent over IPv4 may come to a socket of IPv6."""
    if ":" in address:
        return [[IPv6Address(address).packed], [bytes(16)]]
    four = IPv4Address(address).packed
    mapped = IPv6Address("::ffff:0:0").packed[:12]
    return [[four, mapped + four], [bytes(4)], [mapped + bytes(4), bytes(16)]]


def _as_hex(packed: bytes, order: Order) -> str:
    words = (packed[start : start + 4] for start in range(0, len(packed), 4))
    return "".join(f"{int.from_bytes(word, order):08X}" for word in words)
