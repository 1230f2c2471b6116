"""Whom `ctl` shows a token to."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from downloader.cli.ctltoken import Token
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
    rows = [f"0: 0100007F:{port:04X} 0:0 0A 0:0 0:0 0 {user} 0 1" for port, user in USERS.items()]
    (tmp_path / "tcp").write_text("\n".join(["head", *rows]))
    return [tmp_path / "none", tmp_path / "tcp"]


def test_another_user_listens(file: str, tables: list[Path]) -> None:
    with pytest.raises(ServiceError, match=f"of the user {OTHER}, and the token in {file} is not"):
        Token("http://127.0.0.1:6800/", file, tables).show()


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1:6801/",
        "http://127.0.0.1:6802/",
        "http://127.0.0.1:6803/",
        "http://example.org:6800/",
        "unix:/run/d.sock",
    ],
    ids=["we", "root", "nobody", "another machine", "a socket's path"],
)
def test_it_is_shown(file: str, tables: list[Path], url: str) -> None:
    assert Token(url, file, tables).show() == TOKEN
