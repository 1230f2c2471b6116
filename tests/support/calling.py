"""Who asks a service as aria2's clients do."""

from __future__ import annotations

from typing import Any


class Rpc:
    """Calls the service `served` over HTTP, with its token; methods are named without their aria2,
    those of the system whole."""

    def __init__(self, served: Any) -> None:
        self.served = served
        self.token = f"token:{served.token}"

    async def post(self, body: Any, **headers: str) -> Any:
        return await self.served.ask("POST", "/jsonrpc", body, {"Authorization": "", **headers})

    def body(self, method: str, *params: Any) -> dict[str, Any]:
        name = method if "." in method else f"aria2.{method}"
        return {"id": "q", "jsonrpc": "2.0", "method": name, "params": [self.token, *params]}

    async def call(self, method: str, *params: Any) -> Any:
        """What it comes to."""
        answer = (await self.post(self.body(method, *params))).json
        assert answer["id"] == "q" and answer["jsonrpc"] == "2.0"
        return answer["result"]

    async def why(self, method: str, *params: Any) -> str:
        """What is said against it."""
        answered = await self.post(self.body(method, *params))
        assert answered.status == 400
        error = answered.json["error"]
        assert error["code"] == 1
        return str(error["message"])

    async def ended(self, *gids: str) -> None:
        queue = self.served.queue
        await self.served.until(lambda: all(queue.find(gid).is_over for gid in gids))
