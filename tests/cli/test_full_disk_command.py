"""`fetch -i` on a disk whose quota is used up."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest

from downloader.testing import Origin, content

PROGRAM = Path(__file__).parent.parent / "support" / "full.py"
FULL = "the disk is full: out; going on when there is space"
AGAIN = "there is space again: out; going on"


@pytest.mark.parametrize("way", ["space", "Ctrl-C"])
async def test_it_says_so_and_waits(
    start: Any, until: Any, origin: Origin, tmp_path: Path, way: str
) -> None:
    sizes = {f"/f{n}": 1000 if n % 2 else 200_000 for n in range(20)}
    urls = [origin.add(path, size) for path, size in sizes.items()]
    (tmp_path / "list").write_text("".join(f"{url}\n" for url in urls))
    (tmp_path / "full").touch()
    script = f'shift 3; exec {sys.executable} {PROGRAM} full "$@"'  # in place of the command
    command = start("fetch", "-i", "list", "-d", "out", "-m", "1", shell=script)
    await until(lambda: FULL in command.said)
    if way == "Ctrl-C":
        command.signal("INT")
        assert await command.ended == 130
        assert AGAIN not in command.said
        assert "20 pending" in command.said[-1]
        return
    (tmp_path / "full").unlink()
    assert await command.ended == 0, command.err
    assert [line for line in command.said if "space" in line] == [FULL, AGAIN]
    assert {p.name: p.read_bytes() for p in (tmp_path / "out").iterdir() if p.is_file()} == {
        path[1:]: b"".join(content(path, size)) for path, size in sizes.items()
    }
