"""A list comes from a file, a pipe, a FIFO or a terminal, plain or gzip, and as it comes."""

from __future__ import annotations

import fcntl
import gzip
import os
import pty
from pathlib import Path
from typing import Any

import pytest

from downloader.testing import Origin

SIZE = 5


def listed(origin: Origin, count: int = 300) -> bytes:
    return "".join(f"{origin.add(f'/{n}', SIZE)}\n" for n in range(count)).encode()


def fetched(tmp_path: Path) -> int:
    files = [one for one in (tmp_path / "out").iterdir() if one.is_file()]
    assert {file.stat().st_size for file in files} == {SIZE}
    return len(files)


@pytest.mark.parametrize(
    "shell",
    [
        '"$@" -i list',
        '"$@" -i list.gz',
        '"$@" -i - < list.gz',
        'cat list | "$@" -i -',
        'cat list.gz | "$@" -i -',
        'cat list | "$@" -i /dev/stdin',
        '"$@" -i <(cat list)',
        'mkfifo fifo; cat list > fifo & "$@" -i fifo',
    ],
)
async def test_every_kind_of_list(start: Any, origin: Origin, tmp_path: Path, shell: str) -> None:
    """Gives the same files."""
    (tmp_path / "list").write_bytes(listed(origin))
    (tmp_path / "list.gz").write_bytes(gzip.compress(listed(origin)))
    command = start("fetch", "-d", "out", shell=shell)
    assert await command.ended == 0
    assert fetched(tmp_path) == 300


async def test_standard_input_is_fetched_as_it_comes(
    start: Any, until: Any, origin: Origin, tmp_path: Path
) -> None:
    """A file is there while its writer still thinks about the next but one."""
    command = start("fetch", "-i", "-", "-d", "out")
    command.write(f"{origin.add('/0', SIZE)}\n".encode())
    for number in range(1, 4):
        command.write(f"{origin.add(f'/{number}', SIZE)}\n".encode())
        await until((tmp_path / "out" / str(number - 1)).exists)
    assert not command.ended.called
    command.end_input()
    assert await command.ended == 0
    assert fetched(tmp_path) == 4


async def test_a_terminal_is_left_as_it_was(
    start: Any, until: Any, origin: Origin, tmp_path: Path
) -> None:
    """O_NONBLOCK on it would reach the shell, which shares it."""
    ours, terminal = pty.openpty()
    command = start("fetch", "-i", "-", "-d", "out", fds={0: terminal, 1: "r", 2: "r"})
    os.write(ours, f"{origin.add('/a', SIZE)}\n{origin.add('/b', SIZE)}\n".encode())
    await until((tmp_path / "out" / "a").exists)
    assert not fcntl.fcntl(terminal, fcntl.F_GETFL) & os.O_NONBLOCK
    os.write(ours, b"\x04")
    assert await command.ended == 0
    os.close(ours)
    os.close(terminal)


async def test_a_list_that_breaks_ends_with_2(start: Any, origin: Origin, tmp_path: Path) -> None:
    """What came before the break is fetched, and the reason is told."""
    (tmp_path / "list.gz").write_bytes(gzip.compress(listed(origin, 20))[:-8])
    command = start("fetch", "-i", "list.gz", "-d", "out")
    assert await command.ended == 2
    assert fetched(tmp_path) == 19  # the last may lack its options
    assert command.said[-1] == (
        "downloader: the list could not be read to its end: the gzip data ends too early"
    )


async def test_the_options_of_an_entry(start: Any, scripted: Any, tmp_path: Path) -> None:
    """Mirrors, names, directories, headers and checksums of aria2's format, CRLF and BOM."""
    answer = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nConnection: close\r\n\r\nhello"
    server = scripted([lambda connection: connection.head(), answer])
    lines = [
        "\ufeff# a comment",
        f"http://127.0.0.1:1/dead\t{server.url('/x')}",
        "  out=name.txt",
        "  dir=sub",
        "  header=X-Secret: 42",
        "  checksum=md5=5d41402abc4b2a76b9719d911017c592",
    ]
    (tmp_path / "list").write_text("\r\n".join(lines), newline="")
    command = start("fetch", "-i", "list", "-d", "out")
    assert await command.ended == 0, command.err
    assert (tmp_path / "out" / "sub" / "name.txt").read_bytes() == b"hello"
