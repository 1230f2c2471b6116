"""Hostile answers to fetches, fed in every way: the right file, or an error that says why.

Never a hang, an error of nobody's, or a wrong file under its final name; and what is left lets an
honest server give the right one.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from itertools import chain
from pathlib import Path
from typing import Any

import pytest
import pytest_twisted
from support.hostile import BODY, FEEDS, WHOLE, Case, feed
from support.hostilenames import PLACES, NameCase
from support.hostileparts import HALF, NEW, OLD, PARTS, PartCase, framed, honest, leave

from downloader import Downloader, Job, Limits, Result, Retries, Timeouts
from downloader.jobs import Status
from downloader.testing import Connection

BATCH = 120


@pytest.fixture
def downloader(reactor: Any) -> Any:
    """One try for each; what does not end by itself is an error of a wrong class."""
    made = Downloader(
        reactor,
        content_disposition=True,
        limits=Limits(64, 64, 64),
        retries=Retries(tries=1),
        timeouts=Timeouts(10, 10, 10),
    )
    yield made
    pytest_twisted.blockon(made.close())


async def results_of(downloader: Downloader, jobs: list[Job]) -> list[Result]:
    """What came of `jobs`, in their order."""
    found: dict[str, Result] = {}
    await downloader.fetch_all(jobs, lambda result: found.update({result.job.directory: result}))
    return [found[job.directory] for job in jobs]


def wrong(case: Case, result: Result, name: str = "file") -> list[str]:
    """What came of `case` and should not have."""
    directory = Path(result.job.directory)
    there = set(os.listdir(directory)) if directory.exists() else set()
    found = (directory / name).read_bytes() if name in there else None
    if isinstance(case.outcome, bytes):
        right = found == case.outcome and there == {name} and result.verified is case.verified
        right = right and result.status is Status.COMPLETE
    else:
        right = type(result.error) is case.outcome and found is None
    return [] if right else [f"{case.name}: {result.error!r}, {found!r}, {sorted(there)}"]


@pytest.mark.parametrize("how", FEEDS)
@pytest.mark.parametrize("first", range(0, len(WHOLE), BATCH))
async def test_a_whole_file(
    scripted: Callable[..., Any], downloader: Downloader, tmp_path: Path, first: int, how: str
) -> None:
    cases = WHOLE[first : first + BATCH]

    def script(case: Case, seed: int) -> Any:
        async def hostile(connection: Connection) -> None:
            await connection.head()
            await feed(connection, case.data, how, seed)
            if case.fin:
                connection.close()

        return hostile

    servers = [scripted(script(case, seed)) for seed, case in enumerate(cases)]
    jobs = [
        Job(server.url("/file"), str(tmp_path / str(index))) for index, server in enumerate(servers)
    ]
    results = await results_of(downloader, jobs)
    assert [*chain.from_iterable(map(wrong, cases, results))] == []


@pytest.mark.parametrize("how", FEEDS)
@pytest.mark.parametrize("first", range(0, len(PARTS), BATCH))
async def test_the_rest_of_a_file(
    scripted: Callable[..., Any], downloader: Downloader, tmp_path: Path, first: int, how: str
) -> None:
    cases = PARTS[first : first + BATCH]
    is_honest = False

    def script(case: Case, seed: int) -> Any:
        used = False

        async def hostile(connection: Connection) -> None:
            nonlocal used
            while True:
                head = await connection.head()
                if is_honest or (b"\r\nRange:" in head and used):
                    connection.send(honest(head))
                elif b"\r\nRange:" in head:
                    used = True
                    await feed(connection, case.data, how, seed)
                    if case.fin:
                        connection.close()
                else:
                    connection.send(framed(b'HTTP/1.1 200 OK\r\nETag: "v2"\r\n', NEW, "length"))

        return hostile

    servers = [scripted(script(case, seed)) for seed, case in enumerate(cases)]
    jobs = []
    for index, (case, server) in enumerate(zip(cases, servers, strict=True)):
        assert isinstance(case, PartCase)
        jobs.append(Job(server.url("/file"), str(tmp_path / str(index))))
        leave(jobs[-1], OLD[:HALF], case.total)
    results = await results_of(downloader, jobs)
    assert [*chain.from_iterable(map(wrong, cases, results))] == []
    is_honest = True
    failed = [result.job for result in results if result.error is not None]
    again = [PartCase(f"again after {case.name}", b"", OLD) for case in cases]
    again = [case for case, result in zip(again, results, strict=True) if result.error is not None]
    results = await results_of(downloader, failed)
    assert [*chain.from_iterable(map(wrong, again, results))] == []


@pytest.mark.parametrize("how", FEEDS)
@pytest.mark.parametrize("first", range(0, len(PLACES), BATCH))
async def test_a_name(
    scripted: Callable[..., Any], downloader: Downloader, tmp_path: Path, first: int, how: str
) -> None:
    """One file comes, below the directory and along no link; nothing else is touched."""
    cases = PLACES[first : first + BATCH]

    def script(case: NameCase, seed: int) -> Any:
        async def hostile(connection: Connection) -> None:
            await connection.head()
            if b" 302 " in case.head:
                await feed(connection, case.head, how, seed)
                await connection.head()
                connection.send(framed(b"HTTP/1.1 200 OK\r\n", BODY, "length"))
            else:
                await feed(connection, case.head + BODY, how, seed)

        return hostile

    jobs = []
    for index, case in enumerate(cases):
        place = tmp_path / str(index)
        (place / "out").mkdir(parents=True)
        (place / "elsewhere").mkdir()
        (place / "out" / "lnk").symlink_to(place / "elsewhere")
        jobs.append(Job(scripted(script(case, index)).url(case.path), str(place / "out")))
    results = await results_of(downloader, jobs)
    found = {}
    for index, (case, result) in enumerate(zip(cases, results, strict=True)):
        files = [path for path in (tmp_path / str(index)).rglob("*") if path.is_file()]
        assert result.status is Status.COMPLETE, (case, result.error)
        assert [path.read_bytes() for path in files] == [BODY], case
        found[case] = str(files[0].relative_to(tmp_path / str(index)))
    assert found == {case: f"out/{case.expected}" for case in cases}
