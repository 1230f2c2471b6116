"""What is too much, too slow, too deep or leads elsewhere; and who is in whose way."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from support.rawhttp import connect, replies, request, say
from twisted.internet.task import Clock
from twisted.internet.testing import StringTransport
from twisted.logger import capturedLogs

from downloader.service import site
from downloader.service.door import Door
from downloader.service.site import MAX_BODY, DoorSite
from downloader.testing import Origin


async def post(s: Any, body: bytes, **headers: str | None) -> Any:
    return await say(s.reactor, s.port, request("POST", "/api/v1/jobs", s.token, body, **headers))


# --- bodies ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("length", "status"),
    [(str(MAX_BODY + 1), 413), (str(2**63), 413), ("1" * 4000, 413), ("1" * 6000, 400)],
    ids=["a byte", "eight bytes", "4000 digits", "6000 digits"],
)
@pytest.mark.parametrize("begun", [b"", b"x" * 1000])
async def test_a_body_that_is_told_to_be_too_long(
    served: Any, length: str, status: int, begun: bytes
) -> None:
    """It is refused before it has come, and once."""
    s = await served()
    reply = await post(s, begun, Content_Length=length)
    assert reply.status == status
    assert reply.headers["content-type"] == "application/problem+json"
    assert s.queue.waiting == []


async def test_a_body_that_becomes_too_long(served: Any) -> None:
    """In chunks, which tell nothing before."""
    s = await served()
    raw = await connect(s.reactor, s.port)
    head = request("POST", "/api/v1/jobs", s.token, Transfer_Encoding="chunked")
    chunk = b"10000\r\n" + b" " * 0x10000 + b"\r\n"
    raw.transport.write(head + chunk * (MAX_BODY // 0x10000 + 1))
    await raw.ended
    (reply,) = replies(raw.came)
    assert reply.status == 413 and s.queue.waiting == []


BOMBS = {
    "deep lists": b"[" * 100_000,
    "deep objects": b'{"a":' * 100_000,
    "deep and closed": b"[" * 33 + b"]" * 33,
    "a long number": b'{"urls": ["http://a/"], "size": ' + b"9" * 5000 + b"}",
    "a huge exponent": b'{"urls": ["http://a/"], "size": 1e999999999}',
    "half a surrogate": b'{"urls": ["http://a/\\ud800"]}',
    "half a surrogate in a name": b'{"urls": ["http://a/"], "out": "\\udfff"}',
    "half a surrogate in a list": b'{"list": "http://a/\\n out=\\ud8aa"}',
    "no UTF-8": b'{"urls": ["http://a/\xff"]}',
    "UTF-16": '{"urls": ["http://a/"]}'.encode("utf-16"),
    "nothing": b"",
    "a NUL": b"\0",
    "NULs in names": b'{"urls": ["http://a/"], "out": "a\\u0000b"}',
    "NULs in directories": b'{"urls": ["http://a/"], "dir": "a\\u0000b"}',
    "many URLs": json.dumps({"urls": ["http://a/"] * 10_000}).encode(),
    "many jobs": b"[" + b'{"urls":"http://a/"},' * 10_001 + b"1]",
    "no jobs": b"[]",
    "a job of texts": b'["http://a/"]',
    "true": b"true",
}


@pytest.mark.parametrize("body", BOMBS.values(), ids=BOMBS)
async def test_bombs(served: Any, body: bytes) -> None:
    """Each is refused with a sentence, and the next request is answered."""
    s = await served()
    reply = await post(s, body)
    assert reply.status in (400, 422) or (body == b"[]" and reply.status == 201)
    assert s.queue.waiting == s.queue.active == s.queue.over == []
    assert (await s.ask("GET", "/api/v1/jobs")).json["total"] == 0


# --- names ----------------------------------------------------------------------------------

ELSEWHERE = ["..", "../x", "a/../../x", "/etc", "/etc/x", "//etc", "./../x", "a/..", "~/../../x/.."]


@pytest.mark.parametrize("name", ELSEWHERE)
async def test_names_that_lead_elsewhere(
    served: Any, origin: Origin, tmp_path: Path, name: str
) -> None:
    """In each field that has one: nothing is written but below the roots."""
    s = await served()
    url = origin.add("/f", 3)
    for asked in (
        {"urls": [url], "out": name},
        {"urls": [url], "dir": name},
        {"urls": [url], "dir": str(s.out) + "/" + name},
        {"list": f"{url}\n out={name}"},
        {"list": f"{url}\n dir={name}"},
        {"list": url, "dir": name},
    ):
        await s.ask("POST", "/api/v1/jobs", asked)
    await s.until(lambda: not s.queue.active and not s.queue.waiting)
    outside = {s.out.name, s.state.name}
    assert {path.name for path in tmp_path.iterdir()} <= outside
    for gid in (name, "..%2f..", "%2e%2e", "*"):
        assert (await s.ask("DELETE", f"/api/v1/jobs/{gid}")).status in (400, 404)


async def test_a_link_in_a_root_leads_nowhere(served: Any, origin: Origin, tmp_path: Path) -> None:
    s = await served()
    (tmp_path / "elsewhere").mkdir()
    s.out.mkdir()
    (s.out / "link").symlink_to(tmp_path / "elsewhere")
    url = origin.add("/f", 3)
    await s.ask("POST", "/api/v1/jobs", {"urls": [url], "dir": "link"})
    await s.ask("POST", "/api/v1/jobs", {"urls": [url], "out": "link/f"})
    await s.until(lambda: len(s.queue.over) == 2)
    assert {entry.status for entry in s.queue.over} == {"error"}
    assert list((tmp_path / "elsewhere").iterdir()) == []


# --- connections ----------------------------------------------------------------------------


class Channel:
    """A connection to the site whose time the test advances."""

    def __init__(self) -> None:
        self.clock = Clock()
        self.site = DoorSite(self.clock, Door(self.clock))
        self.site.startFactory()
        self.transport = StringTransport()
        self.channel: Any = self.site.buildProtocol(None)
        self.channel.makeConnection(self.transport)

    def close(self) -> None:
        self.channel.connectionLost()
        self.site.stopFactory()
        assert self.clock.getDelayedCalls() == []


@pytest.mark.parametrize(
    ("first", "drop"),
    [
        (b"", b""),
        (b"", b"X"),
        (b"GET / HTTP/1.1\r\nHost: a\r\n", b"A: b\r\n"),
        (b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 9999\r\n\r\n", b"x"),
        (b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n", b"1\r\nx\r\n"),
    ],
    ids=["mute", "a line", "a head", "a body", "chunks"],
)
def test_what_never_becomes_whole_ends(first: bytes, drop: bytes) -> None:
    """However patiently it is sent; no line of the log is spent on it."""
    c = Channel()
    c.channel.dataReceived(first)
    with capturedLogs() as logged:
        for _ in range(int(site.WHOLE)):
            assert not c.transport.disconnected or drop == b""
            c.clock.advance(1)
            c.channel.dataReceived(drop)
    assert c.transport.disconnecting or c.transport.disconnected
    assert logged == []
    c.close()


def test_a_connection_is_kept_while_it_is_used() -> None:
    """Each request has the whole time."""
    c = Channel()
    for _ in range(10):
        c.clock.pump([1] * 20)
        c.channel.dataReceived(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
    assert not c.transport.disconnecting and not c.transport.disconnected
    assert c.transport.value().count(b"HTTP/1.1 503 ") == 10
    c.close()


async def test_so_many_connections(served: Any) -> None:
    """For one too many the oldest without the token goes; where all have shown it, the new one."""
    s = await served()
    s.service._site.most = 3
    right = request("GET", "/api/v1/stats", s.token, Connection=None)
    wrong = request("GET", "/healthz", s.token, Connection=None)

    async def opened(asked: bytes) -> Any:
        raw = await connect(s.reactor, s.port)
        raw.transport.write(asked)
        await s.until(lambda: raw.came or raw.ended.called)
        return raw

    known, mute, other = [await opened(asked) for asked in (right, wrong, wrong)]
    late = await opened(right)
    await mute.ended
    later = await opened(right)
    await other.ended
    last = await opened(right)
    assert last.came == b"" and last.ended.called
    assert not any(raw.ended.called for raw in (known, late, later))
    known.transport.abortConnection()
    await s.until(lambda: len(s.service._site.open) == 2)
    assert (await say(s.reactor, s.port, request("GET", "/healthz", None))).status == 200
    for one in (late, later):
        one.transport.abortConnection()
        await one.ended


async def test_pipelined_requests_are_answered_in_their_order(served: Any) -> None:
    """Also where one of them is refused, or takes longer."""
    s = await served()
    raw = await connect(s.reactor, s.port)
    wanted = json.dumps({"urls": ["http://127.0.0.1:9/"], "paused": True}).encode()
    asked = [
        request("POST", "/api/v1/jobs", s.token, wanted, Connection=None),
        request("GET", "/api/v1/stats", None, Connection=None),
        request("GET", "/nothing", s.token, Connection=None),
        request("GET", "/healthz", None, Connection=None),
        request("PATCH", "/api/v1/jobs", s.token, b'{"status": "paused"}', Connection=None),
        request("GET", "/api/v1/jobs", s.token),
        request("DELETE", "/api/v1/jobs", s.token, b""),
    ]
    raw.transport.write(b"".join(asked))
    await raw.ended
    found = replies(raw.came)
    assert [reply.status for reply in found] == [201, 401, 404, 200, 200, 200]
    assert found[-1].json["total"] == 1


GET = b"GET / HTTP/1.1\r\nHost: localhost\r\n"


@pytest.mark.parametrize(
    "raw",
    [
        GET + b"Content-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
        GET + b"Content-Length: 1\r\nContent-Length: 2\r\n\r\n",
        GET + b"Transfer-Encoding: gzip\r\n\r\n",
        GET + b"Content-Length: +1\r\n\r\n",
        GET + b"X" + b"x" * 20_000 + b": 1\r\n\r\n",
        GET + b"A: 1\r\n" * 600 + b"\r\n",
        b"GET / HTTP/1.1\r\nHost : localhost\r\n\r\n",
        b"GET  / HTTP/1.1\r\nHost: localhost\r\n\r\n",
        b"GET / HTTP/9.9\r\nHost: localhost\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
    ],
)
async def test_what_is_no_request(served: Any, raw: bytes) -> None:
    """The connection ends, with one answer; without any for a line that has no end."""
    s = await served()
    connection = await connect(s.reactor, s.port)
    connection.transport.write(raw)
    await connection.ended
    found = replies(connection.came)
    assert len(found) == (len(raw) < 20_000)
    for reply in found:
        assert reply.status == 400
        assert reply.headers["x-content-type-options"] == "nosniff"
        assert reply.headers["content-type"] == "application/problem+json"


# --- guessing -------------------------------------------------------------------------------


async def test_wrong_tokens_slow_only_who_shows_them(served: Any) -> None:
    """A hundred at once: some are answered later, some are sent away; a right token, from the same
    address, and a wrong one from elsewhere are answered while those wait."""
    s = await served()
    wrong = request("GET", "/api/v1/stats", "x" * 64)
    raws = [await connect(s.reactor, s.port) for _ in range(100)]
    for raw in raws:
        raw.transport.write(wrong)
    await s.until(lambda: sum(raw.ended.called for raw in raws) >= 90)
    waiting = [raw for raw in raws if not raw.ended.called]
    assert 0 < len(waiting) <= 8
    assert {replies(raw.came)[0].status for raw in raws if raw.came} == {401, 429}
    right = await say(s.reactor, s.port, request("GET", "/api/v1/stats", s.token))
    assert right.status == 200
    other = await say(s.reactor, s.port, wrong, "127.0.0.2")
    assert other.status == 401
    assert any(not raw.ended.called for raw in waiting)
    for raw in waiting:
        raw.transport.abortConnection()
        await raw.ended
