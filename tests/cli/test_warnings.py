"""What a user has to know of a server, or of a list: it is told without -v, and with -q too."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from support.asking import OK, path_of

NAMES = ("first", "theirs", "next", "last")


async def exchanging(connection: Any) -> None:
    """Answer with the path; the author of `theirs` has put a whole answer behind a short one."""
    while True:
        path = path_of(await connection.head()).encode()
        connection.send(OK + b"Content-Length: %d\r\n\r\n%b" % (len(path), path))
        if path == b"/theirs":
            connection.send(OK + b"Content-Length: 5\r\n\r\nfalse")


@pytest.mark.parametrize("options", [[], ["-q"]], ids=["plain", "quiet"])
async def test_an_answer_that_nobody_asked_for(
    start: Any, scripted: Any, tmp_path: Path, options: list[str]
) -> None:
    """It was taken for another file's, so the warning names the server; `--pipeline 1` is safe."""
    server = scripted(exchanging)
    (tmp_path / "list").write_text("".join(f"{server.url(f'/{name}')}\n" for name in NAMES))
    arguments = ["fetch", "-i", "list", "--connections-per-host", "1", *options]
    command = start(*arguments, "-d", "out")
    assert await command.ended == 0
    assert (tmp_path / "out" / "next").read_bytes() == b"false"
    warning = f"{server.url('')} sent an answer that nobody asked for: files that came on that"
    assert [line.startswith(warning) for line in command.said].count(True) == 1
    careful = start(*arguments, "-d", "safe", "--pipeline", "1")
    assert await careful.ended == 0
    files = {name: (tmp_path / "safe" / name).read_text() for name in NAMES}
    assert files == {name: f"/{name}" for name in NAMES}
    assert warning not in careful.err.decode()
