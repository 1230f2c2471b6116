"""aria2p, a client of aria2 that is in use, as it is: its library, its listener and its command."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path
from threading import Event
from typing import Any

import aria2p
import pytest
from twisted.internet.threads import deferToThread
from twisted.internet.utils import getProcessOutputAndValue

from downloader.testing import Connection, Origin, content


async def silent(connection: Connection) -> None:
    await connection.head()


def api_of(served: Any) -> aria2p.API:
    return aria2p.API(aria2p.Client("http://localhost", served.port, served.token))


async def test_the_library(served: Any, origin: Origin, scripted: Any) -> None:
    """Each call is made in a thread, as it waits there."""
    s, server = await served(), scripted(silent)
    api = api_of(s)

    async def done(call: Callable[[], Any]) -> Any:
        return await deferToThread(call)

    download = await done(lambda: api.add_uris([origin.add("/a", 10)], {"out": "b", "split": "2"}))
    await s.until(lambda: s.queue.over)
    await done(download.update)
    assert download.is_complete and download.progress == 100.0
    assert download.files[0].path == s.out / "b" and download.name == "b"
    slow = await done(lambda: api.add_uris([server.url("/c"), server.url("/d")]))
    await s.until(lambda: server.connections and server.connections[0].heads)
    assert [one.gid for one in await done(api.get_downloads)] == [slow.gid, download.gid]
    assert await done(lambda: api.pause([slow])) == [True]
    await done(slow.update)
    assert slow.is_paused and [uri["uri"] for uri in slow.files[0].uris] == [
        *(server.url("/c"), server.url("/d")),
    ]
    first = await done(lambda: api.add_uris([server.url("/e")], {"pause": "true"}, position=0))
    assert await done(lambda: api.move_down(first, 1)) == 1
    options = await done(lambda: api.get_options([slow]))
    assert options[0].dir == str(s.out)
    assert await done(lambda: api.set_options({"max-tries": "1"}, [slow])) == [True]
    assert await done(lambda: api.set_global_options({"max-concurrent-downloads": "2"}))
    assert (await done(api.get_global_options)).max_concurrent_downloads == 2
    assert await done(lambda: api.resume([slow])) == [True]
    assert await done(lambda: api.remove([slow, first, download])) == [True, True, True]
    stats = await done(api.get_stats)
    assert (stats.num_active, stats.num_waiting, stats.num_stopped) == (0, 0, 0)
    with pytest.raises(aria2p.ClientException, match="is not found"):
        await done(lambda: api.get_download(download.gid))


async def test_its_multicalls(served: Any, origin: Origin) -> None:
    s = await served()
    client = api_of(s).client
    urls = [origin.url("/a"), origin.url("/b")]
    calls = [("aria2.addUri", [[url], {"pause": "true"}]) for url in urls]
    added = await deferToThread(lambda: client.multicall2(calls))
    assert [one[0] for one in added] == [entry.gid for entry in s.queue.waiting]


async def test_its_listener(served: Any, origin: Origin) -> None:
    """It hears of what happens while it listens."""
    s = await served()
    api, heard, over = api_of(s), [], Event()

    def ended(_: Any, gid: str) -> None:
        heard.append(gid)
        over.set()

    api.listen_to_notifications(threaded=True, on_download_complete=ended, timeout=1)
    await s.until(lambda: s.service.sockets.open)
    gid = (await deferToThread(lambda: api.add_uris([origin.add("/a", 3)]))).gid
    await s.until(over.is_set)
    assert heard == [gid]
    await deferToThread(api.stop_listening)


async def test_the_command(served: Any, reactor: Any, origin: Origin, tmp_path: Path) -> None:
    s = await served()

    async def ran(*args: str) -> str:
        found = [sys.executable, "-m", "aria2p", "-p", str(s.port), "-s", s.token, *args]
        env = {**os.environ, "HOME": str(tmp_path)}
        out, err, code = await getProcessOutputAndValue(found[0], found[1:], env, reactor=reactor)
        assert code == 0, err.decode()
        return str(out.decode())

    slow = origin.add_silent("/slow")
    gid = (await ran("add", slow)).split()[-1]
    await s.until(lambda: s.queue.active)
    assert "active" in await ran("show")
    await ran("pause", gid)
    assert f"{gid}  paused" in await ran("show")
    await ran("resume", gid)
    await s.until(lambda: s.queue.active)
    await ran("remove", gid)
    await ran("add", origin.add("/a", 10), "-o", "out=b")
    await s.until(lambda: s.queue.over)
    assert (s.out / "b").read_bytes() == b"".join(content("/a", 10))
    assert "complete" in await ran("show")
    await ran("purge")
    assert s.queue.over == []
