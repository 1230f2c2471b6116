"""`fetch --cluster`: a run on many machines, shown and told as one."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from dataclasses import asdict
from typing import Any

import click

from downloader.cli.clustering import that_matter, whole_limits
from downloader.cli.exits import ExitCode
from downloader.cli.work import check_apart, open_output
from downloader.errors import ClusterError, PlaceError
from downloader.jobs import Report
from downloader.listrun.outputs import PRIVATE, OutputFile
from downloader.listrun.words import MAX_EXAMPLES, summary_text

_NO_DASK = "--cluster needs more packages: pip install 'downloader[cluster]'"
_NOTHING = "nothing has failed"


def run_cluster(options: dict[str, Any], arguments: list[str]) -> int:
    """Fetch the list that `options` name, each shard with these `arguments` of `fetch`."""
    try:
        from downloader.cluster.engine import connected
    except ImportError as error:
        raise click.UsageError(f"{_NO_DASK} ({error.name} is missing)") from error
    try:
        plan = _planned(options)
    except PlaceError as error:
        raise click.UsageError(str(error)) from error
    if plan is None:
        click.echo(_NOTHING, err=True)
        return ExitCode.OK
    for part in plan.parts:
        check_apart("-i, --report and --failed", part.part.url, *_outputs(options))
    try:
        with connected(options["cluster"]) as client:
            return _shown(client, plan, options, arguments)
    except ClusterError as error:
        click.echo(f"downloader: {error}", err=True)
        return ExitCode.FAILED


def _outputs(options: dict[str, Any]) -> tuple[str | None, str | None]:
    return options["report"], options["failed"]


def _planned(options: dict[str, Any]) -> Any:
    """The run that the options ask for; None if there is nothing to try again."""
    from downloader.cluster.places import Place
    from downloader.cluster.plan import RUN, planned
    from downloader.cluster.retry import LIST, Failures

    place, url = Place(_whole(options["directory"])), _whole(options["input_file"])
    if options["retry_failed"] and not place.has(RUN):
        raise PlaceError(f"{place} has no run of which anything could have failed")
    plan = planned(place, url, options["shard_lines"], that_matter(options))
    if not options["retry_failed"]:
        return plan
    failures = Failures(place)
    if failures.undone:
        click.echo(f"{failures.undone:,} shards are not done, and not tried here", err=True)
    below = failures.listed()
    if below is None:
        return None
    again = f"{below.url}/{LIST}"
    plan = planned(below, again, options["shard_lines"], that_matter(options))
    failures.forget()
    return plan


def _whole(name: str) -> str:
    """`name`, as other processes know it too."""
    return name if "://" in name else os.path.abspath(name)


def _shown(client: Any, plan: Any, options: dict[str, Any], arguments: list[str]) -> int:
    from twisted.internet import reactor
    from twisted.internet.threads import deferToThread

    from downloader.cli.display import choose_display
    from downloader.cli.logs import show_logs
    from downloader.cli.running import run_reactor
    from downloader.cluster.run import ClusterRun

    some: Any = reactor
    display = choose_display(reactor, options["progress"], options["quiet"], options["verbose"])
    show_logs(display.say, options["verbose"])

    def warned(sentence: str) -> None:
        some.callFromThread(display.say, sentence)

    told = RunOutputs(plan.place, *_outputs(options), warned)
    run = ClusterRun(
        *(client, plan, arguments, whole_limits(options), warned, told.done),
        pack=options["pack"],
        deadline=options["shard_timeout"],
    )
    display.start(run)
    try:
        counts, signal = run_reactor(reactor, lambda: deferToThread(run.start), run.stop)
    finally:
        display.stop()
        told.end(run)
    if not options["quiet"]:
        for line in last_words(run):
            display.say(line)
    if signal is not None:
        return ExitCode.of_signal(signal)
    return ExitCode.FAILED if run.aside or told.broken else ExitCode.of(counts)


def last_words(run: Any) -> list[str]:
    """What came of it."""
    lines = [f"shard {name} is set aside: {why}" for name, why in run.aside.items()][:MAX_EXAMPLES]
    if len(run.aside) > MAX_EXAMPLES:
        lines.append(f"and {len(run.aside) - MAX_EXAMPLES:,} more shards are set aside")
    if run.aside:
        lines.append("the same command tries what is set aside")
    if run.counts.failed and not run.interrupted:
        lines.append("what failed is kept beside the manifests; --retry-failed fetches that")
    if run.interrupted:
        lines.append("stopped; the same command goes on")
    return [*lines, f"{run.steps}: {summary_text(run.counts, found=run.found)}"]


class RunOutputs:
    """The one report, and the one list of failures, of all shards of a run in `place`."""

    def __init__(
        self, place: Any, report: str | None, failed: str | None, trouble: Callable[[str], None]
    ) -> None:
        self._place = place
        self._trouble = trouble
        self._unread = False
        self._report = open_output(report, trouble)
        self._failed = open_output(failed, trouble, PRIVATE)

    def __repr__(self) -> str:
        return f"<RunOutputs of {self._place!r}>"

    @property
    def broken(self) -> bool:
        """Whether one of them could not be written."""
        return self._unread or any(output.broken for output in self._outputs)

    @property
    def _outputs(self) -> list[OutputFile]:
        return [output for output in (self._report, self._failed) if output is not None]

    def done(self, name: str, report: Report) -> None:
        """Add what the shard `name` tells."""
        try:
            self._add(name)
        except PlaceError as error:
            self._unread = True
            self._trouble(f"what shard {name} tells is not in the report: {error}")

    def _add(self, name: str) -> None:
        from downloader.cluster.spec import FAILED, MANIFEST

        if self._report is not None:
            for line in self._place.lines(name + MANIFEST):
                if line.startswith(b'{"line":'):
                    self._report.write(f'{{"shard":"{name}",{line[1:].decode("ascii")}')
            self._report.flush()
        if self._failed is not None and self._place.has(name + FAILED):  # not taken by a retry
            for line in self._place.lines(name + FAILED):
                self._failed.write(line.decode("utf-8"))
            self._failed.flush()

    def end(self, run: Any) -> None:
        """Write the summary, and close them."""
        if self._report is not None:
            for name, why in run.aside.items():
                told = {"shard": name, "status": "error", "message": why}
                self._report.write(json.dumps(told, separators=(",", ":")) + "\n")
            counts = asdict(run.counts)
            counts["seconds"] = round(run.counts.seconds, 6)
            summary = {"lines": run.counts.lines, **counts, "interrupted": run.interrupted}
            summary["shards_set_aside"] = len(run.aside)
            self._report.write(json.dumps({"summary": summary}, separators=(",", ":")) + "\n")
        for output in self._outputs:
            output.close()
