"""Files for threads that wait, and where the thread behind them begins and ends."""

from __future__ import annotations

import os
import threading
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from support.asking import HELLO, hello

from downloader import Job, OnConflict, Status, errors
from downloader.blocking import Client
from downloader.jobs import Retries, Timeouts
from downloader.testing import End, content, fin, head, mute

MISSING = b"HTTP/1.1 404 No\r\nContent-Length: 0\r\n\r\n"


def threads() -> list[str]:
    """The names of the threads behind clients."""
    return [one.name for one in threading.enumerate() if one.name == "downloader.blocking"]


async def test_a_file(origin: Any, client: Any, in_thread: Any, tmp_path: Path) -> None:
    """By its URL and a job's fields, or by a Job; with its Result."""
    url, body = origin.add("/f.bin", 300_000), b"".join(content("/f.bin", 300_000))
    out = str(tmp_path)
    result = await in_thread(client.fetch, url, directory=out)
    assert (result.status, result.bytes, result.path) == (Status.COMPLETE, 300_000, f"{out}/f.bin")
    assert (tmp_path / "f.bin").read_bytes() == body
    checksum = f"sha-256={sha256(body).hexdigest()}"
    job = Job(url, directory=out, checksum=checksum)
    again = await in_thread(client.fetch, job, name="other")
    assert Path(again.path).name == "other" and f"sha-256={again.sha256}" == checksum


async def test_no_file(scripted: Any, make_client: Any, in_thread: Any, tmp_path: Path) -> None:
    """The error is that of `Downloader.fetch`, retries included."""
    client = make_client(retries=Retries(tries=2, wait=0))
    lost, missing = scripted([head, fin]), scripted([head, MISSING])
    for server, kind, attempts in ((lost, errors.ConnectionLost, 2), (missing, errors.NotFound, 1)):
        with pytest.raises(kind) as caught:
            await in_thread(client.fetch, server.url(), directory=str(tmp_path))
        assert (caught.value.attempts, caught.value.url) == (attempts, server.url())
    assert not list(tmp_path.iterdir())


async def test_a_file_that_takes_too_long(
    scripted: Any, client: Any, in_thread: Any, tmp_path: Path
) -> None:
    server = scripted([head, mute])
    with pytest.raises(errors.TotalTimeout) as caught:
        await in_thread(
            client.fetch, server.url("/?key=s3cret"), directory=str(tmp_path), timeout=0.05
        )
    assert caught.value.url == server.url("/?key=***")
    assert await server.connections[0].ended() is End.RST


async def test_options(scripted: Any, make_client: Any, in_thread: Any, tmp_path: Path) -> None:
    """They are the Downloader's."""
    server = scripted(hello)
    client = make_client(
        headers=[("X-Mine", "1")],
        on_conflict=OnConflict.SKIP,
    )
    results = [
        await in_thread(client.fetch, server.url("/f"), directory=str(tmp_path)) for _ in range(2)
    ]
    assert [one.status for one in results] == [Status.COMPLETE, Status.REMOVED]
    assert b"X-Mine: 1" in server.connections[0].heads[0]


def test_options_that_are_none() -> None:
    """They are refused at once, and so is an agent, which has a reactor already."""
    for options in ({"agent": object()}, {"tmeouts": Timeouts()}, {"reactor": object()}):
        with pytest.raises(TypeError):
            Client(**options)
    assert threads() == []


async def test_the_thread_ends_with_the_last_client(scripted: Any, in_thread: Any) -> None:
    """And it begins with the first call, again if need be; no descriptor is left."""
    server = scripted(hello)
    before = len(os.listdir("/proc/self/fd"))

    def run() -> None:
        for _ in range(3):
            with Client() as one, Client() as two:
                assert threads() == []
                one.urlopen(server.url()).read()
                two.urlopen(server.url()).read()
                assert len(threads()) == 1
                one.close()
                assert len(threads()) == 1
                two.urlopen(server.url()).read()
            assert threads() == []

    await in_thread(run)
    await server.closed_all()
    assert len(os.listdir("/proc/self/fd")) == before


async def test_a_client_that_is_closed(scripted: Any, in_thread: Any) -> None:
    """It asks for nothing more, and may be closed again."""
    server = scripted(hello)

    def run() -> None:
        client = Client()
        client.urlopen(server.url()).read()
        client.close()
        client.close()
        for ask in (client.urlopen, client.fetch):
            with pytest.raises(errors.Closed):
                ask(server.url())
        assert repr(client) == "<Client closed>"

    await in_thread(run)
    assert threads() == [] and len(server.connections) == 1


async def test_clients_that_come_and_go(scripted: Any, in_thread: Any) -> None:
    """In many threads at a time, while the background thread begins and ends again and again."""
    server = scripted(hello)

    def run() -> None:
        for _ in range(10):
            with Client() as client:
                assert client.urlopen(server.url()).read() == HELLO[-5:]

    for call in [in_thread(run) for _ in range(8)]:
        await call
    assert threads() == []
