"""Connections over real sockets: kept, shared in turn, replaced when stale, and all closed."""

from __future__ import annotations

from io import BytesIO
from typing import Any

import pytest
from support.asking import HELLO, OK, get, hello, path_of, until
from support.memory import Body
from support.resolving import SilentResolver
from twisted.internet.defer import CancelledError, Deferred, gatherResults
from twisted.protocols.tls import TLSMemoryBIOProtocol
from twisted.web.client import FileBodyProducer, ResponseFailed, ResponseNeverReceived, readBody

from downloader.errors import Closed
from downloader.http1.pool import IDLE, MAX_IDLE
from downloader.http1.tls import TlsOptions
from downloader.testing import End, fin, head, mute

# --- keeping and not keeping ----------------------------------------------------------------


@pytest.mark.parametrize("tls", [False, True], ids=["plain", "tls"])
async def test_a_connection_is_kept(scripted: Any, make_agent: Any, ca: Any, tls: bool) -> None:
    """Three requests, one connection."""
    server = scripted(hello, tls=ca.server() if tls else None)
    agent = make_agent(tls=TlsOptions(trust_root=ca.trust_root))
    for path in ("/a", "/b", "/c"):
        assert (await get(agent, server.url(path)))[1] == b"hello"
    assert [path_of(one) for one in server.connections[0].heads] == ["/a", "/b", "/c"]
    assert len(server.connections) == 1
    assert repr(agent) == (
        f"<Agent <Pool [<{server.url('')} 1 idle, 0 busy, 0 connecting, 0 waiting>]>>"
    )


@pytest.mark.parametrize(
    "steps",
    [
        [OK + b"Connection: close\r\nContent-Length: 5\r\n\r\nhello"],
        [b"HTTP/1.0 200 OK\r\nContent-Length: 5\r\n\r\nhello"],
        [HELLO + HELLO],
        [HELLO + b"x"],
    ],
    ids=["close", "1.0", "two answers", "one byte more"],
)
async def test_a_connection_is_not_kept(scripted: Any, agent: Any, steps: list[Any]) -> None:
    """The answer is good, the connection is closed, and the next request has one of its own."""
    server = scripted([head, *steps])
    for _ in range(2):
        assert (await get(agent, server.url()))[1] == b"hello"
    assert [await one.ended() for one in server.connections] == [End.FIN, End.FIN]
    assert [len(one.heads) for one in server.connections] == [1, 1]


async def test_bytes_on_an_idle_connection_end_it(scripted: Any, agent: Any, reactor: Any) -> None:
    """They are matched with no request that is written later."""

    async def script(connection: Any) -> None:
        await connection.head()
        connection.send(HELLO)
        await connection.flush()
        connection.send(OK + b"Content-Length: 4\r\n\r\nevil")

    server = scripted(script)
    assert (await get(agent, server.url()))[1] == b"hello"
    assert await server.connections[0].ended() is End.RST
    assert (await get(agent, server.url()))[1] == b"hello"
    assert len(server.connections) == 2


async def test_an_answer_nobody_asked_for_is_nobodys(
    scripted: Any, make_agent: Any, ca: Any
) -> None:
    """Over TLS one read may bring it, in a record of its own, while the next request waits."""

    async def script(connection: Any) -> None:
        await connection.head()
        if connection.number == 0:
            for record in (HELLO, OK + b"Content-Length: 4\r\n\r\nevil"):
                TLSMemoryBIOProtocol.write(connection.transport, record)
        else:
            connection.send(HELLO)

    server = scripted(script, tls=ca.server())
    agent = make_agent(connections_per_host=1, tls=TlsOptions(trust_root=ca.trust_root))
    asked = [Deferred.fromCoroutine(get(agent, server.url(f"/{n}"))) for n in range(2)]
    assert [(await one)[1] for one in asked] == [b"hello", b"hello"]
    assert [[path_of(h) for h in c.heads] for c in server.connections] == [["/0"], ["/1"]]
    assert await server.connections[0].ended() is End.RST


async def test_a_server_may_close_an_idle_connection(
    scripted: Any, agent: Any, reactor: Any
) -> None:
    """The pool forgets it, and logs nothing."""
    server = scripted([head, HELLO, fin])
    await get(agent, server.url())
    await until(reactor, lambda: repr(agent) == "<Agent <Pool []>>")
    assert (await get(agent, server.url()))[1] == b"hello"


async def test_an_idle_connection_is_closed_in_time(
    scripted: Any, make_agent: Any, clocked: Any
) -> None:
    """With FIN, before common servers close theirs."""
    server = scripted(hello)
    agent = make_agent(over=clocked)
    await get(agent, server.url())
    clocked.clock.advance(IDLE - 1)
    await get(agent, server.url())
    clocked.clock.advance(IDLE - 1)
    assert server.connections[0].end is None
    clocked.clock.advance(1.1)
    assert await server.connections[0].ended() is End.FIN
    assert clocked.clock.getDelayedCalls() == []


async def test_idle_connections_are_so_many(scripted: Any, make_agent: Any) -> None:
    """Past MAX_IDLE the one that served longest ago is closed, whichever host it is of."""
    server = scripted(hello)
    agent = make_agent(resolver=SilentResolver(silent=False))
    for number in range(MAX_IDLE + 2):
        await get(agent, server.url(host=f"h{number % (MAX_IDLE + 1)}.test"))
    ends = [await server.connections[number].ended() for number in (0, 1)]
    assert ends == [End.FIN, End.FIN] and len(server.open) == MAX_IDLE


# --- taking turns ---------------------------------------------------------------------------


async def test_who_waits_longest_is_next(scripted: Any, make_agent: Any, reactor: Any) -> None:
    """Two connections for six requests, which are sent in the order they were asked."""
    sent: list[str] = []
    gate: Deferred[None] = Deferred()

    async def script(connection: Any) -> None:
        while True:
            sent.append(path_of(await connection.head()))
            await connection.server.gate
            connection.send(HELLO)

    server = scripted(script)
    server.gate = gate
    agent = make_agent(connections_per_host=2)
    asked = [get(agent, server.url(f"/{number}")) for number in range(6)]
    answers = gatherResults([Deferred.fromCoroutine(one) for one in asked])
    await until(reactor, lambda: len(sent) == 2)
    assert repr(agent) == (
        f"<Agent <Pool [<{server.url('')} 0 idle, 2 busy, 0 connecting, 4 waiting>]>>"
    )
    gate.callback(None)
    assert [body for _, body in await answers] == [b"hello"] * 6
    assert sorted(sent[:2]) == ["/0", "/1"] and sent[2:] == ["/2", "/3", "/4", "/5"]
    assert len(server.connections) == 2


async def test_a_failed_connection_fails_one_request(
    scripted: Any, make_agent: Any, reactor: Any
) -> None:
    """The others that wait get theirs, and the limit is not used up."""

    async def script(connection: Any) -> None:
        if connection.number == 0:
            connection.reset()
        else:
            await hello(connection)

    server = scripted(script)
    agent = make_agent(connections_per_host=1)
    asked = [Deferred.fromCoroutine(get(agent, server.url())) for _ in range(3)]
    with pytest.raises(ResponseNeverReceived):
        await asked[0]
    assert [(await one)[1] for one in asked[1:]] == [b"hello"] * 2


async def test_who_cancels_while_waiting_leaves_no_gap(
    scripted: Any, make_agent: Any, reactor: Any
) -> None:
    """The others keep their turn; a connection made for nobody is given up."""
    server = scripted(hello)
    agent = make_agent(connections_per_host=1)
    asked = [Deferred.fromCoroutine(get(agent, server.url(f"/{n}"))) for n in range(4)]
    for number in (0, 2):
        asked[number].cancel()
        with pytest.raises(CancelledError):
            await asked[number]
    for number in (1, 3):
        await asked[number]
    assert [path_of(one) for c in server.connections for one in c.heads] == ["/1", "/3"]


# --- stale connections ----------------------------------------------------------------------


def closes_at_second(step: Any) -> Any:
    """Script: the first connection answers once, and is closed when it is asked again."""

    async def script(connection: Any) -> None:
        await connection.head()
        connection.send(HELLO)
        await connection.head()
        if connection.number == 0 or step == "always":
            connection.reset()
        else:
            connection.send(HELLO)

    return script


async def test_a_get_meets_a_stale_connection(scripted: Any, agent: Any) -> None:
    """It is sent once more, on a new one, and its caller never knows."""
    server = scripted(closes_at_second("once"))
    for path in ("/a", "/b"):
        assert (await get(agent, server.url(path)))[1] == b"hello"
    assert [[path_of(h) for h in c.heads] for c in server.connections] == [["/a", "/b"], ["/b"]]


async def test_what_is_as_old_as_a_stale_connection_is_closed(
    scripted: Any, make_agent: Any, reactor: Any
) -> None:
    """A request has one more try, and it is not spent on another that is stale as well."""

    async def script(connection: Any) -> None:
        await connection.head()
        await until(reactor, lambda: len(server.connections) >= 2)
        connection.send(HELLO)
        await connection.head()
        connection.reset()

    server = scripted(script)
    agent = make_agent(connections_per_host=2)
    await gatherResults([Deferred.fromCoroutine(get(agent, server.url())) for _ in range(2)])
    assert (await get(agent, server.url()))[1] == b"hello"
    assert sorted([await one.ended() for one in server.connections[:2]]) == [End.FIN, End.OURS]
    assert [len(one.heads) for one in server.connections[2:]] == [1]


async def test_a_post_meets_a_stale_connection(scripted: Any, agent: Any) -> None:
    """It may have had its effect, so it fails; it is not sent again."""
    server = scripted(closes_at_second("once"))
    await get(agent, server.url())
    with pytest.raises(ResponseNeverReceived):
        await agent.request(b"POST", server.url().encode(), None, FileBodyProducer(BytesIO(b"x")))
    assert len(server.connections) == 1


async def test_a_second_loss_fails(scripted: Any, agent: Any) -> None:
    """One more try, not a try for each connection."""

    async def script(connection: Any) -> None:
        await connection.head()
        if connection.number == 0:
            connection.send(HELLO)
            await connection.head()
        connection.reset()

    server = scripted(script)
    await get(agent, server.url())
    with pytest.raises(ResponseNeverReceived):
        await get(agent, server.url())
    assert [len(one.heads) for one in server.connections] == [2, 1]


async def test_a_request_that_is_sent_again_keeps_its_turn(
    scripted: Any, make_agent: Any, reactor: Any
) -> None:
    """It was asked before those that wait."""
    server = scripted(closes_at_second("once"))
    agent = make_agent(connections_per_host=1)
    await get(agent, server.url("/0"))
    asked = [Deferred.fromCoroutine(get(agent, server.url(f"/{n}"))) for n in (1, 2)]
    for one in asked:
        await one
    assert [path_of(one) for one in server.connections[1].heads] == ["/1", "/2"]


# --- bodies ---------------------------------------------------------------------------------


class Raising(Body):
    """Raises at the first piece."""

    def dataReceived(self, data: bytes) -> None:
        raise ZeroDivisionError


async def test_a_protocol_that_raises_costs_its_connection_only(
    scripted: Any, make_agent: Any, reactor: Any
) -> None:
    """The server sees a RST; the one slot is free for the next request."""

    async def script(connection: Any) -> None:
        await connection.head()
        connection.send(HELLO[:-1] if connection.number == 0 else HELLO)

    server = scripted(script)
    agent = make_agent(connections_per_host=1)
    body = Raising()
    (await agent.request(b"GET", server.url().encode())).deliverBody(body)
    assert await server.connections[0].ended() is End.RST
    assert body.end is ResponseFailed
    assert (await get(agent, server.url()))[1] == b"hello"


async def test_stock_read_body_can_be_cancelled(
    scripted: Any, agent: Any, recwarn: pytest.WarningsRecorder
) -> None:
    """Twisted's own readBody finds abortConnection on our transport: a RST and no warning."""
    server = scripted([head, HELLO[:-1]])
    response = await agent.request(b"GET", server.url().encode())
    reading = readBody(response)
    reading.cancel()
    with pytest.raises(CancelledError):
        await reading
    assert await server.connections[0].ended() is End.RST
    assert [str(one.message) for one in recwarn if one.category is DeprecationWarning] == []


# --- closing --------------------------------------------------------------------------------


async def test_close_ends_every_phase(
    scripted: Any, make_agent: Any, reactor: Any, ca: Any, full_listener: Any
) -> None:
    """Connecting, in a handshake, busy, waiting: each fails with Closed, then close fires."""
    silent, shy = scripted([head]), scripted([mute])
    half = scripted([head, HELLO[:-1]])
    agent = make_agent(connections_per_host=1, tls=TlsOptions(trust_root=ca.trust_root))
    body = Body()
    (await agent.request(b"GET", half.url().encode())).deliverBody(body)
    urls = [full_listener.url(), f"https://127.0.0.1:{shy.port}/", silent.url(), silent.url()]
    asked = [agent.request(b"GET", url.encode()) for url in urls]
    await until(reactor, lambda: silent.connections and silent.connections[0].heads)
    await until(reactor, lambda: shy.connections and shy.connections[0].received)
    given_up, closed = agent.close(), agent.close()
    given_up.cancel()
    for one in asked:
        with pytest.raises(Closed):
            await one
    with pytest.raises(CancelledError):
        await given_up
    assert body.end is ResponseFailed
    assert body.ends[0].value.reasons[0].type is Closed
    await closed
    assert repr(agent) == "<Agent <Pool []>>"
    ends = [await s.connections[0].ended() for s in (silent, half, shy)]
    assert ends == [End.RST] * 3 and full_listener.connecting() == 0
    with pytest.raises(Closed):
        await agent.request(b"GET", silent.url().encode())
    await agent.close()


async def test_close_tells_a_paused_body(scripted: Any, agent: Any) -> None:
    """Its protocol hears at once, and need not resume for it."""
    server = scripted([head, HELLO[:-1]])
    body = Body()
    (await agent.request(b"GET", server.url().encode())).deliverBody(body)
    body.transport.pauseProducing()
    closed = agent.close()
    assert body.end is ResponseFailed and body.ends[0].value.reasons[0].type is Closed
    await closed
    assert await server.connections[0].ended() is End.RST


async def test_close_waits_for_the_transports(scripted: Any, agent: Any, reactor: Any) -> None:
    """An idle connection is closed with FIN; close fires when it is gone, not before."""
    server = scripted(hello)
    await get(agent, server.url())
    closed = agent.close()
    assert not closed.called
    await closed
    assert await server.connections[0].ended() is End.FIN
    assert not [one for one in reactor.getReaders() if "Client" in type(one).__name__]


async def test_cancels_may_meet_the_close(scripted: Any, make_agent: Any) -> None:
    """A caller who hears Closed and cancels the others harms nothing."""
    server = scripted([head])
    agent = make_agent(connections_per_host=1)
    asked = [agent.request(b"GET", server.url().encode()) for _ in range(3)]
    seen: list[str] = []
    for one in asked:
        one.addErrback(lambda failure: seen.append(failure.type.__name__))
        one.addBoth(lambda _: [other.cancel() for other in asked])
    await agent.close()
    assert sorted(seen) == ["CancelledError", "CancelledError", "Closed"]
