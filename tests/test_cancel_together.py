"""Cancelling much at once, from inside a callback, and next to code that misbehaves."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from support.bench import Bench, cancelled
from support.pausing import PausingAgent
from support.phases import BODY, LENGTH, MANY, OK, PHASES, PIECE, SMALL, Crowd, Phase, Served
from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.protocol import Protocol, connectionDone
from twisted.python.failure import Failure
from twisted.web.http_headers import Headers
from twisted.web.iweb import IAgent
from zope.interface import implementer

from downloader import Job, Limits, Result
from downloader.testing import End, SpiedRequest, head


@pytest.mark.parametrize("way", ["fetch_all", "fetch", "close"])
async def test_cancel_many(way: str, scripted: Any, ca: Any, bench: Any, tmp_path: Any) -> None:
    """One cancel, or one close, ends hundreds of downloads in all phases."""
    crowd = Crowd(scripted, ca)
    b: Bench = bench(limits=Limits(total=500))
    b.remember()
    jobs = [Job(url, str(tmp_path), f"{n}") for n, url in enumerate(crowd.urls())]
    results: list[Result] = []
    if way == "fetch_all":
        asked = [b.downloader.fetch_all(iter(jobs), results.append)]
    else:
        asked = [b.downloader.fetch(job) for job in jobs]
    await b.until(crowd.reached)
    await b.turns(100)
    assert len(list(b.downloader.active())) == len(jobs) >= MANY
    if way == "close":
        await b.downloader.close()
    for one in asked:
        one.cancel()
    assert all(cancelled(one) for one in asked) and not results
    await b.until(lambda: None not in crowd.ends)
    await b.is_clean()
    assert crowd.ends == [End.RST] * len(jobs)
    assert {path.suffix for path in tmp_path.iterdir()} == {".part"}
    parts = [path.read_bytes() for path in tmp_path.iterdir()]
    assert sorted(map(len, parts)) == crowd.arrived
    assert all(BODY.startswith(part) for part in parts)


@pytest.mark.parametrize("error", [None, SystemExit, KeyboardInterrupt, ValueError])
async def test_stop_from_on_result(error: Any, scripted: Any, bench: Any, tmp_path: Any) -> None:
    """`on_result` that cancels its own run, or raises, ends what still runs."""
    small = Served(scripted, Phase((head, SMALL)))
    silent = Served(scripted, PHASES["sent, not a byte back"])
    b: Bench = bench()
    b.remember()

    def on_result(result: Result) -> None:
        if error is not None:
            raise error("enough")
        run.cancel()

    jobs = [Job(silent.url(), str(tmp_path)), Job(small.url("/small"), str(tmp_path))]
    run = b.downloader.fetch_all(jobs, on_result)
    ended: list[Failure] = []
    run.addErrback(ended.append)
    await (await silent.reached).ended()
    assert [failure.type for failure in ended] == [error or CancelledError]
    assert (tmp_path / "small").read_bytes() == b"small"
    assert b.downloader.limiter.idle and not list(b.downloader.active())


CHUNKED = OK + b"Transfer-Encoding: chunked\r\n\r\n"
BODIES = {
    "length": (LENGTH, PIECE),
    "chunked": (CHUNKED, b"1\r\nx\r\n" * 100),
    "chunked, whole": (CHUNKED, b"1\r\nx\r\n1\r\ny\r\n0\r\n\r\n"),
    "whole, and more behind": (SMALL[:-5], b"small" + SMALL),
}


@pytest.mark.parametrize("name", BODIES)
@pytest.mark.parametrize("secure", [False, True], ids=["plain", "tls"])
async def test_cancel_while_data_is_handed_over(
    name: str, secure: bool, scripted: Any, ca: Any, bench: Any
) -> None:
    """A body that cancels its own request in its first piece gets no second one."""
    first, rest = BODIES[name]
    asked: Deferred[None] = Deferred()
    phase = Phase((head, first, lambda _: asked, rest))
    served = Served(scripted, phase, ca.server() if secure else None)
    b: Bench = bench()
    b.remember()
    response = await b.downloader.http.get(served.url(), unbuffered=True)
    pieces: list[bytes] = []

    def collect(data: bytes) -> None:
        pieces.append(data)
        reading.cancel()

    reading = response.collect(collect)
    asked.callback(None)
    assert await (await served.reached).ended() is End.RST
    assert len(pieces) == 1 and cancelled(reading)
    await b.is_clean()
    await b.gets(served.url("/small"), b"small")


async def test_cancel_one_from_the_end_of_another(scripted: Any, bench: Any) -> None:
    """Requests may cancel each other while they end."""
    served = Served(scripted, Phase((head,), (head,)))
    b: Bench = bench(limits=Limits(connections_per_host=2))
    b.remember()
    asked = [b.treq(served.url()) for _ in range(6)]
    for one, other in zip(asked, asked[1:] + asked[:1], strict=True):
        one.addErrback(lambda failure, other=other: (other.cancel(), failure)[1])
    await served.reached
    asked[0].cancel()
    assert all(cancelled(one) for one in asked)
    await served.server.closed_all()
    assert [one.end for one in served.server.connections] == [End.RST, End.RST]
    await b.is_clean()
    await b.gets(served.url("/small"), b"small")


async def test_a_body_paused_at_its_end(scripted: Any, bench: Any) -> None:
    """A connection whose body was paused by its last piece still serves the next request."""
    served = Served(scripted, Phase((head, SMALL, head, SMALL, head, SMALL)))
    b: Bench = bench(wrap=PausingAgent)
    b.remember()
    paused = b.treq(served.url())
    await b.until(lambda: b.downloader.agent.paused)
    await b.gets(served.url(), b"small", "next")
    paused.cancel()
    assert cancelled(paused)
    await b.gets(served.url(), b"small")
    assert len(served.server.connections) == 1


@pytest.mark.parametrize("dropped", [0, 2], ids=["asked later", "dropped"])
async def test_close_with_deferreds_nobody_waits_for(
    dropped: int, scripted: Any, bench: Any, tmp_path: Any, logged_failures: Any
) -> None:
    """That they were cancelled is not logged, and still told to whoever asks later."""
    served = Served(scripted, Phase((head,), (head,)))
    b: Bench = bench()
    b.remember()
    asked = [b.fetch(served.url()), b.downloader.fetch_all([Job(served.url(), str(tmp_path))])]
    await served.reached
    await b.downloader.close()
    assert all(cancelled(one) for one in asked[dropped:])
    del asked
    assert logged_failures.flush() == []


async def test_close_with_an_answer_nobody_reads(scripted: Any, bench: Any) -> None:
    """A response whose body was never asked for is paused, and closed with the rest."""
    served = Served(scripted, Phase((head, LENGTH + PIECE)))
    b: Bench = bench()
    b.remember()
    await b.downloader.http.get(served.url(), unbuffered=True)
    await b.turns()
    assert (await served.reached).end is None
    await b.downloader.close()
    await served.server.closed_all()
    assert [one.end for one in served.server.connections] == [End.RST]


class Careless(Protocol):
    """A body's protocol that fails when it hears of the end."""

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        raise ValueError("careless")


async def test_close_next_to_a_raising_body(
    scripted: Any, bench: Any, logged_failures: Any
) -> None:
    """A body's protocol that raises keeps no other connection open; what it raised is logged."""
    served = Served(scripted, Phase((head, LENGTH + PIECE), (head, LENGTH + PIECE)))
    b: Bench = bench()
    b.remember()
    for _ in range(2):
        response = await b.downloader.agent.request(b"GET", served.url().encode())
        response.deliverBody(Careless())
    await b.downloader.close()
    await served.server.closed_all()
    assert [one.end for one in served.server.connections] == [End.RST, End.RST]
    assert [failure.type for failure in logged_failures.flush()] == [ValueError, ValueError]


@implementer(IAgent)
class Contrary:
    """Asks `agent`, but `/contrary` is never answered; `asked` are what waits for that."""

    def __init__(self, agent: Any, request: Callable[[], Deferred[Any]]) -> None:
        self._agent = agent
        self._request = request
        self.asked: list[Deferred[Any]] = []

    def request(self, method: bytes, uri: bytes, *rest: Any) -> Deferred[Any]:
        if not uri.endswith(b"/contrary"):
            return self._agent.request(method, uri, *rest)
        self.asked.append(self._request())
        return self.asked[-1]


def raise_it(asked: Deferred[Any]) -> None:
    """A canceller with a bug."""
    raise ValueError("it does not want to be cancelled")


@pytest.mark.parametrize("way", ["fetch", "fetch_all", "close"])
async def test_cancel_next_to_a_raising_canceller(
    way: str, scripted: Any, bench: Any, tmp_path: Any, logged_failures: Any
) -> None:
    """An agent whose canceller raises keeps no download running; its bug is logged."""
    served = Served(scripted, Phase((head,), (head,)))
    b: Bench = bench(wrap=lambda agent: Contrary(agent, lambda: Deferred(raise_it)))
    b.remember()
    urls = [served.url("/a"), served.url("/contrary"), served.url("/b")]
    if way == "fetch":
        asked = [b.fetch(url, url[-1]) for url in urls]
    else:
        asked = [b.downloader.fetch_all([Job(url, str(tmp_path)) for url in urls])]
    await served.reached
    if way == "close":
        b.downloader.close()
    for one in asked:
        one.cancel()
    assert all(cancelled(one) for one in asked)
    await served.server.closed_all()
    assert [one.end for one in served.server.connections] == [End.RST, End.RST]
    assert [failure.type for failure in logged_failures.flush()] == [ValueError]
    b.downloader.agent.asked[0].errback(ValueError("too late"))
    await b.is_clean()


async def test_cancel_with_an_agent_that_takes_its_time(bench: Any) -> None:
    """An agent that ends later than it is told to holds nothing up, and ends in silence."""
    closing: Deferred[None] = Deferred()

    def request() -> Deferred[Any]:
        return Deferred().addErrback(lambda failure: closing.addCallback(lambda _: failure))

    b: Bench = bench(wrap=lambda agent: Contrary(agent, request))
    asked = b.fetch("http://127.0.0.1/contrary")
    await b.cancel(asked)
    await b.is_clean()
    closing.callback(None)
    await b.is_clean()


async def test_cancel_with_an_agent_that_answers_all_the_same(bench: Any) -> None:
    """An answer that comes after a cancel is aborted, and none of it is written."""
    url = "http://127.0.0.1/contrary"
    second = SpiedRequest(b"GET", url.encode(), Headers(), None)
    b: Bench = bench(
        wrap=lambda agent: Contrary(agent, lambda: Deferred().addErrback(lambda _: second.deferred))
    )
    await b.cancel(b.fetch(url))
    response = second.answer(200, length=3)
    assert response.transport.calls == ["abortConnection"]
    response.feed(b"abc")
    response.finish(CancelledError())
    await b.is_clean()
    b.kept(b"", 0)
