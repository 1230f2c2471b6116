"""Every route there is, against everybody who may not ask: refused, and nothing has changed."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from support.rawhttp import Reply, request, say

from downloader.service.door import HEADERS
from downloader.service.shown import limits, shown
from downloader.testing import Origin

WITH_BODY = {"POST", "PUT", "PATCH", "DELETE"}
# A request that would do something, if it were let in.
BODIES = {
    "POST": b'{"urls": ["http://127.0.0.1:9/x"]}',
    "PATCH": b'{"status": "paused", "concurrency": 1}',
    "DELETE": b"{}",
}


class Checked:
    """A service with a job, and what must stay as it is. Each request comes from an address of its
    own, so that no wrong token waits for another's."""

    def __init__(self, served: Any) -> None:
        self.served = served
        self._peers = (f"127.0.{high}.{low}" for high in range(1, 9) for low in range(1, 255))
        self.before = self._state()

    def _state(self) -> Any:
        queue = self.served.queue
        jobs = [shown(one, queue) for one in (*queue.active, *queue.waiting, *queue.over)]
        files = sorted(map(str, self.served.out.rglob("*")))
        return jobs, files, limits(queue), self.served.stops

    def routes(self) -> Iterator[tuple[Any, str, str]]:
        """Each route, with a path of it and a method that it has."""
        gid = self.served.queue.waiting[0].gid
        for route in self.served.service.door.routes.all:
            for method in route.verbs:
                yield route, route.path.replace("{gid}", gid), method

    async def say(self, data: bytes) -> Reply:
        reply = await say(self.served.reactor, self.served.port, data, next(self._peers))
        for name, value in HEADERS:
            assert reply.headers[name.lower()] == value
        assert "server" not in reply.headers
        return reply

    async def refused(self, status: int, method: str, path: str, token: Any, **more: Any) -> None:
        body = BODIES.get(method)
        reply = await self.say(request(method, path, token, body, **more))
        assert reply.status == status, (method, path)
        assert reply.headers["content-type"] == "application/problem+json"
        assert reply.json["status"] == status and reply.json["title"]
        assert self._state() == self.before


@pytest.fixture
def checked(served: Any, origin: Origin) -> Any:
    async def make() -> Checked:
        s = await served()
        await s.ask("POST", "/api/v1/jobs", {"urls": [origin.url("/a")], "paused": True})
        return Checked(s)

    return make


async def test_without_a_token(checked: Any) -> None:
    c = await checked()
    assert len(list(c.routes())) > 10
    for route, path, method in c.routes():
        if not route.is_open:
            await c.refused(401, method, path, None)


async def test_wrong_and_near_miss_tokens(checked: Any) -> None:
    """In whatever scheme it is shown, and nowhere but in the header."""
    c = await checked()
    token = c.served.token
    near = [token[:-1], token + "0", token.upper(), token[::-1], f"{token} {token}", "", '""']
    for route, path, method in c.routes():
        if route.is_open:
            continue
        for wrong in ("x", near[len(path) % len(near)]):
            await c.refused(401, method, path, wrong)
    for wrong in near:
        await c.refused(401, "DELETE", "/api/v1/jobs", wrong)
    for header in (token, f"Token {token}", f"Digest {token}", f"Basic {token}", f"Bearer{token}"):
        await c.refused(401, "GET", "/api/v1/jobs", None, Authorization=header)
    for target in (f"/api/v1/jobs?token={token}", f"/api/v1/jobs?access_token={token}"):
        await c.refused(401, "GET", target, None)
    await c.refused(401, "GET", "/api/v1/jobs", None, Cookie=f"token={token}")


async def test_foreign_hosts(checked: Any) -> None:
    """With the right token too: a page that was rebound may have been given it."""
    c = await checked()
    for _, path, method in c.routes():
        await c.refused(421, method, path, c.served.token, Host="evil.example")
    await c.refused(421, "GET", "/nothing", None, Host="evil.example")
    await c.refused(421, "OPTIONS", "/api/v1/jobs", None, Host="evil.example")


@pytest.mark.parametrize("origin_sent", ["https://evil.example", "null", "http://127.0.0.1:1", ""])
async def test_foreign_origins(checked: Any, origin_sent: str) -> None:
    c = await checked()
    for _, path, method in c.routes():
        await c.refused(403, method, path, c.served.token, Origin=origin_sent)
    await c.refused(403, "OPTIONS", "/api/v1/jobs", None, Origin=origin_sent)


@pytest.mark.parametrize(
    "kind",
    ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", None],
)
async def test_what_a_form_can_send(checked: Any, kind: str | None) -> None:
    """A browser sends these to anybody without asking first."""
    c = await checked()
    own = (kind or "").partition(";")[0]
    for route, path, method in c.routes():
        if method in WITH_BODY and own not in route.types:
            await c.refused(415, method, path, c.served.token, Content_Type=kind)


async def test_get_does_nothing(checked: Any) -> None:
    """Nor does a method that a route has not; Allow names those it has."""
    c = await checked()
    for route, path, _ in c.routes():
        for method in {"GET", "HEAD", "PUT", "TRACE", "DELETE"} - set(route.allowed):
            reply = await c.say(request(method, path, c.served.token))
            assert reply.status == 405
            assert set(reply.headers["allow"].split(", ")) == {*route.verbs, "OPTIONS"} | (
                {"HEAD"} if "GET" in route.verbs else set()
            )
            assert c._state() == c.before
    for method in ("BREW", "get", "G"):
        await c.refused(501, method, "/api/v1/jobs", c.served.token)


async def test_head_and_options(checked: Any) -> None:
    """HEAD is GET without the body; OPTIONS tells the methods, to who may ask at all."""
    c = await checked()
    s = c.served
    one = f"/api/v1/jobs/{s.queue.waiting[0].gid}"
    for path in ("/api/v1/jobs", one, "/api/v1/stats", "/metrics", "/events"):
        raw = await c.say(request("HEAD", path, s.token))
        assert raw.status == 200 and raw.body == b""
    got = await c.say(request("GET", one, s.token))
    head = await c.say(request("HEAD", one, s.token))
    assert head.headers["content-length"] == got.headers["content-length"]
    reply = await c.say(request("OPTIONS", one, None))
    assert (reply.status, reply.headers["allow"]) == (204, "DELETE, GET, HEAD, OPTIONS, PATCH")
    s.service.door.origins = frozenset(("https://ariang.example",))
    more = {"Origin": "https://ariang.example", "Access_Control_Request_Method": "POST"}
    reply = await c.say(request("OPTIONS", "/api/v1/jobs", None, **more))
    assert reply.headers["access-control-allow-origin"] == "https://ariang.example"
    assert "POST" in reply.headers["access-control-allow-methods"]
    assert "access-control-allow-credentials" not in reply.headers


async def test_what_is_not_there(checked: Any) -> None:
    c = await checked()
    for path in ("/", "/api", "/api/v1", "/api/v1/jobs/", "/api/v1/jobs/a/b", "/..", "//", "/%2e"):
        if path not in [route.path for route in c.served.service.door.routes.all]:
            await c.refused(404, "GET", path, c.served.token)
