"""Many deadlines, one delayed call, and none when there is nothing to wait for."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from twisted.internet.task import Clock

from downloader.deadlines import Deadlines

RESOLUTION = 0.05


def test_it_is_called_once_and_on_time() -> None:
    """Not before, and at most the resolution later."""
    clock, called = Clock(), []
    deadlines = Deadlines(clock, RESOLUTION)
    deadlines.set(1.0, lambda: called.append(clock.seconds()))
    clock.advance(0.999)
    assert called == []
    clock.pump([0.01] * 100)
    assert len(called) == 1 and 1.0 <= called[0] <= 1.0 + RESOLUTION + 0.01
    assert clock.getDelayedCalls() == []


def test_cancelled_it_is_not_called() -> None:
    """And the last one to be cancelled takes the delayed call along; twice is harmless."""
    clock, called = Clock(), []
    deadlines = Deadlines(clock)
    one = deadlines.set(1.0, lambda: called.append(1))
    two = deadlines.set(2.0, lambda: called.append(2))
    assert len(clock.getDelayedCalls()) == 1
    one.cancel()
    one.cancel()
    clock.advance(1.5)
    two.cancel()
    assert clock.getDelayedCalls() == [] and repr(deadlines) == "<Deadlines 0 live>"
    clock.advance(5)
    two.cancel()
    assert called == []


def test_an_earlier_one_comes_first() -> None:
    """A short deadline set while a long one sleeps wakes in its own time."""
    clock, called = Clock(), []
    deadlines = Deadlines(clock)
    deadlines.set(60.0, lambda: called.append("late"))
    deadlines.set(1.0, lambda: called.append("early"))
    assert repr(deadlines) == "<Deadlines 2 live>"
    clock.advance(1.1)
    assert called == ["early"]
    clock.advance(60)
    assert called == ["early", "late"]


def test_one_may_cancel_another_and_set_a_third() -> None:
    """What is called may change the others, those that are due in the same moment too."""
    clock, called = Clock(), []
    deadlines = Deadlines(clock)

    def first() -> None:
        called.append("first")
        second.cancel()
        deadlines.set(1.0, lambda: called.append("third"))

    deadlines.set(1.0, first)
    second = deadlines.set(1.0, lambda: called.append("second"))
    clock.advance(1.1)
    assert called == ["first"]
    clock.advance(1.1)
    assert called == ["first", "third"] and clock.getDelayedCalls() == []


def test_one_that_raises_does_not_stop_the_others(logged_failures: Any) -> None:
    """It is logged; those due with it and those due later are called."""
    clock, called = Clock(), []
    deadlines = Deadlines(clock)
    deadlines.set(1.0, lambda: 1 // 0)  # type: ignore[arg-type, return-value]
    deadlines.set(1.0, lambda: called.append("same"))
    deadlines.set(2.0, lambda: called.append("later"))
    clock.advance(1.1)
    clock.advance(1.1)
    assert called == ["same", "later"]
    assert len(logged_failures.flush(ZeroDivisionError)) == 1


@given(
    st.lists(
        st.one_of(
            st.tuples(st.just("set"), st.integers(0, 500)),
            st.tuples(st.just("cancel"), st.integers(0, 20)),
            st.tuples(st.just("advance"), st.integers(1, 200)),
        ),
        max_size=60,
    )
)
def test_any_order(steps: list[tuple[str, int]]) -> None:
    """Each is called once, unless cancelled before, in time; never more than one delayed call."""
    clock = Clock()
    deadlines = Deadlines(clock, RESOLUTION)
    made: list[Any] = []
    wanted: dict[int, float] = {}
    for step, number in steps:
        if step == "set":
            key = len(made)
            wanted[key] = clock.seconds() + number / 100
            made.append(deadlines.set(number / 100, lambda key=key: wanted.pop(key)))
        elif step == "cancel" and made:
            made[number % len(made)].cancel()
            wanted.pop(number % len(made), None)
        else:
            clock.pump([0.01] * (number if step == "advance" else 0))
        assert len(clock.getDelayedCalls()) == bool(wanted)
        assert all(when > clock.seconds() - RESOLUTION - 0.02 for when in wanted.values())
