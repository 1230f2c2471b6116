"""kill -9 of the service at any moment: what it had taken on is fetched once, and right."""

from __future__ import annotations

import os
import random
import signal
from collections import Counter
from collections.abc import Generator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import pytest_twisted
from support.daemon import Twistd, spawn
from support.late import Late
from support.left import files_in
from support.serving import Client
from twisted.internet.defer import Deferred
from twisted.internet.task import deferLater

KILLS = int(os.environ.get("KILLS", "10"))
# Of them half come through the API, and half in lists that are put into a watched directory.
JOBS = 20 * KILLS
# Jobs of one request, or of one list.
PORTION = 20


@pytest.fixture
def server(reactor: Any) -> Generator[Late, None, None]:
    server = Late(reactor, 0.01)
    yield server
    pytest_twisted.blockon(server.stop())


@dataclass
class Figures:
    """What came of it: how many kills found jobs half done, how many requests for jobs ended
    without an answer, and how often a file was asked for."""

    kills: int = 0
    midway: int = 0
    unanswered: int = 0
    asked: Counter[str] = field(default_factory=Counter)

    def __str__(self) -> str:
        twice = sum(count > 1 for count in self.asked.values())
        return (
            f"{self.kills} kills, {self.midway} midway, {self.unanswered} requests unanswered, "
            f"{len(self.asked)} files, {twice} of them asked for again"
        )


class Service:
    """A service in `here` that is killed again and again; `figures` tell how that went."""

    def __init__(self, server: Late, here: Path, seed: int) -> None:
        self.figures = Figures()
        self.acknowledged: set[str] = set()
        self._server = server
        self._here = here
        self._inbox = here / "inbox"
        self._inbox.mkdir()
        self._chance = random.Random(seed)
        self._portions = [range(n, n + PORTION) for n in range(0, JOBS, PORTION)]
        for n in range(JOBS):
            server.files[f"/f{n}"] = self._chance.randbytes(self._chance.randrange(5000))

    @property
    def wanted(self) -> dict[str, bytes]:
        return {path.lstrip("/"): data for path, data in self._server.files.items()}

    async def killed(self) -> None:
        """Let it run until it is killed: at a request of its own, or when it was asked; in some
        seconds, if none comes."""
        daemon, process, client = await self._begun()
        left = self._chance.randrange(1, 2 * PORTION)
        seconds = self._chance.choice([0.05, 3.0]) * self._chance.random()
        late = self._server.reactor.callLater(seconds, process.signalProcess, "KILL")

        def count(path: str) -> None:
            nonlocal left
            self.figures.asked[path] += 1
            left -= 1
            if left == 0 and late.active():
                late.reset(0)

        self._server.asked = count
        given = self._given(client)
        assert await daemon.ended == -signal.SIGKILL
        await given
        await client.close()
        out = self._here / "out"
        found = files_in(out).keys() & self.wanted.keys() if out.exists() else ()
        self.figures.kills += 1
        self.figures.midway += 0 < len(found) < len(self.acknowledged)

    async def finished(self) -> list[Any]:
        """Let it run to the end of all jobs; these are they."""
        daemon, process, client = await self._begun()
        self._server.asked = lambda path: self.figures.asked.update([path])
        while self._portions:
            await self._given(client)
        jobs: list[Any] = []
        while len(jobs) < JOBS or {job["status"] for job in jobs} & {"active", "waiting"}:
            answer = await client.ask("GET", "/api/v1/jobs?limit=1000")
            jobs = answer.json["jobs"]
        await client.close()
        process.signalProcess("TERM")
        assert await daemon.ended == -signal.SIGTERM
        assert b"Traceback" not in daemon.log
        return jobs

    async def _begun(self) -> tuple[Twistd, Any, Client]:
        options = ["--watch", "inbox", "-j", "4"]
        daemon, process = spawn(self._server.reactor, self._here, *options)
        while not daemon.port:
            assert not daemon.ended.called, daemon.log.decode()
            await deferLater(self._server.reactor, 0.01)
        token = (self._here / "state" / "token").read_text().strip()
        return daemon, process, Client(self._server.reactor, daemon.port, token)

    def _given(self, client: Client) -> Deferred[None]:
        """Ask for the next portion of each kind."""
        return Deferred.fromCoroutine(self._give(client))

    async def _give(self, client: Client) -> None:
        if not self._portions:
            return
        portion = self._portions[0]
        urls = [self._server.url(f"/f{n}") for n in portion]
        if portion.start // PORTION % 2:
            (self._inbox / "new").write_text("\n".join(urls))
            (self._inbox / "new").rename(self._inbox / f"{portion.start}.txt")
        else:
            asked = [
                {"urls": url, "gid": f"{n + 1:016x}"} for n, url in zip(portion, urls, strict=True)
            ]
            try:
                answer = await client.ask("POST", "/api/v1/jobs", asked)
            except Exception:  # it may have been taken on, or not; it is asked for again
                self.figures.unanswered += 1
                return
            assert answer.status in (201, 409)  # they are there already
        self.acknowledged.update(urls)
        del self._portions[0]


@pytest.mark.time_limit(60 + 6 * KILLS)
async def test_killed_at_any_moment(server: Late, tmp_path: Path) -> None:
    """Ten times, or as often as the environment variable KILLS says: every job that it took on ends
    once, as complete, and its file is right; nothing else is there."""
    service = Service(server, tmp_path, KILLS)
    for _ in range(KILLS):
        await service.killed()
    jobs = await service.finished()
    print(service.figures)
    assert Counter(job["status"] for job in jobs) == {"complete": JOBS}
    assert sorted(job["urls"][0] for job in jobs) == sorted(service.acknowledged)
    assert files_in(tmp_path / "out") == service.wanted
    assert service.figures.midway
