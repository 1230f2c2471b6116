"""How many requests share a connection: long bodies, slow heads, doubts, and who goes alone."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from support.pooled import check
from support.wired import Asked, Net, Wire
from twisted.internet.error import ConnectionLost
from twisted.web.client import ResponseDone, ResponseFailed

from downloader.errors import FirstByteTimeout
from downloader.http1.patience import PATIENCE
from downloader.http1.pool import IDLE
from downloader.sansio.network import Network
from downloader.sansio.pipeline import BIG
from downloader.sansio.proxies import Proxies

OK = b"HTTP/1.1 200 OK\r\n"
SMALL = OK + b"Content-Length: 2\r\n\r\nok"
LONG = OK + b"Content-Length: %d\r\n\r\n"
LOOK = PATIENCE + 0.01


def trusted(**options: object) -> Net:
    """A net whose server has answered once, so that it may be asked several at a time."""
    net = Net(**options)  # type: ignore[arg-type]
    net.ask()
    net.wires[0].feed(SMALL)
    return net


def ask(net: Net, *paths: str) -> list[Asked]:
    return [net.ask(b"GET", f"http://192.0.2.1/{path}") for path in paths]


def paths(wire: Wire) -> str:
    """The paths that a wire was asked for, in a row."""
    return "".join(head.split(b" ")[1].decode()[1:] for head in wire.sent.split(b"\r\n\r\n")[:-1])


def look(net: Net, count: int = 1) -> None:
    """So many looks of those who wait pass."""
    for _ in range(count):
        net.advance(LOOK)
        check(net.agent, len(net.wires), 16)


# --- long bodies ----------------------------------------------------------------------------


@pytest.mark.parametrize("length", [BIG, BIG + 1])
def test_nothing_goes_behind_a_long_body(length: int) -> None:
    """What comes later waits for another connection, as if this one were alone in the world."""
    net = trusted()
    (first,) = ask(net, "a")
    net.wires[0].feed(LONG % length + b"x")
    later = ask(net, "b", "c")
    assert paths(net.wires[0]) == ("a" if length > BIG else "abc")
    net.wires[0].feed(b"x" * (length - 1))
    assert first.end is ResponseDone and paths(net.wires[0]) == "abc"
    net.wires[0].feed(SMALL, SMALL)
    assert [one.end for one in later] == [ResponseDone] * 2
    assert net.close() == []


FRAMINGS = {
    "length": (LONG % (BIG + 1) + b"x", b"x" * BIG),
    "chunks": (OK + b"Transfer-Encoding: chunked\r\n\r\n1\r\nx\r\n", b"0\r\n\r\n"),
}


@pytest.mark.parametrize(("begin", "rest"), FRAMINGS.values(), ids=FRAMINGS.keys())
def test_those_behind_a_long_body_move(begin: bytes, rest: bytes) -> None:
    """Once, in their order, to where there is room; the body is its connection's last."""
    net, whole, others = on_two(trusted(connections_per_host=2))
    net.wires[0].feed(begin)
    look(net, 2)
    net.wires[1].feed(SMALL, SMALL, SMALL)
    assert paths(net.wires[1]) == "bced"
    net.wires[1].feed(SMALL)
    look(net, 10)
    assert (paths(net.wires[0]), paths(net.wires[1])) == ("adf", "bcedf")
    net.wires[1].feed(SMALL)
    net.wires[0].feed(rest)
    assert whole.end is ResponseDone and net.wires[0].transport.closed == "close"
    assert [one.end for one in others] == [ResponseDone] * 5
    assert net.close() == []


def on_two(net: Net) -> tuple[Net, Asked, list[Asked]]:
    """`a`, `d` and `f` are asked for on one connection, the others on another."""
    whole, *others = ask(net, *"abcdef")
    assert [paths(wire) for wire in net.wires] == ["adf", "bce"]
    return net, whole, others


def test_those_behind_a_paused_reader_move() -> None:
    """However short its body: the one who reads it has time, and they have not."""
    net = trusted()
    first, second = ask(net, "a", "b")
    net.wires[0].feed(OK + b"Content-Length: 9\r\n\r\nx")
    first.body.transport.pauseProducing()
    look(net, 3)
    first.body.transport.resumeProducing()
    net.wires[0].feed(b"x" * 8)
    assert first.end is ResponseDone
    net.turn()
    assert paths(net.wires[1]) == "b"
    net.wires[1].feed(SMALL)
    assert second.end is ResponseDone and net.close() == []


def test_those_behind_a_short_body_wait() -> None:
    """It is nearly there, and to ask twice costs more."""
    net = trusted()
    first, second = ask(net, "a", "b")
    net.wires[0].feed(OK + b"Content-Length: 9\r\n\r\nx")
    look(net, 20)
    net.wires[0].feed(b"x" * 8 + SMALL)
    assert [first.end, second.end] == [ResponseDone] * 2 and len(net.wires) == 1
    assert net.close() == []


# --- slow heads -----------------------------------------------------------------------------


def test_those_behind_a_slow_head_move() -> None:
    """After more than a second; connections have half as many from then on."""
    net, slow, others = on_two(trusted(connections_per_host=2))
    (host,) = net.agent._pool._hosts.values()
    look(net, 2)
    net.wires[1].feed(SMALL)
    look(net, 2)
    net.wires[1].feed(SMALL, SMALL)
    assert paths(net.wires[1]) == "bce" and host.depth.now == 16
    look(net, 1)
    assert paths(net.wires[1]) == "bced" and host.depth.now == 8
    net.wires[1].feed(SMALL, SMALL)
    net.wires[0].feed(SMALL)
    assert slow.end is ResponseDone and net.wires[0].transport.closed == "close"
    assert (paths(net.wires[0]), paths(net.wires[1])) == ("adf", "bcedf")
    assert [one.end for one in others] == [ResponseDone] * 5
    assert net.close() == []


# --- doubts ---------------------------------------------------------------------------------


def closed_early(net: Net) -> None:
    ask(net, "a", "b")
    net.wires[0].feed(SMALL)
    net.wires[0].lose()


def reset_early(net: Net) -> None:
    ask(net, "a", "b")
    net.wires[0].lose(ConnectionLost())


def unsolicited(net: Net) -> None:
    net.wires[0].feed(b"x")


def unsolicited_line(net: Net) -> None:
    net.wires[0].feed(b"\r\n")


def one_byte_more(net: Net) -> None:
    ask(net, "a")
    net.wires[0].feed(SMALL + b"x")


def one_line_more(net: Net) -> None:
    ask(net, "a")
    net.wires[0].feed(SMALL + b"\r\n")


def wrong_length(net: Net) -> None:
    """The next status line begins one byte too late."""
    first, second = ask(net, "a", "b")
    net.wires[0].feed(OK + b"Content-Length: 1\r\n\r\nok" + SMALL)
    assert first.body.data == b"o" and second.end is None


def wrong_length_in_the_next_read(net: Net) -> None:
    first, second = ask(net, "a", "b")
    net.wires[0].feed(OK + b"Content-Length: 1\r\n\r\no", b"k" + SMALL)
    assert first.body.data == b"o" and second.end is None


def two_whole_answers_to_one(net: Net) -> None:
    """Each is taken for the answer to the next request, until one is left over."""
    asked = ask(net, *"abc")
    net.wires[0].feed(SMALL + SMALL.replace(b"ok", b"no"), SMALL, SMALL)
    assert [one.body.data for one in asked] == [b"ok", b"no", b"ok"]


def broken_chunks(net: Net) -> None:
    first, second = ask(net, "a", "b")
    net.wires[0].feed(OK + b"Transfer-Encoding: chunked\r\n\r\nz\r\n")
    assert first.end is ResponseFailed and second.end is None


def silent(net: Net) -> None:
    """With others behind it, who had moved by then if there were a connection for them."""
    first, _ = ask(net, "a", "b")
    net.wires[0].feed(b"HTTP/1.1 103 Early\r\n\r\n")
    net.reactor.advance(61)
    assert first.failure is not None and first.failure.type is FirstByteTimeout


def silent_to_the_last(net: Net) -> None:
    """As a server is that forgets what came along with another request."""
    _, second = ask(net, "a", "b")
    net.wires[0].feed(SMALL)
    net.reactor.advance(61)
    assert second.failure is not None and second.failure.type is FirstByteTimeout


DOUBTS = [
    closed_early, reset_early, unsolicited, unsolicited_line, one_byte_more, one_line_more,
    wrong_length, wrong_length_in_the_next_read, two_whole_answers_to_one, broken_chunks, silent,
    silent_to_the_last,
]  # fmt: skip


@pytest.mark.parametrize("gone", [False, True], ids=["at once", "when all connections are gone"])
@pytest.mark.parametrize("doubt", DOUBTS)
def test_a_doubt_is_for_the_rest_of_the_run(doubt: Callable[[Net], None], gone: bool) -> None:
    """One request at a time from then on, however good the answers are; none is lost."""
    net = trusted()
    doubt(net)
    net.turn()
    while paths(net.wires[-1]) and net.wires[-1].open:
        before = len(paths(net.wires[-1]))
        net.wires[-1].feed(SMALL)
        if len(paths(net.wires[-1])) == before:
            break
    if gone:
        net.advance(IDLE + 1)
        assert repr(net.agent) == "<Agent <Pool []>>"
    later = ask(net, *"uvwxyz")
    for number, one in enumerate(later):
        assert paths(net.wires[-1]).endswith("uvwxyz"[: number + 1])
        net.wires[-1].feed(SMALL)
        assert one.end is ResponseDone
    assert net.close() == []


@pytest.mark.parametrize(
    "options",
    [{"pipeline": 1}, {"network": Network(proxies=Proxies(all="http://192.0.2.9:3128"))}],
    ids=["by option", "through an HTTP proxy"],
)
def test_one_at_a_time(options: dict[str, object]) -> None:
    """Where it is not wanted, and where somebody else reads what is sent."""
    net = trusted(**options)
    asked = ask(net, *"abc")
    for count in (2, 3, 4):
        assert net.wires[0].sent.count(b"\r\n\r\n") == count
        net.wires[0].feed(SMALL)
    assert [one.end for one in asked] == [ResponseDone] * 3
    assert net.close() == []


# --- who goes alone, and in which order -----------------------------------------------------


@pytest.mark.parametrize("method", [b"HEAD", b"POST", b"PATCH"])
def test_some_go_alone(method: bytes) -> None:
    """Nothing before them on the connection is unanswered, and nothing behind them is sent; those
    who were asked for later come later."""
    net = trusted()
    before = ask(net, "a", "b")
    alone = net.ask(method, "http://192.0.2.1/M")
    after = ask(net, "c", "d")
    assert paths(net.wires[0]) == "ab"
    net.wires[0].feed(SMALL, SMALL)
    assert paths(net.wires[0]) == "abM"
    net.wires[0].feed(OK + b"Content-Length: 0\r\n\r\n")
    assert alone.end is ResponseDone and paths(net.wires[0]) == "abMcd"
    net.wires[0].feed(SMALL, SMALL)
    assert [one.end for one in (*before, *after)] == [ResponseDone] * 4
    assert net.close() == []


def test_a_post_is_not_asked_twice() -> None:
    """On a connection that had served others, and where others wait behind it in the pool."""
    net = trusted()
    post = net.ask(b"POST", "http://192.0.2.1/M")
    (after,) = ask(net, "a")
    net.wires[0].lose(ConnectionLost())
    net.accept()
    assert post.failure is not None and paths(net.wires[1]) == "a"
    net.wires[1].feed(SMALL)
    assert after.end is ResponseDone and net.close() == []


def test_the_order_is_kept() -> None:
    """Of those on one connection, those that wait, and those that are asked again before them."""
    net = trusted(pipeline=3)
    asked = ask(net, *"abcdefgh")
    assert paths(net.wires[0]) == "abc"
    net.wires[0].feed(SMALL)
    assert paths(net.wires[0]) == "abcd"
    net.wires[0].feed(OK + b"Connection: close\r\nContent-Length: 2\r\n\r\nok")
    net.turn()
    for _ in range(10):
        net.wires[1].feed(SMALL)
    assert paths(net.wires[1]) == "cdefgh"
    assert [one.end for one in asked] == [ResponseDone] * 8
    assert net.close() == []
