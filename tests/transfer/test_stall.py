"""Whether enough moves, by a clock that the test winds."""

from __future__ import annotations

from twisted.internet.task import Clock

from downloader.deadlines import Deadlines
from downloader.errors import StallTimeout
from downloader.jobs import Timeouts
from downloader.transfer.stall import StallWatch


class Moving:
    """What is watched: `moved` bytes, at no less than 1 byte a second over 8 seconds."""

    def __init__(self) -> None:
        self.clock = Clock()
        self.moved = 0
        self.errors: list[StallTimeout] = []
        timeouts = Timeouts(stall=8.0, lowest_speed=1)
        self.watch = StallWatch(
            Deadlines(self.clock), timeouts, lambda: self.moved, self.errors.append
        )

    def go(self, seconds: int, speed: int = 0) -> None:
        for _ in range(seconds):
            self.moved += speed
            self.clock.advance(1.0)


def test_a_stall_is_told_once() -> None:
    moving = Moving()
    moving.watch.go_on()
    moving.go(20, speed=1)
    assert not moving.errors
    moving.go(10)
    (error,) = moving.errors
    assert "bytes in 8 s" in str(error)
    moving.go(100)
    assert len(moving.errors) == 1 and not moving.clock.getDelayedCalls()


def test_what_is_too_slow_is_a_stall() -> None:
    """However it drips."""
    moving = Moving()
    moving.watch.go_on()
    for _ in range(8):
        moving.go(1, speed=1)
        moving.go(1)
    assert len(moving.errors) == 1


def test_time_in_which_it_stands_still_is_not_counted() -> None:
    """Nor does it have a timer then."""
    moving = Moving()
    for _ in range(7):
        moving.go(50)
        moving.watch.go_on()
        moving.watch.go_on()
        moving.go(1)
        moving.watch.stop()
        moving.watch.stop()
        assert not moving.errors and not moving.clock.getDelayedCalls()
    moving.watch.go_on()
    assert repr(moving.watch) == "<StallWatch live>"
    moving.go(2)
    assert len(moving.errors) == 1
