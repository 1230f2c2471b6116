"""aria2's RPC over HTTP, asked over a real socket."""

from __future__ import annotations

from typing import Any

import pytest

from downloader.testing import Origin, content


class Rpc:
    """Calls the service as aria2's clients do."""

    def __init__(self, served: Any) -> None:
        self.served = served
        self.token = f"token:{served.token}"

    async def post(self, body: Any, **headers: str) -> Any:
        return await self.served.ask("POST", "/jsonrpc", body, {"Authorization": "", **headers})

    async def answered(self, method: str, *params: Any) -> Any:
        """The whole answer; `method` is without its aria2."""
        call = {"id": "q", "jsonrpc": "2.0", "method": f"aria2.{method}"}
        return (await self.post({**call, "params": [self.token, *params]})).json

    async def call(self, method: str, *params: Any) -> Any:
        return (await self.answered(method, *params))["result"]

    async def why(self, method: str, *params: Any) -> str:
        """What is said against it."""
        error = (await self.answered(method, *params))["error"]
        assert error["code"] == 1
        return str(error["message"])


@pytest.fixture
def rpc(served: Any) -> Any:
    """Start a service: `await rpc()`."""

    async def start(**more: Any) -> Rpc:
        return Rpc(await served(**more))

    return start


async def test_a_download_from_its_add_to_its_file(rpc: Any, origin: Origin) -> None:
    r = await rpc()
    url = origin.add("/a", 10)
    gid = await r.call("addUri", [url])
    await r.served.until(lambda: r.served.queue.find(gid).is_over)
    found = await r.call("tellStatus", gid)
    assert found["status"] == "complete" and found["errorCode"] == "0"
    assert (found["totalLength"], found["completedLength"]) == ("10", "10")
    path = r.served.out / "a"
    assert found["files"][0]["path"] == str(path)
    assert found["files"][0]["uris"] == [{"uri": url, "status": "used"}]
    assert path.read_bytes() == b"".join(content("/a", 10))
    assert await r.call("tellStatus", gid[:4], ["gid", "dir"]) == {
        "gid": gid,
        "dir": str(r.served.out),
    }
