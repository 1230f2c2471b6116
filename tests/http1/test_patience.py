"""How long exchanges wait behind others: looks, cuts, and nothing left afterwards."""

from __future__ import annotations

from twisted.internet.task import Clock

from downloader.deadlines import Deadlines
from downloader.http1.patience import PATIENCE, Patience

STEP = PATIENCE + 0.01


class Queue:
    """Somebody waits, `answers` have ended, `allowed` looks in vain; what was done about it."""

    def __init__(self, allowed: int | None = 2) -> None:
        self.clock = Clock()
        self.waiting = True
        self.answers = 0
        self.allowed = allowed
        self.done: list[str] = []
        self.patience = Patience(
            Deadlines(self.clock),
            waiting=lambda: self.waiting,
            answered=lambda: self.answers,
            looks=lambda: self.allowed,
            move=lambda: self.done.append("moved"),
            cut=lambda: self.done.append("cut"),
        )

    def looks(self, count: int) -> Queue:
        """So many looks pass."""
        for _ in range(count):
            self.clock.advance(STEP)
        return self


def test_those_behind_are_moved() -> None:
    """After as many looks in vain as are allowed, the first of which only sees how it stands."""
    queue = Queue()
    queue.patience.look_later()
    assert queue.looks(2).done == []
    assert queue.looks(1).done == ["moved"]
    assert not queue.clock.getDelayedCalls()


def test_answers_are_what_is_waited_for() -> None:
    """Each makes it begin anew."""
    queue = Queue()
    queue.patience.look_later()
    for _ in range(10):
        queue.looks(1).answers += 1
    assert queue.done == []
    assert queue.looks(3).done == ["moved"]


def test_any_number_of_looks() -> None:
    """A short body that arrives is waited for."""
    queue = Queue(allowed=None)
    queue.patience.look_later()
    assert queue.looks(50).done == []
    queue.allowed = 1
    assert queue.looks(1).done == ["moved"]


def test_nobody_waits_any_more() -> None:
    """It looks no further, until somebody does again."""
    queue = Queue()
    queue.patience.look_later()
    queue.waiting = False
    queue.looks(1)
    assert not queue.clock.getDelayedCalls()
    queue.waiting, queue.answers = True, 1
    queue.patience.look_later()
    assert queue.looks(2).done == [] and queue.looks(1).done == ["moved"]


def test_those_before_one_that_was_cancelled_are_cut() -> None:
    """Once, after `PATIENCE`, however many cancel meanwhile."""
    queue = Queue()
    queue.patience.cut_later()
    queue.clock.advance(PATIENCE - 0.05)
    queue.patience.cut_later()
    assert queue.done == []
    queue.clock.advance(0.06)
    assert queue.done == ["cut"]
    assert queue.looks(5).done == ["cut"] and not queue.clock.getDelayedCalls()


def test_stop_leaves_nothing() -> None:
    """Neither a look nor a cut; and it may be stopped twice."""
    queue = Queue()
    queue.patience.look_later()
    queue.patience.cut_later()
    for _ in range(2):
        queue.patience.stop()
        assert not queue.clock.getDelayedCalls()
    assert queue.looks(5).done == []


def test_repr_shows_what_it_does() -> None:
    """What a log line needs."""
    queue = Queue()
    assert repr(queue.patience) == "<Patience idle>"
    queue.patience.look_later()
    assert repr(queue.patience) == "<Patience looking>"
