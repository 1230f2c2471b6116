"""Our HTTP API, asked over a real socket."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import pytest

from downloader import Downloader, Limits
from downloader.errors import QueueFull
from downloader.queue import Queue
from downloader.service.api import Api
from downloader.service.desk import Desk
from downloader.service.routes import Asked
from downloader.store import QueueStore
from downloader.testing import Origin


async def test_a_job_from_its_add_to_its_file(served: Any, origin: Origin) -> None:
    s = await served()
    added = await s.ask("POST", "/api/v1/jobs", {"urls": [origin.add("/a", 10)]})
    assert added.status == 201
    gid = added.json["gid"]
    assert added.header("location") == f"/api/v1/jobs/{gid}"
    await s.until(lambda: s.queue.find(gid).is_over)
    job = (await s.ask("GET", f"/api/v1/jobs/{gid}")).json
    assert (job["status"], job["received"], job["length"]) == ("complete", 10, 10)
    assert job["path"] == str(s.out / "a")
    assert (s.out / "a").stat().st_size == 10
    everything = (await s.ask("GET", "/api/v1/jobs")).json
    assert everything == {"jobs": [job], "total": 1}
    assert (await s.ask("DELETE", f"/api/v1/jobs/{gid}")).status == 204
    assert (await s.ask("GET", f"/api/v1/jobs/{gid}")).status == 404


async def test_many_at_once_paged_and_filtered(served: Any, origin: Origin) -> None:
    s = await served()
    wanted = [{"urls": origin.url(f"/{n}"), "paused": True, "priority": n} for n in range(5)]
    added = await s.ask("POST", "/api/v1/jobs", wanted)
    assert [job["priority"] for job in added.json["jobs"]] == [0, 1, 2, 3, 4]
    page = (await s.ask("GET", "/api/v1/jobs?status=paused,active&offset=1&limit=2")).json
    assert page["total"] == 5
    assert [job["priority"] for job in page["jobs"]] == [3, 2]
    assert [job["position"] for job in page["jobs"]] == [1, 2]
    assert (await s.ask("GET", "/api/v1/jobs?status=waiting")).json["jobs"] == []


async def test_a_list(served: Any, origin: Origin) -> None:
    """As it is pasted: with options, and lines that make no job."""
    s = await served()
    text = f"{origin.add('/a', 3)}\n out=b\n dir=c\nftp://no\n{origin.add('/d', 3)}"
    added = await s.ask("POST", "/api/v1/jobs", {"list": text, "dir": "sub"})
    assert added.status == 201 and [job["name"] for job in added.json["jobs"]] == ["b", "d"]
    assert [one["line"] for one in added.json["refused"]] == [4]
    await s.until(lambda: len(s.queue.over) == 2)
    assert sorted(str(p.relative_to(s.out)) for p in s.out.rglob("*") if p.is_file()) == [
        *("sub/c/b", "sub/d"),
    ]


async def test_a_list_that_is_too_much(reactor: Any, tmp_path: Path) -> None:
    """What there was room for is told, and from which line on there was none."""
    store, downloader = QueueStore(reactor, str(tmp_path)), Downloader(reactor)
    queue = Queue(reactor, store, downloader, Limits(), time.time, most=300)
    api = Api(queue, Desk([str(tmp_path)]), lambda: None)

    async def add(lines: int) -> Any:
        body = json.dumps({"list": "# a list\n" + "http://a/\n" * lines, "paused": True})
        asked = Asked("POST", "/api/v1/jobs", {}, {}, body.encode(), "application/json", None)
        answer = await api.add(asked)
        assert answer is not None
        return json.loads(answer.body)

    told = await add(400)
    assert len(told["jobs"]) == len(queue.waiting) == 250
    (refused,) = told["refused"]
    assert refused["line"] == 252 and "; nothing is added from here on" in refused["message"]
    with pytest.raises(QueueFull):
        await add(100)
    await queue.close()


async def test_change(served: Any, scripted: Any) -> None:
    """Pause, resume, move and prefer; pausing is answered when the connection is closed."""

    async def silent(connection: Any) -> None:
        await connection.head()

    server = scripted(silent)
    s = await served()
    added = await s.ask("POST", "/api/v1/jobs", {"urls": [server.url("/a")]})
    where = added.header("location")
    await s.until(lambda: server.connections and server.connections[0].heads)
    assert (await s.ask("PATCH", where, {"status": "paused"})).json["status"] == "paused"
    await s.until(lambda: server.connections[0].end is not None)
    two = await s.ask("POST", "/api/v1/jobs", {"urls": [server.url("/b")], "paused": True})
    moved = await s.ask("PATCH", two.header("location"), {"position": 0})
    assert moved.json["position"] == 0
    first = await s.ask("PATCH", where, {"priority": 5})
    assert (first.json["priority"], first.json["position"]) == (5, 0)
    assert (await s.ask("PATCH", where, {"status": "waiting"})).json["status"] == "waiting"
    await s.until(lambda: len(server.connections) == 2)
    assert (await s.ask("PATCH", "/api/v1/jobs", {"status": "paused"})).json["jobs"]["paused"] == 2
    assert (await s.ask("PATCH", "/api/v1/jobs", {"status": "waiting"})).status == 200
    assert (await s.ask("DELETE", where)).status == 204


async def test_several_changes_are_all_done(served: Any, origin: Origin) -> None:
    """What is to go on is told so at last: it may begin at once."""
    s = await served()
    wanted = [{"urls": origin.add_silent(f"/{n}"), "paused": True} for n in range(3)]
    gids = [job["gid"] for job in (await s.ask("POST", "/api/v1/jobs", wanted)).json["jobs"]]
    change = {"status": "waiting", "position": 0, "priority": 7}
    changed = await s.ask("PATCH", f"/api/v1/jobs/{gids[2]}", change)
    assert (changed.status, changed.json["priority"]) == (200, 7)
    await s.until(lambda: origin.silent == 1)
    change = {"status": "paused", "position": 2, "priority": 0}
    changed = (await s.ask("PATCH", f"/api/v1/jobs/{gids[2]}", change)).json
    assert (changed["status"], changed["position"], changed["priority"]) == ("paused", 2, 0)


@pytest.mark.parametrize(
    ("is_paused", "change"),
    [
        (False, {"priority": 3, "position": 0}),
        (False, {"priority": 3, "status": "waiting"}),
        (True, {"priority": 3, "status": "paused"}),
        (True, {"position": 0, "status": "paused"}),
    ],
    ids=["it has no place", "it does not wait for a word", "it is", "the same, with a place"],
)
async def test_a_change_is_done_or_not(
    served: Any, origin: Origin, is_paused: bool, change: dict[str, Any]
) -> None:
    """A job that runs, or is paused: nothing is changed where one part of it cannot be."""
    s = await served()
    first = {"urls": origin.url("/first"), "paused": True}
    wanted = {"urls": origin.add_silent("/a"), "paused": is_paused}
    await s.ask("POST", "/api/v1/jobs", first)
    where = (await s.ask("POST", "/api/v1/jobs", wanted)).header("location")
    await s.until(lambda: is_paused or origin.silent)
    before = (await s.ask("GET", where)).json
    assert (await s.ask("PATCH", where, change)).status == 409
    after = (await s.ask("GET", where)).json
    assert {**after, "rate": 0} == {**before, "rate": 0}


async def test_what_has_ended_is_only_tried_again(served: Any, origin: Origin) -> None:
    s = await served()
    added = await s.ask("POST", "/api/v1/jobs", {"urls": origin.url("/none")})
    where = added.header("location")
    await s.until(lambda: s.queue.over)
    again = {"status": "waiting", "priority": 1}
    assert (await s.ask("PATCH", where, again)).status == 409
    assert (await s.ask("GET", where)).json["status"] == "error"
    assert (await s.ask("PATCH", where, {"status": "waiting"})).status == 200


async def test_all_are_removed(served: Any, origin: Origin) -> None:
    """Those that have not ended: no connection is left, and what has ended stays known."""
    s = await served()
    (ended,) = await s.add(origin.add("/a", 1))
    await s.until(lambda: s.queue.over)
    await s.add(*(origin.add_silent(f"/{n}") for n in range(6)))
    await s.until(lambda: origin.silent == 4)
    answer = await s.ask("PATCH", "/api/v1/jobs", {"status": "removed"})
    assert answer.status == 200
    counts = {name: count for name, count in answer.json["jobs"].items() if count}
    assert counts == {"complete": 1, "removed": 4}
    assert s.queue.find(ended.gid).status == "complete"
    await s.until(lambda: not origin.silent)
    assert sum(origin.requests.values()) == 5


async def test_limits_and_stats(served: Any, origin: Origin) -> None:
    s = await served()
    assert (await s.ask("GET", "/api/v1/limits")).json["concurrency"] == 4
    changed = await s.ask("PATCH", "/api/v1/limits", {"concurrency": 2, "bytes_per_second": 1000})
    assert changed.json == {"concurrency": 2, "per_host": None, "bytes_per_second": 1000}
    assert s.queue.downloader.limiter.total == 2
    assert (await s.ask("GET", "/api/v1/stats")).json["limits"] == changed.json
    assert (await s.ask("DELETE", "/api/v1/jobs")).json == {"forgotten": 0}


async def test_limits_hold_until_the_process_ends(served: Any) -> None:
    """Whichever door they came by, and however often the service is stopped and started."""
    s = await served()
    await s.ask("PATCH", "/api/v1/limits", {"concurrency": 2})
    asked = {"id": 1, "jsonrpc": "2.0", "method": "aria2.changeGlobalOption"}
    asked["params"] = [f"token:{s.token}", {"max-overall-download-limit": "5K"}]
    assert (await s.ask("POST", "/jsonrpc", asked)).status == 200
    await s.close()
    await s.start()
    limits = (await s.ask("GET", "/api/v1/limits")).json
    assert (limits["concurrency"], limits["bytes_per_second"]) == (2, 5120)
    assert s.queue.downloader.limiter.total == 2
    await s.restart()
    assert (await s.ask("GET", "/api/v1/limits")).json["concurrency"] == 4


async def test_shutdown_is_answered_first(served: Any) -> None:
    s = await served()
    for stops in (1, 2):  # when it was started again too
        assert (await s.ask("POST", "/api/v1/shutdown", {})).status == 202
        await s.until(lambda stops=stops: s.stops == stops)
        await s.close()
        await s.start()


WRONG = [
    ("no JSON", b"{", 400),
    ("NaN", b'{"urls": ["http://a/"], "priority": NaN}', 400),
    ("nested", b"[" * 100 + b"]" * 100, 400),
    ("no object", 3, 422),
    ("no URL", {}, 422),
    ("an empty list of URLs", {"urls": []}, 422),
    ("no list of texts", {"urls": [3]}, 422),
    ("another scheme", {"urls": ["ftp://a/"]}, 422),
    ("no such field", {"urls": ["http://a/"], "hook": "rm"}, 422),
    ("a directory elsewhere", {"urls": ["http://a/"], "dir": "/etc"}, 422),
    ("a directory above", {"urls": ["http://a/"], "dir": "../x"}, 422),
    ("a name elsewhere", {"urls": ["http://a/"], "out": "/etc/passwd"}, 422),
    ("a name above", {"urls": ["http://a/"], "out": "../x"}, 422),
    ("a header of ours", {"urls": ["http://a/"], "headers": ["Host: b"]}, 422),
    ("a header of two lines", {"urls": ["http://a/"], "headers": ["a: b\r\nc: d"]}, 422),
    ("a checksum of no kind", {"urls": ["http://a/"], "checksum": "crc=1"}, 422),
    ("a size below 0", {"urls": ["http://a/"], "size": -1}, 422),
    ("a size that is true", {"urls": ["http://a/"], "size": True}, 422),
    ("a gid of zeros", {"urls": ["http://a/"], "gid": "0" * 16}, 422),
    ("a priority of text", {"urls": ["http://a/"], "priority": "1"}, 422),
    ("paused by text", {"urls": ["http://a/"], "paused": "true"}, 422),
    ("a list and more", {"list": "http://a/", "out": "x"}, 422),
]


@pytest.mark.parametrize(("body", "status"), [w[1:] for w in WRONG], ids=[w[0] for w in WRONG])
async def test_what_is_wrong_is_told_and_does_nothing(served: Any, body: Any, status: int) -> None:
    s = await served()
    answer = await s.ask("POST", "/api/v1/jobs", body)
    assert answer.status == status
    assert answer.header("content-type") == "application/problem+json"
    assert answer.json["status"] == status and answer.json["title"]
    assert s.queue.waiting == s.queue.active == []


async def test_a_restart_keeps_what_was_answered(served: Any, origin: Origin) -> None:
    s = await served()
    added = await s.ask("POST", "/api/v1/jobs", {"urls": [origin.url("/a")], "paused": True})
    await s.restart()
    job = (await s.ask("GET", added.header("location"))).json
    assert (job["gid"], job["status"]) == (added.json["gid"], "paused")


async def test_metrics_and_health(served: Any, origin: Origin) -> None:
    s = await served()
    await s.ask("POST", "/api/v1/jobs", {"urls": [origin.add("/a", 10)]})
    await s.until(lambda: s.queue.over)
    text = (await s.ask("GET", "/metrics")).body.decode()
    assert 'downloader_jobs{status="complete"} 1.0' in text
    assert 'downloader_jobs_ended_total{status="complete"} 1.0' in text
    assert "downloader_bytes_total 10.0" in text
    health = await s.ask("GET", "/healthz", headers={"Authorization": ""})
    assert (health.status, health.body) == (200, b"ok\n")
