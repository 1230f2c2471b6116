"""A cancel by somebody whom the job itself has called: it waits for nothing at that moment."""

from __future__ import annotations

import errno
import os
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from support.bench import Bench
from twisted.internet.defer import CancelledError
from twisted.internet.task import deferLater

from downloader import Downloader, Job
from downloader.errors import RobotsForbidden
from downloader.testing import Connection, Origin
from downloader.transfer.disks import Disks
from downloader.transfer.system import SYSTEM


def full(*_: Any, **__: Any) -> int:
    raise OSError(errno.ENOSPC, "No space left on device")


@pytest.mark.parametrize("closes", [False, True], ids=["cancel", "close"])
async def test_by_who_is_warned(reactor: Any, origin: Origin, tmp_path: Path, closes: bool) -> None:
    """Of a full disk: then nobody waits for space, asks again, or makes a file."""
    system = SimpleNamespace(**{**vars(SYSTEM), "write": full, "pwrite": full})
    disks = Disks(reactor, in_memory=lambda _: False, system=system, look_every=0.01)
    downloader = Downloader(reactor, disks=disks)
    done = downloader.fetch_all([Job(origin.add("/a", 300_000), str(tmp_path / "out"))])
    downloader.warned = lambda _: downloader.close() if closes else done.cancel()
    with pytest.raises(CancelledError):
        await done
    await deferLater(reactor, 0)  # out of the call in which that happened
    await downloader.close()
    assert (list(downloader.active()), dict(origin.requests)) == ([], {"/a": 1})
    assert repr(downloader.space) == "<Space missing for []>"
    assert "a" not in os.listdir(tmp_path / "out")


async def test_by_who_is_let_in(scripted: Any, bench: Any) -> None:
    """What robots.txt forbids fails at once, while the one before it is let in."""
    asked: list[bytes] = []

    async def site(connection: Connection) -> None:
        while True:
            head = await connection.head()
            asked.append(head.split(b" ")[1])
            body = b"User-agent: *\nDisallow: /no"
            connection.send(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body))

    server = scripted(site)
    b: Bench = bench(respect_robots=True)
    first = b.downloader.fetch(Job(server.url("/yes"), str(b.out)))
    second = b.downloader.fetch(Job(server.url("/no"), str(b.out)))
    failed: list[Any] = []

    def over(failure: Any) -> None:
        failed.append(failure.value)
        first.cancel()

    second.addErrback(over)
    with pytest.raises(CancelledError):
        await first
    await b.downloader.close()
    assert [type(error) for error in failed] == [RobotsForbidden]
    assert asked == [b"/robots.txt"]
