"""--log-url: what comes of each file, told to another program's log."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

from downloader.testing import Connection, Origin

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"


async def test_each_file_is_told(start: Any, origin: Origin, scripted: Any, tmp_path: Path) -> None:
    """All of them are, before the command ends; the password is shown to nobody else."""
    posted: list[str] = []

    async def take(connection: Connection) -> None:
        while True:
            head = await connection.head()
            length = int(head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0])
            form = parse_qs((await connection.take(length)).decode())
            posted.append(form["msg"][0])
            connection.send(OK)

    server = scripted(take)
    url = server.url("/log").replace("//", "//me:secret@")
    command = start("fetch", origin.add("/a", 5), origin.url("/no"), "-d", "out", "--log-url", url)
    assert await command.ended == 1
    assert sorted(line.partition(":")[0] for line in posted) == ["complete", "error"]
    assert b"secret" not in command.err


async def test_nobody_there_changes_nothing_but_a_warning(
    start: Any, origin: Origin, full_listener: Any, tmp_path: Path
) -> None:
    """The files come, and the command ends some seconds later at most."""
    url = full_listener.url("/log")
    command = start("fetch", origin.add("/a", 5), "-d", "out", "--log-url", url)
    assert await command.ended == 0
    assert (tmp_path / "out" / "a").exists()
    assert any("1 events did not get to" in line for line in command.said)


async def test_the_environment_says_it_where_nobody_reads_it(start: Any, origin: Origin) -> None:
    """Processes' command lines are for everybody's eyes."""
    env = {"DOWNLOADER_LOG_URL": "ftp://me:secret@a/"}
    command = start("fetch", origin.url("/a"), env=env)
    assert await command.ended == 2
    assert b"'ftp://a/' is no URL" in command.err


async def test_a_url_that_is_none_is_told(start: Any) -> None:
    command = start("fetch", "http://a/", "--log-url", "ftp://a/")
    assert await command.ended == 2
    assert b"'ftp://a/' is no URL" in command.err
