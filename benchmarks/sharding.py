"""`python -m benchmarks.sharding`: what a cluster brings, and what its shards cost.

The first part fetches a list from a server 20 ms away with one worker and with two, in turn. The
second submits many shards that nobody fetches, to see what each costs the command: time, and
memory that must not grow with their number.
"""

from __future__ import annotations

import json
import resource
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from statistics import median
from time import perf_counter, sleep
from typing import Any

import click

from benchmarks.data import Data
from benchmarks.machine import choose_directory
from benchmarks.measure import Child, environment
from benchmarks.servers import HOST, Neighbour, Nginx
from downloader.cluster.places import Place, find_parts
from downloader.cluster.plan import Plan
from downloader.cluster.run import ClusterRun
from downloader.jobs import Report

_ROUND_TRIP = 0.02
_FILES, _SIZE = 20_000, 100
_DASK = "from dask.__main__ import main; main()"


@click.command()
@click.option("--lines", default=200_000, show_default=True, help="Of the list; 0 leaves it out.")
@click.option("--shards", default=100_000, show_default=True, help="To submit; 0 leaves it out.")
@click.option("--rounds", default=1, show_default=True, help="With one worker and with two.")
def main(lines: int, shards: int, rounds: int) -> None:
    """Measure it, and write a JSON object a line."""
    with tempfile.TemporaryDirectory(dir=choose_directory(lines * 4096)) as temporary:
        directory = Path(temporary)
        if lines:
            click.echo(json.dumps(workers(directory, lines, rounds)))
        for number in (shards // 10, shards):
            if number:
                measure = [sys.executable, "-c", _SHARDS, str(directory), str(number)]
                done = subprocess.run(measure, env=environment(), check=True, stdout=-1)
                click.echo(done.stdout, nl=False)


_SHARDS = "import sys; from benchmarks.sharding import submitted; submitted(*sys.argv[1:])"


def workers(directory: Path, lines: int, rounds: int) -> dict[str, Any]:
    """Seconds with one worker and with two, and their ratio."""
    seconds: dict[int, list[float]] = {1: [], 2: []}
    with Nginx(directory) as nginx:
        root = nginx.root / "files"
        root.mkdir()
        data = Data(root, [_SIZE] * min(_FILES, lines), lines)
        with Neighbour("delay", nginx.port, _ROUND_TRIP / 2) as far:
            urls = directory / "urls"
            base = f"http://{HOST}:{far.port}/files"
            urls.write_text("".join(f"{base}/{one.name}\n" for one in data.wanted()))
            for _ in range(rounds):
                for number, taken in seconds.items():
                    taken.append(_fetched(directory, urls, number, lines))
    one, two = (median(taken) for taken in seconds.values())
    return {"lines": lines, "one": one, "two": two, "ratio": round(one / two, 2)}


def _fetched(directory: Path, urls: Path, number: int, lines: int) -> float:
    with tempfile.TemporaryDirectory(dir=directory) as out:
        command = [
            *(sys.executable, "-P", "-m", "downloader", "fetch", "-i", str(urls), "-d", out),
            *("--cluster", f"local:{number}", "-j", "32", "--progress", "none"),
            *("--shard-lines", str(max(1, lines // 20))),
        ]
        with Child(command, Path(out)) as child:
            return child.finish(3600).seconds


def nothing(told: Mapping[str, Any], run: str) -> dict[str, Any]:
    """What a worker says of a shard in which nothing is wanted."""
    return {**asdict(Report()), "lines": 0}


def submitted(folder: str, number: str) -> None:
    """Submit so many shards to a cluster in other processes; print what it took."""
    from distributed import Client

    directory = Path(folder, f"shards-{number}")
    directory.mkdir()
    (directory / "list").write_text("http://h/\n" * int(number))
    plan = Plan(Place(str(directory)), find_parts(str(directory / "list")), 10, {})
    with scheduler(directory) as address, Client(address, set_as_default=False) as client:
        client.wait_for_workers(2)
        run = ClusterRun(client, plan, [], {}, print, work=nothing)
        before, begun = _memory(), perf_counter()
        run.start()
        each = (perf_counter() - begun) / run.shards_done
        told = {"shards": run.shards_done, "ms_each": round(each * 1000, 2)}
        print(json.dumps({**told, "MB_before": before, "MB": _memory()}))


def _memory() -> int:
    """The most that this process had, in MB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024


@contextmanager
def scheduler(directory: Path) -> Iterator[str]:
    """A scheduler and two workers, each in a process of its own. Its address."""
    line = [sys.executable, "-c", _DASK]
    told = ["--scheduler-file", str(directory / "scheduler.json")]
    here = ["--host", HOST, "--no-dashboard", *told]
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    known: dict[str, Any] = {"env": environment(), "cwd": directory, **quiet}
    begun = [subprocess.Popen([*line, "scheduler", *here, "--port", "0"], **known)]
    try:
        one = ["worker", *here, "--nthreads", "1", "--no-nanny"]
        begun += [subprocess.Popen([*line, *one], **known) for _ in range(2)]
        while not Path(told[1]).exists() and begun[0].poll() is None:
            sleep(0.05)
        yield json.loads(Path(told[1]).read_text())["address"]
    finally:
        for process in begun:
            process.kill()
            process.wait()


if __name__ == "__main__":
    main(prog_name="python -m benchmarks.sharding")
