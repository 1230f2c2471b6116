"""Cancel in a pipeline: the server sees an end in time, and the neighbours' callers only wait.

Each over plain TCP and over TLS, with one connection at a time. The time of `PATIENCE` is the
test's own.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import pytest_twisted
from support.asking import get, until
from support.pooled import check
from support.tagged import Tagged, body_of
from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.task import Clock, deferLater

from downloader import Downloader, Job, Limits
from downloader.deadlines import Deadlines
from downloader.http1.agent import Agent
from downloader.http1.patience import PATIENCE
from downloader.http1.tls import TlsOptions
from downloader.testing import End

DEPTH = 4


class Pipe:
    """An agent, its time, and a server that is being asked for `/0`, `/1` ... on one connection."""

    def __init__(self, reactor: Any, agent: Agent, clock: Clock, tagged: Tagged, url: Any) -> None:
        self.reactor = reactor
        self.agent = agent
        self.clock = clock
        self.tagged = tagged
        self.asked: list[Deferred[Any]] = []
        self._url = url

    async def ask(self, count: int) -> None:
        """Ask so many, and wait until the server has as many as the agent lets it."""
        first = Deferred.fromCoroutine(get(self.agent, self._url("/first")))
        await until(self.reactor, lambda: self.tagged.asked)
        await until(self.reactor, lambda: self.tagged.asked[0])
        self.tagged.answer()
        await first
        self.asked = [
            Deferred.fromCoroutine(get(self.agent, self._url(f"/{n}"))) for n in range(count)
        ]
        there = ["/first", *[f"/{n}" for n in range(min(count, DEPTH))]]
        await until(self.reactor, lambda: self.tagged.asked[0] == there)

    async def cancel(self, number: int) -> None:
        """Its caller hears at once."""
        self.asked[number].cancel()
        with pytest.raises(CancelledError):
            await self.asked[number]
        check(self.agent, 1, DEPTH)

    async def turns(self, count: int = 20) -> None:
        """Let what is under way arrive."""
        for _ in range(count):
            await deferLater(self.reactor, 0)

    async def reset(self, number: int = 0) -> None:
        """The server sees that connection end, with a RST."""
        await until(self.reactor, lambda: len(self.tagged.connections) > number)
        assert await self.tagged.connections[number].ended() is End.RST

    async def came(self, *paths: str) -> None:
        """The second connection is asked for these, and answers them all."""
        await self.tagged.answer_each(self.reactor, 1, len(paths))
        await self.turns()
        assert self.tagged.asked[1] == list(paths)

    async def got(self, *numbers: int) -> None:
        """The callers of these have all of what they asked for, and nothing else."""
        for number in numbers:
            response, body = await self.asked[number]
            assert response.code == 200
            assert body == body_of(f"/{number}", self.tagged.size)
        check(self.agent, 1, DEPTH)


@pytest.fixture(params=["plain", "tls"])
def make_pipe(request: pytest.FixtureRequest, reactor: Any, scripted: Any, ca: Any) -> Any:
    """Make a `Pipe`, with the options of `Tagged`."""
    made: list[tuple[Agent, Clock]] = []
    tls = ca.server() if request.param == "tls" else None

    def make(**options: Any) -> Pipe:
        tagged, clock = Tagged(**options), Clock()
        server = scripted(tagged, tls=tls)
        agent = Agent(
            reactor,
            connections_per_host=1,
            pipeline=DEPTH,
            tls=TlsOptions(trust_root=ca.trust_root),
            deadlines=Deadlines(clock),
        )
        made.append((agent, clock))
        return Pipe(reactor, agent, clock, tagged, server.url)

    yield make
    for agent, clock in made:
        pytest_twisted.blockon(agent.close())
        assert repr(agent) == "<Agent <Pool []>>" and clock.getDelayedCalls() == []


Make = Callable[..., Pipe]


async def test_not_yet_written(make_pipe: Make) -> None:
    """It is dropped; the server never sees it, and nobody waits for it."""
    pipe = make_pipe()
    await pipe.ask(DEPTH + 2)
    await pipe.cancel(DEPTH)
    pipe.tagged.answer(count=DEPTH)
    await until(pipe.reactor, lambda: len(pipe.tagged.asked[0]) == 2 + DEPTH)
    pipe.tagged.answer()
    await pipe.got(*range(DEPTH), DEPTH + 1)
    assert pipe.tagged.asked == [["/first", "/0", "/1", "/2", "/3", f"/{DEPTH + 1}"]]


@pytest.mark.parametrize("begun", [None, 40], ids=["asked for", "arriving"])
async def test_being_answered(make_pipe: Make, begun: int | None) -> None:
    """Its transport is aborted at once; those behind it are asked again, in their order."""
    pipe = make_pipe()
    await pipe.ask(3)
    if begun is not None:
        pipe.tagged.answer(cut=begun)
        await pipe.turns()
    await pipe.cancel(0)
    await pipe.reset()
    await pipe.came("/1", "/2")
    await pipe.got(1, 2)


async def test_behind_others_that_are_answered_soon(make_pipe: Make) -> None:
    """Its transport is aborted when they are, and not before."""
    pipe = make_pipe()
    await pipe.ask(4)
    pipe.tagged.answer(cut=40)
    await pipe.cancel(2)
    pipe.tagged.rest(0, 40)
    await pipe.turns()
    assert pipe.tagged.connections[0].end is None
    pipe.tagged.answer()
    await pipe.got(0, 1)
    await pipe.reset()
    await pipe.came("/3")
    await pipe.got(3)


@pytest.mark.parametrize("etag", [True, False], ids=["nothing of it", "nothing, no version"])
async def test_behind_one_whose_answer_does_not_come(make_pipe: Make, etag: bool) -> None:
    """Its transport is aborted in time; the one before it is asked again, and those behind."""
    pipe = make_pipe(etag=etag)
    await pipe.ask(3)
    await pipe.cancel(1)
    pipe.clock.advance(PATIENCE - 0.05)
    await pipe.turns()
    assert pipe.tagged.connections[0].end is None
    pipe.clock.advance(0.06)
    await pipe.reset()
    await pipe.came("/0", "/2")
    await pipe.got(0, 2)


async def test_behind_one_that_is_arriving(make_pipe: Make) -> None:
    """Its transport is aborted in time; the one before it goes on from what it has."""
    pipe = make_pipe()
    await pipe.ask(3)
    pipe.tagged.answer(cut=40)
    await pipe.turns()
    await pipe.cancel(1)
    pipe.clock.advance(PATIENCE + 0.01)
    await pipe.reset()
    await pipe.came("/0 from 40", "/2")
    await pipe.got(0, 2)


async def test_several_behind_each_other(make_pipe: Make) -> None:
    """One end is enough for all of them."""
    pipe = make_pipe()
    await pipe.ask(4)
    pipe.tagged.answer(cut=40)
    await pipe.turns()
    for number in (3, 1, 2):
        await pipe.cancel(number)
    pipe.clock.advance(PATIENCE + 0.01)
    await pipe.reset()
    await pipe.came("/0 from 40")
    await pipe.got(0)


async def test_all_of_them(make_pipe: Make) -> None:
    """The server sees the end at once, and is asked nothing more."""
    pipe = make_pipe()
    await pipe.ask(4)
    pipe.tagged.answer(cut=40)
    await pipe.turns()
    for number in (3, 1, 0, 2):
        await pipe.cancel(number)
    await pipe.reset()
    await pipe.turns()
    assert len(pipe.tagged.connections) == 1


@pytest.mark.parametrize("etag", [True, False], ids=["goes on", "begins anew"])
async def test_downloads(scripted: Any, reactor: Any, tmp_path: Any, etag: bool) -> None:
    """Their files are right, they have made one request each, and all slots are back."""
    tagged, clock = Tagged(size=1000, etag=etag), Clock()
    server = scripted(tagged)
    agent = Agent(reactor, connections_per_host=1, pipeline=DEPTH, deadlines=Deadlines(clock))
    downloader = Downloader(reactor, agent=agent, limits=Limits(total=8))
    names = [f"{n}" for n in range(4)]
    first = downloader.fetch(Job(server.url("/first"), str(tmp_path)))
    await until(reactor, lambda: tagged.asked and tagged.asked[0])
    tagged.answer()
    await first
    asked = [downloader.fetch(Job(server.url(f"/{name}"), str(tmp_path))) for name in names]
    await until(reactor, lambda: len(tagged.asked[0]) == 5)
    tagged.answer(cut=400)
    await until(reactor, (tmp_path / "0.part").exists)
    asked[1].cancel()
    with pytest.raises(CancelledError):
        await asked[1]
    clock.advance(PATIENCE + 0.01)
    assert await tagged.connections[0].ended() is End.RST
    await tagged.answer_each(reactor, 1, 3)
    results = [await asked[number] for number in (0, 2, 3)]
    assert [one.attempts for one in results] == [1, 1, 1]
    found = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    assert found == {name: body_of(f"/{name}", 1000) for name in ("first", "0", "2", "3")}
    assert sorted(tagged.asked[1]) == sorted(["/0 from 400" if etag else "/0", "/2", "/3"])
    assert downloader.limiter.idle
    await downloader.close()
    await agent.close()
    assert clock.getDelayedCalls() == []
