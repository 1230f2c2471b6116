"""Over how many connections one file comes: what the options take, and that they do it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click
import pytest

from downloader import Splitting
from downloader.cli.fetch import fetch
from downloader.cli.splitting import splitting_of
from downloader.testing import Origin, content

URL = "http://h/a"
MB = 1024 * 1024


def told(*arguments: str) -> Splitting:
    return splitting_of(fetch.make_context("fetch", [URL, *arguments]).params)


def test_one_connection_unless_more_are_asked_for() -> None:
    """aria2's numbers."""
    assert told() == Splitting() == Splitting(1, 5, 20 * MB)


@pytest.mark.parametrize(
    "arguments",
    [
        ("-x", "4", "-s", "8", "--min-split-size", "1M"),
        ("--max-connection-per-server=4", "--split=8", "--min-split-size=1024K"),
    ],
)
def test_aria2s_names(arguments: tuple[str, ...]) -> None:
    assert told(*arguments) == Splitting(4, 8, MB)


@pytest.mark.parametrize(
    "arguments", [("-x", "0"), ("-s", "0"), ("-s", "many"), ("--min-split-size", "0")]
)
def test_what_cannot_work(arguments: tuple[str, ...]) -> None:
    with pytest.raises(click.BadParameter):
        told(*arguments)


async def test_a_file_in_parts(start: Any, origin: Origin, tmp_path: Path) -> None:
    url = origin.add("/a", 4 * MB, etag='"1"')
    command = start("fetch", url, "-x", "3", "-s", "3", "--min-split-size", "1M")
    assert await command.ended == 0
    assert (tmp_path / "a").read_bytes() == b"".join(content("/a", 4 * MB))
    assert origin.requests["/a"] >= 3
