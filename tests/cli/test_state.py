"""A list run, interrupted in any way: the same command goes on."""

from __future__ import annotations

import json
import os
import signal
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from support.late import Late
from support.left import Left
from twisted.internet.task import deferLater

from downloader.testing import Connection, Origin, content

SIZE = 3000
FILES = 40
Start = Any


@pytest.fixture
def listed(origin: Origin, tmp_path: Path) -> Path:
    """A list of files, in a file."""
    urls = [origin.add(f"/d/f{n}", SIZE + n) for n in range(FILES)]
    return written(tmp_path, urls)


def written(tmp_path: Path, urls: list[str]) -> Path:
    (tmp_path / "list").write_text("".join(f"{url}\n" for url in urls))
    return tmp_path / "list"


def files(tmp_path: Path) -> dict[str, bytes]:
    return {p.name: p.read_bytes() for p in (tmp_path / "out").iterdir() if p.is_file()}


def expected(*numbers: int) -> dict[str, bytes]:
    return {f"f{n}": b"".join(content(f"/d/f{n}", SIZE + n)) for n in numbers}


def summary(tmp_path: Path) -> dict[str, int]:
    lines = (tmp_path / "report").read_text().splitlines()
    return json.loads(lines[-1])["summary"]  # type: ignore[no-any-return]


async def run(start: Start, tmp_path: Path, *more: str, code: int = 0) -> Any:
    command = start("fetch", "-i", "list", "-d", "out", "--report", "report", *more)
    assert await command.ended == code, command.err
    return command


async def test_what_is_complete_is_not_asked_for_again(
    start: Start, origin: Origin, listed: Path, tmp_path: Path
) -> None:
    await run(start, tmp_path)
    origin.requests.clear()
    await run(start, tmp_path)
    assert not origin.requests
    found = summary(tmp_path)
    assert (found["lines"], found["skipped"], found["complete"]) == (FILES, FILES, 0)
    assert files(tmp_path) == expected(*range(FILES))


@pytest.mark.parametrize("harm", ["removed", "cut", "another"])
async def test_a_file_that_is_gone_or_changed_is_fetched_again(
    start: Start, origin: Origin, listed: Path, tmp_path: Path, harm: str
) -> None:
    """One that has another length by now is not what was fetched; it stays as it is."""
    await run(start, tmp_path)
    origin.requests.clear()
    file = tmp_path / "out" / "f7"
    if harm == "removed":
        file.unlink()
    elif harm == "cut":
        os.truncate(file, 5)
    else:
        file.unlink()
        file.mkdir()
    await run(start, tmp_path)
    assert dict(origin.requests) == {"/d/f7": 1}
    found = files(tmp_path)
    assert found["f7" if harm == "removed" else "f7.1"] == expected(7)["f7"]


async def test_a_list_that_has_changed(
    start: Start, origin: Origin, listed: Path, tmp_path: Path
) -> None:
    """Lines that are still there are known, wherever they are; the new ones are fetched."""
    await run(start, tmp_path)
    origin.requests.clear()
    urls = [origin.url(f"/d/f{n}") for n in reversed(range(FILES))]
    written(tmp_path, [origin.add("/d/new", 5), *urls])
    await run(start, tmp_path)
    assert dict(origin.requests) == {"/d/new": 1}
    assert len(files(tmp_path)) == FILES + 1


@pytest.mark.parametrize("told", [True, False], ids=["held to it", "not held to it"])
async def test_what_is_complete_is_held_to_the_checksum_file(
    start: Start, origin: Origin, tmp_path: Path, told: bool
) -> None:
    """It is there only if its checksum is known, and is that of its line."""
    written(tmp_path, [origin.add("/d/f0", SIZE)])
    held = ("--checksum-file", "SUMS")
    good, other = (sha256(data).hexdigest() for data in (expected(0)["f0"], b"other"))
    (tmp_path / "SUMS").write_text(f"{good}  f0\n")
    await run(start, tmp_path, *(held if told else ()))
    skipped = []
    for _ in range(2):
        await run(start, tmp_path, *held)
        skipped.append(summary(tmp_path)["skipped"])
    assert skipped == [1 if told else 0, 1]
    assert origin.requests.pop("/d/f0") == (1 if told else 2)
    (tmp_path / "SUMS").write_text(f"{other}  f0\n")
    await run(start, tmp_path, *held, code=1)
    assert (summary(tmp_path)["skipped"], origin.requests) == (0, {"/d/f0": 1})
    assert set(files(tmp_path).values()) == set(expected(0).values())


async def test_equal_names_stay_with_their_lines(
    start: Start, origin: Origin, tmp_path: Path
) -> None:
    urls = [origin.add(f"/{n}/same", 100 + n) for n in range(6)]
    written(tmp_path, urls)
    await run(start, tmp_path)
    names = {len(data): name for name, data in files(tmp_path).items()}
    assert names == {100 + n: f"same.{n}" if n else "same" for n in range(6)}
    (tmp_path / "out" / "same.3").unlink()
    await run(start, tmp_path)
    assert {len(data): name for name, data in files(tmp_path).items()} == names


async def test_what_failed_is_tried_again(
    start: Start, origin: Origin, listed: Path, tmp_path: Path
) -> None:
    with listed.open("a") as file:
        file.write(f"{origin.url('/d/late')}\n")
    await run(start, tmp_path, code=1)
    origin.requests.clear()
    origin.add("/d/late", 9)
    await run(start, tmp_path)
    assert dict(origin.requests) == {"/d/late": 1}


async def test_only_what_failed(start: Start, origin: Origin, listed: Path, tmp_path: Path) -> None:
    """Not what was not tried."""
    urls = listed.read_text().splitlines()
    written(tmp_path, [*urls[:3], origin.url("/d/late")])
    await run(start, tmp_path, code=1)
    written(tmp_path, [*urls[:3], origin.add("/d/late", 9), *urls[3:6]])
    origin.requests.clear()
    await run(start, tmp_path, "--retry-failed", code=1)
    assert dict(origin.requests) == {"/d/late": 1}
    found = summary(tmp_path)
    assert (found["complete"], found["skipped"], found["pending"]) == (1, 3, 3)


async def test_only_what_failed_of_no_list(start: Start) -> None:
    command = start("fetch", "--retry-failed", "http://127.0.0.1:9/")
    assert await command.ended == 2
    assert "--retry-failed" in command.err.decode()


async def test_two_at_a_time(
    start: Start, origin: Origin, listed: Path, tmp_path: Path, reactor: Any
) -> None:
    """The second says so and ends; the first goes on."""
    with listed.open("a") as file:
        file.write(f"{origin.add_silent('/silent')}\n")
    first = start("fetch", "-i", "list", "-d", "out")
    while not origin.silent:
        await deferLater(reactor, 0.01)
    second = start("fetch", "-i", "list", "-d", "out")
    assert await second.ended == 2
    assert "Another process is using" in second.err.decode()
    first.signal("INT")
    assert await first.ended == 130
    assert files(tmp_path) == expected(*range(FILES))


async def test_nothing_is_kept_if_nobody_wants_it(
    start: Start, origin: Origin, listed: Path, tmp_path: Path
) -> None:
    await run(start, tmp_path, "--no-state")
    assert not (tmp_path / "out" / ".downloader").exists()


async def test_no_secret_is_kept(start: Start, origin: Origin, tmp_path: Path) -> None:
    """Of URLs a digest, of headers nothing."""
    url = origin.add("/d/f", 5).replace("//", "//user:canary1@") + "?token=canary2"
    (tmp_path / "list").write_text(f"{url}\n  header=X-Token: canary3\n")
    await run(start, tmp_path, "-H", "Authorization: Bearer canary4")
    state = tmp_path / "out" / ".downloader"
    assert all(b"canary" not in file.read_bytes() for file in state.iterdir())


async def test_a_password_is_for_the_first_line_of_the_list(
    start: Start, origin: Origin, scripted: Any, tmp_path: Path
) -> None:
    """Fetched before or not: else the next server in the list would get it."""
    heads: list[bytes] = []

    async def script(connection: Connection) -> None:
        heads.append(await connection.head())
        connection.send(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")

    other = scripted(script)
    written(tmp_path, [origin.add("/d/f", 5)])
    await run(start, tmp_path, "-u", "me:canary")
    written(tmp_path, [origin.url("/d/f"), other.url("/a")])
    await run(start, tmp_path, "-u", "me:canary")
    assert len(heads) == 1
    assert b"authorization" not in heads[0].lower()


@pytest.mark.parametrize("files_before", [0, 1, 3, 10, 25])
async def test_killed(
    start: Start, origin: Origin, tmp_path: Path, reactor: Any, files_before: int
) -> None:
    """kill -9 in the middle; the same command brings what is missing."""
    urls = [origin.add(f"/d/f{n}", SIZE + n, pause=0.01) for n in range(FILES)]
    written(tmp_path, urls)
    out = tmp_path / "out"
    first = start("fetch", "-i", "list", "-d", "out", "-j", "3", "--report", "report")
    while not out.exists() or len(list(out.glob("f*[0-9]"))) < files_before:
        await deferLater(reactor, 0)
    first.signal("KILL")
    assert await first.ended == -signal.SIGKILL
    left = Left(out)
    origin.requests.clear()
    await run(start, tmp_path)
    assert files(tmp_path) == expected(*range(FILES))
    known = left.complete | left.named
    assert set(origin.requests) == {f"/d/f{n}" for n in range(FILES)} - {f"/d/{f}" for f in known}


async def test_killed_when_the_report_tells_of_some(
    start: Start, tmp_path: Path, reactor: Any
) -> None:
    """What a line of the report tells of is kept, and not asked for again."""
    asked: list[str] = []
    server = Late(reactor, 0.02)
    server.asked = asked.append
    server.files = {f"/f{n}": b"%d" % n for n in range(400)}
    written(tmp_path, [server.url(path) for path in server.files])
    report = tmp_path / "report"
    first = start("fetch", "-i", "list", "-d", "out", "-j", "2", "--report", "report")
    while not report.exists() or not report.read_text():
        await deferLater(reactor, 0.01)
    first.signal("KILL")
    assert await first.ended == -signal.SIGKILL
    lines = report.read_text().rpartition("\n")[0].splitlines()
    told = {json.loads(line)["url"] for line in lines}
    assert 0 < len(told) < len(server.files)
    while server.open:
        await deferLater(reactor, 0)
    asked.clear()
    await run(start, tmp_path)
    assert not told & {server.url(path) for path in asked}
    assert files(tmp_path) == {path[1:]: data for path, data in server.files.items()}
    await server.stop()
