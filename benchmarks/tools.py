"""Who fetches: this program and its peers, each with the options that a user would give it.

Every tool reads a list, keeps `jobs` transfers going, trusts the given CA and reads no
configuration of the user's.
"""

from __future__ import annotations

import importlib.metadata
import importlib.util
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from benchmarks.measure import environment
from benchmarks.results import OURS

# As many requests as a connection may have under way, so that none is kept waiting for a job.
_DEPTH = 16


@dataclass(frozen=True)
class Task:
    """What a tool is given: `urls`, a file with a URL a line, or `config`, the same for curl.

    Files go to `out`, where the tool is started; anything else it writes goes to `scratch`. With
    `streams`, a file comes over so many connections, where the tool can do that.
    """

    urls: Path
    config: Path
    out: Path
    scratch: Path
    jobs: int
    connections: int | None = None
    streams: int | None = None
    ca: Path | None = None


@dataclass(frozen=True)
class Tool:
    """`version()` is None when it is not installed; `command(task)` is what is run.

    `tls_only` is for a tool that differs from another one over TLS only.
    """

    name: str
    label: str
    version: Callable[[], str | None]
    command: Callable[[Task], list[str]]
    tls_only: bool = False


def _downloader(task: Task) -> list[str]:
    jobs, more = task.jobs, []
    if task.connections is not None:
        jobs = task.connections * _DEPTH
        more = ["--connections-per-host", str(task.connections)]
    if task.streams is not None:
        more += ["-x", str(task.streams), "-s", str(task.streams)]
    return [
        # -P: it runs where the files go, whose names Python would remember to look for modules.
        *(sys.executable, "-P", "-m", "downloader", "fetch"),
        *("-i", str(task.urls), "-d", str(task.out), "-j", str(jobs), *more),
        *("--report", str(task.scratch / "report.jsonl"), "--progress", "none"),
    ]


def _curl(task: Task) -> list[str]:
    parallel = ["-Z", "--parallel-max", str(task.jobs), "-s", "-K", str(task.config)]
    return ["curl", "-q", *parallel, *_trust("--cacert", task)]


def _aria2c(task: Task) -> list[str]:
    streams = ["-x1"] if task.streams is None else [f"-x{task.streams}", f"-s{task.streams}"]
    many = ["-q", f"-j{task.jobs}", *streams, "--file-allocation=none", "-i", str(task.urls)]
    return ["aria2c", "--no-conf", *many, *_trust("--ca-certificate", task)]


def _wget2(task: Task) -> list[str]:
    many = ["-q", f"--max-threads={task.jobs}", "-i", str(task.urls)]
    return ["wget2", "--no-config", "--no-hsts", *many, *_trust("--ca-certificate", task)]


def _trust(option: str, task: Task) -> list[str]:
    return [] if task.ca is None else [option, str(task.ca)]


def _driver(name: str) -> Callable[[Task], list[str]]:
    def command(task: Task) -> list[str]:
        ca = [] if task.ca is None else [str(task.ca)]
        module = f"benchmarks.drivers.{name}"
        return [sys.executable, "-m", module, str(task.urls), str(task.out), str(task.jobs), *ca]

    return command


def _program(name: str) -> Callable[[], str | None]:
    """The version of a program on the PATH."""

    def version() -> str | None:
        found = shutil.which(name)
        if found is None:
            return None
        said = subprocess.run(
            [found, "--version"], capture_output=True, text=True, stdin=subprocess.DEVNULL
        )
        number = re.search(r"\d+(\.\d+)+", said.stdout)
        return number.group() if number else "of unknown version"

    return version


def _package(name: str) -> Callable[[], str | None]:
    """The version of a package that this interpreter can import."""

    def version() -> str | None:
        if importlib.util.find_spec(name) is None:
            return None
        return importlib.metadata.version(name)

    return version


def _ours() -> str:
    command = [sys.executable, "-m", "downloader", "--version"]
    said = subprocess.run(command, capture_output=True, text=True, check=True, env=environment())
    return said.stdout.split()[-1]


TOOLS = [
    Tool(OURS, "downloader", _ours, _downloader),
    Tool("curl", "curl -Z", _program("curl"), _curl),
    Tool(
        "curl-http1",
        "curl -Z --http1.1",
        _program("curl"),
        lambda task: [*_curl(task), "--http1.1"],
        tls_only=True,
    ),
    Tool("aria2c", "aria2c", _program("aria2c"), _aria2c),
    Tool("wget2", "wget2", _program("wget2"), _wget2),
    Tool("pycurl", "pycurl", _package("pycurl"), _driver("over_pycurl")),
    Tool("aiohttp", "aiohttp", _package("aiohttp"), _driver("over_aiohttp")),
    Tool("twisted", "Twisted's Agent", _package("twisted"), _driver("over_twisted")),
]
