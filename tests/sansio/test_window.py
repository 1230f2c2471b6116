"""Jobs that were read and not started: a queue for each host, hosts in turn."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from downloader.jobs import Job, Pieces
from downloader.sansio.window import Window, weight

Item = tuple[str, int]


def anybody(host: str, first: Item) -> bool:
    return True


def filled(*items: tuple[str, int]) -> Window[tuple[str, int]]:
    window: Window[tuple[str, int]] = Window()
    for item in items:
        window.add(item[0], item)
    return window


def test_an_empty_window_gives_nothing() -> None:
    window = filled()
    assert window.take(anybody) is None
    assert len(window) == 0


def test_one_host_is_first_in_first_out() -> None:
    window = filled(("a", 1), ("a", 2), ("a", 3))
    assert [window.take(anybody) for _ in range(4)] == [("a", 1), ("a", 2), ("a", 3), None]


def test_hosts_take_turns() -> None:
    """However long the first host's queue is, the others get theirs in between."""
    window = filled(("a", 1), ("a", 2), ("a", 3), ("b", 1), ("b", 2), ("c", 1))
    order = [window.take(anybody) for _ in range(6)]
    assert order == [("a", 1), ("b", 1), ("c", 1), ("a", 2), ("b", 2), ("a", 3)]


def test_a_host_that_is_not_ready_is_passed_over() -> None:
    window = filled(*(("dead", n) for n in range(5000)), ("b", 1))
    assert window.take(lambda host, first: host != "dead") == ("b", 1)
    assert window.take(lambda host, first: host != "dead") is None
    assert len(window) == 5000
    assert window.take(lambda host, first: first == ("dead", 1)) is None
    assert window.take(anybody) == ("dead", 0)


def test_clear_forgets_them_all() -> None:
    window = filled(("a", 1), ("b", 1))
    assert repr(window) == "<Window 2 jobs of 2 hosts>"
    window.clear()
    assert (len(window), window.take(anybody)) == (0, None)


@given(st.lists(st.one_of(st.sampled_from("abcd"), st.sets(st.sampled_from("abcd")))))
def test_nothing_is_lost_and_each_host_keeps_its_order(steps: list[str | set[str]]) -> None:
    """A letter adds a job of that host; a set takes one of the hosts in it, if there is one."""
    window: Window[tuple[str, int]] = Window()
    model: dict[str, list[tuple[str, int]]] = {host: [] for host in "abcd"}
    for number, step in enumerate(steps):
        if isinstance(step, str):
            window.add(step, (step, number))
            model[step].append((step, number))
            continue
        taken = window.take(lambda host, first: host in step)  # noqa: B023
        firsts = [model[host][0] for host in step if model[host]]
        assert taken in firsts if firsts else taken is None
        if taken is not None:
            model[taken[0]].pop(0)
    rest = [item for queue in model.values() for item in queue]
    assert len(window) == len(rest)
    assert {window.take(anybody) for _ in rest} == set(rest)
    assert len(window) == 0


def test_what_a_job_weighs() -> None:
    """A plain one 1; what is long or many by the KiB, so that memory is bounded."""
    assert weight(Job("http://h/a")) == 1
    assert weight(Job("http://h/" + "a" * 2048)) == 3
    assert weight(Job("http://h/a", mirrors=("http://m/" + "a" * 1024,) * 10)) == 11
    assert weight(Job("http://h/a", headers=(("X", "a" * 4096),))) == 5
    assert weight(Job("http://h/a", pieces=Pieces("sha-256", 1, ("0" * 64,) * 64))) == 8
