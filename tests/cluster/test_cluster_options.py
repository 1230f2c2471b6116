"""What goes with --cluster, and what of a command goes to its shards."""

from __future__ import annotations

import os
from typing import Any

import click
import pytest

from downloader.cli.clustering import check_cluster, passed_on, that_matter, whole_limits
from downloader.cli.fetch import fetch


def params(*arguments: str) -> tuple[click.Context, dict[str, Any]]:
    ctx = fetch.make_context("fetch", list(arguments))
    return ctx, ctx.params


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["http://h/", "--cluster", "local:2"], "no URL"),
        (["-i", "-", "--cluster", "local:2"], "that workers can read"),
        (["--cluster", "local:2"], "that workers can read"),
        (["-M", "a.meta4", "--cluster", "local:2"], "no -M"),
        (["-i", "list", "--if-changed", "--cluster", "local:2"], "no --if-changed"),
        (["-i", "list", "--no-state", "--cluster", "local:2"], "no --no-state"),
        (["-i", "list", "--netrc-path", "/none", "--cluster", "local:2"], "that workers can read"),
        (["-i", "list", "--checksum-file", "/dev/null", "--cluster", "local:2"], "workers can"),
        (["-i", "list", "-u", "me", "--cluster", "local:2"], "nobody can be asked"),
        (["-i", "list", "--pack", "tar"], "--pack is for --cluster"),
        (["-i", "list", "--shard-lines", "5"], "--shard-lines is for --cluster"),
        (["-i", "list", "--shard-timeout", "5"], "--shard-timeout is for --cluster"),
    ],
)
def test_what_does_not_go_together(arguments: list[str], sentence: str) -> None:
    ctx, options = params(*arguments)
    with pytest.raises(click.UsageError, match=sentence):
        check_cluster(ctx, options["urls"], options)


@pytest.mark.parametrize("text", ["", "local:0", "local:x", "10.0.0.1:8786", "http://h/", "tcp://"])
def test_an_address_that_is_none(text: str) -> None:
    with pytest.raises(click.BadParameter):
        params("-i", "list", "--cluster", text)


def test_what_shards_are_given() -> None:
    """All that says how files are fetched, as it was said; files by their whole names."""
    given = ["-i", "list", "-d", "out", "--cluster", "local:2", "--report", "r", "-v", "-q"]
    given += ["-H", "A: b", "--header=C: d", "-j8", "-k", "--load-cookies", "c.txt"]
    given += ["--oauth2-bearer", "@token", "--max-time", "5", "--shard-lines", "3", "--pack", "tar"]
    passed = passed_on(params(*given)[0])
    assert sorted(passed) == sorted(
        [
            *("--header", "A: b", "--header", "C: d", "--max-concurrent-downloads", "8"),
            *("--insecure", "--cookie", os.path.abspath("c.txt")),
            *("--oauth2-bearer", "@" + os.path.abspath("token"), "--max-time", "5"),
        ]
    )
    _, options = params("-i", "list", *passed)
    assert options["headers"] == (("A", "b"), ("C", "d"))
    assert (options["jobs"], options["insecure"], options["max_time"]) == (8, True, 5.0)


def test_limits_of_all() -> None:
    _, options = params("-i", "list", "--per-host", "8", "--rate", "10/s", "--limit-rate", "1M")
    assert whole_limits(options) == {
        "per_host": 8,
        "connections_per_host": 6,
        "rate": 10.0,
        "limit_rate": 1024 * 1024,
    }


def test_what_matters() -> None:
    _, options = params("-i", "list", "--names", "tree", "-H", "Cookie: secret")
    assert that_matter(options) == {
        "pack": None,
        "names": "tree",
        "on_conflict": "rename",
        "content_disposition": False,
    }
