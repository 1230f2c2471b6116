"""Requests, answers cut anywhere, cancels, pauses, losses and time, in any order.

The server is honest, so each caller gets the bytes of its own request: all of them, or a part and
an error for which there was a reason. Nothing is asked more than twice, or twice when that might
do harm, and in the end nothing is owed, held or left to be called.

What no client can find out is that a server answers one request with what is meant for another,
in an answer that is well formed: a wrong Content-Length that leads exactly to the status line of
an answer inside a body. Each other wrong length is a doubt at the next status line, as
`test_pipelined_faults` shows.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from functools import partial
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from support.piped import Served, Shape, content, number_of, paths_asked
from support.pooled import check
from support.wired import Asked, Net
from twisted.internet.defer import CancelledError
from twisted.internet.error import ConnectionLost
from twisted.python.failure import Failure
from twisted.web.client import ResponseDone

from downloader.errors import ConnectionLost as LostBefore
from downloader.errors import (
    ConnectTimeout,
    FirstByteTimeout,
    Interrupted,
    StallTimeout,
    TruncatedBody,
)
from downloader.http1.flow import UNCLAIMED
from downloader.sansio.pipeline import BIG
from downloader.transfer.door import translate

SIZES = st.sampled_from([0, 1, 5, 100, 100, 5000, BIG + 1, 2 * BIG])
SHAPES = st.builds(
    Shape,
    chunked=st.sampled_from([False, False, True]),
    etag=st.booleans(),
    closes=st.sampled_from([False] * 7 + [True]),
    informs=st.sampled_from([False] * 7 + [True]),
)
METHODS = st.sampled_from([b"GET", b"GET", b"HEAD", b"POST", b"PUT"])
THEN = st.sampled_from([None, None, b"GET", b"POST", -2, -1, 1, 2])
READS = st.sampled_from([1, 7, 40, 60, 200, 200, 5000, BIG, 10 * BIG])
FIRST_BYTE_TIMEOUT = 20.0
CONNECT_TIMEOUT = 30.0


class Acting(Asked):
    """Does something in the callback in which it hears of its end."""

    def __init__(self, answer: Any, claims: bool, act: Callable[[], None]) -> None:
        self._act = act
        super().__init__(answer, claims)
        self._end_body, self.body.connectionLost = (  # type: ignore[method-assign]
            self.body.connectionLost,
            self._ended,
        )

    def _ended(self, reason: Failure) -> None:
        self._end_body(reason)
        self._act()

    def _failed(self, reason: Failure) -> None:
        super()._failed(reason)
        self._act()


class Pipelines(RuleBasedStateMachine):
    """One agent and one origin."""

    @initialize(
        per_host=st.sampled_from([1, 1, 2, 3]),
        depth=st.sampled_from([1, 2, 4, 16, 16]),
        trusted=st.sampled_from([True, True, True, False]),
    )
    def begin(self, per_host: int, depth: int, trusted: bool) -> None:
        self.limits = (per_host, depth)
        self.net = Net(
            per_host,
            pipeline=depth,
            first_byte_timeout=FIRST_BYTE_TIMEOUT,
            connect_timeout=CONNECT_TIMEOUT,
        )
        self.sizes: dict[int, int] = {}
        self.methods: dict[int, bytes] = {}
        self.asked: list[Asked] = []
        self.cancelled: dict[int, bytes] = {}
        self.paused: set[int] = set()
        self.served: list[Served] = []
        self.lost: set[int] = set()
        self.time = 0.0
        self.over = False
        if trusted:
            self.ask_one(b"GET", 5, True, None)
            self.accept()
            self.serve(0, 1, Shape(), [BIG])

    # --- what callers do ------------------------------------------------------------------------

    @rule(method=METHODS, size=SIZES, claims=st.booleans(), then=THEN)
    def ask(self, method: bytes, size: int, claims: bool, then: int | bytes | None) -> None:
        """Ask; and at its end `then` ask so, or cancel the neighbour at that distance."""
        self.ask_one(method, size, claims, then)

    @rule(sizes=st.lists(SIZES, min_size=3, max_size=9), then=THEN)
    def ask_many(self, sizes: list[int], then: int | bytes | None) -> None:
        """So many at once, with whatever connections they want."""
        for size in sizes:
            self.ask_one(b"GET", size, True, then)
        self.accept()

    def ask_one(self, method: bytes, size: int, claims: bool, then: int | bytes | None) -> None:
        number = len(self.methods)
        self.sizes[number], self.methods[number] = size, method
        answer = self.net.agent.request(method, f"http://192.0.2.1/{number}".encode())
        act = partial(self.act, number, then)
        self.asked.append(Acting(answer, claims or size < 100, act))

    def act(self, number: int, then: int | bytes | None) -> None:
        if isinstance(then, bytes) and not self.over:
            self.ask_one(then, 5, True, None)
        elif isinstance(then, int) and 0 <= number + then < len(self.asked):
            self.cancel(number + then)

    @rule(
        sizes=st.lists(SIZES, min_size=2, max_size=5),
        shape=SHAPES,
        read=READS,
        which=st.integers(0, 9),
        cancels=st.booleans(),
        seconds=st.sampled_from([0.1, 0.3, 0.6, 1.5]),
    )
    def ask_many_for_long(
        self,
        sizes: list[int],
        shape: Shape,
        read: int,
        which: int,
        cancels: bool,
        seconds: float,
    ) -> None:
        """A part of the first answer comes; one is cancelled, perhaps; and nothing comes."""
        self.ask_many(sizes, None)
        self.serve(which, 1, shape, [read])
        if cancels:
            self.cancel(len(self.asked) - 1 - which % len(sizes))
        self.advance(seconds)

    @precondition(lambda self: any(one.end is None for one in self.asked))
    @rule(which=st.integers(0, 1000))
    def cancel_one(self, which: int) -> None:
        under_way = [n for n, one in enumerate(self.asked) if one.end is None]
        self.cancel(under_way[which % len(under_way)])

    def cancel(self, number: int) -> None:
        asked = self.asked[number]
        if asked.end is None and (asked.response is None or asked.body.transport is not None):
            self.cancelled[number] = asked.body.data
            asked.cancel()
            assert asked.end is CancelledError
            self.paused.discard(number)

    @precondition(lambda self: self.asked)
    @rule(which=st.integers(0, 1000))
    def claim_or_pause(self, which: int) -> None:
        number = which % len(self.asked)
        asked = self.asked[number]
        if number in self.paused:
            self.resume(number)
        elif asked.body.transport is None:
            self.claim(number)
        elif asked.end is None:
            asked.body.transport.pauseProducing()
            self.paused.add(number)

    def claim(self, number: int) -> None:
        asked = self.asked[number]
        if asked.response is not None and asked.body.transport is None:
            asked.claim()

    def resume(self, number: int) -> None:
        self.paused.remove(number)
        self.asked[number].body.transport.resumeProducing()

    # --- what the server does, and the network -------------------------------------------------

    @rule()
    def accept(self) -> None:
        self.net.turn()
        for wire in self.net.wires[len(self.served) :]:
            self.served.append(Served(wire, self.sizes))

    def some(self, which: int) -> Served | None:
        there = [one for one in self.served if one.wire.open]
        return there[which % len(there)] if there else None

    @rule(which=st.integers(0, 9), count=st.integers(1, 4), shape=SHAPES)
    def serve_well(self, which: int, count: int, shape: Shape) -> None:
        """So many answers, all of each."""
        self.serve(which, count, shape, [20 * BIG])

    @rule(
        which=st.integers(0, 9),
        count=st.sampled_from([1, 1, 2, 5, 0]),
        shape=SHAPES,
        sizes=st.lists(READS, max_size=4),
    )
    def serve(self, which: int, count: int, shape: Shape, sizes: list[int]) -> None:
        """So many further answers, of which so much arrives in reads of these sizes."""
        served = self.some(which)
        for _ in range(count):
            if served is not None and served.waiting:
                served.answer(shape)
        for size in sizes:
            if served is not None:
                served.deliver(size)
                check(self.net.agent, *self.limits)

    @rule(which=st.integers(0, 9), clean=st.booleans(), luck=st.integers(0, 2))
    def lose(self, which: int, clean: bool, luck: int) -> None:
        served = self.some(which) if luck == 0 else None
        if served is not None:
            self.lost.update(map(number_of, served.requests))
            served.wire.lose(None if clean else ConnectionLost())

    @rule(which=st.integers(0, 9))
    def speak_unasked(self, which: int) -> None:
        """An answer to nothing, on an idle connection: it is nobody's."""
        served = self.some(which)
        if served is not None and not served.waiting and not served.due and not served.wire._held:
            served.wire.feed(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil")

    @rule(seconds=st.sampled_from([0.0, 0.1, 0.3, 0.6, 1.5, 5.0]))
    def advance(self, seconds: float) -> None:
        self.time += seconds
        self.net.reactor.advance(seconds)

    # --- what is true ---------------------------------------------------------------------------

    @invariant()
    def each_has_its_own(self) -> None:
        for number, asked in enumerate(self.asked):
            wanted = self.expected(number)
            assert wanted.startswith(asked.body.data), number
            if asked.end is ResponseDone:
                assert asked.body.data == wanted
                assert asked.response is not None and asked.response.code == 200
            elif asked.end is CancelledError:
                assert self.cancelled[number] == asked.body.data
            elif asked.end is not None:
                self.had_a_reason(number, asked)

    def expected(self, number: int) -> bytes:
        return b"" if self.methods[number] == b"HEAD" else content(number, self.sizes[number])

    def had_a_reason(self, number: int, asked: Asked) -> None:
        failure = asked.failure or asked.body.ends[0]
        error = type(translate(failure.value))
        if error in (LostBefore, TruncatedBody):
            assert number in self.lost
        elif error is FirstByteTimeout:
            assert self.time >= FIRST_BYTE_TIMEOUT
        elif error is StallTimeout:
            assert self.time >= UNCLAIMED
        elif error is ConnectTimeout:
            assert self.time >= CONNECT_TIMEOUT
        else:
            assert (error, bool(self.cancelled)) == (Interrupted, True)

    @invariant()
    def nothing_is_asked_too_often(self) -> None:
        for (method, number), times in Counter(paths_asked(self.served)).items():
            assert times <= (1 if method == b"POST" else 2), number

    @invariant()
    def the_pool_is_sound(self) -> None:
        check(self.net.agent, *self.limits)

    def teardown(self) -> None:
        """Everybody behaves, and everything comes to its end."""
        if not hasattr(self, "net"):
            return
        for _ in range(20 + 2 * len(self.asked)):
            if all(one.end is not None for one in self.asked):
                break
            self.help_along()
        assert [n for n, one in enumerate(self.asked) if one.end is None] == []
        self.each_has_its_own()
        self.nothing_is_asked_too_often()
        self.over = True
        assert self.net.close() == []
        assert repr(self.net.agent) == "<Agent <Pool []>>"

    def help_along(self) -> None:
        self.accept()
        for number in range(len(self.asked)):
            self.claim(number)
        for number in list(self.paused):
            self.resume(number)
        for served in self.served:
            while served.wire.open and served.waiting:
                served.answer(Shape())
            served.deliver(100 * BIG)
            served.wire.turn()
        self.the_pool_is_sound()


TestPipelines: Any = Pipelines.TestCase
TestPipelines.settings = settings(max_examples=120, stateful_step_count=60, deadline=None)
