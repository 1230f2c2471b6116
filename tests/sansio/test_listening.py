"""Who listens, as /proc/net says it."""

from __future__ import annotations

import pytest

from downloader.sansio.listening import owners

HEAD = (
    "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout\n"
)


def row(local: str, uid: int, state: str = "0A") -> str:
    return f"   0: {local} 00000000:0000 {state} 00000000:00000000 00:00000000 00000000 {uid} 0 1\n"


@pytest.mark.parametrize(
    ("local", "address"),
    [
        ("0100007F:1A90", "127.0.0.1"),
        ("00000000:1A90", "127.0.0.1"),
        ("00000000000000000000000000000000:1A90", "127.0.0.1"),
        ("0000000000000000FFFF00000100007F:1A90", "127.0.0.1"),
        ("00000000000000000000000001000000:1A90", "::1"),
        ("00000000000000000000000000000000:1A90", "::1"),
    ],
)
def test_a_socket_that_takes_it(local: str, address: str) -> None:
    """At the address itself, or at all of them."""
    assert owners(HEAD + row(local, 1000), address, 6800, "little") == {1000}


@pytest.mark.parametrize(
    "line",
    [
        row("0200007F:1A90", 1),
        row("0100007F:1A91", 1),
        row("0100007F:1A90", 1, state="01"),
        "",
        "0: 0100007F:1A90\n",
        row("0100007F:1A90", 1).replace(" 1 0 1", " x 0 1"),
    ],
    ids=["another address", "another port", "a connection", "no line", "half a line", "no user"],
)
def test_what_is_none(line: str) -> None:
    assert owners(HEAD + line, "127.0.0.1", 6800, "little") == set()


ALL_OF_6 = "00000000000000000000000000000000:1A90"


@pytest.mark.parametrize(
    ("rows", "address", "users"),
    [
        ([("0100007F:1A90", 1), ("00000000:1A90", 2), (ALL_OF_6, 3)], "127.0.0.1", {1}),
        ([("00000000:1A90", 2), (ALL_OF_6, 3)], "127.0.0.1", {2}),
        ([("00000000000000000000000001000000:1A90", 1), (ALL_OF_6, 3)], "::1", {1}),
        ([("0100007F:1A90", 1), ("0100007F:1A90", 2)], "127.0.0.1", {1, 2}),
    ],
    ids=["the address", "all of IPv4", "the address of IPv6", "two at one"],
)
def test_the_nearest_takes_it(rows: list[tuple[str, int]], address: str, users: set[int]) -> None:
    """Whoever is at more addresses gets nothing of it; a socket of IPv6 may be for that only."""
    table = HEAD + "".join(row(local, user) for local, user in reversed(rows))
    assert owners(table, address, 6800, "little") == users


def test_the_other_byte_order() -> None:
    assert owners(row("7F000001:1A90", 3), "127.0.0.1", 6800, "big") == {3}
