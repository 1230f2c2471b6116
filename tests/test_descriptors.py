"""A process that may open no more files runs fewer jobs at a time, and none fails for that."""

from __future__ import annotations

import errno
import os
import resource
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from support.bench import Bench
from support.filling import Filling
from twisted.internet.utils import getProcessOutputAndValue

from downloader import Durability, Job, Limits, Retries
from downloader.errors import TooManyOpenFiles
from downloader.testing import End, Origin, content
from downloader.transfer.disks import Disks

FILES = 150
WARNING = "too many files and connections are open; fewer jobs run from now on"
ROOT = str(Path(__file__).parent.parent)


class Few(Filling):
    """Files can be opened only so often at first."""

    def __init__(self, failures: int) -> None:
        super().__init__()
        self.left = failures
        opened = self.system.open

        def open_few(path: Any, flags: int, *arguments: Any, **keywords: Any) -> Any:
            if self.left and not flags & os.O_DIRECTORY:
                self.left -= 1
                raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))
            return opened(path, flags, *arguments, **keywords)

        self.system.open = open_few


def few(bench: Callable[..., Bench], reactor: Any, failures: int, **options: Any) -> Bench:
    disks = Disks(
        reactor, in_memory=lambda _: True, system=Few(failures).system, durability=Durability.NONE
    )
    return bench(disks=disks, **options)


async def test_a_try_that_opened_nothing_does_not_count(
    bench: Callable[..., Bench], reactor: Any, origin: Origin, warnings: list[str]
) -> None:
    """The jobs have one try each; how many run at a time is halved for all of them together."""
    run = few(bench, reactor, 4, limits=Limits(8), retries=Retries(tries=1))
    jobs = [Job(origin.add(f"/f{n}", 100_000), str(run.out)) for n in range(20)]
    report = await run.downloader.fetch_all(jobs)
    assert (report.complete, report.failed) == (20, 0)
    assert 1 <= run.downloader.limiter.total <= 4
    assert warnings == [WARNING]
    assert run.downloader.limiter.idle


async def test_a_job_that_cannot_be_opened_alone_fails(
    bench: Callable[..., Bench], reactor: Any, origin: Origin
) -> None:
    run = few(bench, reactor, 10**9, limits=Limits(8), retries=Retries(tries=2, wait=0))
    with pytest.raises(TooManyOpenFiles) as caught:
        await run.fetch(origin.add("/f", 100_000))
    assert caught.value.attempts == 5  # with 8, 4 and 2 slots, and then the two that count
    assert run.downloader.limiter.idle


@pytest.mark.parametrize("size", [1000, 100_000], ids=["short", "long"])
@pytest.mark.parametrize("durability", ["none", "batch"])
@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
async def test_the_command_with_few_descriptors(
    origin: Origin, tmp_path: Path, size: int, durability: str, host: str
) -> None:
    """More connections are asked for than may be open; every file comes."""
    urls = [origin.add(f"/f{n}", size, 0.02).replace("127.0.0.1", host) for n in range(FILES)]
    (tmp_path / "list").write_text("".join(f"{url}\n" for url in urls))
    script = f'ulimit -n 40; exec {sys.executable} -m downloader "$@"'
    options = ["-4", "-j", "64", "--connections-per-host", "64", "--pipeline", "1"]
    options += ["--durability", durability]
    if host == "127.0.0.1":  # else the system's resolver meets it too, and says what it likes
        options += ["-m", "1"]
    _, err, code = await getProcessOutputAndValue(
        "/bin/bash",
        ["-c", script, "bash", "fetch", "-i", "list", "-d", "out", *options],
        {**os.environ, "PYTHONPATH": ROOT},
        str(tmp_path),
    )
    assert code == 0, err.decode()
    assert err.decode().count(WARNING) == 1
    for number in range(FILES):
        found = (tmp_path / "out" / f"f{number}").read_bytes()
        assert found == b"".join(content(f"/f{number}", size))


COMMAND = "from downloader.descriptors import allow_descriptors\nallow_descriptors()\n"
SERVICE = (
    "from downloader.service.tap import Options, makeService\n"
    "options = Options()\n"
    "options.parseOptions(['--dir', '/nowhere/out', '--state', '/nowhere/state'])\n"
    "makeService(options)\n"
)


@pytest.mark.parametrize("door", [COMMAND, SERVICE], ids=["the command", "the service"])
def test_a_door_takes_what_it_may_have(door: str) -> None:
    """The soft limit is what a shell sets for programs that use select."""
    program = f"{door}import resource\nprint(*resource.getrlimit(resource.RLIMIT_NOFILE))\n"
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = min(hard, 500)
    script = f'ulimit -Sn 100; ulimit -Hn {wanted}; exec {sys.executable} -c "$0"'
    done = subprocess.run(
        ["/bin/bash", "-c", script, program],
        env={**os.environ, "PYTHONPATH": ROOT}, capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert done.stdout.split() == [str(wanted)] * 2


async def test_idle_connections_are_given_up(bench: Callable[..., Bench], origin: Origin) -> None:
    """They are descriptors that nobody needs."""
    run = few(bench, origin.reactor, 0)
    await run.fetch(origin.add("/f", 10))
    (connection,) = origin.connections
    assert connection.end is None
    run.agent.close_idle()
    assert await connection.ended() is End.FIN
