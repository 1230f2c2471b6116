"""Bodies kept to a rate: paused for their debts, resumed in turn, and that is no stall."""

from __future__ import annotations

import os
from collections.abc import Callable, Generator
from pathlib import Path
from typing import Any

import pytest
from support.playing import give, take
from support.spied import Time
from twisted.internet.defer import CancelledError
from twisted.internet.task import Clock
from twisted.python.failure import Failure
from twisted.web.client import ResponseDone

from downloader import Downloader, Job, Limits, Timeouts
from downloader.deadlines import Deadlines
from downloader.errors import StallTimeout
from downloader.testing import AgentSpy, SpiedResponse, SpiedTransport
from downloader.transfer.body import FileBody
from downloader.transfer.folder import Folders
from downloader.transfer.throttle import OneFlow, Throttle
from downloader.transfer.writer import PartWriter

K = 1024
BURST = 64 * K
RATE = 64 * K
STALL = 8.0


class Bodies:
    """Bodies on one throttle; once it is over nothing may be left to wait for."""

    def __init__(self, clock: Clock, folders: Folders, out: str) -> None:
        self.clock = clock
        self._place = (folders, out)
        self._deadlines = Deadlines(clock)
        self.throttle = Throttle(clock, self._deadlines)
        self.made: list[FileBody] = []

    def limit(self, total: int | None, each: int | None = None) -> Throttle:
        self.throttle.set(total, each)
        return self.throttle

    def begin(
        self, length: int | None = 10**9, one: OneFlow | None = None, **timeouts: Any
    ) -> FileBody:
        """One body; with `one`, of a file to which others bring parts too."""
        name = f"f{len(self.made)}"
        times = Timeouts(**{"stall": STALL, **timeouts})
        body = FileBody(
            lambda: PartWriter(*self._place, name, long=True),
            *(length, self._deadlines, times, None, one or self.throttle),
        )
        body.makeConnection(SpiedTransport())
        self.made.append(body)
        body.done.addErrback(lambda failure: failure.trap(CancelledError, StallTimeout))
        return body

    def end(self) -> None:
        for body in self.made:
            body.done.cancel()
            if body.part is not None:
                body.part.keep()
        assert self.clock.getDelayedCalls() == []
        assert repr(self.throttle).startswith("<Throttle <Turns 0 paused")


@pytest.fixture
def bodies(folders: Folders, out: str) -> Generator[Bodies, None, None]:
    made = Bodies(Clock(), folders, out)
    yield made
    made.end()


def bring(body: FileBody, size: int) -> None:
    body.dataReceived(b"x" * size)


def paused(body: FileBody) -> bool:
    return bool(body.transport.paused)


def over(body: FileBody) -> Any:
    result = body.result
    return result.type if isinstance(result, Failure) else result


def test_without_a_limit_nothing_is_paused(bodies: Bodies) -> None:
    body = bodies.begin()
    bring(body, 10**6)
    assert body.transport.calls == []
    assert not bodies.throttle.on


def test_what_overdraws_is_paused_until_it_is_paid(bodies: Bodies) -> None:
    bodies.limit(RATE)
    body = bodies.begin()
    bring(body, BURST)
    assert body.transport.calls == []
    bring(body, 2 * RATE)
    assert paused(body)
    bodies.clock.advance(1.9)
    assert paused(body)
    bodies.clock.advance(0.2)
    assert not paused(body)
    assert body.transport.calls == ["pauseProducing", "resumeProducing"]
    assert body.received == BURST + 2 * RATE


def test_two_files_take_turns(bodies: Bodies) -> None:
    """Each is resumed when it is its turn, and the other is not."""
    bodies.limit(RATE)
    one, two = bodies.begin(), bodies.begin()
    bring(one, BURST)
    bring(one, RATE)
    bring(two, RATE)
    turns = []
    for _ in range(60):
        bodies.clock.advance(0.1)
        for body in (one, two):
            if not paused(body):
                turns.append(body)
                bring(body, RATE)
    assert turns[:4] == [one, two, one, two]
    assert 0 <= one.received - two.received - BURST <= RATE


def test_a_limit_for_each_file_is_its_own(bodies: Bodies) -> None:
    bodies.limit(None, RATE)
    one, two, three = bodies.begin(), bodies.begin(), bodies.begin()
    bring(one, BURST + 2 * RATE)
    bring(two, BURST + RATE)
    bring(three, BURST)
    assert [paused(body) for body in (one, two, three)] == [True, True, False]
    bodies.clock.advance(1.05)
    assert [paused(body) for body in (one, two, three)] == [True, False, False]
    bodies.clock.advance(1)
    assert not paused(one)


def test_a_file_of_several_bodies_keeps_its_limit(bodies: Bodies) -> None:
    """What one of them brings too much pauses all of that file, and nobody else."""
    bodies.limit(None, RATE)
    file = OneFlow(bodies.throttle)
    a, b, other = bodies.begin(one=file), bodies.begin(one=file), bodies.begin()
    bring(a, BURST // 2)
    bring(b, BURST // 2)
    assert not paused(a) and not paused(b)
    bring(b, RATE)
    assert (paused(a), paused(b), paused(other)) == (True, True, False)
    late = bodies.begin(one=file)
    assert paused(late)
    bodies.clock.advance(1.1)
    assert not (paused(a) or paused(b) or paused(late))


def test_bodies_of_a_file_have_one_turn(bodies: Bodies) -> None:
    """And what the first of them brings when it is resumed pauses those behind it again."""
    bodies.limit(RATE)
    file = OneFlow(bodies.throttle)
    a, b = bodies.begin(one=file), bodies.begin(one=file)
    bring(a, BURST + RATE)
    assert paused(a) and paused(b)
    a.transport.resumeProducing = lambda: bring(a, RATE)
    bodies.clock.advance(1.1)
    assert paused(b) and "resumeProducing" not in b.transport.calls
    del a.transport.resumeProducing
    bodies.clock.advance(1.1)
    assert not paused(a) and not paused(b)


def test_the_end_of_one_is_not_that_of_the_file(bodies: Bodies) -> None:
    bodies.limit(RATE)
    file = OneFlow(bodies.throttle)
    last, other = bodies.begin(BURST + RATE, one=file), bodies.begin(one=file)
    bring(last, BURST + RATE)
    last.connectionLost(Failure(ResponseDone()))
    assert paused(other) and last.result is None
    assert repr(file) == "<OneFlow 2 bodies, paused>"
    bodies.clock.advance(1.1)
    assert last.result is True and not paused(other)
    bring(other, 2 * RATE)
    other.done.cancel()
    assert repr(file) == "<OneFlow 0 bodies>"


def test_one_timer_wakes_all(bodies: Bodies) -> None:
    bodies.limit(RATE, RATE)
    many = [bodies.begin() for _ in range(50)]
    for body in many:
        bring(body, BURST + RATE)
    assert all(paused(body) for body in many)
    assert len(bodies.clock.getDelayedCalls()) == 1


def test_a_body_that_begins_in_a_debt_waits_with_its_first_byte(bodies: Bodies) -> None:
    """So small files, which come in one piece, keep to the rate as well."""
    bodies.limit(RATE)
    bring(bodies.begin(), BURST + RATE)
    new = bodies.begin()
    assert paused(new)
    bodies.made[0].done.cancel()
    bodies.clock.advance(1.1)
    assert not paused(new)


def test_the_last_piece_is_not_waited_for(bodies: Bodies) -> None:
    """Its debt is there all the same, and delays others."""
    bodies.limit(RATE)
    body = bodies.begin(BURST + RATE)
    bring(body, BURST + RATE)
    assert not paused(body)
    body.connectionLost(Failure(ResponseDone()))
    assert over(body) is True
    assert paused(bodies.begin())


def test_a_pause_is_no_stall(bodies: Bodies) -> None:
    """However long it lasts; the clock of the watch stands still."""
    bodies.limit(K)
    body = bodies.begin()
    bring(body, BURST + 1000 * K)
    bodies.clock.pump([0.5] * 1999)
    assert paused(body) and over(body) is None
    bodies.clock.pump([0.5] * 4)
    assert not paused(body) and over(body) is None


def test_silence_after_a_pause_is_a_stall(bodies: Bodies) -> None:
    """As long as it would have been without one: what was left of the window is still left."""
    bodies.limit(RATE)
    body = bodies.begin()
    bodies.clock.pump([0.5] * 6)  # 3 seconds
    bring(body, BURST + 100 * RATE)
    bodies.clock.pump([0.5] * 201)  # paused for 100 of them
    assert not paused(body)
    bodies.clock.pump([0.5] * 8)
    assert over(body) is None
    bodies.clock.pump([0.5] * 12)
    assert over(body) is StallTimeout


def test_a_slow_server_is_seen_though_it_is_paused_at_times(bodies: Bodies) -> None:
    """What counts is the time in which it could have sent."""
    bodies.limit(RATE)
    slow, fast = bodies.begin(lowest_speed=1000), bodies.begin()
    for _ in range(400):
        asked = not paused(slow)
        bodies.clock.advance(0.25)
        if not paused(fast):
            bring(fast, RATE)
        if asked and over(slow) is None:
            bring(slow, 1)
    assert slow.transport.calls.count("pauseProducing") > 5
    assert over(slow) is StallTimeout
    assert over(fast) is None


def test_what_comes_all_the_same_is_taken_and_paused_again(bodies: Bodies) -> None:
    """Twisted's own agent resumes a body of which it had read something before."""
    bodies.limit(RATE)
    body = bodies.begin()
    bring(body, BURST + RATE)
    body.transport.resumeProducing()
    bring(body, RATE)
    assert paused(body)
    assert body.received == BURST + 2 * RATE
    bodies.clock.advance(1.5)
    assert paused(body)
    bodies.clock.advance(0.6)
    assert not paused(body)


def test_a_file_that_comes_whole_before_its_turn_is_over_in_its_turn(bodies: Bodies) -> None:
    """Whatever its agent makes of a pause: else small files would keep to no rate."""
    bodies.limit(RATE)
    bring(bodies.begin(BURST + RATE), BURST + RATE)
    small, cancelled = bodies.begin(5), bodies.begin(5)
    for body in (small, cancelled):
        bring(body, 5)
        body.connectionLost(Failure(ResponseDone()))
    cancelled.done.cancel()
    assert (over(small), over(cancelled)) == (None, CancelledError)
    bodies.clock.advance(1.1)
    assert over(small) is True
    assert small.transport.calls[-1] == "pauseProducing"


def test_cancelled_while_paused(bodies: Bodies) -> None:
    """Its transport is aborted at once, it has no turn any more, and the next one has."""
    bodies.limit(RATE)
    first, second = bodies.begin(), bodies.begin()
    bring(first, BURST + RATE)
    bring(second, RATE)
    first.done.cancel()
    assert first.transport.calls == ["pauseProducing", "abortConnection"]
    bodies.clock.advance(2.1)
    assert not paused(second)
    assert first.transport.calls == ["pauseProducing", "abortConnection"]
    second.done.cancel()
    assert bodies.clock.getDelayedCalls() == []


def test_limits_can_be_set_and_lifted_while_bodies_come(bodies: Bodies) -> None:
    body = bodies.begin()
    bring(body, 10**6)
    bodies.limit(K)
    assert not paused(body)
    bring(body, BURST + 1000 * K)
    assert paused(body)
    bodies.limit(1000 * K)
    bodies.clock.advance(0.9)
    assert paused(body)
    bodies.limit(None)
    assert not paused(body)
    bring(body, 10**6)
    assert not paused(body)


def test_ten_thousand_that_come_at_once_when_resumed(bodies: Bodies) -> None:
    """What a transport held is brought within `resume`; no depth is reached, and nobody left."""
    throttle = bodies.limit(10**9)
    ended = []

    class Small:
        held = True

        def pause(self) -> None:
            """It is held."""

        def resume(self) -> None:
            throttle.received(self, 1, last=True)
            throttle.ended(self)
            ended.append(self)

    first = bodies.begin()
    bring(first, 10**9)
    waiting = [Small() for _ in range(10_000)]
    for one in waiting:
        throttle.begun(one)
    bodies.clock.advance(1)
    assert ended == waiting


# --- a downloader's --------------------------------------------------------------------------


def test_many_small_files_keep_to_the_rate(
    make: Callable[..., Downloader], spy: AgentSpy, clock: Time, out: str
) -> None:
    """Each comes whole in one read. Those that are not in turn hold their slots, so nobody else
    is asked."""
    size, seconds = 16 * K, 60

    def jobs() -> Any:
        number = 0
        while True:
            yield Job(f"http://h/{number}", out)
            number += 1

    downloader = make(limits=Limits(total=4, bytes_per_second=RATE))
    fetching = downloader.fetch_all(jobs())
    fetching.addErrback(lambda failure: failure.trap(CancelledError))
    answers: dict[Any, SpiedResponse] = {}
    for _ in range(seconds * 10):
        for request in spy.requests[len(answers) :]:
            answers[request] = Held(request.answer(length=size), size)
        for held in answers.values():
            held.flow()
        clock.advance(0.1)
    done = len(os.listdir(out))
    fetching.cancel()
    allowed = (RATE * seconds + BURST) // size
    assert allowed - 8 <= done <= allowed + 4
    assert len(spy.requests) <= done + 4


class Held:
    """A small answer that is all there: it is delivered when its reader does not pause it."""

    def __init__(self, response: SpiedResponse, size: int) -> None:
        self._response = response
        self._left = size

    def flow(self) -> None:
        if self._left and not self._response.transport.paused:
            size, self._left = self._left, 0
            give(self._response, b"x" * size)


def test_the_files_are_right(
    make: Callable[..., Downloader], spy: AgentSpy, clock: Time, out: str
) -> None:
    limits = Limits(bytes_per_second=RATE, bytes_per_second_per_file=RATE // 2)
    fetching = make(limits=limits).fetch(Job("http://h/a", out))
    response = spy.requests[0].answer(length=4 * BURST)
    for number in range(4):
        assert not response.transport.paused
        response.feed(bytes([number]) * BURST)
        clock.advance(2.1)
    response.finish()
    assert take(fetching).bytes == 4 * BURST
    assert Path(out, "a").read_bytes() == b"".join(bytes([n]) * BURST for n in range(4))
