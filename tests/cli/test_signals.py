"""A signal stops everything and keeps what came; a second one ends the process at once."""

from __future__ import annotations

import fcntl
import gzip
import json
import os
import sys
import termios
from pathlib import Path
from typing import Any

import pytest

from downloader.testing import End, Origin, ScriptedServer, head, mute

PIPE_SIZE = 65536
HALF = b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n" + b"x" * 50_000


def unread(fd: int) -> int:
    """How many bytes wait in a pipe."""
    return int.from_bytes(fcntl.ioctl(fd, termios.FIONREAD, bytes(4)), sys.byteorder)


@pytest.mark.parametrize(("name", "code"), [("INT", 130), ("TERM", 143), ("HUP", 129)])
async def test_a_signal_stops(
    start: Any, until: Any, scripted: Any, tmp_path: Path, name: str, code: int
) -> None:
    """The servers see their connections reset, parts are kept, and each line is accounted for."""
    server: ScriptedServer = scripted([head, HALF, mute])
    urls = "".join(f"{server.url(f'/{number}')}\n" for number in range(200))
    (tmp_path / "list").write_text(urls)
    command = start("fetch", "-i", "list", "-d", "out", "--report", "r", "--failed", "f")
    part = tmp_path / "out" / "0.part"
    await until(lambda: part.exists() and part.stat().st_size == 50_000)
    command.signal(name)
    assert await command.ended == code
    assert {peer.end for peer in server.connections} == {End.RST}
    assert part.read_bytes() == b"x" * 50_000
    assert command.said[-1].startswith("0 complete, 200 pending, ")
    (line,) = (tmp_path / "r").read_text().splitlines()
    summary = json.loads(line)["summary"]
    assert (summary["lines"], summary["pending"], summary["interrupted"]) == (200, 200, True)
    assert (tmp_path / "f").read_text() == ""


async def test_a_signal_stops_a_stream(start: Any, until: Any, origin: Origin) -> None:
    """Nobody waits for the rest of a list whose writer does not end."""
    command = start("fetch", "-i", "-")
    command.write(f"{origin.add_silent('/silent')}\n{origin.url('/next')}\n".encode())
    await until(lambda: origin.silent)
    command.signal("INT")
    assert await command.ended == 130
    assert command.said[-1].startswith("0 complete, 2 pending, ")
    await until(lambda: origin.silent_ends)
    assert origin.silent_ends == {End.RST: 1}


@pytest.mark.parametrize("line", [b"", b"# a comment", b"no url", b" out=x"])
async def test_a_signal_stops_a_list_of_junk(
    reactor: Any, start: Any, until: Any, origin: Origin, tmp_path: Path, line: bytes
) -> None:
    """However long it takes to read it, or to count what is left: here, some minutes."""
    urls = f"{origin.add_silent('/silent')}\n{origin.add_silent('/next')}\n".encode()
    junk = gzip.compress((line + b"\n") * 100_000) * 10_000
    (tmp_path / "list").write_bytes(gzip.compress(urls) + junk)
    command = start("fetch", "-q", "-i", "list", "--report", "/dev/null")
    await until(lambda: origin.silent)
    began = reactor.seconds()
    command.signal("INT")
    assert await command.ended == 130
    assert reactor.seconds() - began < 5


async def test_a_second_signal_ends_at_once(
    reactor: Any, start: Any, until: Any, origin: Origin, tmp_path: Path
) -> None:
    """Whatever keeps the first from ending it: here a report that nobody reads."""
    os.mkfifo(tmp_path / "fifo")
    reader = os.open(tmp_path / "fifo", os.O_RDONLY | os.O_NONBLOCK)
    urls = "".join(f"{origin.url(f'/{number}')}\n" for number in range(1000))
    (tmp_path / "list").write_text(urls)
    command = start("fetch", "-i", "list", "--report", "fifo")
    await until(lambda: unread(reader) == PIPE_SIZE)
    command.signal("INT")

    def again() -> bool:  # two that come too close together are one
        if not command.ended.called:
            command.signal("INT")
        return bool(command.ended.called)

    await until(again)
    assert await command.ended == 130
    assert unread(reader) == PIPE_SIZE  # it was not the report that let it go on
    os.close(reader)


async def test_an_ignored_signal_stays_ignored(
    start: Any, until: Any, origin: Origin, tmp_path: Path
) -> None:
    """As under nohup, or in the background of a script."""
    slow = origin.add("/slow", 100_000, pause=1.0)
    command = start("fetch", slow, shell="trap '' INT HUP; exec \"$@\"")
    await until(lambda: origin.requests["/slow"])
    command.signal("INT")
    command.signal("HUP")
    assert await command.ended == 0
    assert (tmp_path / "slow").stat().st_size == 100_000
