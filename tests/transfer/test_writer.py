"""A part file that is written by threads: the same bytes in the same order, and nobody waits."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Generator
from pathlib import Path
from random import Random
from typing import Any

import pytest
from support.asking import until
from support.hanging import Files
from twisted.internet.defer import CancelledError, Deferred
from twisted.python.failure import Failure

from downloader import Durability
from downloader.errors import DiskFull, TargetExists
from downloader.transfer.disks import CALM, SLOW, Disks
from downloader.transfer.folder import Folders
from downloader.transfer.writer import FULL, PartWriter

Make = Callable[..., PartWriter]
ON_DISK = False
IN_MEMORY = True


@pytest.fixture
def make(reactor: Any, hanging: Files, out: str) -> Generator[Make, None, None]:
    """Begin to write `a` on a disk, or in memory; a folder that is in use at the end stays open."""
    opened: list[Folders] = []

    def begin(in_memory: bool, long: bool = True) -> PartWriter:
        disks = Disks(
            reactor, hanging, hanging.now, lambda device: in_memory, durability=Durability.NONE
        )
        opened.append(Folders(disks))
        return PartWriter(opened[-1], out, "a", long)

    yield begin
    for folders in opened:
        folders.close()


def run(coroutine: Any) -> tuple[Deferred[Any], list[Any]]:
    """What it comes to, as soon as it does."""
    found: list[Any] = []
    running = Deferred.fromCoroutine(coroutine)
    running.addBoth(found.append)
    return running, found


def closed(part: PartWriter) -> bool:
    return part.closed() is None


async def commit(reactor: Any, part: PartWriter, path: str = "a") -> None:
    _, found = run(part.commit(path))
    await until(reactor, lambda: found)
    assert found == [None] and closed(part)


@pytest.mark.parametrize("seed", range(5))
async def test_every_byte_in_its_place(reactor: Any, make: Make, out: str, seed: int) -> None:
    """Pieces of any size, given as views of one buffer that is used again."""
    random = Random(seed)
    data = random.randbytes(3 * FULL)
    buffer = bytearray(FULL)
    part = make(ON_DISK)
    sent = 0
    while sent < len(data):
        piece = data[sent : sent + random.choice((0, 1, 100, 65536, FULL))]
        buffer[: len(piece)] = piece
        part.write(memoryview(buffer)[: len(piece)])
        sent += len(piece)
        if random.random() < 0.3:
            await until(reactor, lambda: not part.full)
    await commit(reactor, part)
    assert Path(out, "a").read_bytes() == data
    assert os.listdir(out) == ["a"]


@pytest.mark.parametrize(
    ("in_memory", "long", "here"),
    [
        *((IN_MEMORY, True, True), (ON_DISK, True, False)),
        *((IN_MEMORY, False, True), (ON_DISK, False, True)),
    ],
)
async def test_where_pieces_are_written(
    reactor: Any, make: Make, hanging: Files, in_memory: bool, long: bool, here: bool
) -> None:
    """On a quick disk only the pieces of what may be long go to a thread."""
    part = make(in_memory, long)
    part.write(b"abc")
    await until(reactor, lambda: not part.held)
    await commit(reactor, part)
    assert hanging.done == ["PartFile a", "write a", "commit a"]
    assert ("write a" in hanging.here) is here


@pytest.mark.parametrize("in_memory", [IN_MEMORY, ON_DISK])
async def test_where_is_decided_by_the_slowest_lately(
    reactor: Any, make: Make, hanging: Files, in_memory: bool
) -> None:
    """One that took long sends all the rest to threads, until none has for a while."""
    part = make(in_memory, long=False)
    hanging.cost = 2 * SLOW
    part.write(b"felt")
    assert hanging.here == ["PartFile a", "write a"]
    hanging.cost = 0
    part.write(b" once")
    await until(reactor, lambda: not part.held)
    hanging.time += CALM
    await until(reactor, part._is_quick)
    part.write(b" and then no more")
    assert hanging.here == ["PartFile a", "write a", "write a"]
    await commit(reactor, part)
    assert Path(part.folder.path, "a").read_bytes() == b"felt once and then no more"


async def test_what_hangs_holds_so_much_and_no_more(
    reactor: Any, make: Make, hanging: Files
) -> None:
    """It is full, says so, and tells when half of it is written."""
    part = make(ON_DISK)
    told: list[bool] = []
    part.watch(lambda: told.append(part.full))
    hanging.hang("write a")
    pieces = 0
    while not part.full:
        part.write(b"x" * 65536)
        pieces += 1
    assert FULL < part.held < FULL + 2 * 65536
    assert told == []
    hanging.release()
    await until(reactor, lambda: told)
    assert told == [False]
    await commit(reactor, part)
    assert Path(part.folder.path, "a").stat().st_size == pieces * 65536


async def test_tiny_pieces_are_bounded_too(reactor: Any, make: Make, hanging: Files) -> None:
    """A piece of one byte costs more than a byte."""
    part = make(ON_DISK)
    hanging.hang("write a")
    pieces = 0
    while not part.full:
        part.write(b"x")
        pieces += 1
    assert pieces < FULL // 100
    hanging.release()
    await commit(reactor, part)


async def test_the_name_comes_after_the_last_byte(
    reactor: Any, make: Make, hanging: Files, out: str
) -> None:
    part = make(ON_DISK)
    hanging.hang("write a")
    part.write(b"abc")
    _, found = run(part.commit("a"))
    await until(reactor, lambda: hanging.held)
    assert (found, os.listdir(out)) == ([], ["a.part"])
    hanging.release()
    await until(reactor, lambda: found)
    assert (found, os.listdir(out)) == ([None], ["a"])


async def test_no_name_after_an_error(reactor: Any, make: Make, hanging: Files, out: str) -> None:
    """Nothing is written behind it, and the error comes out of the commit too."""
    part = make(ON_DISK)
    told: list[Any] = []
    part.watch(lambda: told.append(part.failure))
    hanging.hang("write a")
    hanging.fill("write a")
    for _ in range(3):
        part.write(b"abc")
    _, found = run(part.commit("a"))
    hanging.release()
    await until(reactor, lambda: found)
    assert isinstance(found[0], Failure) and found[0].type is DiskFull
    assert [failure.type for failure in told] == [DiskFull]
    assert hanging.done.count("write a") == 1
    part.write(b"more")
    part.keep()
    await until(reactor, lambda: closed(part))
    assert (part.held, os.listdir(out)) == (0, [])


@pytest.mark.parametrize("held", ["write a", "commit a"])
async def test_cancelled_it_gives_no_name_any_more(
    reactor: Any, make: Make, hanging: Files, out: str, held: str
) -> None:
    """The Deferred fails at once; the file is closed, without a name, once the disk is back."""
    part = make(ON_DISK)
    hanging.cost = 2 * SLOW
    hanging.hang(held)
    part.write(b"abc")
    await until(reactor, lambda: "write a" in hanging.asked)
    running, found = run(part.commit("a"))
    await until(reactor, lambda: hanging.held == [held])
    running.cancel()
    assert [failure.type for failure in found] == [CancelledError]
    part.keep()
    assert not closed(part)
    hanging.release()
    await until(reactor, lambda: closed(part))
    assert os.listdir(out) == ["a.part"]
    assert Path(out, "a.part").read_bytes() == b"abc"
    assert part.folder.users == 0


async def test_a_slow_disk_opens_and_closes_in_threads(
    reactor: Any, make: Make, hanging: Files, out: str
) -> None:
    """What is given to it meanwhile waits for the opening."""
    hanging.cost = 2 * SLOW
    make(ON_DISK).keep()
    part = PartWriter(*again(make, hanging, out))
    part.write(b"abc")
    part.write(b"def")
    part.keep()
    assert not closed(part)
    hanging.release()
    await until(reactor, lambda: closed(part))
    assert Path(out, "b.part").read_bytes() == b"abcdef"
    assert [one for one in hanging.here if one.endswith(" b")] == []


def again(make: Make, hanging: Files, out: str) -> tuple[Folders, str, str, bool]:
    """What a second file, `b`, is made with, on a disk that is slow and hangs in opening it."""
    first = make(ON_DISK)
    first.discard()
    hanging.hang("PartFile b")
    return first._folders, out, "b", False


async def test_a_directory_that_was_removed_is_made_again(
    reactor: Any, make: Make, hanging: Files, out: str
) -> None:
    """On a slow disk as on a quick one."""
    hanging.cost = 2 * SLOW
    arguments = again(make, hanging, out)
    first = PartWriter(arguments[0], out, "c", False)
    first.discard()
    await until(reactor, lambda: closed(first))
    for name in os.listdir(out):
        Path(out, name).unlink()
    Path(out).rmdir()
    part = PartWriter(*arguments)
    part.write(b"abc")
    hanging.release()
    await commit(reactor, part, "b")
    assert Path(out, "b").read_bytes() == b"abc"


@pytest.mark.parametrize("in_memory", [IN_MEMORY, ON_DISK])
async def test_what_is_read_is_what_was_written_before(
    reactor: Any, make: Make, in_memory: bool
) -> None:
    """From where to where; and what is dropped is not there until it is written again."""
    part = make(in_memory)
    seen = bytearray()
    part.write(b"x" * FULL, 0)
    part.write(b"abc" * FULL, FULL)
    _, found = run(part.read(seen.extend, FULL - 2, 3 * FULL))
    part.write(b"not yet", 0)
    await until(reactor, lambda: found)
    assert seen == (b"xx" + b"abc" * FULL)[: 2 * FULL + 2]
    part.drop(0, 10)
    assert (await part.found()) is part._part
    assert part._part is not None
    assert list(part._part.ranges) == [(10, 4 * FULL)]
    part.write(b"y" * 10, 0)
    await commit(reactor, part)


async def test_many_may_watch(reactor: Any, make: Make, hanging: Files) -> None:
    """Until they do not want to any more."""
    part = make(ON_DISK)
    told: list[str] = []
    watchers = [lambda name=name: told.append(name) for name in "abc"]
    for watcher in watchers:
        part.watch(watcher)
    part.unwatch(watchers[1])
    part.unwatch(watchers[1])
    hanging.hang("write a")
    while not part.full:
        part.write(b"x" * 65536)
    hanging.release()
    await until(reactor, lambda: told)
    assert told == ["a", "c"]
    await commit(reactor, part)


async def test_a_name_that_is_taken(reactor: Any, make: Make, out: str) -> None:
    """The part file is still there for another name."""
    part = make(ON_DISK)
    part.write(b"abc")
    Path(out, "a").write_bytes(b"another")
    _, found = run(part.commit("a"))
    await until(reactor, lambda: found)
    assert found[0].type is TargetExists and not closed(part)
    await commit(reactor, part, "a.1")
    assert sorted(os.listdir(out)) == ["a", "a.1"]


async def test_no_more_threads(
    reactor: Any, make: Make, out: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Better slowly than not at all."""

    def refuse(thread: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    part = make(ON_DISK)
    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", refuse)
        part.write(b"abc")
    assert part.held == 0
    await commit(reactor, part)
    assert Path(out, "a").read_bytes() == b"abc"
