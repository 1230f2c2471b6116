"""Every workload, every tool, several rounds."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from benchmarks.cancelling import cancel_all
from benchmarks.data import SERVED, Data
from benchmarks.measure import Child, ToolFailed
from benchmarks.results import OURS, Measured, Row, Work
from benchmarks.servers import HOST, Neighbour, Nginx
from benchmarks.tools import Task, Tool
from benchmarks.workloads import CANCEL, CANCEL_REQUESTS, CANCEL_TITLE, Workload, scaled

# What runs a tool once; the flag is set in the first round, when contents are checked too.
Once = Callable[[Tool, bool], Measured]


@dataclass(frozen=True)
class Plan:
    """How to run: `limit` is the longest that a run may take, in seconds; `say` tells a person."""

    rounds: int
    scale: float
    limit: float
    say: Callable[[str], None]


def run_workload(plan: Plan, workload: Workload, tools: Sequence[Tool], nginx: Nginx) -> Work:
    """Make its data, run each tool in each round, and leave nothing behind."""
    plan.say(f"{workload.title}: making the data")
    fit = [tool for tool in tools if workload.tls or not tool.tls_only]
    left = {tool.label: workload.without.get(tool.name) for tool in fit}
    rounds = min(plan.rounds, workload.most_rounds or plan.rounds)
    with _served(workload, plan.scale, nginx) as (data, task):
        work = Work(workload.name, workload.title, data.lines, data.bytes, workload.jobs)
        work.notes = [f"{label} is not run: it {why}." for label, why in left.items() if why]
        work.notes += [f"Rounds: {rounds}."] if rounds < plan.rounds else []
        return _rounds(
            plan,
            work,
            [tool for tool in fit if tool.name not in workload.without],
            lambda tool, first: _fetch(tool, task, data, plan.limit, first, workload.again),
            rounds,
        )


def run_cancel(plan: Plan, tools: Sequence[Tool], directory: Path) -> Work:
    """The workload that fetches nothing; ours alone."""
    requests = scaled(CANCEL_REQUESTS, plan.scale)
    plan.say(CANCEL_TITLE)
    work = Work(CANCEL, CANCEL_TITLE, requests, 0, requests)
    ours = [tool for tool in tools if tool.name == OURS]
    return _rounds(
        plan, work, ours, lambda *_: cancel_all(requests, directory, plan.limit), plan.rounds
    )


def _rounds(plan: Plan, work: Work, tools: Sequence[Tool], once: Once, rounds: int) -> Work:
    """Run the tools in turn, in every other round from the last to the first.

    So a machine that gets slower or quicker meanwhile favours none.
    """
    work.rows = [Row(tool.name, tool.label) for tool in tools]
    pairs = list(zip(tools, work.rows, strict=True))
    for number in range(rounds):
        for tool, row in pairs if number % 2 == 0 else reversed(pairs):
            if row.failed is None:
                try:
                    row.runs.append(once(tool, number == 0))
                    outcome = f"{row.runs[-1].seconds:.3f} s"
                except ToolFailed as error:
                    outcome = row.failed = str(error)
                plan.say(f"  round {number + 1}: {row.label}: {outcome}")
    return work


def _fetch(
    tool: Tool, task: Task, data: Data, limit: float, contents: bool, again: bool
) -> Measured:
    """One run, in a directory that is new and goes again; with `again` the second one there."""
    task.out.mkdir()
    try:
        if again:
            with Child(tool.command(task), task.out, task.ca) as child:
                child.finish(limit)
        with Child(tool.command(task), task.out, task.ca) as child:
            measured = child.finish(limit)
        data.check(task.out, contents)
    finally:
        shutil.rmtree(task.out)
    return measured


@contextmanager
def _served(workload: Workload, scale: float, nginx: Nginx) -> Iterator[tuple[Data, Task]]:
    """The workload's files, on the server while the context lasts, and the lists of them."""
    with ExitStack() as gone_after:
        scratch = _folder(nginx.root.parent / "work", gone_after)
        root = _folder(nginx.root / SERVED, gone_after)
        data = Data(root, workload.sizes(scale), workload.lines(scale))
        port = nginx.tls_port if workload.tls else nginx.port
        if workload.round_trip:
            way = Neighbour("delay", port, workload.round_trip / 2)
            port = gone_after.enter_context(way).port
        task = Task(
            urls=scratch / "urls",
            config=scratch / "curl.conf",
            out=scratch / "out",
            scratch=scratch,
            jobs=workload.jobs,
            connections=workload.connections,
            streams=workload.streams,
            ca=nginx.ca if workload.tls else None,
        )
        scheme = "https" if workload.tls else "http"
        _write_lists(task, data, f"{scheme}://{HOST}:{port}/{workload.place}")
        yield data, task


def _folder(path: Path, gone_after: ExitStack) -> Path:
    path.mkdir()
    gone_after.callback(shutil.rmtree, path)
    return path


def _write_lists(task: Task, data: Data, base: str) -> None:
    with task.urls.open("w") as urls, task.config.open("w") as config:
        for one in data.wanted():
            urls.write(f"{base}/{one.name}\n")
            config.write(f'url = "{base}/{one.name}"\noutput = "{one.name}"\n')
