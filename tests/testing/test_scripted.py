"""The scripted server says truly what its client did, and does to it what the script says."""

from __future__ import annotations

import socket
import ssl
from typing import Any

import pytest
from support.client import Client, connect
from twisted.internet.defer import CancelledError
from twisted.internet.endpoints import HostnameEndpoint, wrapClientTLS
from twisted.internet.error import ConnectionDone, ConnectionLost
from twisted.internet.protocol import Factory
from twisted.internet.ssl import optionsForClientTLS
from twisted.internet.task import deferLater

from downloader.testing import End, fin, head, mute, rst, stop_reading, trickle, wait

REQUEST = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"


@pytest.fixture(params=["plain", "tls"])
def tls(request: Any, ca: Any) -> Any:
    """None, or the authority that client and server use."""
    return ca if request.param == "tls" else None


def start(scripted: Any, tls: Any, script: Any) -> Any:
    return scripted(script, tls=tls.server() if tls else None)


@pytest.mark.parametrize("way, end", [("loseConnection", End.FIN), ("abortConnection", End.RST)])
async def test_fin_and_rst_are_told_apart(
    reactor: Any, scripted: Any, tls: Any, way: str, end: End
) -> None:
    """A client's close is a FIN and its abort a RST, over TLS too."""
    server = start(scripted, tls, [head])
    client = await connect(reactor, server, tls)
    client.transport.write(REQUEST)
    connection = await server.arrived()
    while not connection.heads:
        await deferLater(reactor, 0)
    before = reactor.seconds()
    getattr(client.transport, way)()
    assert await connection.ended() is end
    assert connection.end is end
    assert connection.heads == [REQUEST] and connection.received == REQUEST
    assert before <= connection.ended_at <= reactor.seconds()
    await client.lost


async def test_a_tls_client_that_drops_tcp_with_fin_is_no_rst(
    reactor: Any, scripted: Any, ca: Any
) -> None:
    """A FIN without close_notify is a FIN."""
    server = start(scripted, ca, [mute])
    raw = socket.create_connection(("127.0.0.1", server.port))
    raw.close()
    assert await (await server.arrived()).ended() is End.FIN


@pytest.mark.parametrize("step, error", [(fin, ConnectionDone), (rst, ConnectionLost)])
async def test_the_server_ends_the_connection(
    reactor: Any, scripted: Any, step: Any, error: type[Exception]
) -> None:
    """What was sent before arrives before the end, and the end is the server's own."""
    server = scripted([head, b"HTTP/1.1 200 O", step])
    client = await connect(reactor, server)
    client.transport.write(REQUEST)
    assert await client.lost is error
    assert client.reads == [b"HTTP/1.1 200 O"]
    await server.closed_all()
    assert server.connections[0].end is End.OURS


async def test_a_reset_arrives_over_tls(reactor: Any, scripted: Any, ca: Any) -> None:
    """Over TLS too, what was sent comes first, and no close_notify comes after it."""
    server = start(scripted, ca, [head, b"half", rst])
    client = await connect(reactor, server, ca)
    client.transport.write(REQUEST)
    assert await client.lost is not ConnectionDone
    assert b"".join(client.reads) == b"half"


async def test_trickle_sends_byte_by_byte(reactor: Any, scripted: Any, tls: Any) -> None:
    """Each byte is a read of its own at the client."""
    server = start(scripted, tls, [trickle(b"trickle"), fin])
    client = await connect(reactor, server, tls)
    await client.lost
    assert client.reads == [b"t", b"r", b"i", b"c", b"k", b"l", b"e"]


async def test_heads_of_one_connection_come_one_by_one(reactor: Any, scripted: Any) -> None:
    """A reused connection's next head, sent in the same write and split too, is the next step."""
    second, third = REQUEST.replace(b"/ ", b"/2 "), REQUEST.replace(b"/ ", b"/3 ")
    server = scripted([head, b"1", head, b"2", head, b"3", fin])
    client = await connect(reactor, server)
    client.transport.write(REQUEST + second + third[:9])
    await deferLater(reactor, 0.01)
    client.transport.write(third[9:])
    await client.lost
    assert server.connections[0].heads == [REQUEST, second, third]
    assert b"".join(client.reads) == b"123"


async def test_a_coroutine_is_a_script(reactor: Any, scripted: Any) -> None:
    """It sees which connection it is on, and takes a body behind a head."""
    bodies = []

    async def script(connection: Any) -> None:
        await connection.head()
        bodies.append((connection.number, await connection.take(4)))
        connection.close()

    server = scripted(script)
    for _ in range(2):
        client = await connect(reactor, server)
        client.transport.write(REQUEST + b"body")
        await client.lost
    assert bodies == [(0, b"body"), (1, b"body")]


async def test_wait_takes_its_time(reactor: Any, scripted: Any) -> None:
    """A wait is as long as it says."""
    before = reactor.seconds()
    client = await connect(reactor, scripted([wait(0.05), fin]))
    await client.lost
    assert reactor.seconds() - before >= 0.05


async def test_an_end_cancels_the_script(reactor: Any, scripted: Any) -> None:
    """A script that waits for long leaves no delayed call when its client goes."""
    server = scripted([wait(3600)])
    client = await connect(reactor, server)
    await server.arrived()
    client.transport.abortConnection()
    await server.closed_all()
    assert reactor.getDelayedCalls() == []
    await client.lost


async def test_who_does_not_read_sees_no_end(reactor: Any, scripted: Any) -> None:
    """A server that stopped reading learns of a RST when it reads again."""
    server = scripted([stop_reading])
    client = await connect(reactor, server)
    connection = await server.arrived()
    client.transport.abortConnection()
    await client.lost
    await deferLater(reactor, 0.02)
    assert connection.end is None
    connection.resume_reading()
    assert await connection.ended() is End.RST


async def test_stop_ends_what_is_open(reactor: Any, scripted: Any, tls: Any) -> None:
    """After stop no connection is open, paused ones neither, and the port is closed."""
    server = start(scripted, tls, [stop_reading])
    clients = [await connect(reactor, server, tls) for _ in range(3)]
    await server.arrived(2)
    await server.stop()
    assert [one.end for one in server.connections] == [End.OURS] * 3
    assert not server.open
    for client in clients:
        assert await client.lost is not ConnectionDone
    with socket.socket() as probe:
        assert probe.connect_ex(("127.0.0.1", server.port)) != 0
    await server.stop()


async def test_waiting_can_be_cancelled(reactor: Any, scripted: Any) -> None:
    """Who waits for a connection or an end may stop waiting; the others still learn of it."""
    server = scripted([mute])
    client = await connect(reactor, server)
    connection = await server.arrived()
    given_up = [server.arrived(7), connection.ended(), server.closed_all()]
    kept = connection.ended()
    for waiting in given_up:
        waiting.cancel()
        with pytest.raises(CancelledError):
            await waiting
    client.transport.loseConnection()
    assert await kept is End.FIN
    await client.lost


async def test_a_broken_script_is_told(reactor: Any, scripted: Any, logged_failures: Any) -> None:
    """A bug in a script resets the connection and is logged, so that a test cannot miss it."""
    server = scripted([lambda connection: 1 // 0])
    client = await connect(reactor, server)
    await client.lost
    await server.closed_all()
    assert len(logged_failures.flush(ZeroDivisionError)) == 1


async def test_tls_is_verified_against_the_suites_authority(
    reactor: Any, scripted: Any, ca: Any
) -> None:
    """The certificate names localhost, and only who trusts the authority accepts it."""
    server = start(scripted, ca, [mute])
    context = ssl.create_default_context(cafile=str(ca.pem))
    assert context.cert_store_stats()["x509_ca"] == 1
    options = optionsForClientTLS("localhost")
    endpoint = wrapClientTLS(options, HostnameEndpoint(reactor, "127.0.0.1", server.port))
    stranger: Any = await endpoint.connect(Factory.forProtocol(Client))
    stranger.transport.write(REQUEST)
    assert "Error" in (await stranger.lost).__name__
    assert server.connections[0].received == b""
