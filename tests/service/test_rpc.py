"""aria2's methods, asked over a real socket."""

from __future__ import annotations

import base64
from typing import Any

import pytest
from support.asking import HELLO
from support.metalinks import NAMESPACE, SHA256

from downloader.testing import Connection, Origin, content

GID = "00000000deadbeef"
NONE = "GID 0123 is not found"


async def silent(connection: Connection) -> None:
    """Takes a request, and never answers."""
    await connection.head()


async def hello(connection: Connection) -> None:
    while True:
        await connection.head()
        connection.send(HELLO)


async def test_a_download_from_its_add_to_its_file(rpc: Any, origin: Origin) -> None:
    r = await rpc()
    url = origin.add("/a", 10)
    gid = await r.call("addUri", [url])
    await r.ended(gid)
    found = await r.call("tellStatus", gid)
    assert (found["status"], found["errorCode"]) == ("complete", "0")
    assert (found["totalLength"], found["completedLength"]) == ("10", "10")
    path = r.served.out / "a"
    assert found["files"][0]["path"] == str(path)
    assert found["files"][0]["uris"] == [{"uri": url, "status": "used"}]
    assert path.read_bytes() == b"".join(content("/a", 10))
    keys = await r.call("tellStatus", gid[:6], ["gid", "dir"])
    assert keys == {"gid": gid, "dir": str(r.served.out)}
    assert await r.call("removeDownloadResult", gid) == "OK"
    assert await r.why("tellStatus", gid) == f"GID {gid} is not found"


async def test_one_that_fails(rpc: Any, origin: Origin) -> None:
    r = await rpc()
    gid = await r.call("addUri", [origin.url("/none")])
    await r.ended(gid)
    found = await r.call("tellStopped", 0, 5, ["status", "errorCode", "errorMessage"])
    assert [(one["status"], one["errorCode"]) for one in found] == [("error", "3")]
    assert found[0]["errorMessage"] == "The server has no such file: HTTP status 404"
    assert await r.why("unpause", gid) == f"GID#{gid} cannot be unpaused now"


async def test_options_go_with_the_request(rpc: Any, scripted: Any) -> None:
    """Headers to the server, the others to the file; they are told again, but for secrets."""
    server, r = scripted(hello), await rpc()
    options = {
        "dir": "sub",
        "out": "b",
        "user-agent": "me/1",
        "referer": "http://r/",
        "gid": GID,
        "http-user": "u",
        "http-passwd": "canary",
        "header": ["X-A: 1", "Cookie: canary"],
        "checksum": f"sha-256={SHA256}",
        "split": "2",
        "continue": "true",
        "hook": "rm",
    }
    assert await r.call("addUri", [server.url("/a")], options) == GID
    await r.ended(GID)
    assert (r.served.out / "sub" / "b").read_bytes() == b"hello"
    head = server.connections[0].heads[0]
    for line in (b"User-Agent: me/1", b"Referer: http://r/", b"X-A: 1", b"Cookie: canary"):
        assert head.count(line) == 1 and head.lower().count(line.partition(b":")[0].lower()) == 1
    assert b"Authorization: Basic dTpjYW5hcnk=" in head
    told = await r.call("getOption", GID)
    assert (told["dir"], told["split"], told["header"]) == (
        str(r.served.out / "sub"),
        "2",
        "X-A: 1",
    )
    assert "canary" not in str(told) and "http-user" not in told


async def test_paused_moved_and_begun(rpc: Any, origin: Origin) -> None:
    r = await rpc()
    gids = [await r.call("addUri", [origin.add(f"/{n}", 3)], {"pause": "true"}) for n in range(4)]
    first = await r.call("addUri", [origin.add("/first", 3)], {"pause": "true"}, 0)
    waiting = [first, *gids]

    async def told(offset: int, number: int) -> list[int]:
        found = await r.call("tellWaiting", offset, number, ["gid"])
        return [waiting.index(one["gid"]) for one in found]

    assert await told(0, 9) == [0, 1, 2, 3, 4]
    assert await told(-1, 2) == [4, 3]
    assert await r.call("changePosition", first, 1, "POS_CUR") == 1
    assert await r.call("changePosition", first, -1, "POS_END") == 3
    assert await r.call("changePosition", gids[3], 0, "POS_SET") == 0
    assert await r.call("changePosition", gids[3], 99, "POS_CUR") == 4
    assert await told(0, 9) == [1, 2, 3, 0, 4]
    assert await r.why("changePosition", first, 1, "POS") == "Illegal argument."
    assert await r.why("pause", first) == f"GID#{first} cannot be paused now"
    assert await r.call("unpause", first) == first
    await r.ended(first)
    assert (await r.call("getGlobalStat")) == {
        "downloadSpeed": "0",
        "uploadSpeed": "0",
        "numActive": "0",
        "numWaiting": "4",
        "numStopped": "1",
        "numStoppedTotal": "1",
    }
    assert await r.call("unpauseAll") == "OK"
    await r.ended(*gids)
    assert await r.call("purgeDownloadResult") == "OK"
    assert await r.call("tellStopped", 0, 9) == []


async def test_one_that_runs(rpc: Any, scripted: Any) -> None:
    """Paused, it is in front of those that wait; removed, it has ended; its connections are closed
    when that is answered."""
    server, r = scripted(silent), await rpc()
    gid = await r.call("addUri", [server.url("/a")])
    await r.served.until(lambda: server.connections and server.connections[0].heads)
    (active,) = await r.call("tellActive", ["gid", "status", "connections"])
    assert active == {"gid": gid, "status": "active", "connections": "1"}
    (servers,) = await r.call("getServers", gid)
    assert servers["servers"][0]["currentUri"] == server.url("/a")
    assert await r.call("getPeers", gid) == []
    assert await r.call("getUris", gid) == [{"uri": server.url("/a"), "status": "used"}]
    assert await r.call("pause", gid) == gid
    await r.served.until(lambda: server.connections[0].end is not None)
    assert (await r.call("tellWaiting", 0, 1, ["gid"])) == [{"gid": gid}]
    assert await r.why("getServers", gid) == f"No active download for GID#{gid}"
    assert await r.call("unpause", gid) == gid
    await r.served.until(lambda: len(server.connections) == 2 and server.connections[1].heads)
    assert await r.call("forcePauseAll") == "OK"
    assert await r.call("unpauseAll") == "OK"
    await r.served.until(lambda: len(server.connections) == 3 and server.connections[2].heads)
    assert await r.call("forceRemove", gid) == gid
    assert (await r.call("tellStatus", gid, ["status", "errorCode"])) == {
        "status": "removed",
        "errorCode": "31",
    }
    assert await r.why("remove", gid) == f"Active Download not found for GID#{gid}"
    assert await r.why("getUris", gid) == f"No URI data is available for GID#{gid}"


async def test_one_that_waits_leaves_no_result(rpc: Any, origin: Origin) -> None:
    r = await rpc()
    gid = await r.call("addUri", [origin.url("/a")], {"pause": "true"})
    assert await r.call("remove", gid) == gid
    assert await r.call("tellStopped", 0, 9) == await r.call("tellWaiting", 0, 9) == []


async def test_urls_are_changed(rpc: Any, origin: Origin) -> None:
    """Of those that are named twice, one goes for each; what is no URL is left out."""
    r = await rpc()
    a, b, c = origin.url("/none"), origin.add("/b", 3), origin.url("/none2")
    gid = await r.call("addUri", [a, a, c], {"pause": "true", "out": "x"})
    assert await r.call("changeUri", gid, 1, [a, "http://z/"], [b, "magnet:?"], 0) == [1, 1]
    assert [one["uri"] for one in await r.call("getUris", gid)] == [b, a, c]
    assert await r.why("changeUri", gid, 2, [], []) == "fileIndex is out of range"
    assert await r.why("changeUri", gid, 1, [a, b, c], []) == "No URI to download."
    await r.call("unpause", gid)
    await r.ended(gid)
    assert (r.served.out / "x").read_bytes() == b"".join(content("/b", 3))
    assert await r.why("changeUri", gid, 1, [], [a]) == f"Cannot change URIs of GID#{gid}"


async def test_options_are_changed(rpc: Any, scripted: Any) -> None:
    """Of one that runs too: it is stopped and begun again; what came of it before is kept."""

    async def asked_twice(connection: Connection) -> None:
        head = await connection.head()
        if b"X-B: 2" in head:
            connection.send(HELLO)

    server, r = scripted(asked_twice), await rpc()
    gid = await r.call("addUri", [server.url("/a")], {"header": "X-A: 1", "referer": "http://r/"})
    await r.served.until(lambda: server.connections and server.connections[0].heads)
    assert await r.call("changeOption", gid, {"header": ["X-B: 2"], "out": "new", "split": "3"})
    await r.ended(gid)
    head = server.connections[1].heads[0]
    assert b"X-A" not in head and b"Referer: http://r/" in head
    assert (r.served.out / "new").read_bytes() == b"hello"
    told = await r.call("getOption", gid)
    assert (told["header"], told["split"], told["out"]) == ("X-B: 2", "3", "new")
    assert await r.why("changeOption", gid, {"out": "x"}) == f"Cannot change option for GID#{gid}"


async def test_nothing_to_change_stops_nothing(rpc: Any, scripted: Any) -> None:
    server, r = scripted(silent), await rpc()
    gid = await r.call("addUri", [server.url("/a")])
    await r.served.until(lambda: server.connections and server.connections[0].heads)
    assert await r.call("changeOption", gid, {"file-allocation": "none"}) == "OK"
    assert (await r.call("tellStatus", gid, ["status"])) == {"status": "active"}
    assert server.connections[0].end is None


async def test_global_options(rpc: Any, origin: Origin) -> None:
    """Limits at once, the others for what is added later; nothing of it is secret when told."""
    r = await rpc()
    limits = {"max-concurrent-downloads": "2", "max-overall-download-limit": "1M"}
    later = {"dir": str(r.served.out / "later"), "header": "Cookie: canary", "split": "7"}
    more = {"max-download-result": "1", "http-passwd": "canary"}
    assert await r.call("changeGlobalOption", {**limits, **later, **more}) == "OK"
    assert r.served.queue.downloader.limiter.total == 2
    told = await r.call("getGlobalOption")
    assert told["max-concurrent-downloads"] == "2"
    assert told["max-overall-download-limit"] == str(1024**2)
    assert (told["dir"], told["split"], told["max-download-result"]) == (later["dir"], "7", "1")
    assert "canary" not in str(told) and r.served.token not in str(told)
    gids = [await r.call("addUri", [origin.add(f"/{n}", 3)]) for n in range(3)]
    await r.served.until(lambda: not (r.served.queue.active or r.served.queue.waiting))
    assert (r.served.out / "later" / "2").exists()
    assert len(await r.call("tellStopped", 0, 9)) == 1
    assert (await r.call("getGlobalStat"))["numStoppedTotal"] == str(len(gids))
    await r.call("changeGlobalOption", {"max-download-result": "0"})
    assert await r.call("tellStopped", 0, 9) == []


@pytest.mark.parametrize(
    "options",
    [
        *(
            {"split": "0"},
            {"dir": "/etc"},
            {"header": "Host: a"},
            {"max-concurrent-downloads": "0"},
        ),
        *({"max-overall-download-limit": "x"}, {"timeout": "3"}, {"max-download-result": "-1"}),
    ],
)
async def test_wrong_global_options_change_nothing(rpc: Any, options: dict[str, str]) -> None:
    r = await rpc()
    before = await r.call("getGlobalOption")
    await r.why("changeGlobalOption", {"max-concurrent-downloads": "9", **options})
    assert await r.call("getGlobalOption") == before


async def test_a_metalink(rpc: Any, origin: Origin) -> None:
    """Each of its files is a download; what is known of their bytes goes with them."""
    r = await rpc()
    urls = [origin.url("/none"), origin.add("/good", 3)]
    mirrors = "".join(f"<url priority='{n + 1}'>{url}</url>" for n, url in enumerate(urls))
    document = (
        f"<metalink xmlns='{NAMESPACE}'><file name='a'><size>3</size>{mirrors}</file>"
        f"<file name='b'><size>4</size><url>{urls[1]}</url></file><file name='c'/></metalink>"
    )
    coded = base64.b64encode(document.encode()).decode()
    gids = await r.call("addMetalink", coded, {"dir": "m", "out": "x", "gid": GID})
    assert len(gids) == 2
    await r.ended(*gids)
    good, bad = [await r.call("tellStatus", gid) for gid in gids]
    assert good["files"][0]["path"] == str(r.served.out / "m" / "a")
    assert (good["status"], bad["status"], bad["totalLength"]) == ("complete", "error", "4")
    assert await r.why("addMetalink", "!") == "The document is not base64."
    assert "no Metalink" in await r.why("addMetalink", base64.b64encode(b"<a/>").decode())


WRONG: list[tuple[str, list[Any], str]] = [
    ("addUri", [], "The parameter at 0 is required but missing."),
    ("addUri", ["http://a/"], "The parameter at 0 has wrong type."),
    ("addUri", [[]], "URI is not provided."),
    ("addUri", [[3]], "URI is not provided."),
    ("addUri", [["/etc/passwd"]], "No URI to download."),
    ("addUri", [["file:///etc/passwd"]], "No URI to download."),
    ("addUri", [["http://a/"], []], "The parameter at 1 has wrong type."),
    ("addUri", [["http://a/"], {}, -1], "Position must be greater than or equal to 0."),
    ("addUri", [["http://a/"], {"dir": "/etc"}], "none of the roots"),
    ("addUri", [["http://a/"], {"dir": "../x"}], "No file may be written under this name"),
    ("addUri", [["http://a/"], {"out": "/etc/passwd"}], "No file may be written under this name"),
    ("addUri", [["http://a/"], {"out": "../x"}], "No file may be written under this name"),
    ("addUri", [["http://a/"], {"header": "Host: b"}], "the header Host is set by this program"),
    ("addUri", [["http://a/"], {"referer": "a\r\nb: c"}], "cannot be printed"),
    ("addUri", [["http://a/"], {"checksum": "crc=1"}], "a checksum is written"),
    ("addUri", [["http://a/"], {"gid": "0" * 16}], "a gid has 16"),
    ("addUri", [["http://a/"], {"pause": "yes"}], "'--pause'"),
    ("addUri", [["http://a/"], {"allow-overwrite": "true"}], "'--allow-overwrite'"),
    ("addUri", [["http://a/"] * 102], "more than 100 mirrors"),
    ("addTorrent", ["AA=="], "BitTorrent is not done here."),
    ("tellStatus", ["0123"], NONE),
    ("tellStatus", ["z"], "Invalid GID z"),
    ("tellStatus", [5], "The parameter at 0 has wrong type."),
    ("tellWaiting", [0], "The parameter at 1 is required but missing."),
    ("tellStopped", ["0", 1], "The parameter at 0 has wrong type."),
    ("remove", ["0123"], NONE),
    ("removeDownloadResult", ["0123"], "Could not remove download result of GID#0123"),
    ("changeOption", ["0123", {}], NONE),
    ("changeUri", ["0123", 1, [], []], NONE),
    ("nothing", [], "No such method: aria2.nothing"),
]


@pytest.mark.parametrize(("method", "params", "message"), WRONG)
async def test_what_is_wrong_is_told_and_does_nothing(
    rpc: Any, method: str, params: list[Any], message: str
) -> None:
    r = await rpc()
    assert message in await r.why(method, *params)
    assert r.served.queue.waiting == r.served.queue.active == r.served.queue.over == []


@pytest.mark.parametrize("text", ["\ud800", "\x00", "a\nb", "\U0010ffff", "a" * 70_000])
async def test_texts_that_are_none(rpc: Any, origin: Origin, text: str) -> None:
    """Wherever they stand, they make an error that is told, or a download that can be looked at."""
    r = await rpc()
    asked = [([origin.url(f"/{text}")], {})]
    asked += [([origin.url("/a")], {name: text}) for name in ("dir", "out", "checksum", "header")]
    asked += [([origin.url("/a")], {name: text}) for name in ("user-agent", "referer", "http-user")]
    for uris, options in asked:
        answer = (await r.post(r.body("addUri", uris, {**options, "pause": "true"}))).json
        assert "a bug" not in answer.get("error", {}).get("message", "")
    assert isinstance(await r.call("tellWaiting", 0, 99), list)
    await r.call("unpauseAll")
    await r.served.until(lambda: not (r.served.queue.waiting or r.served.queue.active))
    assert "InternalError" not in {one.told.error for one in r.served.queue.over if one.told}


async def test_gids(rpc: Any, origin: Origin) -> None:
    r = await rpc()
    for n in range(2):
        options = {"gid": f"aaaaaaaaaaaaaaa{n}", "pause": "true"}
        await r.call("addUri", [origin.url("/a")], options)
    assert await r.why("pause", "aaa") == "GID aaa is not unique"
    assert "aaaaaaaaaaaaaaa1" in await r.why("addUri", [origin.url("/a")], options)


async def test_the_service_itself(rpc: Any) -> None:
    r = await rpc()
    assert (await r.call("getVersion"))["version"].startswith("1.")
    session = (await r.call("getSessionInfo"))["sessionId"]
    assert len(session) == 40 and int(session, 16)
    assert await r.call("saveSession") == "OK"
    assert await r.call("shutdown") == "OK"
    await r.served.until(lambda: r.served.stops)


async def test_what_was_answered_is_kept(rpc: Any, origin: Origin) -> None:
    r = await rpc()
    options = {"pause": "true", "split": "3", "user-agent": "me"}
    gid = await r.call("addUri", [origin.url("/a")], options)
    await r.call("changeOption", gid, {"max-tries": "2"})
    await r.served.restart()
    told = await r.call("getOption", gid)
    assert (told["split"], told["max-tries"], told["user-agent"]) == ("3", "2", "me")
    assert r.served.queue.find(gid).job.terms.tries == 2
