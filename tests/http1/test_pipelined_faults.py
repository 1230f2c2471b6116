"""A whole agent against a server that misbehaves at random, over plain TCP and over TLS.

Each answer carries its path. So each caller has what it asked for, byte for byte, or an error; and
whatever happens nothing is asked more than twice, or lost, or left.

A server that answers out of turn in well-formed answers is believed, as by any client: what we
promise is that bytes are never matched with a request that was not written when they came, that
a wrong length is a doubt at the next status line, and that nobody is asked several things at a
time after that.
"""

from __future__ import annotations

from collections import Counter
from functools import partial
from random import Random
from typing import Any

import pytest
from support.asking import OK, path_of, until
from support.pooled import check
from support.tagged import answer_to, body_of
from support.wired import Asked
from twisted.internet.defer import CancelledError
from twisted.internet.task import deferLater
from twisted.protocols.tls import TLSMemoryBIOProtocol
from twisted.web.client import ResponseDone

from downloader.errors import BadResponse, TryAgainLater
from downloader.http1.tls import TlsOptions
from downloader.testing import ScriptedServer
from downloader.transfer.door import translate

SIZES = (0, 1, 300, 300, 5000, 60_000, 300_000)
GARBAGE = (b"x", b"\r\n", b"\0" * 9, b"HTTP/1.1 200 OK\r\nContent-Le", b"5\r\nhello\r\n")
DEPTH = 16


def size_of(path: str) -> int:
    """The size of the file there."""
    return SIZES[int(path.strip("/")) % len(SIZES)]


class Faulty:
    """The script: mostly good, with luck; `luck` is a request's chance of a good answer."""

    def __init__(self, seed: int, luck: float) -> None:
        self._seed = seed
        self._luck = luck

    async def __call__(self, connection: Any) -> None:
        """Answer what has come in one piece or in many, until something goes wrong."""
        chance = Random(f"{self._seed} {connection.number}")
        due = b""
        while True:
            due += _answer(await connection.head(), chance)
            good = chance.random() < self._luck
            if good and _more(connection) and chance.random() < 0.7:
                continue
            await _send(connection, due, chance)
            due = b""
            if not good:
                await _misbehave(connection, chance)


def _answer(head: bytes, chance: Random) -> bytes:
    path = path_of(head)
    return answer_to(head, size_of(path), chunked=chance.random() < 0.2)


def _more(connection: Any) -> bool:
    """Whether a further request is here already."""
    return bool(connection.received.count(b"\r\n\r\n") > len(connection.heads))


async def _send(connection: Any, data: bytes, chance: Random) -> None:
    """In one piece, or in several: together in a turn, or each in its own."""
    style = chance.choice(["whole", "whole", "together", "apart"])
    write = connection.send
    if style == "together" and isinstance(connection.transport, TLSMemoryBIOProtocol):
        await connection.flush()  # what was sent before is to come before
        write = partial(TLSMemoryBIOProtocol.write, connection.transport)  # each is a record
    while data:
        size = len(data) if style == "whole" else chance.choice([1, 20, 200, 70_000])
        write(data[:size])
        data = data[size:]
        if style == "apart" and len(data) < 2000:
            await connection.flush()


async def _misbehave(connection: Any, chance: Random) -> None:
    fault = chance.choice(["fin", "rst", "garbage", "cut", "close", "slow"])
    if fault == "slow":
        await connection.wait(chance.choice([0.01, 0.3]))
        return
    if fault == "garbage":
        connection.send(chance.choice(GARBAGE))
        await connection.wait(0.01)
        connection.close()
        await connection.ended()
    head = await connection.head()
    whole = answer_to(head, size_of(path_of(head)))
    if fault == "cut":
        connection.send(whole[: chance.randrange(len(whole))])
    elif fault == "close":
        connection.send(whole.replace(OK, OK + b"Connection: close\r\n", 1))
    await connection.flush()
    connection.reset() if fault == "rst" else connection.close()
    await connection.ended()


class Callers:
    """Many requests; some are cancelled at some time."""

    def __init__(self, reactor: Any, agent: Any, server: ScriptedServer, seed: int) -> None:
        self.asked: list[Asked] = []
        self.cancelled: set[int] = set()
        self._reactor = reactor
        self._agent = agent
        self._server = server
        self._chance = Random(seed)

    async def ask(self, count: int) -> None:
        """Ask so many, in bursts, and cancel one in eight of those that are under way."""
        while len(self.asked) < count:
            for _ in range(self._chance.choice([1, 3, 20])):
                url = self._server.url(f"/{len(self.asked)}").encode()
                self.asked.append(Asked(self._agent.request(b"GET", url)))
            for _ in range(self._chance.choice([0, 0, 1, 10])):
                await deferLater(self._reactor, 0)
                check(self._agent, 3, DEPTH)
            self._change_mind()
        await until(self._reactor, lambda: all(one.end for one in self.asked))

    def _change_mind(self) -> None:
        under_way = [number for number, one in enumerate(self.asked) if not one.end]
        for number in self._chance.sample(under_way, len(under_way) // 8):
            self.cancelled.add(number)
            self.asked[number].cancel()
            check(self._agent, 3, DEPTH)

    def judge(self, number: int) -> str:
        """How it ended; AssertionError for what may not be."""
        asked, path = self.asked[number], f"/{number}"
        whole = body_of(path, size_of(path))
        assert whole.startswith(asked.body.data), path
        if asked.end is ResponseDone:
            assert asked.body.data == whole and asked.response is not None
            assert asked.response.code == 200
            return "good"
        if number in self.cancelled:
            assert asked.end is CancelledError
            return "cancelled"
        failure = asked.failure or asked.body.ends[0]
        assert isinstance(translate(failure.value), (TryAgainLater, BadResponse)), failure
        return "failed"


@pytest.mark.parametrize("luck", [1.0, 0.9])
@pytest.mark.parametrize("tls", [False, True], ids=["plain", "tls"])
@pytest.mark.parametrize("seed", range(8))
async def test_each_gets_its_own_or_an_error(
    reactor: Any, scripted: Any, make_agent: Any, ca: Any, seed: int, tls: bool, luck: float
) -> None:
    """What the head of this module says."""
    server = scripted(Faulty(seed, luck), tls=ca.server() if tls else None)
    agent = make_agent(
        connections_per_host=3, pipeline=DEPTH, tls=TlsOptions(trust_root=ca.trust_root)
    )
    callers = Callers(reactor, agent, server, seed)
    await callers.ask(100)
    ends = Counter(map(callers.judge, range(len(callers.asked))))
    assert ends["good"] > 20
    if luck == 1.0:
        assert not ends["failed"]
    asked = Counter(
        path_of(head)
        for one in server.connections
        for head in one.heads
        if b"\r\nRange" not in head
    )
    assert max(asked.values()) <= 2
    check(agent, 3, DEPTH)
