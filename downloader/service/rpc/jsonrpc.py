"""aria2's calls over HTTP: POST /jsonrpc.

The token is in the parameters of each call, so the door asks for none; the Host and the Origin it
has looked at. A message with a wrong token is answered as late as any request with one, and so is
one with an error for who has not shown it. What comes after a wrong one in that message, and wants
the token, is refused with the right one too: a batch is one guess, and not a thousand.

A message may be much work: others have their turn while it is answered, and the answer is bounded.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from twisted.internet.defer import CancelledError
from twisted.internet.task import deferLater
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
)
from downloader.sansio.aria2params import Params
from downloader.service.answers import JSON, Answer, Refusal, dumped
from downloader.service.door import Door
from downloader.service.routes import Asked
from downloader.service.rpc.looks import Method

JSON_RPC = "application/json-rpc"
# A client that names no type is not a page: a page that does it sends its Origin.
TYPES = (JSON, JSON_RPC, "")
EVENTS = ("Start", "Pause", "Stop", "Complete", "Error")
NOTIFICATIONS = [f"aria2.onDownload{event}" for event in EVENTS]
TOO_MANY = f"more than {MAX_CALLS} calls at a time"
# Bytes that the calls of one message are told; then further ones are refused, and do nothing.
MAX_ANSWER = 4 * 1024 * 1024
TOO_LONG = f"the answer has {MAX_ANSWER} bytes already; ask for less at a time"
# Seconds of work before others have their turn; Twisted's Cooperator has the same.
SPELL = 0.01
_RESULT = b'{"id":%b,"jsonrpc":"2.0","result":%b}'
_OPEN = frozenset(("system.multicall", "system.listMethods", "system.listNotifications"))
_HIDDEN = frozenset(("aria2.addTorrent",))
_log = Logger()


class Reply(NamedTuple):
    """What is sent of an answer: JSON, and the status that it has over HTTP. One that `is_late` has
    to wait, by when nothing of the message is kept."""

    body: bytes
    status: int = 200
    is_late: bool = False


class _Turn:
    """One message that is being answered: how many calls there were, how many bytes they were told,
    whether one of them was without the token, and whether one failed. `shown()` is called for one
    with it; who `is_known` has shown it before."""

    def __init__(self, reactor: Any, shown: Callable[[], object], is_known: bool) -> None:
        self.refused = self.failed = False
        self._is_known = is_known
        self._shown = shown
        self._calls = 0
        self._size = 0
        self._reactor = reactor
        self._begun = reactor.seconds()

    def __repr__(self) -> str:
        refused = ", refused" if self.refused else ""
        return f"<_Turn {self._calls} calls, {self._size} bytes{refused}>"

    @property
    def is_late(self) -> bool:
        """Whether the answer is to wait: else a stranger could have us read without end."""
        return self.refused or (self.failed and not self._is_known)

    def shown(self) -> None:
        """The token is."""
        self._is_known = True
        self._shown()

    def count(self, calls: int) -> None:
        """So many more. Raises RpcError when they are too many."""
        self._calls += calls
        if self._calls > MAX_CALLS:
            raise RpcError(TOO_MANY)

    def check(self) -> None:
        """Raises RpcError when what was told is enough."""
        if self._size >= MAX_ANSWER:
            raise RpcError(TOO_LONG)

    def tell(self, value: Any) -> bytes:
        """It as JSON, which is counted."""
        text = dumped(value)[:-1]
        self._size += len(text)
        return text

    async def breathe(self) -> None:
        """Let others have their turn, if this has been at work for long."""
        if self._reactor.seconds() - self._begun >= SPELL:
            await deferLater(self._reactor, 0)
            self._begun = self._reactor.seconds()


class JsonRpc:
    """Answers calls of `methods` that show the token of `door`."""

    def __init__(self, reactor: Any, methods: dict[str, Method], door: Door) -> None:
        self.door = door
        self._reactor = reactor
        self._methods = methods
        self.names = [*sorted(set(methods) - _HIDDEN), *sorted(_OPEN)]

    def __repr__(self) -> str:
        return f"<JsonRpc {len(self.names)} methods>"

    async def post(self, asked: Asked) -> Answer:
        """Answer a request."""
        message, channel = parse_message(asked.body), asked.request.channel
        reply = await self.reply(message, channel.token_shown, channel.is_known)
        return Answer(reply.status, reply.body, JSON_RPC, is_late=reply.is_late)

    async def reply(
        self, message: Message, shown: Callable[[], object], is_known: bool = False
    ) -> Reply:
        """An answer to each call, in turns of the reactor that others have between. `shown()` is
        called when one shows the token; who `is_known` has done so before."""
        turn = _Turn(self._reactor, shown, is_known)
        replies = [await self._reply(call, turn) for call in message.calls]
        if not message.is_batch:
            return replies[0]._replace(is_late=turn.is_late)
        body = b"[%b]" % b",".join(reply.body for reply in replies)
        return Reply(body, is_late=turn.is_late)

    async def _reply(self, call: Call | Refused, turn: _Turn) -> Reply:
        try:
            if isinstance(call, Refused):
                raise call.error
            turn.count(1)
            result = await self._result(call, turn)
        except RpcError as error:
            turn.failed = True
            return Reply(turn.tell(error_of(call.id, error)), http_status(error))
        return Reply(_RESULT % (turn.tell(call.id), result))

    async def _result(self, call: Call, turn: _Turn) -> bytes:
        """What it comes to, as JSON. Raises RpcError."""
        if call.method == "system.multicall":
            return await self._multicall(call, turn)
        await turn.breathe()
        turn.check()
        return turn.tell(await self._told(call, turn))

    async def _told(self, call: Call, turn: _Turn) -> Any:
        if call.method == "system.listMethods":
            return self.names
        if call.method == "system.listNotifications":
            return NOTIFICATIONS
        if turn.refused or not self.door.is_token(call.token):
            turn.refused = True
            raise RpcError("Unauthorized")
        turn.shown()
        if call.method not in self._methods:
            raise RpcError(f"No such method: {call.method[:100]}")
        return await _called(self._methods[call.method], call)

    async def _multicall(self, call: Call, turn: _Turn) -> bytes:
        """A list of one for each call that went well, and an error for each that did not."""
        if len(call.params) != 1 or not isinstance(call.params[0], list):
            raise RpcError("The parameter at 0 has wrong type.")
        turn.count(len(call.params[0]))  # those that are no calls too: each is answered
        results = []
        for found in call.params[0]:
            try:
                results.append(b"[%b]" % await self._result(inner_call(found), turn))
            except RpcError as error:
                turn.failed = True
                results.append(turn.tell(fault(error)))
        return b"[%b]" % b",".join(results)


async def _called(method: Method, call: Call) -> Any:
    try:
        return await method(Params(call.params))
    except (DownloadError, Refusal) as error:
        raise RpcError(str(error)) from error
    except (RpcError, CancelledError):  # of the latter nobody is told any more
        raise
    except Exception as error:
        _log.failure("answering {method}", method=call.method)
        raise RpcError("a bug in this program; its log has more") from error
