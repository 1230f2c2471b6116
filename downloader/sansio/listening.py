"""Whose sockets listen on this machine: the tables that Linux shows in /proc/net."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address
from typing import Literal

_LISTEN = "0A"
Order = Literal["little", "big"]


def owners(table: str, address: str, port: int, order: Order) -> set[int]:
    """The users whose sockets take what is sent to `address` and `port`, as far as `table` says:
    the text of /proc/net/tcp or tcp6 (proc(5)), whose words are in the `order` of this machine's
    bytes. Lines of another form are left out."""
    wanted = {f"{_as_hex(form, order)}:{port:04X}" for form in _forms(address)}
    found: set[int] = set()
    for line in table.splitlines():
        fields = line.split()
        if len(fields) > 7 and fields[3] == _LISTEN and fields[7].isdigit() and fields[1] in wanted:
            found.add(int(fields[7]))
    return found


def _forms(address: str) -> list[bytes]:
    """It and the one for all, as each family has it; one of IPv4 may come to a socket of IPv6."""
    if ":" in address:
        return [IPv6Address(address).packed, bytes(16)]
    four = IPv4Address(address).packed
    mapped = IPv6Address("::ffff:0:0").packed[:12]
    return [four, bytes(4), mapped + four, mapped + bytes(4), bytes(16)]


def _as_hex(packed: bytes, order: Order) -> str:
    words = (packed[start : start + 4] for start in range(0, len(packed), 4))
    return "".join(f"{int.from_bytes(word, order):08X}" for word in words)
