"""Pipelines against a real nginx: connections that it ends after ten requests, and good ones."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from support.asking import until

from downloader import Downloader, Job, Limits

FILES = 500


@pytest.fixture(scope="module")
def names(nginx: Any) -> list[str]:
    """What nginx serves below /short: small files, each of which tells its name."""
    (nginx.root / "short").mkdir()
    found = [f"{number}" for number in range(FILES)]
    for name in found:
        (nginx.root / "short" / name).write_text(name * 100)
    return found


async def fetched(reactor: Any, urls: list[str], out: Path, **limits: int) -> list[Any]:
    """The results of a run."""
    results: list[Any] = []
    downloader = Downloader(reactor, limits=Limits(total=64, **limits))
    report = await downloader.fetch_all([Job(url, str(out)) for url in urls], results.append)
    await downloader.close()
    assert (report.complete, report.failed) == (len(urls), 0)
    return results


@pytest.mark.parametrize("pipeline", [1, 4, 16])
async def test_connections_of_ten_requests(
    reactor: Any, nginx: Any, names: list[str], tmp_path: Path, pipeline: int
) -> None:
    """All files are right at the first try, and nothing was asked for more than twice."""
    before = len(nginx.few_log)
    urls = [nginx.few_url(f"/short/{name}") for name in names]
    results = await fetched(reactor, urls, tmp_path, pipeline=pipeline)
    assert {path.name: path.read_text() for path in tmp_path.iterdir()} == {
        name: name * 100 for name in names
    }
    assert {one.attempts for one in results} == {1}
    await until(reactor, lambda: len(nginx.few_log) >= before + FILES)  # it writes a moment later
    asked = nginx.few_log[before:]
    times = Counter(path for path, _ in asked)
    assert set(times) == {f"/short/{name}" for name in names} and max(times.values()) <= 2
    assert (Counter(mark for _, mark in asked)["p"] > 0) == (pipeline > 1)
