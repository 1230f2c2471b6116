"""What a user has to know of a server, or of a list: it is told without -v, and with -q too."""

from __future__ import annotations

from base64 import b64encode
from pathlib import Path
from typing import Any

import pytest
from support.asking import HELLO, OK, path_of

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


async def accepting(connection: Any) -> None:
    """Answer with hello, and take what is sent."""
    while True:
        head = await connection.head()
        if head.startswith(b"PUT "):
            await connection.take(5)
        connection.send(HELLO)


def shown_to(server: Any) -> list[bool]:
    """Which of its requests have said who we are."""
    heads = [head for one in server.connections for head in one.heads]
    return [b"authorization:" in head.lower() for head in heads]


REFUSED = {
    "a typo in its scheme": "htps://{}/a",
    "a bad checksum": "http://{}/a\n checksum=sha-256=zz",
    "a bad name": "http://{}/a\n out=../a",
    "a bad mirror": "http://{}/a\thttp//mirror/a",
    "an option before it": " out=a\nhttp://{}/a",
}
NOBODY = "nobody gets the credentials: what should have come first was refused"


@pytest.mark.parametrize("secret", [["-u", "me:c4n4ry"], ["--oauth2-bearer", "c4n4ry"]])
@pytest.mark.parametrize("first", REFUSED.values(), ids=REFUSED.keys())
async def test_a_first_entry_that_is_refused(
    start: Any, scripted: Any, tmp_path: Path, first: str, secret: list[str]
) -> None:
    """It says no more whose the password is; so no server gets it, and that is told once."""
    meant, other = scripted(accepting), scripted(accepting)
    lines = [first.format(f"127.0.0.1:{meant.port}"), other.url("/b"), "x", meant.url("/c")]
    (tmp_path / "list").write_text("\n".join(lines))
    command = start("fetch", "-i", "list", *secret, "-d", "out")
    assert await command.ended == 1
    assert shown_to(other) == [False] and not any(shown_to(meant)) and shown_to(meant)
    assert [line.startswith(NOBODY) for line in command.said].count(True) == 1
    assert "c4n4ry" not in command.err.decode()
    assert b64encode(b"me:c4n4ry") not in command.err


async def test_a_first_file_that_is_refused(start: Any, scripted: Any, tmp_path: Path) -> None:
    """The same for what is sent."""
    other = scripted(accepting)
    (tmp_path / "a").write_text("hello")
    (tmp_path / "list").write_text(f"a\thtps://127.0.0.1/a\na\t{other.url('/a')}\n")
    command = start("put", "-i", "list", "-u", "me:pw")
    assert await command.ended == 1
    assert shown_to(other) == [False]
    assert [line.startswith(NOBODY) for line in command.said].count(True) == 1


@pytest.mark.parametrize("given", ["a file", "a pipe"])
async def test_a_second_entry_that_is_refused(
    start: Any, scripted: Any, tmp_path: Path, given: str
) -> None:
    """It is told of before the first one begins, and is second all the same."""
    meant, other = scripted(accepting), scripted(accepting)
    text = f"{meant.url('/a')}\nhtps://x/\n{other.url('/b')}\n{meant.url('/c')}\n"
    (tmp_path / "list").write_text(text)
    arguments = ("fetch", "-i", "list" if given == "a file" else "-", "-u", "me:pw", "-d", "out")
    shell = None if given == "a file" else 'cat list | "$@"'
    command = start(*arguments, shell=shell)
    assert await command.ended == 1
    assert (shown_to(meant), shown_to(other)) == ([True, True], [False])
    assert NOBODY not in command.err.decode()
