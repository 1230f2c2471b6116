"""Several requests on one connection, and what callers do to each other in their callbacks."""

from __future__ import annotations

from typing import Any

import pytest
from support.memory import FIRST_BYTE_TIMEOUT, Link
from support.wired import Asked, Net
from twisted.internet.defer import CancelledError
from twisted.internet.error import ConnectionLost
from twisted.web.client import ResponseDone

from downloader.errors import FirstByteTimeout

SMALL = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


def trusted(**options: Any) -> Net:
    """A net whose server has answered once, so that it may be asked several at a time."""
    net = Net(**options)
    net.ask()
    net.wires[0].feed(SMALL)
    return net


def heads(wire: Any) -> list[bytes]:
    """The request lines that a wire has carried."""
    return [head.split(b" HTTP/")[0] for head in wire.sent.split(b"\r\n\r\n")[:-1]]


def test_a_post_asked_for_from_a_callback_goes_alone() -> None:
    """In the middle of a read it is not yet written, and nothing else goes along with it."""
    net = trusted()
    first, post = net.ask(), net.ask(b"POST")
    got: list[Any] = []
    first.body.connectionLost = lambda reason: got.append(net.ask())  # type: ignore[method-assign]
    net.wires[0].feed(SMALL)
    assert heads(net.wires[0])[2:] == [b"POST /"]
    net.wires[0].feed(SMALL)
    assert post.end is ResponseDone
    net.wires[0].feed(SMALL)
    assert got[0].end is ResponseDone and heads(net.wires[0])[2:] == [b"POST /", b"GET /"]
    assert net.close() == []


def test_who_waited_is_cancelled_by_the_one_before() -> None:
    """It had the connection already, unsent; the connection then goes on to whoever is next."""
    net = Net(pipeline=1)
    first, second = net.ask(), net.ask()
    first.body.connectionLost = lambda reason: second.cancel()  # type: ignore[method-assign]
    net.wires[0].feed(SMALL)
    assert second.end is CancelledError
    third = net.ask()
    net.wires[0].feed(SMALL)
    assert third.end is ResponseDone and heads(net.wires[0]) == [b"GET /", b"GET /"]
    assert net.close() == []


@pytest.mark.parametrize("begun", [b"HTTP/1.1 2", b""], ids=["a part of a head", "nothing"])
def test_a_failure_cancels_those_behind(begun: bytes) -> None:
    """They are not asked again, and hear nothing but their cancel."""
    net = trusted()
    first, *others = [net.ask(b"GET", f"http://192.0.2.1/{n}") for n in range(4)]
    first._answer.addBoth(lambda _: [one.cancel() for one in others[:2]])
    net.wires[0].feed(*([begun] if begun else []))
    if not begun:  # it goes out once more, and is lost for good
        net.wires[0].lose(ConnectionLost())
        net.accept()
        assert heads(net.wires[1]) == [b"GET /0"]
        net.wires[1].feed(b"")
    net.wires[-1].lose(ConnectionLost())
    net.accept()
    net.advance(1.0)
    assert [one.end for one in others[:2]] == [CancelledError] * 2
    assert heads(net.wires[-1]) == [b"GET /3"]
    net.wires[-1].feed(SMALL)
    assert others[2].end is ResponseDone
    assert net.close() == []


def test_closing_cancels_neighbours() -> None:
    """Whoever hears Closed may cancel the others; nothing is left of any."""
    net = trusted()
    asked = [net.ask() for _ in range(4)]
    for one in asked:
        one._answer.addErrback(lambda _: [other._answer.cancel() for other in asked])
    closing = net.agent.close()
    net.turn()
    net.advance(1.0)
    assert closing.called and len(net.wires) == 1
    assert net.close() == []


def test_the_time_for_an_answer_is_not_that_for_its_reader() -> None:
    """Over TLS a body may end, in the same turn, after nobody had asked for it."""
    link = Link(tls=True, claims=False)
    link.ask()
    link.ask()
    link.connection.dataReceived(SMALL[:-1])
    link.connection.dataReceived(SMALL[-1:])
    link.clock.advance(0)
    link.clock.advance(FIRST_BYTE_TIMEOUT + 0.1)
    assert link.failure is not None and link.failure.type is FirstByteTimeout
    assert not link.clock.getDelayedCalls()


ANSWERS = {
    "a length": (b"GET", SMALL, True),
    "no body, by its length": (b"GET", b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", True),
    "chunks": (
        b"GET", b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", False,
    ),
    "1.0": (
        b"GET",
        b"HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 2\r\n\r\nok", False,
    ),
    "HEAD": (b"HEAD", b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n", False),
}  # fmt: skip


@pytest.mark.parametrize(("method", "answer", "trusted"), ANSWERS.values(), ids=ANSWERS.keys())
def test_what_earns_a_second_request_at_a_time(method: bytes, answer: bytes, trusted: bool) -> None:
    """An HTTP/1.1 answer whose body's end was told by its length, and the connection goes on."""
    net = Net()
    net.ask(method)
    net.wires[0].feed(answer)
    asked = [net.ask() for _ in range(3)]
    assert len(heads(net.wires[0])) == (4 if trusted else 2)
    net.wires[0].feed(SMALL, SMALL, SMALL)
    assert [one.end for one in asked] == [ResponseDone] * 3
    assert net.close() == []


def test_no_connection_has_more_than_it_may() -> None:
    """One with room takes those that waited, and then has none."""
    net = trusted(connections_per_host=3, pipeline=2)
    asked = [Asked(net.agent.request(b"GET", b"http://192.0.2.1/")) for _ in range(3)]
    net.wires[0].feed(SMALL)
    asked.append(Asked(net.agent.request(b"GET", b"http://192.0.2.1/")))
    assert len(heads(net.wires[0])) == 4
    net.wires[0].feed(SMALL, SMALL)
    net.turn()
    net.wires[0].feed(SMALL)
    assert [one.end for one in asked] == [ResponseDone] * 4
    assert net.close() == []
