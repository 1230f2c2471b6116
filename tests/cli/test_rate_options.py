"""How fast: what the options take, and that they do what they say."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click
import pytest
from support.spied import Time

from downloader.cli.fetch import checked, fetch
from downloader.cli.work import make_downloader
from downloader.testing import Origin, content

URL = "http://h/a"


def told(*arguments: str) -> tuple[str, str]:
    """The throttle and the limiter that the options make."""
    options = checked((URL,), fetch.make_context("fetch", [URL, *arguments]).params)
    downloader = make_downloader(Time(), options)
    assert downloader.close().called
    return repr(downloader.throttle), repr(downloader.limiter)


def test_there_is_no_limit_unless_it_is_asked_for() -> None:
    throttle, limiter = told()
    assert "no limit" in throttle and limiter.endswith(" 0 hosts>, 0 waiting>")


@pytest.mark.parametrize("name", ["--limit-rate", "--max-overall-download-limit"])
def test_a_limit_for_all(name: str) -> None:
    """curl's name and aria2's."""
    assert "524288/s" in told(name, "512K")[0]
    assert "no limit" in told(name, "0")[0]


@pytest.mark.parametrize("name", ["--limit-rate-per-file", "--max-download-limit"])
def test_a_limit_for_each(name: str) -> None:
    options = fetch.make_context("fetch", [URL, name, "2M"]).params
    assert options["limit_rate_per_file"] == 2 * 1024**2
    assert options["limit_rate"] is None


def test_rates_and_delays() -> None:
    assert ", 0.5 starts a second>" in told("--rate", "30/m")[1]
    assert " 0 hosts, 1.5 s apart>" in told("--per-host-delay", "1.5")[1]
    assert " 0 hosts>" in told("--per-host-delay", "0")[1]


@pytest.mark.parametrize(
    "arguments",
    [["--rate", "10"], ["--rate", "0/s"], ["--limit-rate", "-1"], ["--per-host-delay", "-1"]],
)
def test_what_is_none(arguments: list[str]) -> None:
    with pytest.raises(click.BadParameter):
        fetch.make_context("fetch", [URL, *arguments])


async def test_a_limited_run(start: Any, origin: Origin, tmp_path: Path) -> None:
    """All options at once: the files are right."""
    names = [f"/{number}" for number in range(5)]
    (tmp_path / "list").write_text("\n".join(origin.add(name, 100_000) for name in names))
    command = start(
        *("fetch", "-i", "list", "--limit-rate", "2M", "--limit-rate-per-file", "1M"),
        *("--rate", "100/s", "--per-host-delay", "0.01"),
    )
    assert await command.ended == 0
    for name in names:
        assert (tmp_path / name[1:]).read_bytes() == b"".join(content(name, 100_000))


async def test_a_signal_ends_a_paused_run(start: Any, until: Any, origin: Origin) -> None:
    """However long its pauses would last."""
    url = origin.add("/a", 10_000_000)
    command = start("fetch", url, "--limit-rate", "1")
    await until(lambda: origin.requests["/a"])
    command.signal("INT")
    assert await command.ended == 130
    await until(lambda: all(one.end is not None for one in origin.connections))
