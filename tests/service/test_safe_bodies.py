"""Bodies that are not kept: the door looks at the head before it takes one."""

from __future__ import annotations

import json
import os
from typing import Any

import pytest
from support.rawhttp import connect, replies, request
from twisted.internet.task import Clock
from twisted.internet.testing import StringTransport

from downloader.service.answers import Answer
from downloader.service.door import Door
from downloader.service.routes import Asked, Route, Routes
from downloader.service.site import MAX_BODY, MOST_LONG, SHORT, DoorSite

BODY = b"x" * 1000
JSON = {"Content_Type": "application/json"}


class Site:
    """A site with a route that wants the token and one that does not, and a connection to it."""

    def __init__(self) -> None:
        self.clock = Clock()
        self.door = Door(self.clock)
        self.door.token = "right"
        self.taken: list[bytes] = []
        verbs = {"POST": self._take, "GET": self._take}
        self.door.routes = Routes([Route("/a", verbs), Route("/open", verbs, is_open=True)])
        self.site = DoorSite(self.clock, self.door)
        self.transport = StringTransport()
        self.channel: Any = self.site.buildProtocol(None)
        self.channel.makeConnection(self.transport)

    async def _take(self, asked: Asked) -> Answer:
        self.taken.append(asked.body)
        return Answer(200, b"{}")

    @property
    def kept(self) -> int:
        """Bytes of the body that is coming."""
        return int(self.channel.requests[-1].content.tell())

    @property
    def statuses(self) -> list[int]:
        """Of what was answered."""
        self.clock.advance(0)  # the answer to a wrong token is never written at once
        return [reply.status for reply in replies(self.transport.value())]

    def close(self) -> None:
        self.channel.connectionLost()
        assert self.clock.getDelayedCalls() == []


def sent(token: str | None, target: str = "/a", method: str = "POST", **headers: Any) -> bytes:
    fields: dict[str, Any] = {"Connection": None, **JSON, **headers}
    if "Transfer_Encoding" not in fields:
        fields["Content_Length"] = str(len(BODY))
    return request(method, target, token, **fields)


REFUSED = {
    "no token": (sent(None), 401),
    "a wrong token": (sent("wrong"), 401),
    "another host": (sent("right", Host="evil.example"), 421),
    "another page": (sent("right", Origin="http://evil.example"), 403),
    "no route": (sent("right", "/b"), 404),
    "no method here": (sent("right", method="PATCH"), 405),
    "no method": (sent("right", method="BREW"), 501),
    "no JSON": (sent("right", Content_Type="text/plain"), 415),
    "an open route, another page": (sent(None, "/open", Origin="null"), 403),
}


@pytest.mark.parametrize(("head", "status"), REFUSED.values(), ids=REFUSED)
def test_what_is_refused_is_not_kept(head: bytes, status: int) -> None:
    """It is answered as it would be without a body, when that has come; the connection lives."""
    s = Site()
    s.channel.dataReceived(head + BODY[:-1])
    assert s.kept == 0 and s.statuses == []
    s.channel.dataReceived(BODY[-1:])
    assert s.statuses == [status]
    s.channel.dataReceived(sent("right") + BODY)
    assert s.statuses == [status, 200] and s.taken == [BODY]
    s.close()


def test_chunks_are_not_kept_either() -> None:
    s = Site()
    s.channel.dataReceived(sent(None, Transfer_Encoding="chunked") + b"3\r\nabc\r\n")
    assert s.kept == 0
    s.channel.dataReceived(b"0\r\n\r\n")
    assert s.statuses == [401]
    s.channel.dataReceived(sent("right", Transfer_Encoding="chunked"))
    s.channel.dataReceived(b"3\r\nabc\r\n")
    assert s.kept == 3
    s.channel.dataReceived(b"0\r\n\r\n")
    assert s.statuses == [401, 200] and s.taken == [b"abc"]
    s.close()


@pytest.mark.parametrize("length", [str(MAX_BODY), None], ids=["told", "chunked"])
def test_a_body_is_no_open_file(length: str | None) -> None:
    """However long it may become: strangers would have two descriptors each."""
    s = Site()
    before = len(os.listdir("/dev/fd"))
    fields = {"Transfer_Encoding": "chunked"} if length is None else {"Content_Length": length}
    s.channel.dataReceived(request("POST", "/open", None, Connection=None, **JSON, **fields))
    assert len(os.listdir("/dev/fd")) == before
    s.close()


@pytest.mark.parametrize("head", [sent("right"), sent(None, "/open")], ids=["a token", "open"])
def test_what_is_let_in_is_kept(head: bytes) -> None:
    s = Site()
    s.channel.dataReceived(head + BODY[:-1])
    assert s.kept == len(BODY) - 1
    s.channel.dataReceived(BODY[-1:])
    assert s.taken == [BODY]
    s.close()


def test_a_body_that_nobody_reads_is_not_kept() -> None:
    """Of a GET, which is answered all the same."""
    s = Site()
    s.channel.dataReceived(sent("right", method="GET") + BODY[:-1])
    assert s.kept == 0
    s.channel.dataReceived(BODY[-1:])
    assert s.statuses == [200] and s.taken == [b""]
    s.close()


def test_what_would_be_let_in_meanwhile() -> None:
    """Its body is gone, so it is to be asked again, and nothing is done."""
    s = Site()
    s.door.token = "other"
    s.channel.dataReceived(sent("right") + BODY[:-1])
    s.door.token = "right"
    s.channel.dataReceived(BODY[-1:])
    assert s.statuses == [503] and s.taken == []
    s.close()


async def test_few_strangers_have_a_long_one(served: Any) -> None:
    """Where the token comes in the body: the oldest goes for one too many. A connection on which
    the token was shown is none of them, and a body that is answered makes room."""
    s = await served()
    long = s.service._site.long
    call = {"id": 1, "method": "system.listNotifications", "more": "x" * SHORT}
    body = json.dumps(call).encode()
    fields = {"Connection": None, "Content_Type": "application/json"}
    head = request("POST", "/jsonrpc", None, Content_Length=str(len(body)), **fields)
    known = await connect(s.reactor, s.port)
    known.transport.write(request("GET", "/api/v1/stats", s.token, Connection=None))
    await s.until(lambda: known.came)
    known.came = b""
    known.transport.write(head + body[:-1])
    raws = []
    for n in range(MOST_LONG):
        raws.append(await connect(s.reactor, s.port))
        raws[-1].transport.write(head + body[:-1])
        await s.until(lambda n=n: len(long) == n + 1)
    raws[0].transport.write(body[-1:])
    await s.until(lambda: raws[0].came and len(long) == MOST_LONG - 1)
    for _ in range(2):
        raws.append(await connect(s.reactor, s.port))
        raws[-1].transport.write(head + body[:-1])
        await s.until(lambda: len(long) == MOST_LONG)
    await raws[1].ended
    assert raws[1].came == b""
    for one in (known, *raws[2:]):
        one.transport.write(body[-1:])
        await s.until(lambda one=one: one.came or one.ended.called)
        assert replies(one.came)[0].status == 200
    assert len(long) == 0
    for one in (known, raws[0], *raws[2:]):
        one.transport.abortConnection()
        await one.ended
