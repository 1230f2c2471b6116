"""JSON from outside: what Python would take, and nobody else."""

from __future__ import annotations

import json
import sys
from functools import reduce
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from downloader.sansio import jsontext
from downloader.sansio.jsontext import MAX_CONTAINERS, MAX_DEPTH, is_whole, parse_json

NESTED = st.builds(
    lambda value, shells: reduce(lambda inner, text: {text: [inner]}, shells, value),
    st.text() | st.lists(st.text('[]{}"\\'), max_size=3),
    st.integers(0, MAX_DEPTH).flatmap(
        lambda n: st.lists(st.text('[]{}"\\a', max_size=3), min_size=n, max_size=n)
    ),
)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**63) | st.text(),
    lambda inner: st.lists(inner, max_size=5) | st.dictionaries(st.text(), inner, max_size=5),
    max_leaves=20,
)


@given(VALUES, st.booleans())
def test_what_is_json(value: Any, ascii_only: bool) -> None:
    """As it is written by anybody: a pair of surrogates is one character."""
    data = json.dumps(value, ensure_ascii=ascii_only).encode("utf-8")
    assert parse_json(data) == value


@pytest.mark.parametrize(
    "data",
    [
        *(b"", b"{", b"NaN", b"-Infinity", b"[1,]", b"{1: 2}", b"'a'", b'"\xff"', b"\xff\xfe"),
        *(b'"\\ud800"', b'"\\udc00\\ud800"', b'{"\\uDfff": 1}', b"9" * 21, b"-" + b"9" * 21),
        *(b"[" * 10**6, b'{"":' * 10**6, b"[" * (MAX_DEPTH + 1) + b"]" * (MAX_DEPTH + 1)),
        *(b"]" * 9 + b"[" * 9, b'{"a":[' * (MAX_DEPTH // 2) + b"[" + b"]}" * (MAX_DEPTH // 2)),
        b"[" + b"{}," * MAX_CONTAINERS + b"1]",
    ],
)
def test_what_is_none(data: bytes) -> None:
    with pytest.raises(ValueError):
        parse_json(data)


def test_depth_is_that_of_brackets_outside_texts() -> None:
    data = json.dumps(["[" * 1000, '\\"[' * 1000]).encode()
    assert parse_json(data) == json.loads(data)
    assert parse_json(b"[" * MAX_DEPTH + b"]" * MAX_DEPTH)
    assert parse_json(b'{"a":[' * (MAX_DEPTH // 2) + b"]}" * (MAX_DEPTH // 2))


def depth_of(value: Any) -> int:
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return int(isinstance(value, (dict, list))) + max(map(depth_of, inner), default=0)


@given(NESTED, st.booleans())
def test_what_is_too_deep(value: Any, ascii_only: bool) -> None:
    """Wherever in it, and whatever stands in its texts."""
    data = json.dumps(value, ensure_ascii=ascii_only).encode("utf-8")
    if depth_of(value) <= MAX_DEPTH:
        assert parse_json(data) == value
    else:
        with pytest.raises(ValueError, match="nested deeper"):
            parse_json(data)


def steps(data: bytes) -> int:
    """How many lines of ours are run for it."""
    count, before = 0, sys.gettrace()

    def trace(frame: Any, event: str, _: Any) -> Any:
        nonlocal count
        count += event == "line"
        return trace if frame.f_code.co_filename == jsontext.__file__ else None

    sys.settrace(trace)
    try:
        parse_json(data)
    finally:
        sys.settrace(before)
    return count


@pytest.mark.parametrize("item", [b"{}", b'"["', b'["["]', b'"\\"]"', b'{"":[{}]}'])
def test_brackets_cost_no_step_each(item: bytes) -> None:
    """As many as there are: they are looked at before any token is."""
    few, many = (b"[" + b",".join([item] * n) + b"]" for n in (1, 1000))
    assert steps(few) == steps(many)


def test_many_are_taken() -> None:
    data = b"[" + b"{}," * (MAX_CONTAINERS - 2) + b"1]"
    assert len(parse_json(data)) == MAX_CONTAINERS - 1


@given(st.binary())
def test_anything_is_answered(data: bytes) -> None:
    try:
        parse_json(data)
    except ValueError:
        pass


@pytest.mark.parametrize("value", [1, 3])
def test_a_whole_number(value: int) -> None:
    assert is_whole(value, range(1, 4))


@pytest.mark.parametrize("value", [0, 4, True, 1.0, "1", None, [1]])
def test_no_whole_number_of_these(value: object) -> None:
    assert not is_whole(value, range(1, 4))
