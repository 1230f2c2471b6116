"""changeUri leads to another server: what was for the first one is not for that."""

from __future__ import annotations

from typing import Any

import pytest

from downloader.testing import Connection

SECRETS = {
    "header": ["Authorization: Bearer canary", "Cookie: canary", "X-Any: canary", "Accept: a/b"],
    "referer": "http://r/canary",
    "user-agent": "me/1",
}


async def silent(connection: Connection) -> None:
    """Takes a request, and never answers."""
    await connection.head()


async def asked(r: Any, server: Any, count: int = 1) -> bytes:
    """The head of its last request, when it has had so many."""
    heads: list[bytes] = []

    def enough() -> bool:
        heads[:] = [head for connection in server.connections for head in connection.heads]
        return len(heads) == count

    await r.served.until(enough)
    return heads[-1]


@pytest.mark.parametrize("login", [{}, {"http-user": "canary", "http-passwd": "canary"}])
@pytest.mark.parametrize("stays", [True, False])
async def test_no_secret_goes_to_another_origin(
    rpc: Any, scripted: Any, stays: bool, login: dict[str, str]
) -> None:
    """Whether the first URL stays as a mirror or goes, and when options are changed later."""
    first, other, r = scripted(silent), scripted(silent), await rpc()
    gid = await r.call("addUri", [first.url("/a")], {**SECRETS, **login})
    assert b"canary" in await asked(r, first)
    gone = [] if stays else [first.url("/a")]
    await r.call("changeUri", gid, 1, gone, [other.url("/a")], 0)
    head = await asked(r, other)
    await r.call("changeOption", gid, {"user-agent": "me/2"})
    later = await asked(r, other, 2)
    assert b"me/1" in head and b"Accept: a/b" in head and b"me/2" in later
    assert b"canary" not in head + later and b"Authorization" not in head + later
    assert "canary" not in str(await r.call("getOption", gid))


async def test_they_stay_with_their_own(rpc: Any, scripted: Any) -> None:
    """At another path of it, and where another server is asked behind it only."""
    first, other, r = scripted(silent), scripted(silent), await rpc()
    gid = await r.call("addUri", [first.url("/a")], {**SECRETS, "pause": "true"})
    await r.call("changeUri", gid, 1, [first.url("/a")], [first.url("/b"), other.url("/b")])
    await r.call("unpause", gid)
    assert b"Bearer canary" in await asked(r, first)
