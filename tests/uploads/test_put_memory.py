"""Memory does not follow the file."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from support.nginx import Nginx

# Sends a file, and prints its peak in KiB.
RUN = """
import resource, sys
from twisted.internet.defer import ensureDeferred
from twisted.internet.task import react
from downloader import Downloader, PutJob

async def main(reactor):
    sending = Downloader(reactor, verify_tls=False)
    result = await sending.upload(PutJob(sys.argv[1], sys.argv[2]))
    assert result.status == "complete"
    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)

react(lambda reactor: ensureDeferred(main(reactor)))
"""


def peak(file: Path, size: int, url: str) -> int:
    file.touch()
    os.truncate(file, size)  # it has no blocks on the disk
    command = [sys.executable, "-c", RUN, str(file), url]
    return int(subprocess.run(command, capture_output=True, text=True, check=True).stdout)


@pytest.mark.parametrize("tls", [False, True], ids=["plain", "tls"])
def test_a_large_file_takes_no_more_memory_than_a_small_one(
    nginx: Nginx, tmp_path: Path, tls: bool
) -> None:
    """256 MiB: what is sent is what was read last."""
    url = (nginx.tls_url if tls else nginx.url)("/dav/memory")
    small = peak(tmp_path / "small", 8 << 20, url)
    assert peak(tmp_path / "large", 256 << 20, url) - small < 4 * 1024
    (nginx.root / "dav/memory").unlink()
