"""Whom `ctl` shows a token to."""

from __future__ import annotations

import os
import socket
import struct
import sys
from pathlib import Path

import pytest

from downloader.cli.ctltoken import Away, Token, addressed
from downloader.errors import ServiceError

TOKEN = "t0ken" * 8
OTHER = 4242
# Who listens, by port.
USERS = {6800: OTHER, 6801: os.geteuid(), 6802: 0}


@pytest.fixture
def file(tmp_path: Path) -> str:
    path = tmp_path / "token"
    path.write_text(f"{TOKEN}\n")
    return str(path)


@pytest.fixture
def tables(tmp_path: Path) -> list[Path]:
    """`USERS` listen at 127.0.0.1, and one table cannot be read."""
    (tmp_path / "tcp").write_text("\n".join(["head", *(row(*one) for one in USERS.items())]))
    return [tmp_path / "none", tmp_path / "tcp"]


def row(port: int, user: int, *addresses: str) -> str:
    local = "".join(addresses) or word("127.0.0.1")
    return f"0: {local}:{port:04X} 0:0 0A 0:0 0:0 0 {user} 0 1"


def word(address: str) -> str:
    """An IPv4 address as the tables of this machine have it."""
    return f"{int.from_bytes(socket.inet_aton(address), sys.byteorder):08X}"


@pytest.mark.parametrize("host", ["127.0.0.1", "0.0.0.0", "[::ffff:127.0.0.1]", "[::ffff:0.0.0.0]"])
def test_another_user_listens(file: str, tables: list[Path], host: str) -> None:
    """However one says where."""
    sentence = f"of the user {OTHER}, and the token in {file} is not"
    with pytest.raises(ServiceError, match=sentence) as raised:
        Token(f"http://{host}:6800/", file, tables).show()
    assert not isinstance(raised.value, Away)


def test_all_addresses_of_ipv6(file: str, tmp_path: Path) -> None:
    """What is asked there is ::1."""
    one = struct.pack("=4I", 0, 0, 0, int.from_bytes(b"\0\0\0\1", sys.byteorder))
    words = "".join(f"{each:08X}" for each in struct.unpack("=4I", one))
    (tmp_path / "tcp6").write_text(row(6800, OTHER, words))
    with pytest.raises(ServiceError, match=f"of the user {OTHER}"):
        Token("http://[::]:6800/", file, [tmp_path / "tcp6"]).show()


def test_nobody_listens(file: str, tables: list[Path]) -> None:
    """Yet: who begins to before the request goes out would be shown it."""
    token = Token("http://127.0.0.1:6803/", file, tables)
    with pytest.raises(Away, match=r":6803/: no service listens there"):
        token.show()
    (tables[1]).write_text(row(6803, os.geteuid()))
    assert token.show() == TOKEN
    (tables[1]).unlink()
    assert token.show() == TOKEN, "where the system does not say"


def test_the_nearest_of_all_tables_counts(file: str, tmp_path: Path) -> None:
    """A stranger who has the port of IPv6 only keeps nobody from a service."""
    (tmp_path / "tcp").write_text(row(6800, os.geteuid()))
    (tmp_path / "tcp6").write_text(row(6800, OTHER, "0" * 32))
    tables = [tmp_path / "tcp6", tmp_path / "tcp"]
    assert Token("http://127.0.0.1:6800/", file, tables).show() == TOKEN


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1:6801/",
        "http://127.0.0.1:6802/",
        "http://example.org:6800/",
        "http://192.0.2.1:6800/",
        "unix:/run/d.sock",
    ],
    ids=["we", "root", "a name", "another machine", "a socket's path"],
)
def test_it_is_shown(file: str, tables: list[Path], url: str) -> None:
    assert Token(url, file, tables).show() == TOKEN


def test_users_who_may_see_it(file: str) -> None:
    """Root, ourselves, and whose the file is."""
    token = Token("unix:/run/d.sock", file)
    for user in (0, os.geteuid(), Path(file).stat().st_uid):
        token.check(user)
    with pytest.raises(ServiceError, match=f"unix:/run/d.sock: .* of the user {OTHER}"):
        token.check(OTHER)


def test_one_of_the_environment_is_of_no_user(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DOWNLOADER_TOKEN", TOKEN)
    Token("unix:/run/d.sock", None).check(OTHER)


@pytest.mark.parametrize(
    ("url", "same"),
    [
        ("http://127.1:6800/", "http://127.0.0.1:6800/"),
        ("http://localhost:6800/a", "http://127.0.0.1:6800/a"),
        ("http://[::]/", "http://[::1]/"),
        ("http://0.0.0.0/", "http://127.0.0.1/"),
        ("http://192.0.2.1/", "http://192.0.2.1/"),
        ("https://localhost/", "https://localhost/"),
        ("unix:/run/d.sock", "unix:/run/d.sock"),
    ],
)
def test_the_address_that_is_looked_at_is_asked(url: str, same: str) -> None:
    """Of this machine's; a certificate is for a name."""
    assert addressed(url) == same
