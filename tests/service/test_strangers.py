"""Who has not shown the token."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from downloader.service.strangers import Strangers


@given(st.lists(st.tuples(st.booleans(), st.integers(0, 9)), max_size=50), st.integers(1, 4))
def test_the_latest_stay(steps: list[tuple[bool, int]], most: int) -> None:
    """So many of those that came (True) and did not leave; one that is there keeps its place."""
    gone: list[int] = []
    strangers = Strangers[int](most, gone.append)
    expected: list[int] = []
    expected_gone: list[int] = []
    for comes, one in steps:
        if not comes:
            strangers.leave(one)
            expected = [other for other in expected if other != one]
            continue
        strangers.add(one)
        if one not in expected:
            expected.append(one)
        if len(expected) > most:
            expected_gone.append(expected.pop(0))
    assert (gone, len(strangers)) == (expected_gone, len(expected))
    assert all(one in strangers for one in expected)
    assert repr(strangers) == f"<Strangers {len(expected)} of {most}>"


def test_one_goes_when_asked() -> None:
    gone: list[str] = []
    strangers = Strangers[str](9, gone.append)
    strangers.add("a")
    strangers.add("b")
    assert [strangers.drop(), strangers.drop(), strangers.drop()] == [True, True, False]
    assert gone == ["a", "b"]
