"""Whose turn it is: against a list that is sorted anew each time."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from downloader.sansio.order import Order

HOSTS = ("a", "b", "c")


def order_of(*jobs: tuple[int, int]) -> Order:
    """Of `(number, priority)`, each behind the others of its priority, all of one host."""
    order = Order()
    for number, priority in jobs:
        order.add(number, priority, order.end(priority))
        order.let(number, "host")
    return order


def always(host: str, number: int) -> bool:
    return True


def test_first_come_first_served() -> None:
    order = order_of((1, 0), (2, 0), (3, 0))
    assert order.numbers == [1, 2, 3]
    assert order.first(always) == 1


def test_a_higher_priority_is_first() -> None:
    order = order_of((1, 0), (2, 5), (3, 5), (4, 0))
    assert order.numbers == [2, 3, 1, 4]


def test_one_that_is_held_keeps_its_place() -> None:
    order = order_of((1, 0), (2, 0))
    order.hold(1)
    assert order.first(always) == 2
    assert order.numbers == [1, 2]
    order.let(1, "host")
    assert order.first(always) == 1


def test_a_busy_host_holds_up_no_other() -> None:
    order = Order()
    for number, host in enumerate("aabab"):
        order.add(number, 0, float(number))
        order.let(number, host)
    asked: list[tuple[str, int]] = []

    def may_start(host: str, number: int) -> bool:
        asked.append((host, number))
        return host == "b"

    assert order.first(may_start) == 2
    assert asked == [("a", 0), ("b", 2)]


def test_one_that_moves_past_others_gets_their_priority() -> None:
    order = order_of((1, 5), (2, 5), (3, 0))
    (turn,) = order.move(3, 0)
    assert order.numbers == [3, 1, 2]
    assert turn.less == -5
    (turn,) = order.move(1, 2)
    assert order.numbers == [3, 2, 1]


def test_when_no_number_is_left_between_two() -> None:
    """All get new ones, and the order stays."""
    order = order_of((0, 0), (1, 0), (2, 0), (3, 0))
    changed = 0
    for n in range(200):
        changed = max(changed, len(order.move(3 if n % 2 else 2, 2)))
        assert order.numbers == ([0, 1, 3, 2] if n % 2 else [0, 1, 2, 3])
    assert changed == 4


step = st.one_of(
    st.tuples(st.just("add"), st.integers(0, 9), st.integers(-1, 1)),
    st.tuples(st.just("discard"), st.integers(0, 9), st.just(0)),
    st.tuples(st.just("let"), st.integers(0, 9), st.integers(0, 2)),
    st.tuples(st.just("hold"), st.integers(0, 9), st.just(0)),
    st.tuples(st.just("move"), st.integers(0, 9), st.integers(-2, 12)),
)


@given(st.lists(step, max_size=60), st.sets(st.sampled_from(HOSTS)))
def test_any_sequence(steps: list[tuple[str, int, int]], busy: set[str]) -> None:
    """The same as a plain list; the first is that of the hosts that are not busy."""
    order, plain = Order(), list[int]()
    priority, host = dict[int, int](), dict[int, str]()
    for name, number, value in steps:
        if name == "add" and number not in plain:
            order.add(number, value, order.end(value))
            behind = [n for n, one in enumerate(plain) if priority[one] < value]
            plain.insert(behind[0] if behind else len(plain), number)
            priority[number] = value
        elif name == "discard" and number in plain:
            order.discard(number)
            plain.remove(number)
            host.pop(number, None)
        elif name == "let" and number in plain:
            order.let(number, HOSTS[value])
            host.setdefault(number, HOSTS[value])
        elif name == "hold" and number in plain:
            order.hold(number)
            host.pop(number, None)
        elif name == "move" and number in plain:
            turns = order.move(number, value)
            plain.remove(number)
            plain.insert(max(0, value), number)
            priority.update((turn.number, -turn.less) for turn in turns)
        assert order.numbers == plain
        assert [order.position(one) for one in plain] == list(range(len(plain)))
        free = [one for one in plain if one in host and host[one] not in busy]
        assert order.first(lambda host, _: host not in busy) == (free[0] if free else None)
