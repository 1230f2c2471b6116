"""The demo's run: an origin and the real `fetch` path in one reactor, and then the checks."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
from twisted.internet.defer import Deferred
from twisted.internet.task import LoopingCall, deferLater

from downloader.cli.demosite import DemoFile, Kind, demo_files
from downloader.cli.display import choose_display
from downloader.cli.exits import ExitCode
from downloader.cli.fetch import checked, fetch
from downloader.cli.logs import show_logs
from downloader.cli.running import run_reactor
from downloader.cli.work import Work, open_work
from downloader.jobs import Report
from downloader.listrun.words import size_text
from downloader.sansio.names import STATE
from downloader.testing import End, Origin, content

# The silent ones are cancelled once the server has had their request for so long.
PATIENCE = 2.0
# A cancelled connection is reset at once; the rest is the demo's own slowness.
_SEEN_WITHIN = 1.0
# Enough for the silent ones to hold theirs while the others go on. A proxy cannot reach it.
_OPTIONS = ("--jobs", "32", "--connections-per-host", "16", "--proxy", "")


def run_demo(keep: bool, progress: str) -> int:
    """Run the demo in a reactor of its own, say what happened, and return the exit code."""
    from twisted.internet import reactor

    try:
        folder = tempfile.mkdtemp(prefix="downloader-demo-")
    except OSError as error:
        raise click.UsageError(f"cannot make a folder for the demo: {error}") from error
    try:
        demo = Demo(reactor, folder, progress)
        passed, signal = run_reactor(reactor, demo.start, demo.stop)
    finally:
        if keep:
            click.echo(f"The files are in {folder}")
        else:
            shutil.rmtree(folder, ignore_errors=True)
    if signal is not None:
        return ExitCode.of_signal(signal)
    return ExitCode.OK if passed else ExitCode.FAILED


class Demo:
    """One demo in `folder`: a list is fetched, the silent files are cancelled, all is checked."""

    def __init__(self, reactor: Any, folder: str, progress: str) -> None:
        self._reactor = reactor
        self._files = demo_files()
        self._origin = Origin(reactor)
        self._out = os.path.join(folder, "files")
        self._work = self._prepared(os.path.join(folder, "urls.txt"), progress)
        self._cancelled: set[str] = set()
        self._silent_since: dict[str, float] = {}

    def start(self) -> Deferred[bool]:
        """Run it.

        **Fires with** whether every check held. **Fails with** an error that is a bug.
        **Cancelling** is `stop`.
        """
        return Deferred.fromCoroutine(self._run())

    def stop(self) -> None:
        """Cancel what is running."""
        self._work.stop()

    # --- the fetch --------------------------------------------------------------------------

    def _prepared(self, list_path: str, progress: str) -> Work:
        """Write the list, and open it as `downloader fetch -i LIST -d DIR` does."""
        with Path(list_path).open("w", encoding="ascii") as file:
            file.writelines(f"{self._add(one)}\n" for one in self._files)
        arguments = ["-i", list_path, "-d", self._out, "--progress", progress, *_OPTIONS]
        options = checked((), fetch.make_context("fetch", arguments).params)
        display = choose_display(self._reactor, progress, quiet=False, verbose=0)
        show_logs(display.say, verbose=0)
        return open_work(self._reactor, [], options, display)

    def _add(self, file: DemoFile) -> str:
        if file.kind is Kind.SILENT:
            return self._origin.add_silent(file.path)
        if file.kind is Kind.MISSING:
            return self._origin.url(file.path)
        return self._origin.add(file.path, file.size, file.pause)

    async def _run(self) -> bool:
        sizes = size_text(sum(file.size for file in self._files))
        click.echo(f"Fetching {len(self._files)} files, {sizes}, from {self._origin.url()}")
        cancelling = LoopingCall(self._cancel_silent)
        cancelling.clock = self._reactor
        cancelling.start(0.1, now=False)
        try:
            counts = await self._work.start()
        finally:
            cancelling.stop()
            ended = await self._connections_ended()
            await self._origin.stop()
        wrong = await self._wrong_files()
        if self._work.run.interrupted:
            click.echo(f"stopped before the checks: {self._work.run.summary}")
            return False
        return self._tell(counts, wrong, ended)

    def _cancel_silent(self) -> None:
        """Cancel each silent file, before its headers, when it has waited for a while."""
        now = self._reactor.seconds()
        silent = {self._origin.url(file.path): file for file in self._of(Kind.SILENT)}
        for transfer in self._work.run.downloader.active():
            file = silent.get(transfer.job.url)
            if file is None or not self._origin.requests[file.path]:
                continue
            if now - self._silent_since.setdefault(file.path, now) >= PATIENCE:
                self._cancelled.add(file.path)
                transfer.cancel()

    # --- the checks -------------------------------------------------------------------------

    async def _connections_ended(self) -> int:
        """How many connections of cancelled files the server has seen end by the client."""
        deadline = self._reactor.seconds() + _SEEN_WITHIN
        while self._origin.silent and self._reactor.seconds() < deadline:
            await deferLater(self._reactor, 0.01)
        ends = self._origin.silent_ends
        return ends[End.FIN] + ends[End.RST]

    async def _wrong_files(self) -> list[str]:
        """The files that are not what the server has, those that should not be there too."""
        if not self._work.run.interrupted:
            click.echo("Comparing each byte with the server's")
        wrong = []
        there = set(os.listdir(self._out)) - {STATE}
        for file in self._of(Kind.PROMPT, Kind.SLOW):
            if self._work.run.interrupted:
                break
            there.discard(file.name)
            if not _is_right(os.path.join(self._out, file.name), file):
                wrong.append(file.name)
            await deferLater(self._reactor, 0)  # Ctrl-C gets its turn
        return wrong + sorted(there)

    def _tell(self, counts: Report, wrong: list[str], ended: int) -> bool:
        """Say what happened; whether all of it was as it should be."""
        run = self._work.run
        fetched = sum(1 for _ in self._of(Kind.PROMPT, Kind.SLOW))
        missing = sum(1 for _ in self._of(Kind.MISSING))
        silent = sum(1 for _ in self._of(Kind.SILENT))
        checks = [
            (counts.complete == fetched, f"{counts.complete} of {fetched} files fetched"),
            (not wrong, _checked_text(fetched, wrong)),
            (counts.failed == missing, f"{counts.failed} of {missing} missing files reported"),
            (
                run.cancelled == len(self._cancelled) == silent,
                f"{run.cancelled} of {silent} files that never answer cancelled before a header",
            ),
            (
                not self._origin.silent and ended >= silent,
                f"{ended} connections that waited for one of them ended, as the server saw",
            ),
        ]
        click.echo(run.summary)
        for held, text in checks:
            click.echo(f"{'ok   ' if held else 'WRONG'}  {text}")
        return all(held for held, _ in checks)

    def _of(self, *kinds: Kind) -> Iterator[DemoFile]:
        return (file for file in self._files if file.kind in kinds)


def _checked_text(fetched: int, wrong: list[str]) -> str:
    if not wrong:
        return f"each byte of {fetched} files compared with the server's"
    return f"{len(wrong)} files are not as they should be: {', '.join(wrong[:5])}"


def _is_right(path: str, file: DemoFile) -> bool:
    try:
        with Path(path).open("rb") as stream:
            same = all(stream.read(len(chunk)) == chunk for chunk in content(file.path, file.size))
            return same and not stream.read(1)
    except OSError:
        return False
