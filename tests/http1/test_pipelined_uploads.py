"""Uploads behind each other on one connection: when asked for, and sent again where need be."""

from __future__ import annotations

from typing import Any

import pytest
from support.asking import HELLO, get, path_of, until
from support.bodies import Again, AtOnce, Slow
from support.wired import URL, Asked, Net
from twisted.internet.defer import CancelledError, Deferred
from twisted.web.client import RequestGenerationFailed, ResponseDone, readBody
from twisted.web.iweb import IResponse

from downloader.http1.upload import EXPECT_ABOVE
from downloader.testing import End

NO = b"HTTP/1.1 403 Forbidden\r\nContent-Length: 5\r\n\r\nhello"


class Store:
    """A server that keeps what it is sent, and answers on its first connection only when told to.

    `stored` are path and body, in order of arrival; `first` is that connection.
    """

    def __init__(self, scripted: Any) -> None:
        self.stored: list[tuple[str, bytes]] = []
        self.first: Any = None
        self._server = scripted(self._script)

    @property
    def connections(self) -> Any:
        return self._server.connections

    def url(self, path: str) -> str:
        return str(self._server.url(path))

    async def _script(self, connection: Any) -> None:
        if self.first is None:
            self.first = connection
            await connection.head()
            connection.send(HELLO)
        while True:
            head = await connection.head()
            length = int(head.partition(b"Content-Length: ")[2].partition(b"\r\n")[0] or 0)
            self.stored.append((path_of(head), await connection.take(length)))
            if connection is not self.first:
                connection.send(HELLO)


@pytest.fixture
def store(scripted: Any) -> Store:
    return Store(scripted)


async def proven(make_agent: Any, store: Store, **options: Any) -> Any:
    """An agent with one connection to `store`, which has shown that it can."""
    agent = make_agent(connections_per_host=1, **{"pipeline_uploads": True, **options})
    await get(agent, store.url("/proof"))
    return agent


def put(agent: Any, store: Store, path: str, producer: Any) -> Deferred[IResponse]:
    asked: Deferred[IResponse] = agent.request(b"PUT", store.url(path).encode(), None, producer)
    return asked


async def test_each_follows_the_body_before_it(make_agent: Any, store: Store, reactor: Any) -> None:
    """On one connection, before any answer; each answer is for the one whose turn it is."""
    agent = await proven(make_agent, store)
    bodies = [bytes([65 + n]) * (n * 50_000) for n in range(8)]
    asked = [put(agent, store, f"/{n}", Again(body)) for n, body in enumerate(bodies)]
    await until(reactor, lambda: len(store.stored) == 8)
    assert store.stored == [(f"/{n}", body) for n, body in enumerate(bodies)]
    for n, one in enumerate(asked):
        store.first.send(HELLO.replace(b"hello", b"hell%d" % n))
        assert await readBody(await one) == b"hell%d" % n
    assert len(store.connections) == 1


@pytest.mark.parametrize(
    ("producer", "options"),
    [
        (lambda: Again(b"abc"), {"pipeline_uploads": False}),
        (lambda: Again(b"abc"), {"pipeline": 1}),
        (lambda: AtOnce(3), {}),
        (lambda: Again(b"x" * (EXPECT_ABOVE + 1)), {}),
    ],
    ids=["not asked to", "depth 1", "gone when sent", "large"],
)
async def test_they_do_not_without_being_asked_to(
    make_agent: Any, store: Store, reactor: Any, producer: Any, options: Any
) -> None:
    """Nor those that could not be sent again, or that the server is asked about first."""
    agent = await proven(make_agent, store, **options)
    asked = [put(agent, store, f"/{n}", producer()) for n in range(3)]
    for n in range(3):
        await until(reactor, lambda n=n: len(store.stored) > n or len(store.first.heads) > n + 1)
        if len(store.stored) == n:
            store.first.send(b"HTTP/1.1 100 Continue\r\n\r\n")
            await until(reactor, lambda n=n: len(store.stored) > n)
        assert len(store.stored) == n + 1 and len(store.first.heads) == n + 2
        store.first.send(HELLO)
        assert await readBody(await asked[n]) == b"hello"


def test_a_large_one_is_alone_though_nobody_is_asked_about_it() -> None:
    """After a 417 it is sent without an expectation; neither behind others then nor before them."""
    net = Net(pipeline_uploads=True)
    net.ask()
    net.wires[0].feed(HELLO)
    large = Asked(net.agent.request(b"PUT", URL.encode(), None, Again(b"x" * (EXPECT_ABOVE + 1))))
    before = [net.ask() for _ in range(2)]
    net.wires[0].feed(b"HTTP/1.1 417 No\r\nContent-Length: 0\r\n\r\n")
    net.turn()
    wire = net.wires[1]
    assert (wire.sent.count(b"GET /"), wire.sent.count(b"PUT /")) == (2, 0)
    wire.feed(HELLO, HELLO)
    assert wire.sent.endswith(b"x" * EXPECT_ABOVE) and b"Expect" not in wire.sent
    behind = [net.ask() for _ in range(2)]
    assert wire.sent.count(b"GET /") == 2
    wire.feed(*[HELLO] * 3)
    assert [one.end for one in (large, *before, *behind)] == [ResponseDone] * 5
    assert len(net.wires) == 2 and net.close() == []


async def test_one_waits_for_the_body_before_it(
    make_agent: Any, store: Store, reactor: Any
) -> None:
    """Its head too; and a request without a body likewise."""
    agent = await proven(make_agent, store)
    slow = Slow(6)
    asked = [put(agent, store, "/slow", slow), put(agent, store, "/next", Again(b"xyz"))]
    asked.append(agent.request(b"GET", store.url("/get").encode()))
    await until(reactor, lambda: slow.consumer)
    slow.consumer.write(b"abc")
    await until(reactor, lambda: store.first.received.endswith(b"abc"))
    slow.consumer.write(b"def")
    slow.done.callback(None)
    await until(reactor, lambda: len(store.stored) == 3)
    assert store.stored == [("/slow", b"abcdef"), ("/next", b"xyz"), ("/get", b"")]
    store.first.send(HELLO * 3)
    assert [await readBody(await one) for one in asked] == [b"hello"] * 3


async def test_the_first_is_refused(make_agent: Any, store: Store, reactor: Any) -> None:
    """All of it was sent, so the others are answered behind it."""
    agent = await proven(make_agent, store)
    asked = [put(agent, store, f"/{n}", Again(b"abc")) for n in range(3)]
    await until(reactor, lambda: len(store.stored) == 3)
    store.first.send(NO + HELLO * 2)
    answers = [await one for one in asked]
    assert [one.code for one in answers] == [403, 200, 200]
    assert [await readBody(one) for one in answers] == [b"hello"] * 3
    assert (len(store.stored), len(store.connections)) == (3, 1)


async def test_the_first_is_refused_with_its_connection(
    make_agent: Any, store: Store, reactor: Any
) -> None:
    """The others are sent again on another: nobody notices."""
    agent = await proven(make_agent, store)
    producers = [Again(b"abc"), Again(b"def"), Again(b"ghi")]
    asked = [put(agent, store, f"/{n}", one) for n, one in enumerate(producers)]
    await until(reactor, lambda: len(store.stored) == 3)
    store.first.send(NO.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n"))
    answers = [await one for one in asked]
    assert [one.code for one in answers] == [403, 200, 200]
    assert [await readBody(one) for one in answers] == [b"hello"] * 3
    assert store.stored[3:] == [("/1", b"def"), ("/2", b"ghi")]
    assert await store.first.ended() is End.RST


@pytest.mark.parametrize("end", ["reset", "close"])
async def test_their_connection_is_lost(
    make_agent: Any, store: Store, reactor: Any, end: str
) -> None:
    """Also in the middle of a body: all that had no answer are sent again, once."""
    agent = await proven(make_agent, store)
    slow = Slow(6)
    asked = [put(agent, store, "/0", Again(b"abc")), put(agent, store, "/1", slow)]
    await until(reactor, lambda: slow.consumer)
    slow.consumer.write(b"def")
    await until(reactor, lambda: store.first.received.endswith(b"def"))
    getattr(store.first, end)()
    await until(reactor, lambda: slow.calls == ["start", "stop", "start"])
    slow.consumer.write(b"defghi")
    slow.done.callback(None)
    assert [await readBody(await one) for one in asked] == [b"hello"] * 2
    assert sorted(store.stored[-2:]) == [("/0", b"abc"), ("/1", b"defghi")]


async def test_a_cancel_behind_another(make_agent: Any, store: Store, reactor: Any) -> None:
    """Its body ends at once, and the one before it gets its answer all the same."""
    agent = await proven(make_agent, store)
    slow = Slow(6)
    first, second = put(agent, store, "/0", Again(b"abc")), put(agent, store, "/1", slow)
    await until(reactor, lambda: slow.consumer)
    slow.consumer.write(b"def")
    await until(reactor, lambda: store.first.received.endswith(b"def"))
    second.cancel()
    with pytest.raises(CancelledError):
        await second
    assert slow.calls == ["start", "stop"]
    store.first.send(HELLO)
    assert await readBody(await first) == b"hello"
    assert await store.first.ended() is not None
    assert store.stored == [("/0", b"abc")]


async def test_a_cancel_before_another(make_agent: Any, store: Store, reactor: Any) -> None:
    """The connection is reset, and the other sent again."""
    agent = await proven(make_agent, store)
    slow = Slow(6)
    first, second = put(agent, store, "/0", slow), put(agent, store, "/1", Again(b"xyz"))
    await until(reactor, lambda: slow.consumer)
    slow.consumer.write(b"abc")
    await until(reactor, lambda: store.first.received.endswith(b"abc"))
    first.cancel()
    with pytest.raises(CancelledError):
        await first
    assert await readBody(await second) == b"hello"
    assert await store.first.ended() is End.RST
    assert store.stored == [("/1", b"xyz")] and slow.calls == ["start", "stop"]


async def test_a_body_that_fails_behind_another(
    make_agent: Any, store: Store, reactor: Any
) -> None:
    """It is that one's failure and nobody else's."""
    agent = await proven(make_agent, store)
    slow = Slow(6)
    first, second = put(agent, store, "/0", Again(b"abc")), put(agent, store, "/1", slow)
    await until(reactor, lambda: slow.consumer)
    slow.consumer.write(b"def")
    await until(reactor, lambda: store.first.received.endswith(b"def"))
    slow.done.errback(ZeroDivisionError())
    with pytest.raises(RequestGenerationFailed):
        await second
    store.first.send(HELLO)
    assert await readBody(await first) == b"hello"
    assert await store.first.ended() is not None


async def test_many_at_once(make_agent: Any, store: Store, reactor: Any) -> None:
    """As deep as was asked, whatever the depth of Python's stack."""
    agent = await proven(make_agent, store, pipeline=2000)
    asked = [put(agent, store, f"/{n}", Again(b"x")) for n in range(1500)]
    await until(reactor, lambda: len(store.stored) == 1500)
    assert store.first.heads[-1].startswith(b"PUT /1499 ")
    store.first.send(HELLO * 1500)
    for one in asked:
        assert await readBody(await one) == b"hello"
