"""`downloader put`: a process of its own, and what its user sees of it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click
import pytest
from click.testing import CliRunner
from support.asking import path_of

from downloader.cli.app import commands
from downloader.cli.put import put
from downloader.testing import Connection, End

CREATED = b"HTTP/1.1 201 Created\r\nContent-Length: 0\r\n\r\n"
URL = "http://127.0.0.1:9/x"


class Store:
    """Keeps what it is sent, by its path; `/no...` is refused, `/mute` not answered."""

    def __init__(self, scripted: Any) -> None:
        self.files: dict[str, bytes] = {}
        self.most = 0  # requests that were there on one connection before an answer
        self._server = scripted(self._script)

    @property
    def connections(self) -> list[Connection]:
        return list(self._server.connections)

    def url(self, path: str = "/") -> str:
        return str(self._server.url(path))

    async def _script(self, connection: Connection) -> None:
        while True:
            head = await connection.head()
            if b"Expect: " in head:
                connection.send(b"HTTP/1.1 100 Continue\r\n\r\n")
            length = int(head.partition(b"Content-Length: ")[2].partition(b"\r\n")[0])
            path, body = path_of(head), await connection.take(length)
            await connection.flush()
            self.most = max(self.most, connection.received.count(b"PUT /") - len(connection.heads))
            if path == "/mute":
                await connection.ended()
            self.files[path] = body
            no = b"HTTP/1.1 403 No\r\nContent-Length: 0\r\n\r\n"
            connection.send(no if path.startswith("/no") else CREATED)


@pytest.fixture
def store(scripted: Any) -> Store:
    return Store(scripted)


def report_of(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


async def test_a_file(start: Any, store: Store, tmp_path: Path) -> None:
    """0, nothing on standard output, a summary, and a report with the fields of fetch."""
    (tmp_path / "a b.iso").write_bytes(b"abc")
    command = start("put", "a b.iso", store.url("/d/"), "--report", "r")
    assert await command.ended == 0
    assert command.out == b"" and command.said[0].startswith("1 complete, 3 B in ")
    assert store.files == {"/d/a%20b.iso": b"abc"}
    line, summary = report_of(tmp_path / "r")
    assert (line["path"], line["url"]) == ("a b.iso", store.url("/d/a%20b.iso"))
    assert (line["status"], line["bytes"], line["http_status"]) == ("complete", 3, 201)
    assert summary["summary"]["complete"] == 1


async def test_a_list(start: Any, store: Store, tmp_path: Path) -> None:
    """1, the failed and the bad line are told, and what failed can be asked for again."""
    for name in ("a", "b", "# c"):
        (tmp_path / name).write_bytes(name.encode())
    (tmp_path / "list").write_text(
        f"# a list\na\t{store.url('/d/')}\nb\t{store.url('/no')}\nbad\n"
        f"none\t{store.url('/none')}\n./# c\t{store.url('/c')}\n"
    )
    command = start("put", "-i", "list", "--report", "r", "--failed", "f", "-m", "1")
    assert await command.ended == 1
    assert command.said[0].startswith("line 4 is left out: a line is a file, a TAB")
    assert "    " + f"{store.url('/none')}: none: No such file or directory" in command.said
    assert store.files == {"/d/a": b"a", "/no": b"b", "/c": b"# c"}
    *lines, summary = report_of(tmp_path / "r")
    assert {line["line"]: line["error"] for line in lines} == {
        2: None, 3: "HttpError", 4: "BadLine", 5: "UnreadableFile", 6: None
    }  # fmt: skip
    counts = summary["summary"]
    assert (counts["complete"], counts["failed"], counts["invalid"]) == (2, 2, 1)
    failed = {f"b\t{store.url('/no')}", f"none\t{store.url('/none')}"}
    assert set((tmp_path / "f").read_text().splitlines()) == failed
    (tmp_path / "none").write_bytes(b"now")
    again = start("put", "-i", "f", "-m", "1")
    assert await again.ended == 1 and store.files["/none"] == b"now"


async def test_standard_input(start: Any, store: Store, until: Any, tmp_path: Path) -> None:
    """Each line starts when it is there, and not when the input ends."""
    (tmp_path / "a").write_bytes(b"abc")
    command = start("put", "-i", "-")
    command.write(f"a\t{store.url('/1')}\n".encode())
    await until(lambda: store.files)
    command.end_input()
    assert await command.ended == 0


@pytest.mark.parametrize("depth", [None, 8])
async def test_pipelining_is_asked_for(
    start: Any, store: Store, tmp_path: Path, depth: int | None
) -> None:
    """Without it, each waits for the answer to the one before."""
    (tmp_path / "a").write_bytes(b"abc")
    (tmp_path / "list").write_text("".join(f"a\t{store.url(f'/{n}')}\n" for n in range(40)))
    asked = [] if depth is None else ["--pipeline", depth]
    command = start("put", "-i", "list", "--connections-per-host", 1, *asked)
    assert await command.ended == 0
    assert len(store.files) == 40 and len(store.connections) == 1
    assert (store.most > 0) is (depth is not None)


async def test_headers_and_user(start: Any, store: Store, tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"abc")
    options = ["-H", "Content-Type: text/plain", "-u", "me:secret", "-U", "I"]
    command = start("put", "a", store.url("/x"), *options)
    assert await command.ended == 0
    (head,) = store.connections[0].heads
    for line in (b"content-type: text/plain", b"authorization: basic ", b"user-agent: i\r\n"):
        assert line in head.lower()


async def test_ctrl_c(start: Any, store: Store, until: Any, tmp_path: Path) -> None:
    """130, the server sees a reset, each line is accounted for, and no .part is spoken of."""
    (tmp_path / "a").write_bytes(b"abc")
    urls = [store.url("/mute"), store.url("/2"), store.url("/3")]
    (tmp_path / "list").write_text("".join(f"a\t{url}\n" for url in urls))
    command = start("put", "-i", "list", "-j", 1, "--report", "r")
    await until(lambda: store.connections and store.connections[0].received.endswith(b"abc"))
    command.signal("INT")
    assert await command.ended == 130
    assert command.said[0] == "stopped"
    assert await store.connections[0].ended() is End.RST
    assert report_of(tmp_path / "r")[-1]["summary"]["pending"] == 3


def test_every_option_is_explained() -> None:
    """In a section; nothing is hidden, and what is about files that come is not there."""
    text = CliRunner().invoke(commands, ["put", "--help"]).output
    for param in put.params:
        if isinstance(param, click.Option):
            assert param.help and not param.hidden and getattr(param, "section", None)
            assert all(name in text for name in param.opts)
    assert "--on-conflict" not in text and "[default: 1" in text
    assert not any(word in text for word in ("mirror", "entry", "same name"))


BAD = {
    "nothing": ([], "give a file and its URL, or a list with -i LIST"),
    "no URL": (["a"], "give a file and its URL"),
    "too much": (["a", "b", URL], "give a file and its URL"),
    "a list too": (["a", URL, "-i", "a"], "or a list, not both"),
    "what is no URL": (["a", "h/x"], "'h/x' is no URL"),
    "a URL first": ([URL, "a"], "'a' is no URL"),
    "no name": (["d/", "http://h/"], "'d/' is no name of a file"),
    "no such list": (["-i", "none"], "cannot read the list none: No such file or directory"),
    "the file as report": (["a", URL, "--report", "./a"], "FILE, --report and --failed have to"),
    "the list as report": (["-i", "a", "--report", "a"], "-i, --report and --failed have to"),
    "an empty name": (["-i", "", ], "--input-file needs more than an empty text"),
}  # fmt: skip


@pytest.mark.parametrize(("arguments", "sentence"), BAD.values(), ids=BAD.keys())
async def test_bad_usage(start: Any, tmp_path: Path, arguments: list[str], sentence: str) -> None:
    """2, one sentence, and the file as it was."""
    (tmp_path / "a").write_bytes(b"abc")
    command = start("put", "--progress", "none", *arguments)
    assert await command.ended == 2
    assert sentence in command.said[-1] and b"Traceback" not in command.err
    assert (tmp_path / "a").read_bytes() == b"abc"


async def test_what_is_shown_meanwhile(start: Any, store: Store, tmp_path: Path) -> None:
    """The bars say that it is sent, and give the file's name."""
    (tmp_path / "a").write_bytes(b"abc")
    command = start(
        "put", "a", store.url("/x"), "--progress", "bar", env={"TERM": "xterm", "COLUMNS": "120"}
    )
    assert await command.ended == 0
    assert b"sending" in command.err and b"fetching" not in command.err
