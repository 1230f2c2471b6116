"""A short body that drips keeps nobody behind it for longer than five seconds."""

from __future__ import annotations

import pytest
from support.asking import OK
from support.wired import Asked, Net, Wire
from twisted.web.client import ResponseDone

from downloader.http1.patience import PATIENCE, SHORT_BODY
from downloader.sansio.pipeline import BIG

SMALL = OK + b"Content-Length: 2\r\n\r\nok"
SHORT = OK + b"Content-Length: %d\r\n\r\n" % BIG
STEP = PATIENCE / 2
# Two to a look. The first look only sees how it stands.
LATEST = 2 * (SHORT_BODY + 2)


class Queue:
    """Many requests on few connections, the first of which drips the answer to `first`."""

    def __init__(self, connections: int = 3) -> None:
        self.net = Net(connections_per_host=connections)
        self._answered: dict[Wire, int] = {}
        self.net.ask()
        self.answer_all(self.net.wires[0])
        self.first, *self.others = (self.net.ask() for _ in range(3 * connections))
        self.drip = self.net.wires[0]
        self.behind = self.drip.sent.count(b"GET") - 2
        assert self.behind > 0
        self.drip.feed(SHORT)

    def answer_all(self, wire: Wire) -> None:
        """Answer whatever is asked on it, and what is then."""
        while new := wire.sent.count(b"GET") - self._answered.get(wire, 0):
            self._answered[wire] = self._answered.get(wire, 0) + new
            wire.feed(*[SMALL] * new)

    def answer_elsewhere(self) -> None:
        """Answer on every other connection."""
        for wire in self.net.wires[1:]:
            self.answer_all(wire)

    def let_drip(self, steps: int, each: int = 1) -> None:
        """So many steps of time pass, and a byte arrives in `each` of them."""
        for step in range(steps):
            if step % each == 0:
                self.drip.feed(b"x")
            self.net.advance(STEP)
            self.answer_elsewhere()

    @property
    def unanswered(self) -> list[Asked]:
        return [one for one in self.others if one.end is None]


@pytest.mark.parametrize("each", [1, 2, 3, 20, LATEST])
def test_those_behind_it_move_to_other_connections(each: int) -> None:
    """And are answered there, though the drip never ends; it goes on itself, as the last one."""
    queue = Queue()
    queue.answer_elsewhere()
    assert len(queue.unanswered) == queue.behind
    queue.let_drip(LATEST, each)
    assert [one.end for one in queue.others] == [ResponseDone] * len(queue.others)
    assert (queue.first.end, queue.drip.open) == (None, True)
    queue.drip.feed(b"x" * (BIG - len(queue.first.body.data)))
    assert queue.first.end is ResponseDone and not queue.drip.open
    assert queue.net.close() == []


def test_those_that_came_later_move_too() -> None:
    """Who is sent behind it while it drips has no other fate."""
    queue = Queue(connections=2)
    queue.let_drip(LATEST // 2)
    late = [queue.net.ask() for _ in range(3)]
    queue.let_drip(LATEST)
    assert [one.end for one in (*queue.others, *late)] == [ResponseDone] * (len(queue.others) + 3)
    assert queue.net.close() == []


def test_a_body_that_comes_within_five_seconds_is_waited_for() -> None:
    """Nobody is asked twice for its sake."""
    queue = Queue()
    queue.answer_elsewhere()
    queue.let_drip(2 * (SHORT_BODY - 1))
    assert len(queue.unanswered) == queue.behind
    queue.drip.feed(b"x" * (BIG - len(queue.first.body.data)))
    queue.drip.feed(*[SMALL] * queue.behind)
    assert not queue.unanswered and queue.drip.open
    asked = sum(wire.sent.count(b"GET") for wire in queue.net.wires)
    assert asked == 1 + 1 + len(queue.others)
    assert queue.net.close() == []


def test_with_one_connection_they_wait_for_its_end() -> None:
    """It is no use to anybody to break the limit, or the body."""
    queue = Queue(connections=1)
    queue.let_drip(3 * LATEST)
    assert len(queue.unanswered) == queue.behind and len(queue.net.wires) == 1
    queue.drip.feed(b"x" * (BIG - len(queue.first.body.data)))
    queue.net.turn()
    queue.answer_elsewhere()
    assert not queue.unanswered and len(queue.net.wires) == 2
    assert queue.net.close() == []
