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
from tempfile import mkdtemp
from typing import Any

import click

from downloader._version import __version__
from downloader.cli.exits import ExitCode
from downloader.errors import BadLine, ClusterError, DownloadError, PlaceError, ShardFailed
from downloader.jobs import Result

# Seconds between two words of how it is getting on.
EVERY = 1.0
_MOST = 16 * 1024 * 1024


@click.command(hidden=True)
@click.pass_context
def shard(ctx: click.Context) -> None:
    """Fetch one shard of a list, which standard input names; for `fetch --cluster`."""
    from downloader.cluster.spec import Spec

    told = json.loads(sys.stdin.buffer.readline(_MOST))
    scratch = mkdtemp(prefix="downloader-", dir=told.pop("scratch", None))
    threading.Thread(target=_end_with_input, args=(scratch,), daemon=True).start()
    try:
        _tell({"done": _done(Spec.heard(told), scratch)})
    except (ClusterError, DownloadError, click.UsageError) as error:
        said = error.format_message() if isinstance(error, click.UsageError) else str(error)
        _tell({"error": said})
        ctx.exit(ExitCode.FAILED)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def _done(spec: Any, scratch: str) -> dict[str, Any]:
    """Fetch it. The summary."""
    from downloader.cluster.manifest import Manifest
    from downloader.cluster.part import ShardPart

    if spec.version != __version__:
        raise ShardFailed(f"version {spec.version} was asked for, and this is {__version__}")
    part = ShardPart(spec, scratch, time.sleep)
    summary = part.begin()
    if summary is None:
        made: list[Manifest] = []

        def manifest_of(file: Any) -> Manifest:
            made.append(Manifest(file, __version__, spec, part.directory))
            return made[0]

        _fetch(_options_of(spec, part), manifest_of)
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


def _fetch(options: dict[str, Any], manifest_of: Any) -> None:
    """Fetch the list that the options name. Raises ShardFailed when it is not fetched to its
    end."""
    from twisted.internet import reactor

    from downloader.cli.logs import show_logs
    from downloader.cli.running import allow_descriptors, run_reactor
    from downloader.cli.work import open_work

    allow_descriptors()
    display = Told(reactor)
    show_logs(display.say, 0)
    work = open_work(reactor, [], options, display, report_of=manifest_of)
    _, signal = run_reactor(reactor, work.start, work.stop)
    if signal is not None:
        raise ShardFailed(f"it was stopped by signal {signal}")
    if work.list_error is not None:
        raise PlaceError(work.list_error)
    if work.troubled:
        raise PlaceError("the report could not be written")


class Told:
    """A display for programs: what is shown of the run, on standard output as JSON."""

    told_failures = True

    def __init__(self, reactor: Any) -> None:
        from twisted.internet.task import LoopingCall

        self._ticking = LoopingCall(self._tick)
        self._ticking.clock = reactor
        self._run: Any = None

    def start(self, run: Any) -> None:
        self._run = run
        self._ticking.start(EVERY).addErrback(lambda _: os._exit(ExitCode.FAILED))

    def stop(self) -> None:
        if self._ticking.running:
            self._ticking.stop()

    def say(self, text: str) -> None:
        _tell({"said": text[:1000]})

    def warned(self, sentence: str) -> None:
        self.say(sentence)

    def job_failed(self, result: Result) -> None:
        return

    def line_refused(self, bad: BadLine) -> None:
        return

    def _tick(self) -> None:
        counts = {**asdict(self._run.counts), "bytes": self._run.received}
        _tell({"counts": counts})


def _tell(what: dict[str, Any]) -> None:
    """Write it; without anybody who reads, it is all for nothing."""
    try:
        print(json.dumps(what), flush=True)
    except OSError:
        os._exit(ExitCode.FAILED)


def _end_with_input(scratch: str) -> None:
    """End this process with whoever has it fetch: nobody else would know of it."""
    while os.read(0, 4096):
        pass
    shutil.rmtree(scratch, ignore_errors=True)
    os._exit(ExitCode.FAILED)
