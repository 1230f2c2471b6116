"""The process of a shard, watched over: it ends with whoever wants it."""

from __future__ import annotations

import json
import os
import signal
import tarfile
from pathlib import Path
from typing import Any

import pytest
from twisted.internet.defer import Deferred
from twisted.internet.threads import deferToThread

from downloader import __version__
from downloader.cluster.plan import RUN
from downloader.cluster.spec import Spec
from downloader.cluster.task import attempt
from downloader.errors import ShardFailed, ShardRefused
from downloader.sansio.shards import Shard
from downloader.testing import Origin, content


def spec_of(tmp_path: Path, *urls: str, **more: Any) -> dict[str, Any]:
    text = "".join(f"{url}\n" for url in urls).encode()
    (tmp_path / "list").write_bytes(text)
    shard = Shard(7, str(tmp_path / "list"), 0, len(text), len(text))
    out = tmp_path / "out"
    out.mkdir(exist_ok=True)
    (out / RUN).write_text('{"identity": "run"}')
    arguments = ["-t", "60", "--stall-timeout", "60"]
    return Spec(shard, "run", "identity", str(out), arguments, __version__, **more).told()


async def attempted(tmp_path: Path, told: dict[str, Any], wanted: Any = lambda: True) -> Any:
    heard: list[Any] = []
    (tmp_path / "scratch").mkdir(exist_ok=True)
    try:
        directory = str(tmp_path / "scratch")
        return await deferToThread(attempt, told, directory, wanted, heard.append)
    finally:
        assert list((tmp_path / "scratch").iterdir()) == []


async def test_a_shard_is_fetched(origin: Origin, tmp_path: Path) -> None:
    """Its manifest says what came of each line; nothing else is left."""
    good, bad = origin.add("/a.bin", 1000), origin.url("/none")
    told = spec_of(tmp_path, good, bad, "no url")
    summary = await attempted(tmp_path, told)
    assert (summary["complete"], summary["failed"], summary["invalid"]) == (1, 1, 1)
    out = tmp_path / "out"
    names = {str(path.relative_to(out)) for path in out.rglob("*")}
    assert names == {RUN, "000007", "000007/a.bin", "000007.jsonl", "000007.failed"}
    head, *lines, last = map(json.loads, (out / "000007.jsonl").read_text().splitlines())
    assert (head["shard"], head["identity"]) == ("000007", "identity")
    assert [line["path"] for line in lines if line["status"] == "complete"] == ["000007/a.bin"]
    assert sorted(line["line"] for line in lines) == [1, 2, 3]
    assert summary.pop("said") == []
    assert last["summary"] == summary
    assert (out / "000007.failed").read_text() == f"{bad}\n out=none\n"
    assert (out / "000007.failed").stat().st_mode & 0o077 == 0


async def test_one_that_is_done_is_not_done_again(origin: Origin, tmp_path: Path) -> None:
    """Whoever asks for it twice is told the same."""
    told = spec_of(tmp_path, origin.add("/a", 10))
    first = await attempted(tmp_path, told)
    assert await attempted(tmp_path, told) == first
    assert origin.requests["/a"] == 1
    there = sorted(path.name for path in (tmp_path / "out").iterdir())
    assert there == ["000007", "000007.jsonl", RUN]


async def test_a_tar(origin: Origin, tmp_path: Path) -> None:
    """As WebDataset has it: a file and what is told of it have one key."""
    urls = [origin.add("/a.bin", 1000), origin.url("/none"), origin.add("/b.json", 10)]
    await attempted(tmp_path, spec_of(tmp_path, *urls, pack="tar"))
    out = tmp_path / "out"
    assert {path.name for path in out.iterdir()} == {
        *("000007.tar", "000007.jsonl", "000007.failed", RUN),
    }
    with tarfile.open(out / "000007.tar") as tar:
        found = {name: tar.extractfile(name).read() for name in tar.getnames()}  # type: ignore
    assert found.pop("000007-000000001.bin") == b"".join(content("/a.bin", 1000))
    assert found.pop("000007-000000003.data.json") == b"".join(content("/b.json", 10))
    told = {name: json.loads(text) for name, text in found.items()}
    assert {name: one["path"] for name, one in told.items()} == {
        "000007-000000001.json": "000007-000000001.bin",
        "000007-000000003.json": "000007-000000003.data.json",
    }
    lines = [json.loads(line) for line in (out / "000007.jsonl").read_text().splitlines()]
    assert [line for line in lines if line.get("status") == "complete"] == list(told.values())


async def test_one_that_nobody_wants_ends(origin: Origin, until: Any, tmp_path: Path) -> None:
    """Its server sees the connection end."""
    told = spec_of(tmp_path, origin.add_silent("/mute"))
    with pytest.raises(ShardFailed, match="nobody wants it"):
        await attempted(tmp_path, told, lambda: not origin.silent)
    await until(lambda: not origin.silent)


async def test_one_that_takes_too_long(origin: Origin, until: Any, tmp_path: Path) -> None:
    told = spec_of(tmp_path, origin.add_silent("/mute"), deadline=2.0)
    with pytest.raises(ShardFailed, match="not done in 2 s"):
        await attempted(tmp_path, told)
    await until(lambda: not origin.silent)


async def test_one_of_which_nothing_is_heard(
    origin: Origin, until: Any, shards: Any, tmp_path: Path
) -> None:
    """Stopped, as a machine may be that swaps; it is killed."""
    told = spec_of(tmp_path, origin.add_silent("/mute"), silence=2.0)
    done = Deferred.fromCoroutine(attempted(tmp_path, told))
    await until(lambda: origin.silent)
    (pid,) = shards(os.getpid())
    os.kill(pid, signal.SIGSTOP)
    with pytest.raises(ShardFailed, match="nothing was heard"):
        await done
    assert not Path(f"/proc/{pid}").exists()
    await until(lambda: not origin.silent)


async def test_one_that_dies_says_why(
    origin: Origin, until: Any, shards: Any, tmp_path: Path
) -> None:
    told = spec_of(tmp_path, origin.add_silent("/mute"))
    done = Deferred.fromCoroutine(attempted(tmp_path, told))
    await until(lambda: origin.silent)
    (pid,) = shards(os.getpid())
    os.kill(pid, signal.SIGKILL)
    with pytest.raises(ShardFailed, match="ended with -9"):
        await done


async def test_what_cannot_be_is_told(origin: Origin, tmp_path: Path) -> None:
    """In one sentence, with its reason; what no attempt can change is told apart."""
    told = spec_of(tmp_path, origin.add("/a", 1))
    shard = told["shard"]
    with pytest.raises(ShardRefused, match="version 0 was asked for"):
        await attempted(tmp_path, {**told, "version": "0"})
    with pytest.raises(ShardRefused, match="no-such-option"):
        await attempted(tmp_path, {**told, "arguments": ["--no-such-option"]})
    with pytest.raises(ShardFailed, match="gone"):
        await attempted(tmp_path, {**told, "shard": {**shard, "url": str(tmp_path / "gone")}})
    with pytest.raises(ShardFailed, match="not the list that the run was begun with"):
        await attempted(tmp_path, {**told, "shard": {**shard, "size": 5}})


async def test_a_folder_that_is_another_one_here(origin: Origin, tmp_path: Path) -> None:
    """As where a folder is not shared: nothing is made there, and nothing fetched."""
    told = spec_of(tmp_path, origin.add("/a", 1))
    with pytest.raises(ShardRefused, match="is it shared"):
        await attempted(tmp_path, {**told, "out": str(tmp_path / "other")})
    assert not (tmp_path / "other").exists()
    (tmp_path / "out" / RUN).write_text('{"identity": "another"}')
    with pytest.raises(ShardRefused, match="is it shared"):
        await attempted(tmp_path, told)
    assert not origin.requests


async def test_a_manifest_of_another_shard_is_none(origin: Origin, tmp_path: Path) -> None:
    """Nor one that was cut; both are written anew."""
    told = spec_of(tmp_path, origin.add("/a", 1))
    await attempted(tmp_path, {**told, "identity": "another"})
    assert (await attempted(tmp_path, told))["complete"] == 1
    manifest = tmp_path / "out" / "000007.jsonl"
    assert json.loads(manifest.read_text().splitlines()[-1])["summary"]["identity"] == "identity"
    manifest.write_text("{")
    assert (await attempted(tmp_path, told))["complete"] == 1
    assert manifest.read_text().splitlines()[0] != "{"


async def test_what_it_warns_of_is_told(origin: Origin, tmp_path: Path) -> None:
    told = spec_of(tmp_path, origin.add("/a", 1))
    summary = await attempted(tmp_path, {**told, "arguments": ["-k"]})
    assert [sentence[:7] for sentence in summary["said"]] == ["WARNING"]
