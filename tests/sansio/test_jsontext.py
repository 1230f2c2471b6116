"""JSON from outside: what Python would take, and nobody else."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from downloader.sansio.jsontext import MAX_DEPTH, is_whole, parse_json

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
    ],
)
def test_what_is_none(data: bytes) -> None:
    with pytest.raises(ValueError):
        parse_json(data)


def test_depth_is_that_of_brackets_outside_texts() -> None:
    data = json.dumps(["[" * 1000, '\\"[' * 1000]).encode()
    assert parse_json(data) == json.loads(data)
    assert parse_json(b"[" * MAX_DEPTH + b"]" * MAX_DEPTH)


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
