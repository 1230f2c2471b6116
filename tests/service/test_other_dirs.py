"""A service that is started again with another --dir: what was for the old one stays unwritten."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from support.calling import Rpc

from downloader.testing import Origin


async def test_jobs_for_it_wait_and_say_why(served: Any, origin: Origin, tmp_path: Path) -> None:
    """To the API and to aria2's clients; at home again, they go on by themselves."""
    s = await served()
    (entry,) = await s.add(origin.add_silent("/a"))
    await s.until(lambda: origin.silent)
    origin.add("/a", 3)
    old, s.out = s.out, tmp_path / "other"
    await s.restart()
    path = f"/api/v1/jobs/{entry.gid}"
    shown = (await s.ask("GET", path)).json
    sentence = f"The job's directory is none of those that files may go to: {old}"
    assert (shown["status"], shown["error"]) == ("paused", "OutsideRoots")
    assert (shown["message"], shown["ended"]) == (sentence, None)
    refused = await s.ask("PATCH", path, {"status": "waiting"})
    assert (refused.status, refused.json["title"]) == (409, sentence)
    assert await Rpc(s).why("unpause", entry.gid) == sentence
    assert not (old / "a").exists() and not s.out.exists()
    s.out = old
    await s.restart()
    await s.until((old / "a").exists)
