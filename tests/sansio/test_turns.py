"""Who may go on receiving: bounds on all together and on each, and turns in order."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from downloader.sansio.throttle import BURST_BYTES, PATIENCE, Turns, burst_of

K = 1024


def paused(turns: Turns[str], flows: str, size: int, now: float = 0.0) -> list[str]:
    """Those of `flows` that have to wait when each brings `size`."""
    return [flow for flow in flows if turns.spend(flow, size, now)]


def going_on(turns: Turns[str], now: float) -> list[str]:
    """Whose turn it is now; each of them brings one byte at once."""
    found = []
    while (flow := turns.next(now)) is not None:
        found.append(flow)
        turns.spend(flow, 1, now)
    return found


def test_the_burst_is_a_quarter_second_and_a_read_at_least() -> None:
    assert burst_of(100 * 1024**2) == 25 * 1024**2
    assert burst_of(10) == BURST_BYTES


def test_without_limits_nobody_waits() -> None:
    turns: Turns[str] = Turns(None, None, 0.0)
    assert not turns.begin("a", 0.0)
    assert paused(turns, "ab", 10**12) == []
    assert turns.wait(0.0) is None
    assert repr(turns) == "<Turns 0 paused, no limit>"


def test_who_overdraws_waits_until_the_debt_is_paid() -> None:
    turns: Turns[str] = Turns(K, None, 0.0)
    assert not turns.begin("a", 0.0)
    assert paused(turns, "a", 64 * K) == []
    assert paused(turns, "a", 2 * K) == ["a"]
    assert turns.wait(0.0) == pytest.approx(2.0)
    assert turns.next(1.9) is None
    assert turns.next(2.0) == "a"
    assert turns.wait(2.0) is None
    assert len(turns) == 0


def test_turns_are_given_in_order_and_one_at_a_time() -> None:
    turns: Turns[str] = Turns(64 * K, None, 0.0)
    assert paused(turns, "abc", 64 * K) == ["b", "c"]
    assert turns.begin("d", 0.0)
    assert turns.next(2.0) == "b"
    assert turns.next(2.0) is None
    assert turns.wait(2.0) == pytest.approx(PATIENCE)
    assert turns.spend("b", 64 * K, 2.0)
    assert turns.next(2.0) is None
    assert [turns.next(3.0), turns.spend("c", 64 * K, 3.0)] == ["c", True]
    assert [turns.next(4.0), turns.spend("d", 64 * K, 4.0)] == ["d", True]
    assert turns.next(5.0) == "b"


def test_who_brings_little_lets_the_next_go_on_at_once() -> None:
    """Those that were let go on are not in debt, and stay."""
    turns: Turns[str] = Turns(64 * K, None, 0.0)
    assert paused(turns, "abcde", 20 * K) == ["d", "e"]
    assert turns.begin("f", 0.0)
    assert going_on(turns, 1.0) == ["d", "e", "f"]
    assert len(turns) == 0


def test_who_has_nothing_to_bring_is_not_waited_for() -> None:
    turns: Turns[str] = Turns(64 * K, None, 0.0)
    assert paused(turns, "abc", 64 * K) == ["b", "c"]
    assert turns.next(2.0) == "b"
    assert turns.next(2.0 + 0.9 * PATIENCE) is None
    assert turns.next(2.0 + 1.1 * PATIENCE) == "c"
    assert not turns.spend("b", 1, 3.0)


def test_a_clock_set_back_makes_nobody_wait_for_a_silent_one() -> None:
    turns: Turns[str] = Turns(64 * K, None, 0.0)
    assert paused(turns, "abc", 64 * K) == ["b", "c"]
    assert turns.next(2.0) == "b"
    assert turns.next(1.0) == "c"


def test_who_leaves_is_not_waited_for() -> None:
    turns: Turns[str] = Turns(64 * K, K, 0.0)
    assert paused(turns, "abcd", 65 * K) == ["a", "b", "c", "d"]
    turns.leave("b")
    turns.leave("b")
    assert turns.next(10.0) == "a"
    turns.leave("a")
    assert turns.next(10.0) == "c"
    turns.leave("d")
    turns.leave("c")
    assert turns.wait(10.0) is None
    assert turns.next(10.0) is None


def test_a_last_waiter_that_leaves_leaves_nothing_to_wake_for() -> None:
    """Neither of those that wait for their turn nor of those that have a debt of their own."""
    for limits in ((K, None), (None, K), (K, K)):
        turns: Turns[str] = Turns(*limits, 0.0)
        assert paused(turns, "ab", 65 * K) == ["a", "b"]
        turns.leave("a")
        turns.leave("b")
        assert turns.wait(0.0) is None
        assert len(turns) == 0


def test_a_debt_of_ones_own_holds_up_nobody_else() -> None:
    turns: Turns[str] = Turns(None, 64 * K, 0.0)
    assert paused(turns, "a", 128 * K) == ["a"]
    assert paused(turns, "b", 96 * K) == ["b"]
    assert paused(turns, "c", 10 * K) == []
    assert not turns.begin("d", 0.0)
    assert turns.wait(0.0) == pytest.approx(0.5)
    assert [turns.next(0.5), turns.next(0.5)] == ["b", None]
    assert turns.wait(0.5) == pytest.approx(0.5)
    assert turns.next(1.0) == "a"


def test_first_ones_own_debt_then_the_turn() -> None:
    """Who has paid its own queues behind those that waited meanwhile."""
    turns: Turns[str] = Turns(64 * K, 32 * K, 0.0)
    assert paused(turns, "ab", 96 * K) == ["a", "b"]  # a second each, of its own
    assert turns.begin("c", 0.5)
    assert turns.next(1.9) is None
    assert [turns.next(2.0), turns.spend("c", 64 * K, 2.0)] == ["c", True]
    assert [turns.next(3.0), turns.spend("a", 64 * K, 3.0)] == ["a", True]
    assert turns.next(4.0) == "b"


def test_what_comes_while_it_waits_counts_too() -> None:
    """Some transports deliver what they had read when they were paused."""
    turns: Turns[str] = Turns(None, K, 0.0)
    assert paused(turns, "a", 65 * K) == ["a"]
    assert paused(turns, "a", K) == ["a"]
    assert turns.next(1.5) is None
    assert turns.wait(1.5) == pytest.approx(0.5)
    assert turns.next(2.0) == "a"


def test_other_rates_hold_for_those_that_wait() -> None:
    turns: Turns[str] = Turns(K, K, 0.0)
    assert paused(turns, "ab", 164 * K) == ["a", "b"]
    turns.change(164 * K, 100 * K, 0.0)
    assert turns.next(0.99) is None
    turns.change(1000 * K, 1000 * K, 1.0)
    assert going_on(turns, 2.0) == ["a", "b"]


def test_without_limits_again_all_go_on() -> None:
    turns: Turns[str] = Turns(K, K, 0.0)
    assert paused(turns, "abc", 164 * K) == ["a", "b", "c"]
    turns.change(None, None, 0.0)
    assert [turns.next(0.0) for _ in range(4)] == ["a", "b", "c", None]
    assert turns.wait(0.0) is None


STEPS = st.lists(
    st.tuples(
        st.sampled_from("abcdef"),
        st.sampled_from(["bring", "bring", "bring", "leave"]),
        st.integers(0, 100 * K),
        st.floats(0, 3) | st.just(0.0),
    ),
    max_size=80,
)
RATES = st.none() | st.integers(K, 1000 * K)


class World:
    """Flows that bring something whenever they may; what came, and who went on, in order."""

    def __init__(self, turns: Turns[str]) -> None:
        self.turns = turns
        self.now = 0.0
        self.there: set[str] = set()
        self.held: list[str] = []
        self.came: list[tuple[float, str, int]] = []
        self.turns_since: dict[str, list[str]] = {}

    def step(self, flow: str, what: str, size: int, passed: float) -> None:
        self.now += passed
        self.go_on()
        if what == "leave":
            self.leave(flow)
            return
        if flow not in self.there:
            self.there.add(flow)
            self.note(flow, self.turns.begin(flow, self.now))
        if flow not in self.held:
            self.came.append((self.now, flow, size))
            self.note(flow, self.turns.spend(flow, size, self.now))

    def leave(self, flow: str) -> None:
        self.turns.leave(flow)
        self.there.discard(flow)
        if flow in self.held:
            self.held.remove(flow)
            del self.turns_since[flow]

    def note(self, flow: str, waits: bool) -> None:
        if waits:
            self.held.append(flow)
            self.turns_since[flow] = []

    def go_on(self) -> None:
        while (flow := self.turns.next(self.now)) is not None:
            self.held.remove(flow)
            del self.turns_since[flow]
            for seen in self.turns_since.values():
                seen.append(flow)

    def check(self, flows: str, rate: int | None) -> None:
        """In any time, at most the rate, the burst, and one piece of each of `flows`."""
        if rate is None:
            return
        came = [(when, size) for when, flow, size in self.came if flow in flows]
        most = max((size for _, size in came), default=0)
        for first in range(len(came)):
            total = 0
            for when, size in came[first:]:
                total += size
                allowed = rate * (when - came[first][0]) + burst_of(rate)
                assert total <= allowed + len(flows) * most + 1


def run(total: int | None, each: int | None, steps: list[Any]) -> World:
    world = World(Turns(total, each, 0.0))
    for step in steps:
        world.step(*step)
        assert len(world.turns) == len(world.held)
        assert (world.turns.wait(world.now) is None) is (world.held == [])
    return world


@given(RATES, RATES, STEPS)
def test_in_any_time_so_much_comes(total: int | None, each: int | None, steps: list[Any]) -> None:
    """Of all flows together, and of each; a flow that left and came again is another."""
    world = run(total, each, steps)
    world.check("abcdef", total)
    if not any(what == "leave" for _, what, _, _ in steps):
        for flow in "abcdef":
            world.check(flow, each)


@given(RATES, RATES, STEPS)
def test_nobody_starves(total: int | None, each: int | None, steps: list[Any]) -> None:
    """Whoever waits goes on in the end, when time passes as `wait` says; and with no debts of
    their own, nobody goes on twice while another waits."""
    world = run(total, each, steps)
    if each is None:
        for seen in world.turns_since.values():
            assert len(seen) == len(set(seen))
    asked = 0
    while world.held:
        wait = world.turns.wait(world.now)
        assert wait is not None
        world.now += wait + 1e-6
        world.go_on()
        asked += 1
        assert asked < 100
    assert world.turns.wait(world.now) is None
