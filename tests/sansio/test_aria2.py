"""aria2's envelope: what is read of a message, and what is answered."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from downloader.errors import RpcError
from downloader.sansio.aria2 import (
    MAX_CALLS,
    Call,
    Refused,
    error_of,
    http_status,
    inner_call,
    page,
    parse_message,
)

JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**15), 10**15) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner),
    max_leaves=8,
)
CALLS = st.fixed_dictionaries(
    {}, optional=dict.fromkeys(("id", "jsonrpc", "method", "params"), JSON)
)


def refused(body: Any) -> tuple[Any, int, str]:
    """The id, the code and the text with which one that is no call is answered."""
    (call,) = parse_message(body if isinstance(body, bytes) else json.dumps(body).encode()).calls
    assert isinstance(call, Refused)
    return call.id, call.error.code, call.error.message


def test_a_call() -> None:
    message = parse_message(b'{"jsonrpc":"2.0","id":[7],"method":"m","params":["token:s","a",1]}')
    assert message.calls == (Call([7], "m", ("a", 1), "s"),) and not message.is_batch


@pytest.mark.parametrize(
    ("params", "token", "left"),
    [
        ([], None, ()),
        (["token:"], "", ()),
        (["token:token:a"], "token:a", ()),
        (["a", "token:b"], None, ("a", "token:b")),
        ([["token:b"]], None, (["token:b"],)),
        (["Token:b"], None, ("Token:b",)),
    ],
)
def test_the_token_is_the_first_parameter(params: Any, token: Any, left: Any) -> None:
    """It is taken away, whether anybody asks for one or not."""
    (call,) = parse_message(json.dumps({"id": 1, "method": "m", "params": params}).encode()).calls
    assert isinstance(call, Call)
    assert (call.token, call.params) == (token, left)


@pytest.mark.parametrize(
    ("body", "answer"),
    [
        (b"{", (None, -32700, "Parse error.")),
        (b"", (None, -32700, "Parse error.")),
        (b"\xff", (None, -32700, "Parse error.")),
        (b"[" * 100 + b"]" * 100, (None, -32700, "Parse error.")),
        (b'{"id":1,"method":"m","params":[NaN]}', (None, -32700, "Parse error.")),
        (3, (None, -32600, "Invalid Request.")),
        ([{}] * (MAX_CALLS + 1), (None, -32600, "Invalid Request.")),
        ({"method": "m"}, (None, -32600, "Invalid Request.")),
        ({"id": 4}, (4, -32600, "Invalid Request.")),
        ({"id": 4, "method": 5}, (4, -32600, "Invalid Request.")),
        ({"id": 4, "method": "m", "params": {}}, (4, -32602, "Invalid params.")),
    ],
)
def test_what_is_no_call(body: Any, answer: Any) -> None:
    assert refused(body) == answer


def test_a_batch_leaves_out_what_is_no_object() -> None:
    message = parse_message(b'[1, {"id":1,"method":"a"}, null, {"id":2,"method":"b"}]')
    assert message.is_batch
    assert [call.method for call in message.calls if isinstance(call, Call)] == ["a", "b"]
    assert parse_message(b"[]").calls == () and parse_message(b"[]").is_batch


@given(st.binary(max_size=64) | JSON.map(lambda value: json.dumps(value).encode()))
def test_anything_makes_a_message(data: bytes) -> None:
    """Nothing that comes raises."""
    for call in parse_message(data).calls:
        assert isinstance(call, (Call, Refused))


@given(st.lists(CALLS, max_size=5))
def test_each_object_of_a_batch_has_an_answer(calls: list[dict[str, Any]]) -> None:
    """In order, with its id, if it has one; a call that is good alone is good in a batch."""
    message = parse_message(json.dumps(calls).encode())
    assert [call.id for call in message.calls] == [call.get("id") for call in calls]
    alone = [parse_message(json.dumps(call).encode()).calls[0] for call in calls]
    assert list(map(repr, message.calls)) == list(map(repr, alone))


def test_answers_have_the_order_of_aria2() -> None:
    error = error_of(1, RpcError("no"))
    assert json.dumps(error) == (
        '{"id": 1, "jsonrpc": "2.0", "error": {"code": 1, "message": "no"}}'
    )


@pytest.mark.parametrize(
    ("code", "status"), [(1, 400), (-32600, 400), (-32602, 500), (-32700, 500)]
)
def test_http_status(code: int, status: int) -> None:
    assert http_status(RpcError("no", code)) == status
    assert http_status(None) == 200


@pytest.mark.parametrize(
    ("call", "message"),
    [
        ([], "system.multicall expected struct."),
        ({}, "Missing methodName."),
        ({"methodName": 3}, "Missing methodName."),
        ({"methodName": "system.multicall"}, "Recursive system.multicall forbidden."),
        ({"methodName": "m", "params": {}}, "Invalid params."),
    ],
)
def test_what_is_no_call_of_a_multicall(call: Any, message: str) -> None:
    with pytest.raises(RpcError, match=message):
        inner_call(call)


def test_a_call_of_a_multicall() -> None:
    assert inner_call({"methodName": "m"}) == Call(None, "m", ())
    assert inner_call({"methodName": "m", "params": ["token:a", 1]}).token == "a"


@pytest.mark.parametrize(
    ("offset", "number", "found"),
    [
        (0, 2, "ab"),
        (3, 9, "d"),
        (4, 1, ""),
        (0, 0, ""),
        (0, -1, ""),
        (-1, 2, "dc"),
        (-2, 2, "cb"),
        (-4, 2, "a"),
        (-1, 9, "dcba"),
        (-5, 9, ""),
        (-1, 0, ""),
    ],
)
def test_pages(offset: int, number: int, found: str) -> None:
    assert "".join(page("abcd", offset, number)) == found


@given(st.lists(st.integers()), st.integers(-9, 9), st.integers(-2, 9))
def test_a_page_holds_no_more_than_asked(items: list[int], offset: int, number: int) -> None:
    """Pages from one end on are the whole, in the order of that end."""
    found = page(items, offset, number)
    assert len(found) <= max(0, number)
    if number > 0:
        forth = [one for n in range(0, len(items), number) for one in page(items, n, number)]
        back = [one for n in range(0, len(items), number) for one in page(items, -1 - n, number)]
        assert forth == items and back == items[::-1]
