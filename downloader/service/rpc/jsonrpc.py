"""aria2's calls over HTTP: POST /jsonrpc.

The token is in the parameters of each call, so the door asks for none; the Host and the Origin it
has looked at. A message with a wrong token is answered as late as any request with one. Calls in it
that come after are refused too, unlooked at: a batch is one guess, and not a thousand.
"""

from __future__ import annotations

from typing import Any

from twisted.logger import Logger

from downloader.errors import DownloadError, RpcError
from downloader.sansio.aria2 import (
    MAX_CALLS,
    Call,
    Message,
    Refused,
    error_of,
    fault,
    http_status,
    inner_call,
    parse_message,
    result_of,
)
from downloader.sansio.aria2params import Params
from downloader.service.answers import JSON, Answer, Refusal, dumped
from downloader.service.door import Door, peer_of
from downloader.service.routes import Asked
from downloader.service.rpc.looks import Method

JSON_RPC = "application/json-rpc"
# A client that names no type is not a page: a page that does it sends its Origin.
TYPES = (JSON, JSON_RPC, "")
EVENTS = ("Start", "Pause", "Stop", "Complete", "Error")
NOTIFICATIONS = [f"aria2.onDownload{event}" for event in EVENTS]
TOO_MANY = f"more than {MAX_CALLS} calls at a time"
_OPEN = frozenset(("system.multicall", "system.listMethods", "system.listNotifications"))
_HIDDEN = frozenset(("aria2.addTorrent",))
_log = Logger()


class _Turn:
    """One message that is being answered: how many calls there were, and whether one of them was
    without the token."""

    def __init__(self) -> None:
        self.calls = 0
        self.refused = False

    def count(self, calls: int) -> None:
        """So many more. Raises RpcError when they are too many."""
        self.calls += calls
        if self.calls > MAX_CALLS:
            raise RpcError(TOO_MANY)


class JsonRpc:
    """Answers calls of `methods` that show the token of `door`."""

    def __init__(self, methods: dict[str, Method], door: Door) -> None:
        self._methods = methods
        self._door = door
        self.names = [*sorted(set(methods) - _HIDDEN), *sorted(_OPEN)]

    def __repr__(self) -> str:
        return f"<JsonRpc {len(self.names)} methods>"

    async def post(self, asked: Asked) -> Answer:
        """Answer a request. Raises Refusal."""
        message = parse_message(asked.body)
        answers = await self.answers(message, peer_of(asked.request))
        status = http_status(answers, message.is_batch)
        return Answer(status, dumped(whole(message, answers)), JSON_RPC)

    async def answers(self, message: Message, peer: str) -> list[dict[str, Any]]:
        """An answer to each call. Raises Refusal where too many wrong tokens come from `peer`."""
        turn = _Turn()
        answers = [await self._answer(call, turn) for call in message.calls]
        if turn.refused and not await self._door.delay(peer):
            raise Refusal(429, "too many wrong tokens", Retry_After="8")
        return answers

    async def _answer(self, call: Call | Refused, turn: _Turn) -> dict[str, Any]:
        if isinstance(call, Refused):
            return error_of(call.id, call.error)
        try:
            turn.count(1)
            return result_of(call.id, await self._result(call, turn))
        except RpcError as error:
            return error_of(call.id, error)

    async def _result(self, call: Call, turn: _Turn) -> Any:
        if call.method == "system.multicall":
            return await self._multicall(call, turn)
        if call.method == "system.listMethods":
            return self.names
        if call.method == "system.listNotifications":
            return NOTIFICATIONS
        if turn.refused or not self._door.is_token(call.token):
            turn.refused = True
            raise RpcError("Unauthorized")
        if call.method not in self._methods:
            raise RpcError(f"No such method: {call.method[:100]}")
        return await _called(self._methods[call.method], call)

    async def _multicall(self, call: Call, turn: _Turn) -> list[Any]:
        """A list of one for each call that went well, and an error for each that did not."""
        if len(call.params) != 1 or not isinstance(call.params[0], list):
            raise RpcError("The parameter at 0 has wrong type.")
        turn.count(len(call.params[0]))  # those that are no calls too: each is answered
        results: list[Any] = []
        for found in call.params[0]:
            try:
                results.append([await self._result(inner_call(found), turn)])
            except RpcError as error:
                results.append(fault(error))
        return results


def whole(message: Message, answers: list[dict[str, Any]]) -> Any:
    """What is sent of `answers`."""
    return answers if message.is_batch else answers[0]


async def _called(method: Method, call: Call) -> Any:
    try:
        return await method(Params(call.params))
    except (DownloadError, Refusal) as error:
        raise RpcError(str(error)) from error
    except RpcError:
        raise
    except Exception as error:
        _log.failure("answering {method}", method=call.method)
        raise RpcError("a bug in this program; its log has more") from error
