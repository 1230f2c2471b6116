"""Whatever is raised in the thread that waits ends the connection, wherever it is."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import pytest
from support.asking import OK, hello, until

from downloader import errors
from downloader.testing import End, content, head, mute

HALF = OK + b"Content-Length: 9\r\n\r\nhalf"


class Stop(BaseException):
    """As little an Exception as KeyboardInterrupt is."""


class Switch:
    """An `interrupt` that raises `error` once it is `on`; `asked` counts how often it was called,
    and `threads` are those that called it."""

    def __init__(self, error: type[BaseException] = Stop) -> None:
        self.on = False
        self.asked = 0
        self.threads: set[threading.Thread] = set()
        self._error = error

    def __call__(self) -> None:
        self.asked += 1
        self.threads.add(threading.current_thread())
        if self.on:
            raise self._error


def read(client: Any, url: str, **options: Any) -> bytes:
    with client.urlopen(url, **options) as response:
        return bytes(response.read())


def fetch(client: Any, url: str, **options: Any) -> Any:
    return client.fetch(url, directory=options.pop("out"), **options)


@pytest.mark.parametrize("error", [Stop, ValueError, SystemExit, KeyboardInterrupt])
async def test_before_the_headers(
    reactor: Any, scripted: Any, client: Any, in_thread: Any, error: Any
) -> None:
    """The server sees the reset; the call raises that very exception; the next one works."""
    server, other = scripted([head, mute]), scripted(hello)
    switch = Switch(error)
    call = in_thread(read, client, server.url(), interrupt=switch, poll=0.01)
    await until(reactor, lambda: server.connections and server.connections[0].heads)
    asked = switch.asked
    await until(reactor, lambda: switch.asked > asked + 2)
    assert server.connections[0].end is None
    switch.on = True
    with pytest.raises(error) as caught:
        await call
    assert type(caught.value) is error
    assert await server.connections[0].ended() is End.RST
    assert len(switch.threads) == 1 and threading.main_thread() not in switch.threads
    assert await in_thread(read, client, other.url()) == b"hello"


async def test_while_a_body_stalls(
    reactor: Any, scripted: Any, client: Any, in_thread: Any
) -> None:
    server = scripted([head, HALF, mute])
    switch = Switch()
    call = in_thread(read, client, server.url(), interrupt=switch)
    await until(reactor, lambda: switch.asked > 2)
    switch.on = True
    with pytest.raises(Stop):
        await call
    assert await server.connections[0].ended() is End.RST


async def test_while_a_body_flows(origin: Any, client: Any, in_thread: Any) -> None:
    """A body that never lets its reader wait is interrupted too."""
    url = origin.add("/big", 1 << 40)
    switch = Switch()

    def run() -> None:
        with client.urlopen(url, interrupt=switch, poll=0.01) as response:
            for count, _ in enumerate(iter(lambda: response.read(1 << 16), b"")):
                switch.on = count > 100
            raise AssertionError("it came to an end")

    with pytest.raises(Stop):
        await in_thread(run)
    await origin.closed_all()
    assert origin.connections[0].end is End.RST


async def test_while_connecting(
    reactor: Any, full_listener: Any, client: Any, in_thread: Any
) -> None:
    switch = Switch()
    call = in_thread(read, client, full_listener.url(), interrupt=switch)
    await until(reactor, full_listener.connecting)
    switch.on = True
    with pytest.raises(Stop):
        await call
    await until(reactor, lambda: not full_listener.connecting())


async def test_in_the_handshake(reactor: Any, scripted: Any, client: Any, in_thread: Any) -> None:
    server = scripted(mute)
    url = server.url().replace("http:", "https:")
    switch = Switch()
    call = in_thread(read, client, url, interrupt=switch)
    await until(reactor, lambda: server.connections and server.connections[0].received)
    switch.on = True
    with pytest.raises(Stop):
        await call
    assert await server.connections[0].ended() is End.RST


async def test_before_anything(scripted: Any, client: Any, in_thread: Any, tmp_path: Path) -> None:
    """A program that is to stop asks for nothing more."""
    server = scripted(hello)
    switch = Switch()
    switch.on = True
    for ask, options in ((read, {}), (fetch, {"out": str(tmp_path)})):
        with pytest.raises(Stop):
            await in_thread(ask, client, server.url(), interrupt=switch, **options)
    await in_thread(read, client, server.url())  # everything before has been done by now
    assert len(server.connections) == 1 and not list(tmp_path.iterdir())


async def test_a_fetch(
    reactor: Any, scripted: Any, client: Any, in_thread: Any, tmp_path: Path
) -> None:
    """What came of the file is kept, and the same client may try again."""
    server = scripted([head, HALF, mute])
    switch = Switch()
    call = in_thread(fetch, client, server.url("/f"), interrupt=switch, out=str(tmp_path))
    part = tmp_path / "f.part"
    await until(reactor, lambda: part.exists() and part.read_bytes() == b"half")
    switch.on = True
    with pytest.raises(Stop):
        await call
    assert await server.connections[0].ended() is End.RST
    assert part.read_bytes() == b"half" and list(tmp_path.iterdir()) == [part]
    other = scripted(hello)
    again = await in_thread(fetch, client, other.url("/f"), out=str(tmp_path))
    assert Path(again.path).read_bytes() == b"hello" and list(tmp_path.iterdir()) == [
        tmp_path / "f"
    ]


async def test_one_of_many(reactor: Any, scripted: Any, client: Any, in_thread: Any) -> None:
    """The others go on."""
    server = scripted([head, mute])
    switches = [Switch() for _ in range(5)]
    calls = [in_thread(read, client, server.url(), interrupt=switch) for switch in switches]
    await until(reactor, lambda: sum(len(one.heads) for one in server.connections) == 5)
    switches[2].on = True
    with pytest.raises(Stop):
        await calls[2]
    await until(reactor, lambda: len(server.open) == 4)
    assert [call.called for call in calls] == [False, False, True, False, False]
    for one in server.open:
        one.send(OK + b"Content-Length: 5\r\n\r\nhello")
    del calls[2]
    assert [await call for call in calls] == [b"hello"] * 4


async def test_many_at_a_time(origin: Any, client: Any, in_thread: Any) -> None:
    """Each thread gets its own bytes."""
    paths = [f"/{number}" for number in range(60)]
    for path in paths:
        origin.add(path, 100_000)
    calls = [in_thread(read, client, origin.url(path), interrupt=Switch()) for path in paths]
    for path, call in zip(paths, calls, strict=True):
        assert await call == b"".join(content(path, 100_000))
    assert len(origin.connections) <= 6


@pytest.mark.parametrize("poll", [0, -1.0])
def test_a_poll_that_is_none(client: Any, poll: float) -> None:
    with pytest.raises(ValueError, match="poll"):
        client.urlopen("http://127.0.0.1/", poll=poll)


async def test_closed_meanwhile(
    reactor: Any, scripted: Any, make_client: Any, in_thread: Any
) -> None:
    """Whoever waits, for a head or in a body, hears that the client was closed."""
    client, other = make_client(), make_client()
    server, stalled = scripted([head, mute]), scripted([head, HALF, mute])
    calls = [in_thread(read, client, one.url()) for one in (server, stalled)]
    kept = in_thread(read, other, server.url())
    await until(reactor, lambda: sum(len(one.heads) for one in server.connections) == 2)
    await until(reactor, lambda: stalled.connections and stalled.connections[0].heads)
    await in_thread(client.close)
    for call in calls:
        with pytest.raises(errors.Closed):
            await call
    assert len(server.open) == 1 and not kept.called
    await in_thread(other.close)
    with pytest.raises(errors.Closed):
        await kept
