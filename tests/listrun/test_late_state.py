"""A run that was stopped does not wait for a disk that does not answer."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from twisted.internet.defer import Deferred
from twisted.internet.task import Clock, deferLater

from downloader import Downloader, Limits
from downloader.errors import BadLine
from downloader.jobs import Result
from downloader.listrun.forms import FetchForm
from downloader.listrun.kept import Kept
from downloader.listrun.outputs import OutputFile
from downloader.listrun.report import ReportFile
from downloader.listrun.run import KEEP_WITHIN, ListRun
from downloader.listrun.source import open_list
from downloader.sansio.names import STATE
from downloader.store import JobStore
from downloader.store.jobstore import Row
from downloader.testing import Origin


class Late(JobStore):
    """Its disk does not answer what comes of jobs."""

    def end(self, rows: Sequence[Row]) -> Deferred[None]:
        return Deferred()


class Warnings:
    """A watcher that keeps what it is warned of."""

    def __init__(self) -> None:
        self.said: list[str] = []

    def job_failed(self, result: Result) -> None:
        raise AssertionError(result)

    def line_refused(self, bad: BadLine) -> None:
        raise AssertionError(bad)

    def warned(self, sentence: str) -> None:
        self.said.append(sentence)


async def test_it_waits_a_moment(reactor: Any, origin: Origin, tmp_path: Path) -> None:
    """The report tells all the same which files are there."""
    clock, watcher, out = Clock(), Warnings(), tmp_path / "out"
    store = Late(reactor, str(out / STATE))
    lines = [origin.add("/a", 10), origin.add("/b", 10), origin.add_silent("/silent")]
    (tmp_path / "list").write_text("\n".join(lines))
    downloader = Downloader(reactor, limits=Limits(total=1))
    run = ListRun(
        clock,
        downloader,
        open_list(reactor, str(tmp_path / "list"), FetchForm(str(out))),
        watcher,
        ReportFile(OutputFile(str(tmp_path / "report"), pytest.fail), "1"),
        kept=lambda run: Kept(store, downloader, run.skipped, watcher.warned),
    )
    done = run.start()
    while run.counts.complete < 2 or not origin.silent:
        await deferLater(reactor, 0.005)
    clock.advance(1)  # it begins to keep the two
    run.stop()
    while not any(call.getTime() > clock.seconds() + 2 for call in clock.getDelayedCalls()):
        await deferLater(reactor, 0.005)
    assert not done.called
    clock.advance(KEEP_WITHIN)
    counts = await done
    assert (counts.complete, counts.pending) == (2, 1)
    told = [json.loads(line) for line in (tmp_path / "report").read_text().splitlines()]
    assert [line["status"] for line in told[:-1]] == ["complete", "complete"]
    (warning,) = watcher.said
    assert warning.startswith("the disk did not answer for 3 s; ")
    assert not clock.getDelayedCalls()
