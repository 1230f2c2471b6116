"""`fetch --cluster` as users have it: two processes here, folders and a bucket."""

from __future__ import annotations

import json
import os
import re
import sys
import tarfile
from collections.abc import Generator
from pathlib import Path
from typing import Any

import psutil
import pytest
import pytest_twisted
from support.commands import Command

from downloader.testing import Origin, content

LOCAL = ("--cluster", "local:2", "--shard-lines", "10", "--progress", "none")


def listed(origin: Origin, path: Path, files: int) -> list[str]:
    urls = [origin.add(f"/f{n:04}.bin", 100 + n) for n in range(files)]
    path.write_text("".join(f"{url}\n" for url in urls))
    return urls


def listening(pid: int) -> set[str]:
    """The addresses at which a process and those below it listen."""
    main = psutil.Process(pid)
    sockets = [one for some in [main, *main.children(True)] for one in some.net_connections()]
    return {one.laddr.ip for one in sockets if one.status == psutil.CONN_LISTEN}


@pytest.mark.time_limit(60)
async def test_failures_are_tried_again(start: Any, origin: Origin, tmp_path: Path) -> None:
    """One report and one list of failures for all; then a run of what failed, until nothing did."""
    listed(origin, tmp_path / "list", 30)
    with (tmp_path / "list").open("a") as file:
        file.write(f"{origin.url('/late')}\nno url\n")
    line = ["fetch", "-i", "list", "-d", "out", *LOCAL, "--report", "r", "--failed", "f"]
    command = start(*line)
    assert await command.ended == 1
    report = [json.loads(text) for text in (tmp_path / "r").read_text().splitlines()]
    summary = report.pop()["summary"]
    assert (summary["lines"], summary["complete"], summary["failed"]) == (32, 30, 1)
    assert len({(one["shard"], one["line"]) for one in report}) == 32
    assert (tmp_path / "f").read_text() == f"{origin.url('/late')}\n out=late\n"
    assert re.search(r"of \d shards: 30 complete, 1 failed, 1 invalid", command.said[-1])
    origin.add("/late", 5)
    assert await start(*line, "--retry-failed").ended == 0
    (late,) = (tmp_path / "out" / "retry-1").rglob("late")
    assert late.read_bytes() == b"".join(content("/late", 5))
    assert sum(origin.requests.values()) == 32
    again = start(*line)
    assert await again.ended == 1
    assert not (tmp_path / "f").read_text()
    assert not [text for text in again.said if "not in the report" in text]
    nothing = start(*line, "--retry-failed")
    assert await nothing.ended == 0
    assert nothing.said == ["nothing has failed"]


@pytest.mark.time_limit(60)
async def test_ctrl_c(start: Any, until: Any, origin: Origin, tmp_path: Path) -> None:
    """All shards stop, nothing says anything of its own, and the same command goes on."""
    listed(origin, tmp_path / "list", 30)
    origin.add_silent("/f0015.bin")
    line = ["fetch", "-i", "list", "-d", "out", *LOCAL]
    command = start("fetch", "-i", "list", "-d", "out", *LOCAL, shell='exec "$@"')
    await until(lambda: origin.silent)
    assert listening(command.transport.pid) == {"127.0.0.1"}
    command.signal("INT")
    assert await command.ended == 130
    await until(lambda: not origin.silent)
    assert command.said[0] == "stopped; the same command goes on"
    assert len(command.said) == 2
    origin.add("/f0015.bin", 115)
    assert await start(*line).ended == 0
    files = {path.name for path in (tmp_path / "out").rglob("f*.bin")}
    assert files == {f"f{n:04}.bin" for n in range(30)}
    assert not list((tmp_path / "out").rglob(".*"))


@pytest.mark.time_limit(60)
async def test_what_is_read_is_not_written(start: Any, origin: Origin, tmp_path: Path) -> None:
    """As without a cluster."""
    (url,) = listed(origin, tmp_path / "list", 1)
    for more in (["--report", "list"], ["--failed", "list"], ["--report", "r", "--failed", "r"]):
        command = start("fetch", "-i", "list", "-d", "out", *LOCAL, *more)
        assert await command.ended == 2
        assert "different files" in command.said[0]
    assert (tmp_path / "list").read_text() == f"{url}\n"


@pytest.mark.time_limit(60)
async def test_warnings_of_shards_are_told_once(start: Any, origin: Origin, tmp_path: Path) -> None:
    """In spite of -q."""
    listed(origin, tmp_path / "list", 30)
    command = start("fetch", "-i", "list", "-d", "out", *LOCAL, "-k", "-q")
    assert await command.ended == 0
    assert [text[:28] for text in command.said] == ["WARNING: certificates are no"]


@pytest.mark.time_limit(60)
async def test_what_no_shard_can_do_ends_the_run(
    start: Any, origin: Origin, tmp_path: Path
) -> None:
    """With the reason, and not once for each shard."""
    listed(origin, tmp_path / "list", 30)
    (tmp_path / "sums").write_text("no sums\n")
    command = start("fetch", "-i", "list", "-d", "out", *LOCAL, "--ca-certificate", "sums")
    assert await command.ended == 1
    assert len([text for text in command.said if "sums" in text]) == 1
    assert not list((tmp_path / "out").glob("*.jsonl"))


@pytest.mark.time_limit(30)
async def test_nobody_answers(start: Any, tmp_path: Path) -> None:
    """In one sentence."""
    (tmp_path / "list").write_text("http://127.0.0.1:1/\n")
    command = start("fetch", "-i", "list", "-d", "out", "--cluster", "tcp://127.0.0.1:1")
    assert await command.ended == 1
    assert len(command.said) == 1
    assert "no scheduler answers" in command.said[0]
    command = start("fetch", "-i", "none", "-d", "out", "--cluster", "local:1")
    assert await command.ended == 2
    assert "/none: No such file" in command.said[0]


@pytest.fixture
def bucket(reactor: Any, until: Any, tmp_path: Path) -> Generator[Any, None, None]:
    """An S3 server: `await bucket()` is the environment in which programs know it."""
    command = Command()

    async def make() -> dict[str, str]:
        line = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", "0"]
        reactor.spawnProcess(command, line[0], line, os.environ, str(tmp_path))
        found = re.compile(rb"http://127\.0\.0\.1:([0-9]+)")
        await until(lambda: found.search(command.err))
        match = found.search(command.err)
        assert match is not None
        return {
            "AWS_ENDPOINT_URL": match[0].decode(),
            "AWS_ACCESS_KEY_ID": "me",
            "AWS_SECRET_ACCESS_KEY": "secret",
            "AWS_DEFAULT_REGION": "us-east-1",
        }

    yield make
    if command.transport is not None:
        command.signal("KILL")
        pytest_twisted.blockon(command.ended)


COPY = """
import fsspec, sys
fs = fsspec.filesystem("s3")
fs.mkdir("bucket")
fs.put("list", "bucket/lists/part-0")
"""
BACK = """
import fsspec, pathlib
fs = fsspec.filesystem("s3")
for path in fs.find("bucket/files"):
    here = pathlib.Path("got", path.removeprefix("bucket/files/"))
    here.parent.mkdir(parents=True, exist_ok=True)
    here.write_bytes(fs.cat_file(path))
"""


@pytest.mark.time_limit(90)
@pytest.mark.parametrize("pack", [[], ["--pack", "tar"]], ids=["objects", "tars"])
async def test_a_bucket(
    start: Any, bucket: Any, origin: Origin, tmp_path: Path, pack: list[str]
) -> None:
    """List and files are objects; nothing is left on the disks of workers."""
    listed(origin, tmp_path / "list", 30)
    env = {**await bucket(), "TMPDIR": str(tmp_path / "scratch"), "HOME": str(tmp_path)}
    (tmp_path / "scratch").mkdir()
    (tmp_path / "put_list.py").write_text(COPY)
    (tmp_path / "get_files.py").write_text(BACK)
    put, get = (f"{sys.executable} {name}" for name in ("put_list.py", "get_files.py"))
    assert await start(shell=put, env=env).ended == 0
    line = ["fetch", "-i", "s3://bucket/lists/part-*", "-d", "s3://bucket/files", *LOCAL, *pack]
    command = start(*line, env=env)
    assert await command.ended == 0, command.err
    assert await start(shell=get, env=env).ended == 0
    got = tmp_path / "got"
    told = [
        json.loads(text) for path in got.glob("*.jsonl") for text in path.read_text().splitlines()
    ]
    lines = [one for one in told if one.get("status") == "complete"]
    assert len(lines) == 30
    for one in lines:
        name = one["url"].rpartition("/")[2]
        expected = b"".join(content(f"/{name}", 100 + int(name[1:5])))
        assert read(got, one["path"]) == expected
    assert not list((tmp_path / "scratch").rglob("*.bin"))
    assert await start(*line, env=env).ended == 0
    assert max(origin.requests.values()) == 1


def read(got: Path, path: str) -> bytes:
    if "/" in path:
        return (got / path).read_bytes()
    with tarfile.open(got / f"{path[:6]}.tar") as tar:
        file = tar.extractfile(path)
        assert file is not None
        return file.read()
