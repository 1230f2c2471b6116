"""Jobs of an earlier process, where files may go to other directories than before."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from downloader.errors import OutsideRoots
from downloader.testing import Origin


async def begin(k: Any, *roots: Path) -> None:
    """The next process, which writes to `roots` only."""
    await k.queue.close()
    k.options["roots"] = [str(root) for root in roots]
    await k.again().start()


async def test_what_waits_for_another_directory_is_paused(
    kept: Any, origin: Origin, tmp_path: Path, warnings: list[str]
) -> None:
    """It says why, is not resumed, and nothing of it is written; back at home, it goes on."""
    k = kept()
    await k.queue.start()
    (paused,) = await k.add(origin.add("/p", 1), paused=True)
    (running,) = await k.add(origin.add_silent("/a"))
    (failed,) = await k.add(origin.url("/none"))
    await k.ended(failed)
    await k.until(lambda: origin.silent)
    origin.add("/a", 3)
    await begin(k, tmp_path / "other")
    find = k.queue.find
    for entry in (paused, running, failed):
        with pytest.raises(OutsideRoots, match=f"directory is none.*{k.out}"):
            await k.queue.resume(find(entry.gid))
    await k.queue.resume_all()
    assert [find(entry.gid).status for entry in (paused, running, failed)] == [
        *("paused", "paused", "error"),
    ]
    told = find(running.gid).told
    assert told.error == "OutsideRoots" and str(k.out) in told.message
    assert [text for text in warnings if "1 jobs are paused" in text]
    (here,) = await k.queue.add([k.wanted(origin.add("/b", 1), directory=str(tmp_path / "other"))])
    await k.ended(here)
    assert not (k.out / "a").exists() and origin.requests["/a"] == 1
    await begin(k, tmp_path / "other", k.out)
    again = k.queue.find(running.gid)
    await k.ended(again)
    assert (again.status, (k.out / "a").stat().st_size) == ("complete", 3)
    assert k.queue.find(paused.gid).status == "paused"


async def test_another_path_to_the_same_directory(
    kept: Any, origin: Origin, tmp_path: Path
) -> None:
    """It is gone on with, by the path that it has now: where the old one leads may change."""
    k = kept()
    k.out.mkdir()
    await k.queue.start()
    (entry,) = await k.add(origin.add_silent("/a"))
    await k.until(lambda: origin.silent)
    origin.add("/a", 3)
    link = tmp_path / "link"
    link.symlink_to(k.out)
    await begin(k, link)
    again = k.queue.find(entry.gid)
    assert again.job.directory == str(link)
    await k.ended(again)
    assert (k.out / "a").stat().st_size == 3


async def test_a_link_that_leads_elsewhere_now(kept: Any, origin: Origin, tmp_path: Path) -> None:
    """What was a root by that path is none, if the new one is another directory."""
    old, new, link = (tmp_path / name for name in ("old", "new", "link"))
    old.mkdir()
    new.mkdir()
    link.symlink_to(old)
    k = kept(roots=[str(link)])
    await k.queue.start()
    (entry,) = await k.queue.add([k.wanted(origin.add_silent("/a"), directory=str(link))])
    await k.until(lambda: origin.silent)
    origin.add("/a", 3)
    link.unlink()
    link.symlink_to(new)
    await begin(k, old)
    with pytest.raises(OutsideRoots):
        await k.queue.resume(k.queue.find(entry.gid))
    assert list(new.iterdir()) == []


async def test_what_is_sent_elsewhere_may_go_on(kept: Any, origin: Origin, tmp_path: Path) -> None:
    """It stays paused until it is resumed."""
    k = kept()
    await k.queue.start()
    (entry,) = await k.add(origin.add_silent("/a"))
    await k.until(lambda: origin.silent)
    origin.add("/a", 3)
    other = tmp_path / "other"
    await begin(k, other)
    again = k.queue.find(entry.gid)
    await k.queue.change(again, k.wanted(entry.job.url, directory=str(other)).job, ())
    await k.queue.resume(again)
    await k.ended(again)
    assert (other / "a").stat().st_size == 3 and again.told.error is None
