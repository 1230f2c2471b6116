"""An answer too many where several requests were under way: whose file is whose is not certain.

HTTP/1.1 does not mark an answer with its request, so one that another is taken for is not found
out. The one that is left over in the end is, and then it is said.
"""

from __future__ import annotations

import pytest
from support.wired import Net
from twisted.web.client import ResponseDone

from downloader.http1.patience import PATIENCE

OK = b"HTTP/1.1 200 OK\r\n"
SMALL = OK + b"Content-Length: 2\r\n\r\nok"
TOLD = "http://192.0.2.1:80 sent an answer that nobody asked for: files that came on that "


@pytest.mark.parametrize(
    "reads",
    [[SMALL * 4], [SMALL * 3, SMALL], [SMALL * 2, SMALL, SMALL], [SMALL * 3, b"HTT"]],
    ids=["one read", "behind all", "in the middle", "a part"],
)
def test_is_told_of(warnings: list[str], reads: list[bytes]) -> None:
    """With the server's name, however it comes; and the next connection has one at a time."""
    net = Net()
    net.ask()
    net.wires[0].feed(SMALL)
    for _ in range(3):
        net.ask()
    net.wires[0].feed(*reads)
    assert len(warnings) == 1 and warnings[0].startswith(TOLD)
    assert "pipeline 1" in warnings[0] and not net.wires[0].open
    net.ask()
    net.wires[1].feed(SMALL * 2)
    assert len(warnings) == 1 and net.close() == []


@pytest.mark.parametrize("reads", [[SMALL * 2], [SMALL, SMALL]], ids=["one read", "behind"])
def test_no_word_where_one_was_asked_at_a_time(warnings: list[str], reads: list[bytes]) -> None:
    """The end of the one answer is known then, and what is behind it is nobody's."""
    net = Net(pipeline=1)
    for _ in range(2):
        net.ask()
    net.wires[0].feed(SMALL, *reads)
    assert warnings == [] and not net.wires[0].open and net.close() == []


def test_no_word_where_an_answer_is_broken(warnings: list[str]) -> None:
    """Its own file fails; or it is asked for again, because of the one before it."""
    net = Net()
    net.ask()
    net.wires[0].feed(SMALL)
    for _ in range(2):
        net.ask()
    net.wires[0].feed(b"x")
    assert warnings == [] and net.close() == []


def test_no_word_where_an_answer_is_cut_off(warnings: list[str]) -> None:
    """By a caller who does not want it: what comes is what was asked for."""
    net = Net()
    net.ask()
    net.wires[0].feed(SMALL)
    first, second = net.ask(), net.ask()
    first._answer.addCallback(lambda _: second.cancel())
    net.wires[0].feed(SMALL * 2)
    net.turn()
    assert warnings == [] and not net.wires[0].open and net.close() == []


def test_no_word_where_those_behind_have_moved(warnings: list[str]) -> None:
    """They are asked for again elsewhere, and answered here all the same."""
    net = Net(connections_per_host=2)
    net.ask()
    net.wires[0].feed(SMALL)
    body, *others = [net.ask() for _ in range(4)]
    assert [wire.sent.count(b"\r\n\r\n") for wire in net.wires] == [3, 2]
    net.wires[0].feed(OK + b"Transfer-Encoding: chunked\r\n\r\n1\r\nx\r\n")
    net.wires[1].feed(SMALL, SMALL)
    for _ in range(2):
        net.advance(PATIENCE + 0.01)
    net.wires[1].feed(SMALL)
    assert [one.end for one in others] == [ResponseDone] * 3
    net.wires[0].feed(b"0\r\n\r\n" + SMALL)
    assert body.end is ResponseDone and warnings == [] and net.close() == []


def test_is_told_of_when_the_last_answer_closes_all(warnings: list[str]) -> None:
    """As at the end of a run: the rest of that read is still looked at."""
    net = Net()
    net.ask()
    net.wires[0].feed(SMALL)
    closed: list[object] = []
    *_, last = [net.ask() for _ in range(3)]
    last.body.connectionLost = lambda reason: closed.append(net.agent.close())  # type: ignore[method-assign]
    net.wires[0].feed(SMALL * 4)
    assert closed and len(warnings) == 1 and net.close() == []
