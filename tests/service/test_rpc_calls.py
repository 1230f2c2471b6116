"""aria2's calls over HTTP: the envelope, the token, and who may call at all."""

from __future__ import annotations

from typing import Any

import pytest
from support.serving import Client
from twisted.internet.defer import Deferred

from downloader.testing import Origin

# Of aria2's documentation, without what is of BitTorrent only.
METHODS = [
    *(
        f"aria2.{name}"
        for name in (
            *("addMetalink", "addUri", "changeGlobalOption", "changeOption", "changePosition"),
            *("changeUri", "forcePause", "forcePauseAll", "forceRemove", "forceShutdown"),
            *("getFiles", "getGlobalOption", "getGlobalStat", "getOption", "getPeers"),
            *("getServers", "getSessionInfo", "getUris", "getVersion", "pause", "pauseAll"),
            *("purgeDownloadResult", "remove", "removeDownloadResult", "saveSession", "shutdown"),
            *("tellActive", "tellStatus", "tellStopped", "tellWaiting", "unpause", "unpauseAll"),
        )
    ),
    *("system.listMethods", "system.listNotifications", "system.multicall"),
]
UNAUTHORIZED = {"code": 1, "message": "Unauthorized"}


async def test_what_there_is(rpc: Any) -> None:
    """It is told to anybody; all of it answers something else than that it is not there."""
    r = await rpc()
    body = {"id": 1, "method": "system.listMethods"}
    assert sorted((await r.post(body)).json["result"]) == METHODS
    found = (await r.post({"id": 1, "method": "system.listNotifications"})).json["result"]
    assert "aria2.onDownloadComplete" in found
    for method in METHODS:
        answer = (await r.post(r.body(method))).json
        assert "No such method" not in str(answer.get("error"))


@pytest.mark.parametrize("token", ["", "x", "token", "{token}x", " {token}", "{almost}"])
async def test_without_the_token_nothing_is_done(rpc: Any, token: str) -> None:
    """Neither is anything told; every method of aria2's wants it."""
    r = await rpc()
    shown = token.format(token=r.served.token, almost=r.served.token[:-1])
    for method in ("aria2.addUri", "aria2.getGlobalOption"):
        body = {"id": 1, "method": method, "params": [f"token:{shown}", ["http://a/"]]}
        answer = await r.post(body)
        assert (answer.status, answer.json["error"]) == (400, UNAUTHORIZED)
    none = {"id": 1, "method": "aria2.addUri", "params": [["http://a/"]]}
    assert (await r.post(none)).json["error"] == UNAUTHORIZED
    assert r.served.queue.waiting == r.served.queue.active == []


async def test_every_method_wants_the_token(rpc: Any) -> None:
    """A batch of all of them is one wrong token, and has no effect."""
    r = await rpc()
    methods = [name for name in METHODS if name.startswith("aria2.")]
    batch = [{"id": n, "method": name, "params": ["0123"]} for n, name in enumerate(methods)]
    answers = (await r.post(batch)).json
    assert [answer["error"] for answer in answers] == [UNAUTHORIZED] * len(methods)
    assert not r.served.stops


async def test_a_batch_is_one_guess(rpc: Any) -> None:
    """What comes after a wrong token is refused, the right one too."""
    r = await rpc()
    right = r.body("aria2.getSessionInfo")
    answers = (await r.post([right, {**right, "params": ["token:x"]}, right])).json
    assert ["result" in answer for answer in answers] == [True, False, False]
    calls = [{"methodName": "aria2.getVersion", "params": [token]} for token in ("x", r.token)]
    results = (await r.post({"id": 1, "method": "system.multicall", "params": [calls]})).json
    assert results["result"] == [UNAUTHORIZED, UNAUTHORIZED]


async def test_guessing_is_slow_and_its_victim_is_not(rpc: Any, reactor: Any) -> None:
    """When enough wrong tokens wait for their answers, more are not looked at; the right one is
    answered as before."""
    r = await rpc()
    clients = [Client(reactor, r.served.port, "") for _ in range(4)]
    body = {"id": 1, "method": "aria2.getVersion", "params": ["token:x"]}
    statuses: list[int] = []
    headers = {"Authorization": ""}
    for client in clients * 6:
        asking = Deferred.fromCoroutine(client.ask("POST", "/jsonrpc", body, headers))
        asking.addCallbacks(lambda answer: statuses.append(answer.status), lambda _: None)
    await r.served.until(lambda: 429 in statuses)
    assert await r.call("getVersion")
    for client in clients:
        await client.close()


async def test_batches_and_multicalls(rpc: Any, origin: Origin) -> None:
    """Each call for itself: one that fails stops no other."""
    r = await rpc()
    good, bad = r.body("getPeers", "0123"), r.body("aria2.getVersion")
    answers = await r.post([1, {**good, "id": 7}, {**bad, "id": 8}])
    assert answers.status == 200 and answers.header("content-type") == "application/json-rpc"
    assert [answer["id"] for answer in answers.json] == [7, 8]
    assert answers.json[0]["error"]["code"] == 1 and "result" in answers.json[1]
    assert (await r.post([])).json == []
    calls = [
        {"methodName": "aria2.addUri", "params": [r.token, [origin.url("/a")], {"pause": "true"}]},
        {"methodName": "aria2.pause", "params": [r.token, "0123"]},
        {"methodName": "system.listMethods"},
        {"methodName": "system.multicall", "params": [[]]},
        7,
    ]
    found = (await r.post({"id": 1, "method": "system.multicall", "params": [calls]})).json
    gid, missing, names, again, wrong = found["result"]
    assert gid == [r.served.queue.waiting[0].gid]
    assert missing == {"code": 1, "message": "GID 0123 is not found"}
    assert "aria2.addUri" in names[0]
    assert again["message"] == "Recursive system.multicall forbidden."
    assert wrong["message"] == "system.multicall expected struct."
    assert (await r.post({"id": 1, "method": "system.multicall", "params": [3]})).status == 400


async def test_calls_are_bounded(rpc: Any) -> None:
    """In a batch of multicalls, all count together."""
    r = await rpc()
    inner = {"methodName": "system.listNotifications"}
    outer = {"id": 1, "method": "system.multicall", "params": [[inner] * 600]}
    first, second = (await r.post([outer, outer])).json
    assert all(isinstance(one, list) for one in first["result"])
    assert second["error"] == {"code": 1, "message": "more than 1000 calls at a time"}
    broken = {"id": 1, "method": "system.multicall", "params": [[0] * 600]}
    first, second = (await r.post([broken, broken])).json
    assert "result" in first and "error" in second
    many = await r.post({**outer, "params": [[inner] * 1001]})
    assert many.json["error"]["message"] == "more than 1000 calls at a time"


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [(b"{", 500, -32700), (3, 400, -32600), ({"id": 1}, 400, -32600)],
)
async def test_what_is_no_call(rpc: Any, body: Any, status: int, code: int) -> None:
    r = await rpc()
    answer = await r.post(body)
    assert (answer.status, answer.json["error"]["code"]) == (status, code)


async def test_who_may_call(rpc: Any) -> None:
    """A program that names no type may; a form, and a page of elsewhere, may not."""
    r = await rpc()
    body = r.body("aria2.getVersion")
    for kind in ("application/json", "application/json-rpc; charset=utf-8", ""):
        assert (await r.post(body, **{"Content-Type": kind})).status == 200
    for kind in ("text/plain", "application/x-www-form-urlencoded"):
        assert (await r.post(body, **{"Content-Type": kind})).status == 415
    assert (await r.post(body, Origin="http://evil.example")).status == 403
    assert (await r.post(body, Origin="null")).status == 403
    r.served.service.door.origins = frozenset(("https://ariang.example",))
    allowed = await r.post(body, Origin="https://ariang.example")
    assert allowed.header("access-control-allow-origin") == "https://ariang.example"


async def test_a_call_is_no_get(rpc: Any) -> None:
    """Nor is there XML-RPC."""
    r = await rpc()
    for path in ("/jsonrpc?method=aria2.getVersion&id=1&params=W10=&jsoncallback=f", "/jsonrpc"):
        answer = await r.served.ask("GET", path, headers={"Authorization": ""})
        assert (answer.status, answer.header("upgrade")) == (426, "websocket")
    assert (await r.served.ask("POST", "/rpc", b"<methodCall/>")).status == 404
