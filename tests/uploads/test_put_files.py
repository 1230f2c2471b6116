"""Files that are none, or do not stay as they are."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
from support.putting import CONTINUE, CREATED, FAST, HUGE, take

from downloader import PutJob
from downloader.errors import (
    FileChanged,
    UnreadableFile,
)
from downloader.testing import Connection, End


def a_fifo(path: Path) -> None:
    os.mkfifo(path)


@pytest.mark.parametrize("make", [lambda path: None, Path.mkdir, a_fifo], ids=["no", "dir", "fifo"])
async def test_what_is_no_file(scripted: Any, sender: Any, tmp_path: Path, make: Any) -> None:
    """Told at once, without a retry; nobody is asked."""
    make(tmp_path / "it")
    server = scripted([take, CREATED])
    with pytest.raises(UnreadableFile) as caught:
        await sender(retries=FAST).upload(PutJob(str(tmp_path / "it"), server.url()))
    assert str(tmp_path / "it") in str(caught.value) and not server.connections


async def test_a_link_is_followed(scripted: Any, sender: Any, file: Any, tmp_path: Path) -> None:
    """It is the user's own."""
    (tmp_path / "link").symlink_to(file(10))
    server = scripted([take, CREATED])
    assert (await sender().upload(PutJob(str(tmp_path / "link"), server.url()))).bytes == 10


def grow(path: Path) -> None:
    with path.open("ab") as end:
        end.write(b"x")


def rewrite(path: Path) -> None:
    with path.open("r+b") as start:
        start.write(b"x")
    os.utime(path, ns=(1, 1))


@pytest.mark.parametrize(
    "change", [grow, rewrite, lambda path: os.truncate(path, 1 << 20)], ids=["+", "=", "-"]
)
async def test_a_file_that_changes_on_the_way(
    scripted: Any, sender: Any, file: Any, change: Any
) -> None:
    """It fails, and the server never gets as much as it was announced."""
    sent = file(HUGE)

    async def script(connection: Connection) -> None:
        await connection.head()
        connection.send(CONTINUE)
        await connection.take(1000)
        change(Path(sent))

    server = scripted(script)
    with pytest.raises(FileChanged) as caught:
        await sender(retries=FAST).upload(PutJob(sent, server.url()))
    assert caught.value.attempts == 1
    connection = server.connections[0]
    assert await connection.ended() is End.RST
    assert len(connection.received) < len(connection.heads[0]) + HUGE


async def test_a_file_that_is_replaced_on_the_way(
    scripted: Any, sender: Any, file: Any, tmp_path: Path
) -> None:
    """By another of the same name: what was opened is what is sent."""
    sent = file(HUGE)
    before = Path(sent).read_bytes()
    bodies: list[bytes] = []

    async def script(connection: Connection) -> None:
        await connection.head()
        connection.send(CONTINUE)
        first = await connection.take(1000)
        os.rename(file(5, "other"), sent)
        bodies.append(first + await connection.take(HUGE - 1000))
        connection.send(CREATED)

    await sender().upload(PutJob(sent, scripted(script).url()))
    assert bodies == [before]
