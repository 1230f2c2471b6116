"""A scheduler, workers and servers, all on loopback, each in a process that can be killed."""

from __future__ import annotations

import os
import re
import signal
import sys
from collections.abc import Callable, Generator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import pytest_twisted
from support.commands import ROOT, Command

DASK = "from dask.__main__ import main; main()"
_AT = re.compile(rb"Scheduler at: *(tcp://127\.0\.0\.1:[0-9]+)")


class Cluster:
    """A scheduler and workers of one thread each, with nannies; `address` is the scheduler's."""

    def __init__(self, reactor: Any, until: Any, directory: Path) -> None:
        self.address = ""
        self.scheduler: Command
        self.nannies: list[Command] = []
        self._reactor = reactor
        self._until = until
        self._directory = directory
        self._commands: list[Command] = []

    async def start(self, workers: int) -> None:
        """Start it all, and wait until the workers are there."""
        self.scheduler = self._spawn("scheduler", "--host", "127.0.0.1", "--port", "0")
        await self._until(lambda: _AT.search(self.scheduler.err))
        found = _AT.search(self.scheduler.err)
        assert found is not None
        self.address = found[1].decode()
        for _ in range(workers):
            await self.add_worker()

    async def add_worker(self) -> None:
        """Start one more."""
        known = self.scheduler.err.count(b"Register worker")
        place = ["--host", "127.0.0.1", "--local-directory", str(self._directory / "scratch")]
        one = ["--nworkers", "1", "--nthreads", "1", "--memory-limit", "0"]
        self.nannies.append(self._spawn("worker", self.address, *place, *one))
        await self._until(lambda: self.scheduler.err.count(b"Register worker") > known)

    def workers(self) -> list[int]:
        """The processes of the workers: those that the nannies have now."""
        return [pid for nanny in self.nannies for pid in children(nanny.transport.pid)]

    def shards(self) -> list[int]:
        """The processes that fetch a shard now."""
        return [pid for worker in self.workers() for pid in children(worker) if _is_shard(pid)]

    def kill_worker(self, shard: int) -> None:
        """Kill the worker that the process `shard` is of."""
        with suppress(ProcessLookupError, FileNotFoundError):
            os.kill(parent(shard), signal.SIGKILL)

    def _spawn(self, *arguments: str) -> Command:
        command = Command()
        environment = {
            **os.environ,
            "PYTHONPATH": str(ROOT),
            "DASK_DISTRIBUTED__SCHEDULER__ALLOWED_FAILURES": "2",
            "DASK_DISTRIBUTED__COMM__TIMEOUTS__CONNECT": "5s",
        }
        line = [sys.executable, "-c", DASK, *arguments, "--no-dashboard"]
        self._reactor.spawnProcess(command, line[0], line, environment, str(self._directory))
        self._commands.append(command)
        return command

    def close(self) -> None:
        """Kill all of it."""
        for command in self._commands:
            if not command.ended.called:
                pids = [command.transport.pid, *descendants(command.transport.pid)]
                for pid in pids:
                    with suppress(ProcessLookupError):
                        os.kill(pid, signal.SIGKILL)
                pytest_twisted.blockon(command.ended)


def parent(pid: int) -> int:
    return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])


def children(pid: int) -> list[int]:
    """The processes that `pid` has started, those of its threads too."""
    found: list[int] = []
    for tasks in Path(f"/proc/{pid}/task").glob("*/children"):
        with suppress(OSError):
            found += map(int, tasks.read_text().split())
    return found


def descendants(pid: int) -> list[int]:
    ours = children(pid)
    return ours + [below for one in ours for below in descendants(one)]


def _is_shard(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().endswith(b"downloader\0shard\0")
    except OSError:
        return False


@pytest.fixture
def shards() -> Callable[[int], list[int]]:
    """The processes that fetch a shard, of those that a process has started."""
    return lambda pid: [one for one in children(pid) if _is_shard(one)]


@pytest.fixture
def cluster(reactor: Any, until: Any, tmp_path: Path) -> Generator[Callable[..., Any], None, None]:
    """Start one: `await cluster(workers=2)`."""
    made: list[Cluster] = []

    async def make(workers: int = 2) -> Cluster:
        made.append(Cluster(reactor, until, tmp_path))
        await made[-1].start(workers)
        return made[-1]

    yield make
    for one in made:
        one.close()
