"""The demo runs as a newcomer runs it."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from downloader.cli.demosite import Kind, demo_files


def test_the_site_is_what_the_help_says() -> None:
    """500 files from 0 bytes to 64 MiB, not too many bytes, and trouble of each kind."""
    files = demo_files()
    assert files == demo_files()
    assert len({file.name for file in files}) == len(files) == 500
    sizes = [file.size for file in files if file.kind in (Kind.PROMPT, Kind.SLOW)]
    assert (min(sizes), max(sizes)) == (0, 64 * 1024**2)
    assert sum(sizes) <= 300 * 1024**2
    assert {file.kind for file in files} == set(Kind)


async def test_the_demo_holds_what_it_promises(start: Any, tmp_path: Path) -> None:
    """Every check is ok, and its folder is gone."""
    command = start("demo", env={"TMPDIR": str(tmp_path)})
    code = await command.ended
    lines = command.out.decode().splitlines()
    assert code == 0, command.out + command.err
    assert sum(line.startswith("ok ") for line in lines) == 5
    assert any(re.search(" 8 cancelled, ", line) for line in lines)
    assert any(re.match("ok +([89]|[1-9][0-9]) connections that waited", line) for line in lines)
    assert list(tmp_path.iterdir()) == []


async def test_a_demo_that_is_stopped_cleans_up(start: Any, until: Any, tmp_path: Path) -> None:
    """Ctrl-C is no failure of the demo, and leaves nothing."""
    command = start("demo", env={"TMPDIR": str(tmp_path)})
    await until(lambda: list(tmp_path.glob("*/files/*.bin")))
    command.signal("INT")
    assert await command.ended == 130
    assert list(tmp_path.iterdir()) == []
    assert command.out.splitlines()[-1].startswith(b"stopped before the checks: ")
    assert b"WRONG" not in command.out


async def test_a_demo_that_is_stopped_while_it_compares(
    start: Any, until: Any, tmp_path: Path
) -> None:
    """Ctrl-C is heard there too."""
    command = start("demo", env={"TMPDIR": str(tmp_path)})
    await until(lambda: b"Comparing" in command.out)
    command.signal("INT")
    assert await command.ended == 130
    assert command.out.splitlines()[-1].startswith(b"stopped before the checks: ")
    assert b"ok " not in command.out


async def test_keeping_the_files(start: Any, until: Any, tmp_path: Path) -> None:
    """They are where the demo says."""
    command = start("demo", "--keep", env={"TMPDIR": str(tmp_path)})
    await until(lambda: list(tmp_path.glob("*/files/*.bin")))
    command.signal("TERM")
    assert await command.ended == 143
    (folder,) = tmp_path.iterdir()
    assert f"The files are in {folder}" in command.out.decode()
