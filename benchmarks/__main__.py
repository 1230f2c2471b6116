"""`python -m benchmarks`: options in; tables, JSON and a picture out."""

from __future__ import annotations

import signal
import sys
import tempfile
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import click

from benchmarks.machine import choose_directory, describe, missing
from benchmarks.picture import as_svg
from benchmarks.results import OURS, Results, Work, from_json
from benchmarks.running import Plan, run_cancel, run_workload
from benchmarks.servers import Nginx, NoServer
from benchmarks.table import as_text, write_rst
from benchmarks.tools import TOOLS, Tool
from benchmarks.workloads import CANCEL, NAMES, WORKLOADS, Workload

_FILE = click.Path(dir_okay=False, path_type=Path)
_DIRECTORY = click.Path(file_okay=False, exists=True, path_type=Path)


@click.command(context_settings={"max_content_width": 100})
@click.option(
    "-w",
    "--workload",
    "workloads",
    type=click.Choice(NAMES),
    multiple=True,
    show_default="all",
    help="Run only this one; may be repeated.",
)
@click.option(
    "-t",
    "--tool",
    "names",
    type=click.Choice([tool.name for tool in TOOLS]),
    multiple=True,
    show_default="all that are installed",
    help="Run only this one; may be repeated. Ratios need downloader among them.",
)
@click.option("--rounds", type=click.IntRange(min=1), default=5, show_default=True, metavar="N")
@click.option(
    "--scale",
    type=click.FloatRange(min=0, min_open=True),
    default=1.0,
    show_default=True,
    metavar="FACTOR",
    help="Fewer files, or smaller ones where there are few. Example: 0.01",
)
@click.option(
    "--limit",
    type=click.FloatRange(min=0, min_open=True),
    default=1800.0,
    show_default=True,
    metavar="SECONDS",
    help="The longest that one run of a tool may take; then it has failed.",
)
@click.option(
    "--work-dir",
    type=_DIRECTORY,
    metavar="DIR",
    show_default="/dev/shm, or the folder for temporary files when that is too small",
    help="Where data and results lie, in a folder that is removed.",
)
@click.option("--json", "json_file", type=_FILE, metavar="FILE", help="Write all figures to FILE.")
@click.option("--svg", "svg_file", type=_FILE, metavar="FILE", help="Draw the seconds into FILE.")
@click.option(
    "--rst",
    "rst_file",
    type=_FILE,
    metavar="FILE",
    help="Write tables into the page FILE, between its two marks, and the picture beside it.",
)
@click.option(
    "--from",
    "earlier",
    type=click.Path(dir_okay=False, exists=True, path_type=Path),
    metavar="FILE",
    help="Run nothing; show, draw and write what an earlier --json has.",
)
def main(
    workloads: tuple[str, ...],
    names: tuple[str, ...],
    rounds: int,
    scale: float,
    limit: float,
    work_dir: Path | None,
    json_file: Path | None,
    svg_file: Path | None,
    rst_file: Path | None,
    earlier: Path | None,
) -> None:
    """Run this program and its peers in turn, and compare medians.

    At full scale it takes twenty minutes or more, 9 GiB in DIR, and a machine that does nothing
    else.
    """
    if earlier is not None:
        try:
            results = from_json(earlier.read_text("utf-8"))
        except (ValueError, KeyError, TypeError) as error:
            raise click.UsageError(f"{earlier} is not what --json writes") from error
    else:
        # So that the gigabytes in memory are removed then too.
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
        plan = Plan(rounds, scale, limit, lambda text: click.echo(text, err=True))
        results = Results(when=f"{datetime.now(UTC):%Y-%m-%d}", scale=scale, rounds=rounds)
        tools = _installed(names)
        for work in run(plan, results, set(workloads or NAMES), tools, work_dir):
            results.works.append(work)
            # What hours have measured is not lost to what comes next.
            write(results, json_file, None, None)
    click.echo(as_text(results), nl=False)
    write(results, json_file, svg_file, rst_file)


def run(
    plan: Plan,
    results: Results,
    workloads: set[str],
    tools: dict[Tool, str],
    work_dir: Path | None,
) -> Iterator[Work]:
    """Each workload that was chosen, in a directory that goes again; `tools` with their versions.

    It notes the machine and the versions in `results`.
    """
    chosen = [workload for workload in WORKLOADS if workload.name in workloads]
    base = _base(plan, chosen, work_dir)
    with tempfile.TemporaryDirectory(prefix="benchmarks-", dir=base) as temporary:
        directory = Path(temporary)
        try:
            with Nginx(directory) as nginx:
                results.machine = describe(directory, nginx.version)
                results.versions = {tool.label: version for tool, version in tools.items()}
                for workload in chosen:
                    yield run_workload(plan, workload, list(tools), nginx)
                if CANCEL in workloads and any(tool.name == OURS for tool in tools):
                    yield run_cancel(plan, list(tools), directory)
        except NoServer as error:
            raise click.ClickException(str(error)) from error


def write(results: Results, json: Path | None, svg: Path | None, rst: Path | None) -> None:
    """The files that were asked for."""
    if json is not None:
        json.write_text(results.to_json(), "utf-8")
    if svg is not None:
        svg.write_text(as_svg(results), "utf-8")
    if rst is not None:
        beside = rst.with_suffix(".svg")
        beside.write_text(as_svg(results), "utf-8")
        try:
            write_rst(rst, results, beside.name)
        except ValueError as error:
            raise click.ClickException(str(error)) from error


def _base(plan: Plan, chosen: list[Workload], work_dir: Path | None) -> Path:
    """Where there is room for the largest."""
    needed = max((workload.room(plan.scale) for workload in chosen), default=0)
    base = choose_directory(needed) if work_dir is None else work_dir
    problem = missing(base, needed)
    if problem is not None:
        raise click.ClickException(problem)
    return base


def _installed(names: tuple[str, ...]) -> dict[Tool, str]:
    """The tools that can run, with their versions; one that was named has to be there."""
    found = {}
    for tool in TOOLS:
        if names and tool.name not in names:
            continue
        version = tool.version()
        if version is not None:
            found[tool] = version
        elif names:
            raise click.UsageError(f"{tool.name} is not installed")
        else:
            click.echo(f"{tool.label} is not installed", err=True)
    return found


if __name__ == "__main__":
    main(prog_name="python -m benchmarks")
