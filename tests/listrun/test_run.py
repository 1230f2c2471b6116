"""A run accounts for each line of its list, whatever becomes of it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from twisted.internet.defer import Deferred
from twisted.internet.task import deferLater

from downloader import Downloader, Limits, OnConflict
from downloader.errors import BadLine
from downloader.jobs import Report, Result
from downloader.listrun.forms import FetchForm
from downloader.listrun.outputs import OutputFile
from downloader.listrun.report import FailedFile, ReportFile
from downloader.listrun.run import ListRun
from downloader.listrun.source import open_list
from downloader.testing import Origin


class Listener:
    """A watcher that keeps what it is told."""

    def __init__(self) -> None:
        self.failed: list[Result] = []
        self.refused: list[BadLine] = []
        self.warnings: list[str] = []

    def job_failed(self, result: Result) -> None:
        self.failed.append(result)

    def line_refused(self, bad: BadLine) -> None:
        self.refused.append(bad)

    def warned(self, sentence: str) -> None:
        self.warnings.append(sentence)


class Runs:
    """Makes runs in one folder, and reads what they wrote."""

    def __init__(self, reactor: Any, folder: Path) -> None:
        self.reactor = reactor
        self.folder = folder
        self.listener = Listener()
        self.downloader: Downloader

    def run(self, text: str, **options: Any) -> ListRun:
        (self.folder / "list").write_text(text)
        self.downloader = Downloader(self.reactor, **options)
        return ListRun(
            self.reactor,
            self.downloader,
            open_list(self.reactor, str(self.folder / "list"), FetchForm(str(self.folder / "out"))),
            self.listener,
            ReportFile(self._output("report"), "1"),
            FailedFile(self._output("failed")),
        )

    def report(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in (self.folder / "report").read_text().splitlines()]

    def _output(self, name: str) -> OutputFile:
        return OutputFile(str(self.folder / name), pytest.fail)


@pytest.fixture
def runs(reactor: Any, tmp_path: Path) -> Runs:
    (tmp_path / "out").mkdir()
    return Runs(reactor, tmp_path)


def accounted(counts: Report, report: list[dict[str, Any]]) -> bool:
    """Whether the report has a line for each that is not pending, and the same summary."""
    lines = counts.complete + counts.failed + counts.skipped + counts.invalid
    summary = report[-1]["summary"]
    return len(report) == lines + 1 and summary["lines"] == lines + counts.pending


async def test_each_line_ends_in_one_count(runs: Runs, origin: Origin) -> None:
    """Complete, failed, skipped, invalid; each is told to whom it concerns."""
    (runs.folder / "out" / "there").touch()
    urls = [origin.add("/a", 10), origin.url("/none"), origin.add("/there", 5)]
    run = runs.run("\n".join(["no url", *urls]), on_conflict=OnConflict.SKIP)
    counts = await run.start()
    assert (counts.complete, counts.failed, counts.skipped, counts.invalid) == (1, 1, 1, 1)
    assert (counts.pending, counts.lines, counts.bytes) == (0, 4, 10)
    assert accounted(counts, runs.report())
    assert [type(result.error).__name__ for result in runs.listener.failed] == ["NotFound"]
    assert [bad.line for bad in runs.listener.refused] == [1]
    assert not run.interrupted
    assert run.ended == run.count(60) == 4
    assert repr(run).startswith("<ListRun done ")
    assert repr(runs.downloader) == "<Downloader closed>"


async def test_lines_are_counted_alike(reactor: Any, runs: Runs, origin: Origin) -> None:
    """What has ended and what there is, refused lines on both sides, so that a bar can fill."""
    silent, ready = origin.add_silent("/silent"), origin.add("/a", 1)
    run = runs.run(f" out=of-nothing\nno url\n{silent}\n{ready}\n")
    done = run.start()
    while run.counts.complete < 1:
        await deferLater(reactor, 0.005)
    assert (run.ended, run.count(60)) == (3, 4)
    run.stop()
    await done
    assert (run.ended, run.count(0)) == (3, 4)


async def test_what_failed_is_a_list(runs: Runs, origin: Origin) -> None:
    """Which gives the same names when it is fetched."""
    text = f"{origin.url('/none')}\n{origin.url('/b/none')}\n{origin.add('/ok', 1)}\n"
    await runs.run(text).start()
    failed = (runs.folder / "failed").read_text()
    origin.add("/none", 3)
    origin.add("/b/none", 4)
    counts = await runs.run(failed).start()
    assert counts.complete == 2
    assert (runs.folder / "out" / "none").stat().st_size == 3
    assert (runs.folder / "out" / "none.1").stat().st_size == 4


async def test_stopping_accounts_for_the_rest(reactor: Any, runs: Runs, origin: Origin) -> None:
    """What was read, what waits, and what was never read are pending."""
    ready = origin.add("/a", 10)
    silent = [origin.add_silent(f"/silent-{number}") for number in range(3000)]
    run = runs.run("\n".join([ready, *silent]), limits=Limits(total=4))
    done = run.start()
    while run.counts.complete < 1 or origin.silent < 1:
        await deferLater(reactor, 0.005)
    run.stop()
    counts = await done
    assert (counts.complete, counts.pending, counts.lines) == (1, 3000, 3001)
    assert accounted(counts, runs.report())
    assert runs.report()[-1]["summary"]["interrupted"] is True


async def test_cancelling_the_run_is_stopping_it(reactor: Any, runs: Runs, origin: Origin) -> None:
    """Its books are closed all the same."""
    run = runs.run(origin.add_silent("/silent"))
    done = run.start()
    while not origin.silent:
        await deferLater(reactor, 0.005)
    done.cancel()
    counts = await done
    assert run.interrupted
    assert (counts.pending, counts.lines) == (1, 1)


async def test_a_run_that_is_stopped_before_it_starts_fetches_nothing(
    runs: Runs, origin: Origin
) -> None:
    """A signal may come that early."""
    run = runs.run(f"{origin.add('/a', 1)}\n{origin.add('/b', 1)}\n")
    run.stop()
    counts = await run.start()
    assert (counts.pending, counts.lines) == (2, 2)
    assert not origin.requests


async def test_the_report_is_written_while_the_run_goes_on(
    reactor: Any, runs: Runs, origin: Origin
) -> None:
    """Who follows it is about a second behind."""
    run = runs.run(f"{origin.add('/a', 1)}\n{origin.add_silent('/silent')}\n")
    done: Deferred[Report] = run.start()
    while not (runs.folder / "report").read_text():
        await deferLater(reactor, 0.02)
    run.stop()
    await done
    assert runs.report()[0]["bytes"] == 1
