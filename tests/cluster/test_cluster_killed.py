"""Whatever is killed, each line is accounted for once, and every file is right."""

from __future__ import annotations

import json
import os
import signal
from pathlib import Path
from typing import Any

import pytest

from downloader.testing import Origin, content

FILES = 60


def listed(origin: Origin, path: Path, files: int = FILES, pause: float = 0.0) -> list[str]:
    """Serve so many files, and write their list."""
    urls = [origin.add(f"/f{n:04}.bin", 100 + n, pause) for n in range(files)]
    path.write_text("".join(f"{url}\n" for url in urls))
    return urls


def lines_of(out: Path) -> list[dict[str, Any]]:
    """What all manifests tell of their lines."""
    texts = [path.read_text() for path in sorted(out.glob("[0-9]*.jsonl"))]
    told = [json.loads(line) for text in texts for line in text.splitlines()]
    return [one for one in told if "line" in one]


def check(out: Path, urls: list[str]) -> None:
    """Each URL stands in one manifest, its file is right, and nothing else is there."""
    told = lines_of(out)
    assert sorted(line["url"] for line in told) == sorted(urls)
    assert {line["status"] for line in told} == {"complete"}
    for line in told:
        name = line["path"].rpartition("/")[2]
        size = 100 + int(name[1:5])
        assert (out / line["path"]).read_bytes() == b"".join(content(f"/{name}", size))
    there = {str(path.relative_to(out)) for path in out.rglob("*") if path.is_file()}
    manifests = {path.name for path in out.glob("*.jsonl")}
    assert there == {line["path"] for line in told} | manifests | {"run.json"}


def scratch(tmp_path: Path) -> list[Path]:
    """What shards have left on the disks of workers."""
    return list((tmp_path / "scratch").rglob("shard-*"))


def fetch(address: str, *more: str) -> list[str]:
    return [
        *("fetch", "-i", "list", "-d", "out", "--cluster", address, "--shard-lines", "10"),
        *("--progress", "none", "-j", "4", *more),
    ]


@pytest.mark.time_limit(60)
async def test_a_worker_is_killed(
    cluster: Any, start: Any, until: Any, origin: Origin, tmp_path: Path
) -> None:
    """In mid-shard; its nanny starts another, and what was fetched is not asked for again."""
    urls = listed(origin, tmp_path / "list")
    slow = origin.add("/f0025.bin", 125, pause=1.5)
    c = await cluster()
    command = start(*fetch(c.address, "--report", "r"))
    await until(lambda: origin.requests["/f0025.bin"])
    before = c.shards()
    for shard in before:
        c.kill_worker(shard)
    await until(lambda: not any(Path(f"/proc/{shard}").exists() for shard in before))
    await until(lambda: not scratch(tmp_path))
    assert await command.ended == 0
    assert slow in urls
    check(tmp_path / "out", urls)
    report = [json.loads(line) for line in (tmp_path / "r").read_text().splitlines()]
    assert sorted(line["url"] for line in report[:-1]) == sorted(urls)
    assert report[-1]["summary"]["complete"] == FILES
    assert c.shards() == []


@pytest.mark.time_limit(60)
async def test_a_nanny_is_killed_with_its_worker(
    cluster: Any, start: Any, until: Any, origin: Origin, tmp_path: Path
) -> None:
    """The other one does the rest; no process is left behind."""
    urls = listed(origin, tmp_path / "list")
    origin.add("/f0025.bin", 125, pause=1.5)
    c = await cluster()
    command = start(*fetch(c.address))
    await until(lambda: origin.requests["/f0025.bin"])
    before = c.shards()
    nanny = c.nannies[0].transport.pid
    (worker,) = c.workers()[:1]
    os.kill(nanny, signal.SIGKILL)
    os.kill(worker, signal.SIGKILL)
    assert await command.ended == 0
    check(tmp_path / "out", urls)
    await until(lambda: not any(Path(f"/proc/{shard}").exists() for shard in before))
    await until(lambda: not scratch(tmp_path))


@pytest.mark.time_limit(60)
async def test_a_shard_that_kills_its_worker_is_set_aside(
    cluster: Any, start: Any, until: Any, origin: Origin, tmp_path: Path
) -> None:
    """After three times, and it is named; the rest is fetched."""
    listed(origin, tmp_path / "list")
    origin.add_silent("/f0025.bin")
    c = await cluster(workers=1)
    command = start(*fetch(c.address, "--report", "r"))
    for kill in range(3):
        await until(lambda kill=kill: origin.requests["/f0025.bin"] == kill + 1)
        (shard,) = c.shards()
        c.kill_worker(shard)
    assert await command.ended == 1
    out = tmp_path / "out"
    assert len(lines_of(out)) == FILES - 10
    assert not (out / "000002.jsonl").exists()
    assert "shard 000002 is set aside" in command.err.decode()
    report = [json.loads(line) for line in (tmp_path / "r").read_text().splitlines()]
    assert report[-1]["summary"]["shards_set_aside"] == 1
    (aside,) = [line for line in report if line.get("shard") == "000002"]
    assert aside["status"] == "error"
    assert aside["message"]
    await until(lambda: not c.shards() and not scratch(tmp_path))


@pytest.mark.time_limit(60)
async def test_the_scheduler_is_killed(
    cluster: Any, start: Any, until: Any, origin: Origin, tmp_path: Path
) -> None:
    """The command says so; the same command, with another one, goes on with what is missing."""
    urls = listed(origin, tmp_path / "list")
    origin.add_silent("/f0055.bin")
    c = await cluster()
    command = start(*fetch(c.address))
    await until(lambda: origin.requests["/f0055.bin"] and (tmp_path / "out/000000.jsonl").exists())
    c.scheduler.signal("KILL")
    assert await command.ended == 1
    assert "the scheduler is gone; the same command goes on" in command.err.decode()
    await until(lambda: not c.shards())
    await until(lambda: not scratch(tmp_path))
    origin.add("/f0055.bin", 155)
    done = {path.name for path in (tmp_path / "out").glob("[0-9]*.jsonl")}
    asked = dict(origin.requests)
    other = await cluster()
    assert await start(*fetch(other.address)).ended == 0
    check(tmp_path / "out", urls)
    told = [line for line in lines_of(tmp_path / "out") if line["path"][:6] + ".jsonl" in done]
    for line in told:
        path = "/" + line["path"].rpartition("/")[2]
        assert origin.requests[path] == asked[path]


@pytest.mark.time_limit(60)
async def test_who_started_it_is_killed(
    cluster: Any, start: Any, until: Any, origin: Origin, tmp_path: Path
) -> None:
    """The shards end with it: nobody fetches for nobody."""
    listed(origin, tmp_path / "list")
    origin.add_silent("/f0005.bin")
    c = await cluster()
    command = start(*fetch(c.address))
    await until(lambda: origin.silent)
    command.signal("KILL")
    await until(lambda: not origin.silent and not c.shards())
    await until(lambda: not scratch(tmp_path))
    assert await command.ended == -signal.SIGKILL


@pytest.mark.time_limit(60)
async def test_workers_that_come_later(
    cluster: Any, start: Any, until: Any, origin: Origin, tmp_path: Path
) -> None:
    """They are waited for, which is said once."""
    urls = listed(origin, tmp_path / "list")
    c = await cluster(workers=0)
    command = start(*fetch(c.address))
    await until(lambda: b"no workers yet" in command.err)
    await c.add_worker()
    assert await command.ended == 0
    assert command.err.count(b"no workers yet") == 1
    check(tmp_path / "out", urls)


@pytest.mark.time_limit(60)
async def test_only_what_has_no_manifest_is_done_again(
    cluster: Any, start: Any, origin: Origin, tmp_path: Path
) -> None:
    urls = listed(origin, tmp_path / "list")
    c = await cluster()
    assert await start(*fetch(c.address)).ended == 0
    out = tmp_path / "out"
    (out / "000003.jsonl").unlink()
    asked = dict(origin.requests)
    assert await start(*fetch(c.address)).ended == 0
    again = {path for path, times in origin.requests.items() if times > asked[path]}
    inside = {"/" + p.name for p in (out / "000003").iterdir()}
    assert again <= inside
    there = {line["path"]: line for line in lines_of(out)}
    assert len(there) == len(lines_of(out)) >= FILES
    assert sorted({line["url"] for line in lines_of(out)}) == sorted(urls)
