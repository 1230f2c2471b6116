"""Hosts that ask to be left alone, or do not answer, over real sockets."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain
from pathlib import Path
from typing import Any

import pytest
from support.asking import HELLO
from support.bench import Bench, cancelled

from downloader import Job, Limits, Result, Retries, Timeouts
from downloader.errors import ConnectError, ConnectTimeout, HostUnavailable
from downloader.sansio.governor import DOWN_AFTER, FIRST_JOBS
from downloader.testing import Connection, FullListener, Origin, ScriptedServer, content

SOON = Retries(tries=3, wait=0.05)


class Busy:
    """Says once that it is too much, and then serves; `asked` are the requests it has had."""

    def __init__(self, scripted: Any, answer: bytes) -> None:
        self.asked = 0
        self._answer = answer
        self.server: ScriptedServer = scripted(self._script)

    async def _script(self, connection: Connection) -> None:
        while True:
            await connection.head()
            self.asked += 1
            connection.send(self._answer if self.asked == 1 else HELLO)


def too_much(seconds: int, status: str = "429 Too Many Requests") -> bytes:
    return f"HTTP/1.1 {status}\r\nRetry-After: {seconds}\r\nContent-Length: 0\r\n\r\n".encode()


LAST = b'HTTP/1.1 200 OK\r\nRateLimit: "default";r=0;t=3600\r\nContent-Length: 5\r\n\r\nhello'


def jobs(count: int, url: Any, out: Path) -> Iterator[Job]:
    return (Job(url(f"/{number}"), str(out)) for number in range(count))


@pytest.mark.parametrize("answer", [too_much(3600), LAST], ids=["429", "the last"])
async def test_a_hold_is_for_all_jobs_of_its_host_and_for_no_other(
    scripted: Any, origin: Origin, bench: Any, answer: bytes
) -> None:
    """Others are fetched meanwhile; a cancel leaves no slot, timer or socket."""
    busy = Busy(scripted, answer)
    b: Bench = bench(limits=Limits(total=8), retries=SOON)
    b.remember()
    good = [Job(origin.add(f"/{number}", 10), str(b.out / "good")) for number in range(40)]
    results: list[Result] = []
    wanted = chain(jobs(40, busy.server.url, b.out / "busy"), good)
    fetching = b.downloader.fetch_all(wanted, results.append)
    single = b.fetch(busy.server.url("/single"))
    await b.until(lambda: sum("good" in str(r.path) for r in results) == len(good))
    await b.until(lambda: len(b.downloader.active()) <= 2)  # the first, if it tries again
    assert busy.asked <= FIRST_JOBS
    await b.turns(50)
    assert busy.asked <= FIRST_JOBS
    assert not single.called
    await b.cancel(single)
    fetching.cancel()
    assert cancelled(fetching)
    assert b.downloader.limiter.idle
    await b.downloader.close()  # connections that are idle are kept until then
    await b.is_clean()


async def test_after_the_hold_all_are_fetched(scripted: Any, bench: Any) -> None:
    """The one that was refused too."""
    busy = Busy(scripted, too_much(1, "503 Service Unavailable"))
    b: Bench = bench(retries=SOON)
    report = await b.downloader.fetch_all(jobs(40, busy.server.url, b.out))
    assert (report.complete, report.failed) == (40, 0)
    assert report.seconds >= 1
    assert busy.asked == 41


async def test_closed_during_a_hold(scripted: Any, bench: Any) -> None:
    busy = Busy(scripted, too_much(3600))
    b: Bench = bench(retries=SOON)
    b.remember()
    fetching = b.downloader.fetch_all(jobs(40, busy.server.url, b.out))
    single = b.fetch(busy.server.url("/single"))
    await b.until(lambda: b.downloader.limiter.shuns(f"127.0.0.1:{busy.server.port}"))
    await b.downloader.close()
    assert cancelled(fetching) and cancelled(single)
    await b.is_clean()


async def dead_port(scripted: Any) -> int:
    """A port that nobody listens at any more."""
    server: ScriptedServer = scripted([])
    await server.stop()
    return server.port


async def test_a_dead_host_costs_the_others_nothing_and_the_run_ends(
    scripted: Any, origin: Origin, bench: Any
) -> None:
    """All of theirs have come before the first job is given up for having waited."""
    port = await dead_port(scripted)
    b: Bench = bench(limits=Limits(total=8), retries=Retries(tries=3, wait=0.2))
    good = [Job(origin.add(f"/{number}", 10), str(b.out / "good")) for number in range(40)]
    results: list[Result] = []
    lost = jobs(3000, lambda path: f"http://127.0.0.1:{port}{path}", b.out / "lost")
    report = await b.downloader.fetch_all(chain(lost, good), results.append)
    assert (report.complete, report.failed) == (40, 3000)
    kinds = [type(result.error) for result in results]
    assert set(kinds) <= {HostUnavailable, ConnectError, type(None)}
    assert sum(kind is type(None) for kind in kinds[: kinds.index(HostUnavailable)]) == 40
    assert sum(result.attempts for result in results) < 40 + 30


async def test_a_host_that_swallows_everything(
    full_listener: FullListener, origin: Origin, bench: Any
) -> None:
    """No connect gets through: it has its first slots until their deadline, and then one."""
    b: Bench = bench(
        limits=Limits(total=8),
        timeouts=Timeouts(connect=1.0),
        retries=Retries(tries=2, wait=0.05),
    )
    good = [Job(origin.add(f"/{number}", 10), str(b.out / "good")) for number in range(40)]
    lost = jobs(100, full_listener.url, b.out / "lost")
    results: list[Result] = []
    report = await b.downloader.fetch_all(chain(lost, good), results.append)
    assert (report.complete, report.failed) == (40, 100)
    kinds = {type(result.error) for result in results}
    assert HostUnavailable in kinds and kinds <= {HostUnavailable, ConnectTimeout, type(None)}


async def test_cancel_while_the_host_is_down(scripted: Any, origin: Origin, bench: Any) -> None:
    """Between its tries, and in the queue; other hosts are asked meanwhile."""
    url = f"http://127.0.0.1:{await dead_port(scripted)}"
    b: Bench = bench(retries=Retries(tries=2, wait=3600.0, max_wait=3600.0))
    b.remember()
    tries = [b.fetch(f"{url}/{number}", f"{number}") for number in range(DOWN_AFTER)]
    await b.until(lambda: b.downloader.limiter.shuns(url.removeprefix("http://")))
    single = b.fetch(f"{url}/single")
    await b.turns()
    assert not single.called and not any(one.called for one in tries)
    await b.gets(origin.add("/good", 3), b"".join(content("/good", 3)))
    for one in [single, *tries]:
        await b.cancel(one)
    assert b.downloader.limiter.idle
    await b.downloader.close()
    await b.is_clean()
