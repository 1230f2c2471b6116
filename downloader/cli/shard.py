"""`downloader shard`: one shard of a list, for `fetch --cluster`, in a process of its own.

What to do comes in the first line of standard input. When that input ends, nobody wants it any
more, and the process ends where it stands. On standard output it tells how it is getting on, a JSON
object a line; the last one has the summary, or the error.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
import threading
import time
from dataclasses import asdict
from typing import Any

import click

from downloader._version import __version__
from downloader.cli.exits import ExitCode
from downloader.cli.messages import Quiet
from downloader.errors import (
    ClusterError,
    DownloadError,
    PlaceError,
    ShardFailed,
    ShardRefused,
)

# Seconds between two words of how it is getting on.
EVERY = 1.0
_MOST = 16 * 1024 * 1024
_telling = threading.Lock()


@click.command(hidden=True)
@click.pass_context
def shard(ctx: click.Context) -> None:
    """Fetch one shard of a list, which standard input names; for `fetch --cluster`."""
    from downloader.cluster.spec import Spec

    told = json.loads(sys.stdin.buffer.readline(_MOST))
    scratch, display = told.pop("scratch"), ShardDisplay()
    for work, argument in ((_end_with_input, scratch), (_tell_counts, display)):
        threading.Thread(target=work, args=(argument,), daemon=True).start()
    try:
        _tell({"done": _done(Spec.heard(told), scratch, display)})
    except (ClusterError, DownloadError, click.UsageError) as error:
        said = error.format_message() if isinstance(error, click.UsageError) else str(error)
        _tell({"error": said, "refused": isinstance(error, (click.UsageError, ShardRefused))})
        ctx.exit(ExitCode.FAILED)


def _done(spec: Any, scratch: str, display: ShardDisplay) -> dict[str, Any]:
    """Fetch it. The summary."""
    from downloader.cluster.manifest import Manifest
    from downloader.cluster.part import ShardPart

    if spec.version != __version__:
        raise ShardRefused(f"version {spec.version} was asked for, and this is {__version__}")
    part = ShardPart(spec, scratch, time.sleep)
    summary = part.begin()
    if summary is None:
        made: list[Manifest] = []

        def manifest_of(file: Any) -> Manifest:
            made.append(Manifest(file, __version__, spec, part.directory))
            return made[0]

        _fetch(_options_of(spec, part), manifest_of, display)
        summary = part.publish(made[0])
    part.clean()
    return summary


def _options_of(spec: Any, part: Any) -> dict[str, Any]:
    """The options of `fetch` for this shard."""
    from downloader.cli.fetch import checked, fetch

    own = ["-i", part.list, "-d", part.directory, "--report", part.manifest]
    own += ["--failed", part.failed, "--progress", "none"]
    with fetch.make_context("fetch", [*spec.arguments, *own]) as ctx:
        return {**checked((), ctx.params), **spec.shares}


def _fetch(options: dict[str, Any], manifest_of: Any, display: ShardDisplay) -> None:
    """Fetch the list that the options name. Raises ShardFailed when it is not fetched to its
    end."""
    from twisted.internet import reactor

    from downloader.cli.logs import show_logs
    from downloader.cli.running import run_reactor
    from downloader.cli.work import open_work
    from downloader.descriptors import allow_descriptors

    allow_descriptors()
    show_logs(display.say, 0)
    work = open_work(reactor, [], options, display, report_of=manifest_of)
    _, signal = run_reactor(reactor, work.start, work.stop)
    if signal is not None:
        raise ShardFailed(f"it was stopped by signal {signal}")
    if work.list_error is not None:
        raise PlaceError(work.list_error)
    if work.troubled:
        raise PlaceError("the report could not be written")


class ShardDisplay(Quiet):
    """A display for programs: what is said, on standard output as JSON."""

    def __init__(self) -> None:
        self.run: Any = None

    def start(self, run: Any) -> None:
        self.run = run

    def say(self, text: str) -> None:
        _tell({"said": text[:1000]})

    def warned(self, sentence: str) -> None:
        self.say(sentence)


def _tell_counts(display: ShardDisplay) -> None:
    """Tell them again and again: that this process lives, too, while it reads or packs or puts."""
    while True:
        time.sleep(EVERY)
        run = display.run
        counts = {**asdict(run.counts), "bytes": run.received} if run is not None else {}
        _tell({"counts": counts})


def _tell(what: dict[str, Any]) -> None:
    """Write it; without anybody who reads, it is all for nothing."""
    try:
        with _telling:
            print(json.dumps(what), flush=True)
    except OSError:
        os._exit(ExitCode.FAILED)


def _end_with_input(scratch: str) -> None:
    """End this process with whoever has it fetch: nobody else would know of it."""
    while os.read(0, 4096):
        pass
    shutil.rmtree(scratch, ignore_errors=True)
    os._exit(ExitCode.FAILED)
