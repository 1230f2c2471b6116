"""How many requests may be under way on one connection, by what was seen of its server."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from downloader.sansio.pipeline import BIG, Depth


def after(most: int, *lengths: int) -> Depth:
    """The depth after answers of these lengths."""
    depth = Depth(most)
    for length in lengths:
        depth.answered(length)
    return depth


def test_one_until_it_is_known_to_be_safe() -> None:
    """One good answer is what shows it."""
    assert Depth(16).now == 1
    assert after(16, 4096).now == 16


@pytest.mark.parametrize(
    ("length", "expected"),
    [
        (0, 16),
        (4096, 16),
        (BIG // 16 - 1, 16),
        (BIG // 15, 14),
        (BIG // 2, 1),
        (BIG, 1),
        (2**62, 1),
    ],
)
def test_a_queue_brings_so_much_together(length: int, expected: int) -> None:
    """`BIG` bytes, and at least one answer."""
    assert after(16, length).now == expected


def test_the_mean_follows_what_comes() -> None:
    """One long answer among short ones is no reason to wait for each; many are."""
    depth = after(16, *[1000] * 20)
    depth.answered(BIG)
    assert 4 <= depth.now < 16
    for _ in range(30):
        depth.answered(BIG)
    assert depth.now == 1
    for _ in range(60):
        depth.answered(1000)
    assert depth.now == 16


def test_a_slow_answer_halves_it() -> None:
    """Down to one; each eight good answers earn one back."""
    depth = after(16, 100)
    found = []
    for _ in range(5):
        depth.slowed()
        found.append(depth.now)
    assert found == [8, 4, 2, 1, 1]
    for _ in range(8):
        depth.answered(100)
    assert depth.now == 2
    for _ in range(200):
        depth.answered(100)
    assert depth.now == 16


def test_a_doubt_is_for_ever() -> None:
    """Whatever comes afterwards."""
    depth = after(16, 100)
    depth.doubt()
    for _ in range(200):
        depth.answered(100)
    depth.slowed()
    assert (depth.now, depth.most) == (1, 1)


def test_at_most_one() -> None:
    """Then no answer earns a second."""
    assert after(1, *[0] * 100).now == 1


@given(st.integers(1, 100), st.lists(st.integers(0, 2**63 - 1), min_size=1, max_size=50))
def test_lengths_bound_it(most: int, lengths: list[int]) -> None:
    """Never none, never more than asked for, and never more than what the shortest allow."""
    depth = after(most, *lengths)
    assert 1 <= depth.now <= max(1, min(most, BIG // (min(lengths) + 1)))


class Events(RuleBasedStateMachine):
    """Any order of events keeps it within its bounds."""

    def __init__(self) -> None:
        super().__init__()
        self.depth = Depth(16)
        self.doubted = False

    @rule(length=st.sampled_from([0, 1000, BIG // 4, BIG, 2**62]))
    def answered(self, length: int) -> None:
        before = self.depth.now
        self.depth.answered(length)
        if length > BIG:
            assert self.depth.now <= max(before, 1)

    @rule()
    def slowed(self) -> None:
        before = self.depth.now
        self.depth.slowed()
        assert self.depth.now == max(1, before // 2)

    @rule()
    def doubt(self) -> None:
        self.depth.doubt()
        self.doubted = True

    @invariant()
    def bounds(self) -> None:
        assert 1 <= self.depth.now <= (1 if self.doubted else 16)


TestEvents = Events.TestCase


def test_repr_shows_it() -> None:
    """What a log line needs."""
    assert repr(after(16, 100)) == "<Depth 16 of 16>"
