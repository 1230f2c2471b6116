"""Memory does not follow the list."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

# A run of so many jobs over an agent that refuses each at once; prints its peak, in KiB.
RUN = """
import resource, sys
from twisted.internet.defer import ensureDeferred
from twisted.internet.task import react
from downloader import Downloader, Job
from downloader.testing import SpiedRequest

class Refusing:
    def request(self, method, uri, headers=None, body=None):
        request = SpiedRequest(method, uri, headers, body)
        request.answer(404, length=0).finish()
        return request.deferred

async def main(reactor):
    downloader = Downloader(reactor, agent=Refusing())
    jobs = (Job(f"http://host{n % 9}/{n}", sys.argv[2]) for n in range(int(sys.argv[1])))
    report = await downloader.fetch_all(jobs)
    assert report.failed == report.lines == int(sys.argv[1])
    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)

react(lambda reactor: ensureDeferred(main(reactor)))
"""


def peak(jobs: int, directory: str) -> int:
    command = [sys.executable, "-c", RUN, str(jobs), directory]
    return int(subprocess.run(command, capture_output=True, text=True, check=True).stdout)


def test_ten_times_the_list_takes_no_more_memory(tmp_path: Path) -> None:
    """36,000 jobs more than 4,000 would show at 230 bytes each, a tenth of what one takes."""
    assert peak(40_000, str(tmp_path)) - peak(4_000, str(tmp_path)) < 8 * 1024
