"""Lists that come through a pipe: as they come, no faster than wanted, and left alone otherwise."""

from __future__ import annotations

import fcntl
import gzip
import os
import pty
import socket
from collections.abc import AsyncIterator, Callable, Generator
from typing import Any

import pytest
from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.task import deferLater

from downloader.jobs import Job
from downloader.listrun.forms import FetchForm
from downloader.listrun.stream import ListStream


class Pipe:
    """A list on its way: what is written to it, and what it gave."""

    def __init__(self, reactor: Any) -> None:
        self.reader, self.writer = os.pipe()
        self.bad: list[int] = []
        self.source = ListStream(reactor, os.dup(self.reader), FetchForm("out"))
        self.jobs: AsyncIterator[Job | None] = self.source.jobs(
            lambda bad: self.bad.append(bad.line), pytest.fail
        )

    def write(self, text: bytes) -> None:
        os.write(self.writer, text)

    def end(self) -> None:
        if self.writer >= 0:
            os.close(self.writer)
        self.writer = -1

    def next(self) -> Deferred[Job]:
        async def take() -> Job:
            while (job := await anext(self.jobs)) is None:
                pass
            return job

        return Deferred.fromCoroutine(take())

    async def rest(self) -> list[str]:
        return [job.url async for job in self.jobs if job is not None]


@pytest.fixture
def pipe(reactor: Any) -> Generator[Pipe, None, None]:
    pipe = Pipe(reactor)
    yield pipe
    pipe.source.close()
    pipe.end()
    os.close(pipe.reader)


async def test_a_job_comes_when_the_next_entry_begins(pipe: Pipe) -> None:
    """The last one when the list ends."""
    pipe.write(b"http://h/1\nhttp://h/2\n")
    assert (await pipe.next()).url == "http://h/1"
    last = pipe.next()
    pipe.write(b"# http://h/3\n\n")
    assert not last.called
    pipe.end()
    assert (await last).url == "http://h/2"
    assert await pipe.rest() == []
    assert pipe.source.count(0) == 2


async def test_options_are_waited_for(reactor: Any, pipe: Pipe) -> None:
    """However slow their writer: without its checksum a file would be published unchecked."""
    job = pipe.next()
    pipe.write(b"http://h/fi")
    pipe.write(b"le\n")
    timers = reactor.getDelayedCalls()
    for _ in range(20):
        await deferLater(reactor, 0)
    assert not job.called
    assert reactor.getDelayedCalls() == timers  # nor is there one that would start it later
    pipe.write(b" out=one\n checksum=md5=")
    pipe.write(b"0" * 32 + b"\n")
    pipe.write(b"http://h/next\n")
    found = await job
    assert (found.url, found.name, found.checksum) == ("http://h/file", "one", "md5=" + "0" * 32)
    assert pipe.bad == []


async def test_junk_gives_turns(pipe: Pipe) -> None:
    """A stream of it too lets others have theirs."""
    pipe.write(b"\n" * 5000)
    pipe.end()
    steps = [job async for job in pipe.jobs]
    assert len(steps) > 90 and not any(steps)


@pytest.mark.parametrize("size", [1, 100_000])
async def test_gzip_comes_through_too(pipe: Pipe, size: int) -> None:
    """In whatever pieces it arrives."""
    urls = [f"http://h/{number}" for number in range(300)]
    data = gzip.compress("\n".join(urls).encode())
    done = Deferred.fromCoroutine(pipe.rest())
    for start in range(0, len(data), size):
        pipe.write(data[start : start + size])
    pipe.end()
    assert await done == urls
    assert pipe.source.error is None


async def test_broken_gzip_ends_the_list(pipe: Pipe) -> None:
    """With a reason; what came before it is fetched."""
    pipe.write(gzip.compress(b"http://h/1\nhttp://h/2\nhttp://h/3\n")[:-4])
    pipe.end()
    assert await pipe.rest() == ["http://h/1", "http://h/2"]
    assert pipe.source.error == "the gzip data ends too early"
    assert pipe.source.rest(60) == 1


async def test_a_read_that_fails_ends_the_list(reactor: Any) -> None:
    """With the reason alone, as for a file."""
    ours, theirs = socket.socketpair()
    ours.send(b"unread")  # so that closing is a reset
    theirs.close()
    source = ListStream(reactor, ours.detach(), FetchForm("out"))
    assert [job async for job in source.jobs(pytest.fail, pytest.fail)] == []
    assert source.error == "Connection reset by peer"
    assert source.rest(60) == 0
    source.close()


async def test_an_empty_stream_is_an_empty_list(pipe: Pipe) -> None:
    """Its end comes as a hang-up, with nothing to read."""
    rest = Deferred.fromCoroutine(pipe.rest())
    pipe.end()
    assert await rest == []


async def test_nothing_is_read_while_nothing_is_wanted(reactor: Any, pipe: Pipe) -> None:
    """A writer who is faster than the downloads waits; memory does not fill with the list."""
    os.set_blocking(pipe.writer, False)
    first = pipe.next()
    written = 0
    with pytest.raises(BlockingIOError):
        while True:
            written += os.write(pipe.writer, b"http://h/%06d\n" % written)
    await first
    for _ in range(20):
        await deferLater(reactor, 0)
    with pytest.raises(BlockingIOError):
        for _ in range(10_000):  # 64 KiB were read for the first job, and no more than that
            os.write(pipe.writer, b"http://h/%06d\n" % 0)


async def test_cancelling_a_wait_loses_nothing(reactor: Any, pipe: Pipe) -> None:
    """And leaves the descriptor unwatched."""
    readers = len(reactor.getReaders())
    waiting = pipe.next()
    assert len(reactor.getReaders()) == readers + 1
    waiting.cancel()
    with pytest.raises(CancelledError):
        await waiting
    assert len(reactor.getReaders()) == readers


async def test_closing_ends_a_wait(pipe: Pipe) -> None:
    """A run that stops does not wait for its list."""
    waiting = pipe.next()
    pipe.source.close()
    with pytest.raises(CancelledError):
        await waiting


async def test_a_terminal_keeps_its_flags(reactor: Any) -> None:
    """O_NONBLOCK on it would stay behind for the shell."""
    ours, terminal = pty.openpty()
    source = ListStream(reactor, os.dup(terminal), FetchForm("out"))
    found: Callable[[Any], None] = pytest.fail
    os.write(ours, b"http://h/1\n\x04")
    assert [job.url async for job in source.jobs(found, found) if job] == ["http://h/1"]
    assert not fcntl.fcntl(terminal, fcntl.F_GETFL) & os.O_NONBLOCK
    source.close()
    os.close(ours)
    os.close(terminal)
