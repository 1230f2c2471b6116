"""One message with many calls: who else has a turn meanwhile, and how much it is told."""

from __future__ import annotations

import json
from typing import Any

import pytest
from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.task import Clock
from twisted.python.failure import Failure

from downloader.errors import RpcError
from downloader.sansio.aria2 import parse_message
from downloader.sansio.aria2params import Params
from downloader.service.door import Door
from downloader.service.rpc.jsonrpc import MAX_ANSWER, SPELL, JsonRpc, Reply


class Calling:
    """Calls that are answered while the test advances the clock."""

    def __init__(self) -> None:
        self.clock = Clock()
        self.done: list[Any] = []
        self.shown = 0
        self.replies: list[Reply] = []
        self.failures: list[Failure] = []
        door = Door(self.clock)
        door.token = "right"
        methods = {"work": self.work, "tell": self.tell, "refuse": self.refuse, "wait": self.wait}
        self.rpc = JsonRpc(self.clock, methods, door)

    async def work(self, params: Params) -> str:
        """Takes as long as nobody else should wait."""
        self.clock.rightNow += SPELL
        self.done.append("work")
        return "worked"

    async def wait(self, params: Params) -> None:
        """For ever."""
        self.done.append("wait")
        await Deferred[None]()

    async def tell(self, params: Params) -> str:
        """So many bytes."""
        self.done.append("tell")
        return "x" * params.integer(0)

    async def refuse(self, params: Params) -> str:
        raise RpcError("no")

    def show(self) -> None:
        self.shown += 1

    def say(self, asked: Any, is_known: bool = False) -> Deferred[None]:
        message = parse_message(json.dumps(asked).encode())
        replying = Deferred.fromCoroutine(self.rpc.reply(message, self.show, is_known))
        return replying.addCallbacks(self.replies.append, self.failures.append)

    @property
    def answered(self) -> Any:
        (reply,) = self.replies
        return json.loads(reply.body)


def call(method: str, *params: Any, token: str = "right", id: Any = 1) -> dict[str, Any]:
    return {"id": id, "method": method, "params": [f"token:{token}", *params]}


def multicall(*calls: dict[str, Any]) -> dict[str, Any]:
    inner = [{"methodName": one["method"], "params": one["params"]} for one in calls]
    return {"id": 1, "method": "system.multicall", "params": [inner]}


def test_others_have_their_turn() -> None:
    """Of the reactor, whenever it was at work for long; what is short is answered in one go."""
    c = Calling()
    c.say([call("work")] * 3)
    c.clock.callLater(0, c.done.append, "other")
    assert c.done == ["work"]
    c.clock.advance(0)
    assert c.done == ["work", "work", "other", "work"]
    assert [one["result"] for one in c.answered] == ["worked"] * 3
    c.replies.clear()
    c.say([call("tell", 1)] * 500)
    assert len(c.answered) == 500 and c.clock.getDelayedCalls() == []


def test_in_a_multicall_too() -> None:
    c = Calling()
    c.say(multicall(call("work"), call("refuse"), call("work")))
    assert c.done == ["work"]
    c.clock.advance(0)
    assert c.answered["result"] == [["worked"], {"code": 1, "message": "no"}, ["worked"]]


def test_who_waits_no_more_ends_it() -> None:
    """Calls that were not begun are not."""
    c = Calling()
    c.say([call("work")] * 3).cancel()
    (failure,) = c.failures
    assert failure.check(CancelledError) and c.done == ["work"]
    assert c.clock.getDelayedCalls() == []


def test_who_goes_while_a_call_waits_ends_it() -> None:
    """That is no bug, and the calls behind it are not begun."""
    c = Calling()
    replying = c.say([call("wait"), call("work")])
    assert c.done == ["wait"]
    replying.cancel()
    (failure,) = c.failures
    assert failure.check(CancelledError) and c.done == ["wait"]


def test_an_answer_is_bounded() -> None:
    """Once it is long enough, further calls are refused, and do nothing."""
    c = Calling()
    half = call("tell", MAX_ANSWER // 2)
    c.say([half, half, call("work"), multicall(call("work"))])
    assert c.done == ["tell", "tell"]
    assert [sorted(one)[0] for one in c.answered] == ["id", "id", "error", "id"]
    why = c.answered[2]["error"]
    assert why == {
        "code": 1,
        "message": f"the answer has {MAX_ANSWER} bytes already; ask for less at a time",
    }
    assert c.answered[3]["result"] == [why]
    c.replies.clear()
    c.say(multicall(half, half, call("work")))
    assert c.answered["result"][2] == why and c.done == ["tell"] * 4


def test_the_token_is_told_of() -> None:
    """When it is shown, and not when it comes behind a wrong one."""
    c = Calling()
    c.say({"id": 1, "method": "system.listMethods"})
    c.say([call("work", token="wrong"), call("work")])
    assert c.shown == 0
    c.say(call("refuse"))
    assert c.shown == 1


def test_answers_are_one_text() -> None:
    """In the order of aria2's; the status is that of a single error, and no batch's."""
    c = Calling()
    c.say(call("tell", 1, id="é"))
    c.say(call("refuse"))
    c.say([call("refuse")])
    c.say([])
    good, bad, batch, nothing = c.replies
    assert good == (b'{"id":"\\u00e9","jsonrpc":"2.0","result":"x"}', 200, False)
    assert bad.body == b'{"id":1,"jsonrpc":"2.0","error":{"code":1,"message":"no"}}'
    assert bad.status == 400
    assert batch == (b"[%b]" % bad.body, 200, False) and nothing == (b"[]", 200, False)


OPEN = {"id": 1, "method": "system.listMethods"}
FAILED = {
    "no call": 3,
    "too many": [0] * 1001,
    "a batch with one": [OPEN, {"id": 1}],
    "no method": {"id": 1},
    "a multicall of none": {"id": 1, "method": "system.multicall", "params": [[7]]},
}


@pytest.mark.parametrize("asked", FAILED.values(), ids=FAILED)
def test_what_makes_a_stranger_wait(asked: Any) -> None:
    """Whatever is wrong with what it asks: else it could be read for nothing, again and again. Who
    has shown the token, here or before, waits for a wrong one only."""
    c = Calling()
    c.say(asked)
    c.say(asked, is_known=True)
    c.say([call("refuse"), asked])
    c.say(OPEN)
    c.say(call("work", token="wrong"), is_known=True)
    assert [reply.is_late for reply in c.replies] == [True, False, False, False, True]
