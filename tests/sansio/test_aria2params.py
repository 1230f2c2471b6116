"""The parameters of aria2's methods: types, and the words for what is wrong."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from downloader.errors import RpcError
from downloader.sansio.aria2params import Params


def test_what_is_right() -> None:
    params = Params(("2F", ["u", 3, "v"], {"a": 1}, -7))
    assert (params.text(0), params.gid()) == ("2F", "2f")
    assert params.texts(1) == ["u", "v"]
    assert params.options(2) == {"a": 1}
    assert params.integer(3) == -7
    assert Params((1,)).first_file(0) is None
    assert Params((0,)).position(0) == 0


def test_what_is_left_out() -> None:
    params = Params(())
    assert params.texts(0, optional=True) == []
    assert params.options(0) == {}
    assert params.position(0) is None


MISSING = "The parameter at 0 is required but missing."
WRONG = "The parameter at 0 has wrong type."
CASES: list[tuple[Callable[[Params], Any], tuple[Any, ...], str]] = [
    (lambda p: p.text(0), (), MISSING),
    (lambda p: p.text(0), (1,), WRONG),
    (lambda p: p.text(0), (None,), WRONG),
    (lambda p: p.texts(0), (), MISSING),
    (lambda p: p.texts(0, optional=True), ("a",), WRONG),
    (lambda p: p.options(0), ([],), WRONG),
    (lambda p: p.options(0, optional=False), (), MISSING),
    (lambda p: p.integer(0), ("1",), WRONG),
    (lambda p: p.integer(0), (1.0,), WRONG),
    (lambda p: p.integer(0), (True,), WRONG),
    (lambda p: p.integer(0), (2**54,), WRONG),
    (lambda p: p.position(0), (-1,), "Position must be greater than or equal to 0."),
    (lambda p: p.position(0), (None,), WRONG),
    (lambda p: p.first_file(0), (0,), "The integer parameter at 0 has invalid value: 0"),
    (lambda p: p.first_file(0), (2,), "fileIndex is out of range"),
    (lambda p: p.gid(), ("",), "Invalid GID "),
    (lambda p: p.gid(), ("xyz",), "Invalid GID xyz"),
    (lambda p: p.gid(), ("a" * 17,), "Invalid GID aaaaaaaaaaaaaaaa"),
]


@pytest.mark.parametrize(("ask", "values", "message"), CASES)
def test_what_is_wrong(ask: Callable[[Params], Any], values: Any, message: str) -> None:
    with pytest.raises(RpcError) as caught:
        ask(Params(values))
    assert (caught.value.message, caught.value.code) == (message, 1)
