"""What is told as it happens, read over a real socket."""

from __future__ import annotations

import json
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.protocol import Protocol
from twisted.python.failure import Failure
from twisted.web.http_headers import Headers

from downloader.http1.agent import Agent
from downloader.testing import Origin


class Reader(Protocol):
    """Reads events: (name, data), and the id of the last that had one."""

    def __init__(self) -> None:
        self.events: list[tuple[str, Any]] = []
        self.last = ""
        self.numbers: list[int] = []
        self.ended: Deferred[None] = Deferred()
        self._rest = b""

    def dataReceived(self, data: bytes) -> None:
        *whole, self._rest = (self._rest + data).split(b"\n\n")
        for text in whole:
            fields = dict(line.split(": ", 1) for line in text.decode().split("\n"))
            self.last = fields.get("id", self.last)
            if "id" in fields:
                self.numbers.append(int(fields["id"].partition("-")[2]))
            if "event" in fields:
                self.events.append((fields["event"], json.loads(fields["data"])))

    def connectionLost(self, reason: Failure) -> None:  # type: ignore[override]
        self.ended.callback(None)

    async def leave(self) -> None:
        """Read no more."""
        transport: Any = self.transport
        transport.abortConnection()
        await self.ended

    def of(self, name: str) -> list[Any]:
        return [data for event, data in self.events if event == name]


async def read(s: Any, last: str = "") -> Reader:
    agent, reader = Agent(s.reactor), Reader()
    headers = Headers({"Authorization": [f"Bearer {s.token}"]})
    if last:
        headers.setRawHeaders("Last-Event-ID", [last])
    url = f"http://127.0.0.1:{s.port}/events".encode()
    response = await agent.request(b"GET", url, headers)
    assert response.headers.getRawHeaders("content-type") == ["text/event-stream"]
    response.deliverBody(reader)
    reader.ended.addCallback(lambda _: agent.close())
    return reader


async def end(s: Any, *readers: Reader) -> None:
    await s.service.stopService()
    for reader in readers:
        await reader.ended


async def test_each_change_is_told(served: Any, origin: Origin) -> None:
    s = await served()
    reader = await read(s)
    await s.until(lambda: reader.of("progress"))
    assert reader.of("reset") == [{}]
    await s.ask("POST", "/api/v1/jobs", {"urls": origin.add("/a", 10)})
    await s.until(lambda: len(reader.of("job")) == 3)
    assert [job["status"] for job in reader.of("job")] == ["waiting", "active", "complete"]
    gid = reader.of("job")[0]["gid"]
    await s.ask("DELETE", f"/api/v1/jobs/{gid}")
    await s.until(lambda: reader.of("gone"))
    assert reader.of("gone") == [{"gid": gid}]
    await end(s, reader)


async def test_who_comes_again_hears_what_changed_meanwhile(served: Any, origin: Origin) -> None:
    """Once for each job, as it stands; who was away too long is told to begin anew."""
    s = await served()
    first = await read(s)
    await s.ask("POST", "/api/v1/jobs", {"urls": origin.url("/a"), "paused": True})
    await s.until(lambda: first.of("job"))
    await s.ask("POST", "/api/v1/jobs", {"urls": origin.add("/b", 1)})
    await s.until(lambda: s.queue.over)
    second = await read(s, f"{first.last.partition('-')[0]}-1")
    await s.until(lambda: second.of("progress"))
    assert [(job["name"], job["status"]) for job in second.of("job")] == [("b", "complete")]
    assert second.of("reset") == []
    await s.ask("POST", "/api/v1/jobs", {"urls": origin.url("/c"), "paused": True})
    await s.until(lambda: len(second.of("job")) == 2)
    begun = f"{first.last.partition('-')[0]}-0"
    fourth = await read(s, begun)
    await s.until(lambda: fourth.of("progress"))
    assert [job["name"] for job in fourth.of("job")] == ["a", "b", "c"]
    assert len({*fourth.numbers}) == 3 and fourth.numbers == sorted(fourth.numbers)
    await fourth.leave()
    third = await read(s, "00000000-1")
    await s.until(lambda: third.of("progress"))
    assert third.of("reset") == [{}] and third.of("job") == []
    await end(s, first, second, third)


async def test_who_missed_much_begins_anew(served: Any) -> None:
    """More than may wait for one: that would be cut off, however often it comes again."""
    s = await served()
    s.service._events.most_waiting = 200_000
    first = await read(s)
    await s.until(lambda: first.of("progress"))
    last = first.last
    wanted = [{"urls": f"http://127.0.0.1:1/{n}{'x' * 1000}", "paused": True} for n in range(50)]
    for n in range(6):
        await s.ask("POST", "/api/v1/jobs", wanted)
        await s.until(lambda n=n: len(first.of("job")) == len(wanted) * (n + 1))
    second = await read(s, last)
    await s.until(lambda: second.of("progress"))
    assert second.of("reset") == [{}] and second.of("job") == []
    assert second.last == first.last
    await s.ask("POST", "/api/v1/jobs", wanted[:1])
    await s.until(lambda: second.of("job"))
    third = await read(s, second.last)
    await s.until(lambda: third.of("progress"))
    assert third.of("reset") == third.of("job") == []
    await end(s, first, second, third)


async def test_progress_of_what_runs(served: Any, scripted: Any) -> None:
    """Each second, with what has come."""

    async def half(connection: Any) -> None:
        await connection.head()
        connection.send(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhello")

    server = scripted(half)
    s = await served()
    reader = await read(s)
    added = await s.ask("POST", "/api/v1/jobs", {"urls": server.url("/a")})
    gid = added.json["gid"]
    wanted = [gid, 5, 10]
    await s.until(
        lambda: any(p["active"][0][:3] == wanted for p in reader.of("progress") if p["active"])
    )
    assert reader.of("progress")[-1]["jobs"]["active"] == 1
    await end(s, reader)


async def test_who_does_not_read_is_sent_away(served: Any) -> None:
    """When more waits than is kept for one; then it may come again."""
    s = await served()
    s.service._events.most_waiting = 1000
    reader = await read(s)
    await s.until(lambda: reader.of("progress"))
    transport: Any = reader.transport
    transport.pauseProducing()
    events = s.service._events
    (one,) = events._readers
    one.outgoing.pauseProducing()  # as Twisted says when its buffer is full
    wanted = [{"urls": f"http://127.0.0.1:1/{n}", "paused": True} for n in range(10)]
    await s.ask("POST", "/api/v1/jobs", wanted)
    await s.until(lambda: not events._readers)
    transport.resumeProducing()
    await reader.ended
