"""No character that a terminal, a log or a report would act on gets out of the command.

The server puts every control and every writing-direction character (CWE-150, CWE-117) where its
words may be shown: reason, header, redirect, name, challenge.
"""

from __future__ import annotations

import json
import os
import pty
from itertools import product
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from support.asking import path_of

from downloader.testing import Connection

C0 = [*range(1, 32), 127]
C1 = [*range(0x80, 0xA0)]
BIDI = [0x61C, 0x200E, 0x200F, *range(0x202A, 0x202F), *range(0x2066, 0x206A), 0x2028, 0xFEFF]
CHARACTERS = [chr(code) for code in (*C0, *C1, *BIDI)]
ACTING = {*CHARACTERS}
EMPTY = b"Content-Length: 0\r\n\r\n"


def answer(place: str, raw: bytes, encoded: str) -> bytes:
    """The server's words with a character as it is, or percent-encoded where a URL is meant."""
    if place == "reason":
        return b"HTTP/1.1 404 a%bb\r\n" % raw + EMPTY
    if place == "header":
        return b"HTTP/1.1 503 x\r\nRetry-After: a%bb\r\nServer: a%bb\r\n" % (raw, raw) + EMPTY
    if place == "redirect":
        return b"HTTP/1.1 302 x\r\nLocation: http://a%bb/a%bb\r\n" % (raw, raw) + EMPTY
    if place == "encoded redirect":
        return b"HTTP/1.1 302 x\r\nLocation: /gone/a%bb\r\n" % encoded.encode() + EMPTY
    if place == "scheme":
        return b"HTTP/1.1 302 x\r\nLocation: x%by:z\r\n" % raw + EMPTY
    name = b"attachment; filename=\"a%bb\"; filename*=UTF-8''c%bd" % (raw, encoded.encode())
    return b"HTTP/1.1 200 OK\r\nContent-Disposition: %b\r\n" % name + EMPTY


def script_for(place: str) -> Any:
    """The path says which character: its number, and whether it comes as UTF-8 or as a byte."""

    async def script(connection: Connection) -> None:
        while True:
            path = path_of(await connection.head())
            if not path.startswith("/at/"):
                connection.send(b"HTTP/1.1 410 Gone\r\n" + EMPTY)
                continue
            character = chr(int(path.split("/")[2]))
            byte = path.endswith("byte") and ord(character) < 256
            raw = character.encode("latin-1" if byte else "utf-8")
            connection.send(answer(place, raw, quote(character)))

    return script


def shown(data: bytes) -> str:
    """`data` as text; whatever is no text, or acts on a terminal, fails."""
    text = data.decode()
    assert ACTING & {*text} <= {"\n"}
    return text


PLACES = ["reason", "header", "redirect", "encoded redirect", "scheme", "name"]


@pytest.mark.parametrize("place", PLACES)
async def test_what_a_server_says(start: Any, scripted: Any, tmp_path: Path, place: str) -> None:
    """Standard error with -vv, standard output, report and failures; files have plain names."""
    server = scripted(script_for(place))
    ways = product(map(ord, CHARACTERS), ("utf8", "byte"))
    urls = [server.url(f"/at/{code}/{way}") for code, way in ways]
    (tmp_path / "list").write_text("\n".join(urls))
    command = start(
        *("fetch", "-i", "list", "-d", "out", "-vv", "--content-disposition", "-m", "1"),
        *("--report", "report", "--failed", "failed"),
    )
    assert await command.ended == 1
    shown(command.out)
    assert len(shown(command.err).splitlines()) < 20 * len(urls)
    report = [json.loads(line) for line in shown((tmp_path / "report").read_bytes()).splitlines()]
    assert len(report) == len(urls) + 1
    for line in report[:-1]:
        for value in filter(lambda value: isinstance(value, str), line.values()):
            assert not ACTING & {*value}
    for name in os.listdir(tmp_path / "out") if (tmp_path / "out").exists() else ():
        assert not ACTING & {*name}
    if (tmp_path / "failed").exists():
        shown((tmp_path / "failed").read_bytes())


async def test_what_a_terminal_gets(start: Any, scripted: Any, tmp_path: Path) -> None:
    """Bars use escapes of their own; none of the server's is among them."""
    server = scripted(script_for("reason"))
    urls = [server.url(f"/at/{code}/utf8") for code in (0x07, 0x08, 0x0E, 0x9B, 0x202E)]
    ours, theirs = pty.openpty()
    os.set_blocking(ours, False)
    command = start(
        *("fetch", *urls, "-d", "out", "-v", "--progress", "bar", "-m", "1"),
        fds={0: "w", 1: "r", 2: theirs},
        env={"TERM": "xterm-256color", "COLUMNS": "80"},
    )
    assert await command.ended == 1
    os.close(theirs)
    seen = b""
    try:
        while data := os.read(ours, 65536):
            seen += data
    except OSError:
        pass  # the other end is closed
    os.close(ours)
    assert b"5 failed" in seen
    assert not set(seen.decode()) & {"\x07", "\x08", "\x0e", "\x9b", "\u202e"}
