"""Long bodies past the parser: right to the byte, and the connection goes on behind them."""

from __future__ import annotations

from typing import Any

import pytest
from support.asking import HELLO, OK, get, until
from support.memory import Body
from twisted.internet.defer import CancelledError
from twisted.web.client import ResponseDone, ResponseFailed

from downloader.http1.bulk import BUFFER, MANY
from downloader.http1.tls import TlsOptions
from downloader.testing import End, content, fin, head, rst

SIZE = 3 * BUFFER + 12_345
DATA = b"".join(content("/long", SIZE))
LONG = OK + b"Content-Length: %d\r\n\r\n" % SIZE


class Views(Body):
    """Takes views, and copies what it was shown."""

    def __init__(self) -> None:
        super().__init__()
        self.views = 0

    def viewReceived(self, view: memoryview) -> None:
        self.views += 1
        self.pieces.append(bytes(view))


async def receive(agent: Any, url: str, body: Any, reactor: Any) -> Any:
    response = await agent.request(b"GET", url.encode())
    response.deliverBody(body)
    await until(reactor, lambda: body.ends)
    return response


@pytest.fixture(params=["plain", "tls"])
def served(request: Any, scripted: Any, make_agent: Any, ca: Any) -> Any:
    """Start a server, and an agent for it."""
    tls = ca.server() if request.param == "tls" else None
    agent = make_agent(tls=TlsOptions(trust_root=ca.trust_root))
    return lambda script: (scripted(script, tls=tls), agent)


@pytest.mark.parametrize("cut", [0, 1, 5, SIZE // 2, SIZE - MANY, SIZE - 1])
async def test_every_byte_comes_and_the_next_answer_too(
    served: Any, reactor: Any, cut: int
) -> None:
    """However the body is cut, its bytes are right, and the connection serves the next request."""

    async def script(connection: Any) -> None:
        await connection.head()
        connection.send(LONG + DATA[:cut])
        await connection.wait(0.01)
        connection.send(DATA[cut:])
        await connection.head()
        connection.send(HELLO)

    server, agent = served(script)
    body = Views()
    await receive(agent, server.url(), body, reactor)
    assert body.data == DATA and body.end is ResponseDone and body.views > 0
    assert (await get(agent, server.url()))[1] == b"hello"
    assert len(server.connections) == 1


async def test_a_byte_behind_the_body_is_never_taken_for_it(served: Any, reactor: Any) -> None:
    """What comes behind it is nobody's, and ends the connection."""
    server, agent = served([head, LONG + DATA + b"x"])
    body = Views()
    await receive(agent, server.url(), body, reactor)
    assert body.data == DATA and body.end is ResponseDone
    assert await server.connections[0].ended() in (End.RST, End.FIN)


@pytest.mark.parametrize("how", ["fin", "rst"])
async def test_a_body_that_is_cut_off_fails(served: Any, reactor: Any, how: str) -> None:
    """A long body that ends too early is told as any other."""
    server, agent = served([head, LONG + DATA[:-1], rst if how == "rst" else fin])
    body = Views()
    await receive(agent, server.url(), body, reactor)
    assert body.end is ResponseFailed and DATA.startswith(body.data)


async def test_abort_in_the_middle(served: Any, reactor: Any) -> None:
    """The server sees RST; not a piece more is shown."""

    class Aborting(Views):
        def viewReceived(self, view: memoryview) -> None:
            super().viewReceived(view)
            self.transport.abortConnection()

    server, agent = served([head, LONG + DATA[:-1]])
    body = Aborting()
    await receive(agent, server.url(), body, reactor)
    assert body.views == 1 and body.end is CancelledError
    assert await server.connections[0].ended() is End.RST


async def test_a_pause_holds_the_server(served: Any, reactor: Any) -> None:
    """What is shown stops with the pause and goes on with the resume."""

    class Pausing(Views):
        def viewReceived(self, view: memoryview) -> None:
            super().viewReceived(view)
            self.transport.pauseProducing()

    server, agent = served([head, LONG + DATA])
    body = Pausing()
    response = await agent.request(b"GET", server.url().encode())
    response.deliverBody(body)
    while not body.ends:
        seen = body.views
        body.transport.resumeProducing()
        await until(reactor, lambda seen=seen: body.views > seen or body.ends)
    assert body.data == DATA and body.end is ResponseDone


async def test_what_comes_with_the_end_is_the_next_answer(served: Any, reactor: Any) -> None:
    """A short answer right behind a long one, in its last read, goes to who waits for it."""

    async def script(connection: Any) -> None:
        await connection.head()
        connection.send(HELLO)
        await connection.head()
        await connection.head()
        connection.send(LONG + DATA + HELLO)

    server, agent = served(script)
    assert (await get(agent, server.url()))[1] == b"hello"
    agent._pool._per_host = 1
    body, other = Views(), Body()
    for receiver in (body, other):
        asked = agent.request(b"GET", server.url().encode())
        asked.addCallback(lambda response, to=receiver: response.deliverBody(to))
    await until(reactor, lambda: body.ends and other.ends)
    assert body.data == DATA and other.data == b"hello" and len(server.connections) == 1


# --- ends that come along, over TLS ----------------------------------------------------------

GARBAGE = b"\x17\x03\x03\x00\x20" + b"x" * 32  # a record that nobody has encrypted


def close_tls(connection: Any) -> None:
    """With close_notify, in the same write as what was sent; then wait for the client's."""
    connection.transport.loseConnection()


def send_garbage(connection: Any) -> None:
    """Beside TLS, in the same write as what was sent."""
    connection.transport._aggregator.flush()
    connection.transport.transport.write(GARBAGE)


@pytest.mark.parametrize("end", [close_tls, send_garbage])
@pytest.mark.parametrize("bulk", [True, False], ids=["bulk", "pieces"])
async def test_an_end_that_comes_with_the_last_bytes(
    scripted: Any, make_agent: Any, ca: Any, reactor: Any, end: Any, bulk: bool
) -> None:
    """The body is whole and nothing is logged; the next request goes to a new connection, at
    once."""

    async def script(connection: Any) -> None:
        await connection.head()
        if connection.number:
            connection.send(HELLO)
            return
        connection.send(LONG + DATA[:-1000])
        await until(reactor, lambda: len(body.data) == SIZE - 1000)
        connection.send(DATA[-1000:])
        end(connection)

    server = scripted(script, tls=ca.server())
    agent = make_agent(tls=TlsOptions(trust_root=ca.trust_root), first_byte_timeout=5.0)
    body: Any = Views()
    if not bulk:
        body.viewReceived = None
    await receive(agent, server.url(), body, reactor)
    assert body.data == DATA and body.end is ResponseDone
    assert (body.views > 0) is bulk
    assert (await get(agent, server.url()))[1] == b"hello"
    assert [len(one.heads) for one in server.connections] == [1, 1]
    assert await server.connections[0].ended() is not None
