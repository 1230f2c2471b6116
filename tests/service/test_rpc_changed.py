"""A job that runs is stopped to be changed: who else changes it meanwhile, and who goes."""

from __future__ import annotations

import json
import threading
from typing import Any

from support import rawhttp
from twisted.internet.defer import Deferred, gatherResults

from downloader.jobs import Status
from downloader.testing import Connection


async def silent(connection: Connection) -> None:
    """Takes a request, and never answers."""
    await connection.head()


async def begun(r: Any, server: Any) -> str:
    """A job that runs."""
    gid = await r.call("addUri", [server.url("/a")])
    await r.served.until(lambda: server.connections and server.connections[0].heads)
    return str(gid)


async def test_changes_at_the_same_time(rpc: Any, scripted: Any) -> None:
    """Each is of what the other has made, and the job runs as all of them have it."""
    server, r = scripted(silent), await rpc()
    gid = await begun(r, server)
    first, second = server.url("/b"), server.url("/c")
    calls = [
        r.call("changeOption", gid, {"header": "X-B: 2"}),
        r.call("changeUri", gid, 1, [], [first]),
        r.call("changeOption", gid, {"user-agent": "me/2"}),
        r.call("changeUri", gid, 1, [], [second]),
    ]
    done = await gatherResults([Deferred.fromCoroutine(one) for one in calls])
    assert done == ["OK", [0, 1], "OK", [0, 1]]
    told = await r.call("getOption", gid)
    assert (told["header"], told["user-agent"]) == ("X-B: 2", "me/2")
    uris = [one["uri"] for one in await r.call("getUris", gid)]
    assert uris[0] == server.url("/a") and sorted(uris[1:]) == [first, second]
    heads = [b""]

    def runs() -> bool:
        heads.extend(server.connections[-1].heads)
        return b"X-B: 2" in heads[-1] and b"me/2" in heads[-1]

    await r.served.until(runs)
    assert r.served.queue.find(gid).status is Status.ACTIVE


async def test_who_asked_for_it_goes(rpc: Any, scripted: Any) -> None:
    """It is changed, and goes on, all the same."""
    server, r = scripted(silent), await rpc()
    s, gid = r.served, await begun(r, server)
    entry, there = s.queue.find(gid), len(s.service._site.open)
    release = threading.Event()
    held = s.queue._store._database.run(lambda cursor: release.wait(60))  # a slow disk
    raw = await rawhttp.connect(s.reactor, s.port)
    body = json.dumps(r.body("changeOption", gid, {"header": "X-B: 2"})).encode()
    raw.transport.write(rawhttp.request("POST", "/jsonrpc", None, body))
    await s.until(lambda: entry.leaving is Status.PAUSED)
    raw.transport.abortConnection()
    await s.until(lambda: len(s.service._site.open) == there)
    release.set()
    await held
    await s.until(lambda: len(server.connections) == 2 and server.connections[1].heads)
    assert b"X-B: 2" in server.connections[1].heads[0]
    assert entry.status is Status.ACTIVE
