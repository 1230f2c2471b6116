"""A disk that hangs: the reactor goes on, the server feels it, and a cancel does not wait."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from support.bench import NAME, Bench, cancelled
from support.hanging import Files
from twisted.internet.defer import CancelledError
from twisted.internet.task import LoopingCall

from downloader import Durability, Retries
from downloader.errors import DiskFull, TargetBusy
from downloader.testing import Connection, End, Origin, ScriptedServer
from downloader.testing.origin import content
from downloader.transfer.disks import SLOW, Disks
from downloader.transfer.writer import FULL

LONG = 64 * FULL
MIDDLE = 3 * FULL
SHORT = 4096


def body(path: str, size: int) -> bytes:
    return b"".join(content(path, size))


@pytest.fixture
def slow(bench: Callable[..., Bench], reactor: Any, hanging: Files) -> Bench:
    """A Bench on a disk that hangs where `hanging` says; it is quick until an operation costs."""
    disks = Disks(
        reactor, hanging, hanging.now, lambda device: False, 0.05, durability=Durability.NONE
    )
    return bench(disks=disks, retries=Retries(tries=1))


def held(bench: Bench) -> list[int]:
    """What the bodies under way hold that is not written."""
    bodies = [transfer._body for transfer in bench.downloader.active()]
    return [one.part.held for one in bodies if one and one.part]


async def paused(bench: Bench, hanging: Files, operation: str) -> None:
    """Wait until `operation` hangs and its body is paused."""
    await bench.until(
        lambda: operation in hanging.held and any(size > FULL for size in held(bench))
    )


async def settle(bench: Bench) -> None:
    """When nothing is in threads any more, nothing is left of any job."""
    await bench.written()
    assert bench.downloader.limiter.idle
    assert bench.downloader.active() == []
    assert [one.users for one in bench.downloader._setup.folders._open.values()] == [0]


def unsent(connection: Connection) -> int:
    """What the server has for a client that does not take it."""
    transport = connection.transport
    return len(transport.dataBuffer) - transport.offset + transport._tempDataLen


def answering(size: int) -> Any:
    """Script: send an answer of `size` bytes at once."""

    async def script(connection: Connection) -> None:
        await connection.head()
        connection.send(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % size)
        connection.send(bytes(size))

    return script


async def test_the_reactor_goes_on(slow: Bench, hanging: Files, origin: Origin) -> None:
    """While a write hangs others are fetched, long and short, and calls come in their time."""
    hanging.hang("write file")
    long = slow.fetch(origin.add("/long", MIDDLE))
    await paused(slow, hanging, "write file")
    ticks: list[int] = []
    ticking = LoopingCall(lambda: ticks.append(1))
    ticking.start(0)
    await slow.gets(origin.add("/other", MIDDLE), body("/other", MIDDLE), "other")
    for number in range(20):
        path = f"/short{number}"
        await slow.gets(origin.add(path, SHORT), body(path, SHORT), path[1:])
    ticking.stop()
    assert len(ticks) > 20
    assert not long.called and hanging.held == ["write file"]
    hanging.release()
    await long
    assert (slow.out / NAME).read_bytes() == body("/long", MIDDLE)
    await settle(slow)


async def test_the_server_feels_it(
    slow: Bench, hanging: Files, scripted: Callable[..., ScriptedServer]
) -> None:
    """What is held here is bounded, and the rest stays with the server."""
    hanging.hang("write file")
    server = scripted(answering(LONG))
    fetching = slow.fetch(server.url())
    await paused(slow, hanging, "write file")
    await slow.turns(200)
    before = unsent(server.connections[0])
    await slow.turns(200)
    assert unsent(server.connections[0]) == before > LONG // 4
    assert [size < 2 * FULL + 65536 for size in held(slow)] == [True]
    hanging.release()
    result = await fetching
    assert result.bytes == (slow.out / NAME).stat().st_size == LONG
    await settle(slow)


async def test_cancel_does_not_wait(
    slow: Bench, hanging: Files, scripted: Callable[..., ScriptedServer]
) -> None:
    """It fails at once and the server sees the end; slot and lock come back with the disk."""
    server = scripted(answering(LONG))
    hanging.hang("write file")
    fetching = slow.fetch(server.url())
    await paused(slow, hanging, "write file")
    await slow.cancel(fetching, server.connections[0])
    assert not slow.downloader.limiter.idle
    again = slow.fetch(server.url())
    with pytest.raises(TargetBusy):
        await again
    hanging.release()
    await settle(slow)
    slow.kept(bytes(LONG), FULL // 2)
    assert not (slow.out / NAME).exists()


async def test_cancel_while_a_short_file_hangs(slow: Bench, hanging: Files, origin: Origin) -> None:
    """It is not published afterwards."""
    hanging.cost = 2 * SLOW
    await slow.gets(origin.add("/felt", SHORT), body("/felt", SHORT), "felt")
    hanging.hang("commit short")
    fetching = slow.fetch(origin.add("/short", SHORT), "short")
    await slow.until(lambda: hanging.held == ["commit short"])
    fetching.cancel()
    assert cancelled(fetching)
    hanging.release()
    await settle(slow)
    assert sorted(os.listdir(slow.out)) == ["felt", "short.part"]


async def test_a_slow_disk_is_felt_once(slow: Bench, hanging: Files, origin: Origin) -> None:
    """Short files go to threads from then on, whole and under their names."""
    hanging.cost = 2 * SLOW
    for number in range(10):
        path = f"/{number}"
        await slow.gets(origin.add(path, SHORT), body(path, SHORT), path[1:])
    assert hanging.here == ["write_whole 0"]
    await settle(slow)
    assert len(os.listdir(slow.out)) == 10


async def test_numbered_names_on_a_slow_disk(slow: Bench, hanging: Files, origin: Origin) -> None:
    """Nobody looks which names are free: the commit tells."""
    slow.out.mkdir(exist_ok=True)
    hanging.cost = 2 * SLOW
    await slow.gets(origin.add("/felt", SHORT), body("/felt", SHORT), "felt")
    hanging.hang("commit a")
    fetching = slow.fetch(origin.add("/a", SHORT), "a")
    await slow.until(lambda: hanging.held == ["commit a"])
    (slow.out / "a").write_bytes(b"another's")
    (slow.out / "a.1").write_bytes(b"another's")
    hanging.release()
    assert (await fetching).path == str(slow.out / "a.2")
    assert (slow.out / "a.2").read_bytes() == body("/a", SHORT)


async def test_a_disk_that_is_full_in_the_end(
    slow: Bench, hanging: Files, scripted: Callable[..., ScriptedServer]
) -> None:
    """The same error as on a quick disk, and the transport is aborted."""
    server = scripted(answering(LONG))
    hanging.hang("write file")
    hanging.fill("write file")
    fetching = slow.fetch(server.url())
    await paused(slow, hanging, "write file")
    hanging.release()
    with pytest.raises(DiskFull):
        await fetching
    assert await server.connections[0].ended() is End.RST
    await settle(slow)
    assert os.listdir(slow.out) == []


async def test_full_behind_the_last_byte(slow: Bench, hanging: Files, origin: Origin) -> None:
    """All has come, but not all is written: there is no file then."""
    hanging.hang("write a")
    hanging.fill("write a")
    fetching = slow.fetch(origin.add("/a", FULL // 2), "a")
    (transfer,) = slow.downloader.active()
    await slow.until(lambda: transfer.progress().received == FULL // 2)
    await slow.turns()
    assert not fetching.called
    hanging.release()
    with pytest.raises(DiskFull):
        await fetching
    assert os.listdir(slow.out) == []
    await settle(slow)


async def test_the_next_try_waits_for_the_file(
    bench: Callable[..., Bench], reactor: Any, hanging: Files, scripted: Any
) -> None:
    """A connection is lost while a write hangs: slot and name stay until that is done."""

    async def script(connection: Connection) -> None:
        await connection.head()
        connection.send(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % MIDDLE)
        connection.send(bytes(FULL // 2 if connection.number == 0 else MIDDLE))
        connection.close()

    disks = Disks(reactor, hanging, in_memory=lambda device: False, durability=Durability.NONE)
    b = bench(disks=disks, retries=Retries(tries=2, wait=0.001))
    server = scripted(script)
    hanging.hang("write file")
    fetching = b.fetch(server.url())
    await b.until(lambda: hanging.held and server.connections[0].end is not None)
    await b.turns(100)
    assert len(server.connections) == 1 and not b.downloader.limiter.idle
    hanging.release()
    assert (await fetching).attempts == 2
    assert (b.out / NAME).read_bytes() == bytes(MIDDLE)
    await settle(b)


async def test_close_waits_for_what_is_under_way(
    bench: Callable[..., Bench], reactor: Any, hanging: Files, origin: Origin
) -> None:
    """Every file is closed when it fires."""
    b = bench(
        disks=Disks(
            reactor,
            hanging,
            in_memory=lambda device: False,
            patience=60,
            durability=Durability.NONE,
        )
    )
    hanging.hang("write file")
    fetching = b.fetch(origin.add("/long", MIDDLE))
    await paused(b, hanging, "write file")
    closing = b.downloader.close()
    assert cancelled(fetching)
    await b.turns(50)
    assert not closing.called
    hanging.release()
    await closing
    assert hanging.held == []
    b.kept(body("/long", MIDDLE), FULL // 2)


async def test_close_does_not_wait_for_ever(slow: Bench, hanging: Files, origin: Origin) -> None:
    """What hangs is left to itself, and gives no name to anything when it comes back."""
    hanging.hang("write file")
    fetching = slow.fetch(origin.add("/long", MIDDLE))
    await paused(slow, hanging, "write file")
    closing = slow.downloader.close()
    assert cancelled(fetching)
    await closing
    assert hanging.held == ["write file"]
    hanging.release()
    await slow.until(lambda: slow.downloader.limiter.idle)
    assert os.listdir(slow.out) == ["file.part"]


async def test_whoever_cancels_the_waiting(slow: Bench, hanging: Files, origin: Origin) -> None:
    """`close` goes on without him."""
    hanging.hang("write file")
    slow.fetch(origin.add("/long", MIDDLE)).addErrback(lambda _: None)
    await paused(slow, hanging, "write file")
    closing = slow.downloader.close()
    closing.addErrback(lambda failure: failure.trap(CancelledError))
    closing.cancel()
    assert closing.called
    hanging.release()
    await slow.until(lambda: slow.downloader.limiter.idle)


PROGRAM = """
import sys, threading
from twisted.internet.task import react
from downloader import Downloader, Durability, Job
from downloader.transfer.disks import Disks

def hang(operation, *arguments):
    if operation.__name__ == "write":
        print("hangs", flush=True)
        threading.Event().wait()
    return operation(*arguments)

async def main(reactor):
    disks = Disks(
        reactor, hang, in_memory=lambda device: False, patience=0.05, durability=Durability.NONE
    )
    downloader = Downloader(reactor, disks=disks)
    await downloader.fetch(Job(sys.argv[1], directory=sys.argv[2]))

react(main)
"""


async def test_the_end_of_the_process_does_not_wait(
    reactor: Any, origin: Origin, tmp_path: Path, slow: Bench
) -> None:
    """SIGINT ends a program whose write never comes back."""
    process = subprocess.Popen(
        [sys.executable, "-c", PROGRAM, origin.add("/long", MIDDLE), str(tmp_path / "out")],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    try:
        assert process.stdout is not None
        os.set_blocking(process.stdout.fileno(), False)
        await slow.until(lambda: process.stdout.read())  # type: ignore[union-attr]
        process.send_signal(signal.SIGINT)
        await slow.until(lambda: process.poll() is not None)
    finally:
        process.kill()
        process.communicate()
    assert os.listdir(tmp_path / "out") == ["long.part"]
