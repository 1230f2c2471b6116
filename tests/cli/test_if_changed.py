"""`fetch -i LIST --if-changed`: what an earlier run has fetched is replaced by a new version."""

from __future__ import annotations

import json
import os
import sqlite3
from collections.abc import Generator
from pathlib import Path
from typing import Any

import pytest
import pytest_twisted
from support.versions import Versions, field
from twisted.internet.defer import Deferred

from downloader.testing import Connection

OLD = b"Mon, 16 Nov 2026 10:00:00 GMT"
NEW = b"Tue, 17 Nov 2026 10:00:00 GMT"
SIZES = pytest.mark.parametrize("size", [1000, 300_000], ids=["short", "long"])
Start = Any


@pytest.fixture
def versions(reactor: Any) -> Generator[Versions, None, None]:
    server = Versions(reactor)
    yield server
    pytest_twisted.blockon(server.stop())


class Fetching:
    """Runs the command for a list, and reads what it wrote."""

    def __init__(self, start: Start, folder: Path) -> None:
        self.start = start
        self.folder = folder

    async def run(self, *more: str, code: int = 0) -> list[dict[str, Any]]:
        """The report's lines but for the summary."""
        options = ("-i", "list", "-d", "out", "--report", "report", "-m", "1")
        command = self.start("fetch", *options, *more)
        assert await command.ended == code, command.err
        text = (self.folder / "report").read_text()
        return [json.loads(line) for line in text.splitlines()[:-1]]

    def files(self) -> dict[str, bytes]:
        return {p.name: p.read_bytes() for p in (self.folder / "out").iterdir() if p.is_file()}


@pytest.fixture
def fetching(start: Start, tmp_path: Path) -> Fetching:
    return Fetching(start, tmp_path)


@SIZES
@pytest.mark.parametrize(
    ("etag", "modified", "name", "value"),
    [
        (b'"one"', OLD, b"if-none-match", b'"one"'),
        (b'W/"one"', None, b"if-none-match", b'W/"one"'),
        (None, OLD, b"if-modified-since", OLD),
    ],
    ids=["ETag", "weak ETag", "Last-Modified"],
)
async def test_what_has_not_changed_is_skipped_and_what_has_is_replaced(
    fetching: Fetching, versions: Versions, tmp_path: Path,
    size: int, etag: bytes | None, modified: bytes | None, name: bytes, value: bytes,
) -> None:  # fmt: skip
    """And the next run asks with the validators of what it has replaced it with."""
    first, second = os.urandom(size), os.urandom(size + 7)
    (tmp_path / "list").write_text(versions.put("/f", first, etag, modified) + "\n")
    await fetching.run("--if-changed")
    versions.heads.clear()
    (line,) = await fetching.run("--if-changed")
    assert [field(head, name) for head in versions.heads] == [value]
    assert (line["status"], line["http_status"], line["error"]) == ("removed", 304, None)
    assert line["message"] == "It has not changed"
    assert fetching.files() == {"f": first}

    versions.put("/f", second, etag and etag.replace(b"one", b"two"), modified and NEW)
    (line,) = await fetching.run("--if-changed")
    assert (line["status"], line["http_status"]) == ("complete", 200)
    assert fetching.files() == {"f": second}
    (line,) = await fetching.run("--if-changed")
    assert line["http_status"] == 304
    assert fetching.files() == {"f": second}
    versions.heads.clear()
    await fetching.run()
    assert versions.heads == []


async def test_beside_overwriting(fetching: Fetching, versions: Versions, tmp_path: Path) -> None:
    """Which fetches again what an earlier run has fetched: with it, only what has changed."""
    (tmp_path / "list").write_text(versions.put("/f", b"first", b'"one"', None) + "\n")
    await fetching.run()
    versions.heads.clear()
    (line,) = await fetching.run("--on-conflict", "overwrite")
    assert (line["status"], line["http_status"]) == ("complete", 200)
    (line,) = await fetching.run("--on-conflict", "overwrite", "--if-changed")
    assert (line["status"], line["http_status"]) == ("removed", 304)
    assert [field(head, b"if-none-match") for head in versions.heads] == [None, b'"one"']
    assert fetching.files() == {"f": b"first"}


async def test_beside_names_that_servers_offer(
    fetching: Fetching, versions: Versions, tmp_path: Path
) -> None:
    (tmp_path / "list").write_text(versions.put("/f", b"first", b'"one"', None) + "\n")
    await fetching.run("--content-disposition")
    (line,) = await fetching.run("--content-disposition", "--if-changed")
    assert (line["status"], line["http_status"]) == ("removed", 304)
    versions.put("/f", b"second", b'"two"', None)
    (line,) = await fetching.run("--content-disposition", "--if-changed")
    assert (line["status"], line["http_status"]) == ("complete", 200)
    assert fetching.files() == {"f": b"second"}


async def test_without_validators_it_is_fetched_and_replaced(
    fetching: Fetching, versions: Versions, tmp_path: Path
) -> None:
    (tmp_path / "list").write_text(versions.put("/f", b"one") + "\n")
    await fetching.run()
    versions.put("/f", b"two")
    (line,) = await fetching.run("--if-changed", "--on-conflict", "skip")
    assert line["status"] == "complete"
    assert fetching.files() == {"f": b"two"}


async def test_what_was_gone_on_with_has_validators_too(
    fetching: Fetching, versions: Versions, start: Start, until: Any, tmp_path: Path
) -> None:
    data = os.urandom(1_000_000)
    versions.gates["/f"] = Deferred()
    (tmp_path / "list").write_text(versions.put("/f", data, b'"one"') + "\n")
    part = tmp_path / "out" / "f.part"
    command = start("fetch", "-i", "list", "-d", "out")
    await until(lambda: part.exists() and part.stat().st_size == len(data) // 2)
    command.signal("INT")
    assert await command.ended == 130
    await fetching.run()
    assert field(versions.heads[-1], b"range") is not None
    await fetching.run("--if-changed")
    assert field(versions.heads[-1], b"if-none-match") == b'"one"'
    assert fetching.files() == {"f": data}


@SIZES
async def test_a_new_version_that_is_cut_leaves_the_old_one(
    fetching: Fetching, scripted: Any, tmp_path: Path, size: int
) -> None:
    """The file is never anything else than one of both, and the next run asks again."""
    bodies = [b"a" * size, b"b" * size, b"b" * size]

    async def script(connection: Connection) -> None:
        while True:
            head = await connection.head()
            body = bodies.pop(0)
            etag = b"%c" % body[0]
            assert field(head, b"if-none-match") == (None if etag == b"a" else b'"a"')
            connection.send(
                b'HTTP/1.1 200 OK\r\nContent-Length: %d\r\nETag: "%b"\r\n\r\n' % (size, etag)
            )
            if len(bodies) == 1:
                connection.send(body[:-1])
                await connection.flush()
                connection.close()
                return
            connection.send(body)

    server = scripted(script)
    (tmp_path / "list").write_text(server.url("/f") + "\n")
    await fetching.run()
    (line,) = await fetching.run("--if-changed", code=1)
    assert line["error"] == "TruncatedBody"
    assert fetching.files()["f"] == b"a" * size
    for part in (tmp_path / "out").glob("f.part*"):
        part.unlink()
    (line,) = await fetching.run("--if-changed")
    assert line["status"] == "complete"
    assert fetching.files() == {"f": b"b" * size}


async def test_killed_before_the_new_one_had_the_name(
    fetching: Fetching, versions: Versions, tmp_path: Path
) -> None:
    """It is known that the file was ours: the next run, of any kind, replaces it."""
    (tmp_path / "list").write_text(versions.put("/f", b"one", b'"one"') + "\n")
    await fetching.run()
    database = sqlite3.connect(tmp_path / "out" / ".downloader" / "state.sqlite")
    database.execute(
        "UPDATE entry SET status = 'replacing', inode = 1, size = 3, etag = NULL, modified = NULL"
    )
    database.commit()
    database.close()
    versions.put("/f", b"two", b'"two"')
    await fetching.run()
    assert fetching.files() == {"f": b"two"}


async def test_a_304_that_nobody_asked_for_is_an_error(
    fetching: Fetching, scripted: Any, tmp_path: Path
) -> None:
    async def script(connection: Connection) -> None:
        while True:
            await connection.head()
            connection.send(b"HTTP/1.1 304 Not Modified\r\n\r\n")

    (tmp_path / "list").write_text(scripted(script).url("/f") + "\n")
    (line,) = await fetching.run("--if-changed", code=1)
    assert (line["status"], line["error"]) == ("error", "BadResponse")


@pytest.mark.parametrize(
    ("options", "why"),
    [
        (["http://127.0.0.1:9/"], "state is kept"),
        (["-i", "list", "--no-state"], "state is kept"),
        (["-i", "list", "--retry-failed"], "exclude each other"),
    ],
)
async def test_where_it_makes_no_sense(start: Start, options: list[str], why: str) -> None:
    command = start("fetch", "--if-changed", *options)
    assert await command.ended == 2
    assert why in command.err.decode()
