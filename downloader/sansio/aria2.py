"""aria2's calls: JSON-RPC 2.0 (jsonrpc.org) as aria2 reads and answers it.

It differs from the document: a call without an id is an error, and none is left unanswered;
parameters come in a list only; whatever a method has to say against a call has the code 1.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from downloader.errors import RpcError
from downloader.sansio.jsontext import parse_json

PARSE_ERROR, INVALID_REQUEST, INVALID_PARAMS = -32700, -32600, -32602
FAILED = 1
# Calls of one batch or multicall.
MAX_CALLS = 1000
_TOKEN = "token:"
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Call:
    """One call. `token` is what was shown, None for nothing; `params` are without it."""

    id: Any
    method: str
    params: tuple[Any, ...]
    token: str | None = None


@dataclass(frozen=True, slots=True)
class Refused:
    """What is no call, and is answered so."""

    id: Any
    error: RpcError


@dataclass(frozen=True, slots=True)
class Message:
    """What came in one piece: calls, or what is none. A batch is answered with a list."""

    calls: tuple[Call | Refused, ...]
    is_batch: bool = False


def parse_message(data: bytes) -> Message:
    """What `data` asks. It never raises: what makes no sense is a `Refused`."""
    try:
        found = parse_json(data)
    except ValueError:
        return _refused(RpcError("Parse error.", PARSE_ERROR))
    if isinstance(found, dict):
        return Message((_call(found),))
    if not isinstance(found, list) or len(found) > MAX_CALLS:
        return _refused(RpcError("Invalid Request.", INVALID_REQUEST))
    return Message(tuple(_call(one) for one in found if isinstance(one, dict)), is_batch=True)


def inner_call(found: Any) -> Call:
    """One call of a multicall. Raises RpcError."""
    if not isinstance(found, dict):
        raise RpcError("system.multicall expected struct.")
    method, params = found.get("methodName"), found.get("params", [])
    if not isinstance(method, str):
        raise RpcError("Missing methodName.")
    if method == "system.multicall":
        raise RpcError("Recursive system.multicall forbidden.")
    if not isinstance(params, list):
        raise RpcError("Invalid params.", INVALID_PARAMS)
    return _made(None, method, params)


def error_of(id: Any, error: RpcError) -> dict[str, Any]:
    """The answer to a call that did not go well."""
    return {"id": id, "jsonrpc": "2.0", "error": fault(error)}


def fault(error: RpcError) -> dict[str, Any]:
    """What is told of `error`."""
    return {"code": error.code, "message": error.message}


def http_status(error: RpcError | None) -> int:
    """The status of an HTTP answer that is this error; None is any other, of a batch too."""
    if error is None:
        return 200
    return 400 if error.code in (FAILED, INVALID_REQUEST) else 500


def page(items: Sequence[T], offset: int, number: int) -> list[T]:
    """`number` of the items from `offset` on, counted from 0. Below 0 it is counted from the end,
    -1 is the last one, and they are given from there towards the first."""
    if number <= 0:
        return []
    if offset >= 0:
        return list(items[offset : offset + number])
    last = len(items) + offset
    return list(items[max(0, last - number + 1) : last + 1][::-1]) if last >= 0 else []


def _refused(error: RpcError) -> Message:
    return Message((Refused(None, error),))


def _call(found: dict[str, Any]) -> Call | Refused:
    method, params = found.get("method"), found.get("params", [])
    if "id" not in found:
        return Refused(None, RpcError("Invalid Request.", INVALID_REQUEST))
    if not isinstance(method, str):
        return Refused(found["id"], RpcError("Invalid Request.", INVALID_REQUEST))
    if not isinstance(params, list):
        return Refused(found["id"], RpcError("Invalid params.", INVALID_PARAMS))
    return _made(found["id"], method, params)


def _made(id: Any, method: str, params: list[Any]) -> Call:
    if params and isinstance(params[0], str) and params[0].startswith(_TOKEN):
        return Call(id, method, tuple(params[1:]), params[0].removeprefix(_TOKEN))
    return Call(id, method, tuple(params))
