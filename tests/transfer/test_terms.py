"""A job that is fetched on terms of its own, beside others that have their run's."""

from __future__ import annotations

from typing import Any

import pytest
from support.bench import Bench

from downloader import Job, Retries, Splitting, Terms
from downloader.errors import ServerBusy
from downloader.testing import Connection, Origin, content

MB = 1024 * 1024
BODY = b"".join(content("/f", 8 * MB))


async def busy(connection: Connection) -> None:
    await connection.head()
    connection.send(b"HTTP/1.1 503 Busy\r\nConnection: close\r\nContent-Length: 0\r\n\r\n")


async def test_over_several_connections(bench: Any, origin: Origin) -> None:
    """Those that are not told are the run's."""
    b: Bench = bench(splitting=Splitting(1, 4, MB))
    url = origin.add("/f", len(BODY), etag='"1"')
    out = str(b.out)
    await b.downloader.fetch(Job(url, out, "plain"))
    assert origin.requests["/f"] == 1
    await b.downloader.fetch(Job(url, out, "split", terms=Terms(connections=4)))
    assert origin.requests["/f"] >= 1 + 4
    before = origin.requests["/f"]
    long = Terms(connections=4, least=len(BODY))
    await b.downloader.fetch(Job(url, out, "whole", terms=long))
    assert origin.requests["/f"] == before + 1
    assert {path.read_bytes() for path in b.out.iterdir()} == {BODY}


async def test_how_often_it_is_tried(bench: Any, scripted: Any) -> None:
    b: Bench = bench(retries=Retries(tries=3, wait=0.01))
    for terms, tries in ((None, 3), (Terms(tries=1), 1), (Terms(parts=2), 3)):
        server = scripted(busy)
        with pytest.raises(ServerBusy):
            await b.downloader.fetch(Job(server.url("/f"), str(b.out), terms=terms))
        assert len(server.connections) == tries
