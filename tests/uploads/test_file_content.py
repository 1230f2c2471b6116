"""A file as a body, over a consumer that the test plays and a clock that it advances."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.task import Clock
from zope.interface.verify import verifyObject

from downloader.deadlines import Deadlines
from downloader.errors import FileChanged, StallTimeout, UnreadableFile
from downloader.jobs import Timeouts
from downloader.replay import IReplayable
from downloader.transfer.content import BLOCK, FileContent

STALL = 40.0


class Consumer:
    """Takes what it is given, and wants no more after each `pauses` pieces."""

    def __init__(self, content: FileContent, pauses: int = 1) -> None:
        self.pieces: list[bytes] = []
        self._content = content
        self._pauses = pauses

    def write(self, data: bytes) -> None:
        self.pieces.append(data)
        if len(self.pieces) % self._pauses == 0:
            self._content.pauseProducing()


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def opened(tmp_path: Path, clock: Clock) -> Any:
    """Open a file of so many bytes; `speed` is the least that has to go out in a second."""
    made: list[FileContent] = []

    def open_one(size: int, speed: int = 0) -> tuple[FileContent, Consumer]:
        (tmp_path / "file").write_bytes(os.urandom(size))
        timeouts = Timeouts(stall=STALL, lowest_speed=speed)
        made.append(FileContent(str(tmp_path / "file"), Deadlines(clock), timeouts))
        return made[-1], Consumer(made[-1])

    yield open_one
    for one in made:
        one.close()
        assert repr(one).startswith("<FileContent '")
    assert clock.getDelayedCalls() == []


def outcome(done: Deferred[None]) -> Any:
    """None while it is under way, "done", or the class of the failure."""
    found: list[Any] = []
    done.addCallbacks(lambda _: found.append("done"), lambda reason: found.append(reason.type))
    return found[0] if found else None


@pytest.mark.parametrize("size", [0, 1, BLOCK, BLOCK + 1, 3 * BLOCK])
@pytest.mark.parametrize("pauses", [1, 2, 100])
def test_all_of_it_in_blocks(opened: Any, tmp_path: Path, size: int, pauses: int) -> None:
    """However often it is paused. It is over when the last block has left, not when it is read."""
    content, _ = opened(size)
    assert verifyObject(IReplayable, content) and content.length == size
    told: list[bool] = []
    content.on_finished = lambda: told.append(content.finished)
    for _ in range(2):
        consumer, told[:] = Consumer(content, pauses), []
        found = content.startProducing(consumer)
        while content.sent < size or (len(consumer.pieces) % pauses == 0 and not told):
            assert not content.finished
            content.resumeProducing()
        assert b"".join(consumer.pieces) == (tmp_path / "file").read_bytes()
        assert (outcome(found), content.finished, told) == ("done", True, [True])
        assert all(0 < len(piece) <= BLOCK for piece in consumer.pieces)


def test_begun_anew(opened: Any) -> None:
    """From the first byte, whatever was sent before."""
    content, consumer = opened(3 * BLOCK)
    first = content.startProducing(consumer)
    content.resumeProducing()
    content.stopProducing()
    assert content.sent == 2 * BLOCK and outcome(first) is None
    again = Consumer(content, 100)
    assert outcome(content.startProducing(again)) == "done"
    assert again.pieces[:2] == consumer.pieces


def test_cancelled_or_closed(opened: Any) -> None:
    """Nothing is written any more, nor read from a number that may be another file's."""
    content, consumer = opened(3 * BLOCK)
    done = content.startProducing(consumer)
    done.cancel()
    assert outcome(done) is CancelledError
    content.resumeProducing()
    content.startProducing(consumer)
    content.close()
    content.resumeProducing()
    assert len(consumer.pieces) == 2
    assert outcome(content.startProducing(consumer)) is UnreadableFile


@pytest.mark.parametrize("size", [0, BLOCK, 2 * BLOCK - 1, 4 * BLOCK], ids=str)
def test_a_change_is_seen_before_the_last_block(opened: Any, tmp_path: Path, size: int) -> None:
    """So that nobody has as much as was announced."""
    content, consumer = opened(2 * BLOCK)
    done = content.startProducing(consumer)
    os.truncate(tmp_path / "file", size)
    while content.sent < content.length and not done.called:
        content.resumeProducing()
    assert outcome(done) is FileChanged and not content.finished
    assert sum(map(len, consumer.pieces)) < 2 * BLOCK


def test_an_empty_file_that_grew(opened: Any, tmp_path: Path) -> None:
    content, consumer = opened(0)
    (tmp_path / "file").write_bytes(b"x")
    assert outcome(content.startProducing(consumer)) is FileChanged


def test_it_stalls(opened: Any, clock: Clock) -> None:
    """Nothing went out for the whole window; what is slow but moves goes on."""
    content, consumer = opened(9 * BLOCK)
    done = content.startProducing(consumer)
    for _ in range(4):
        clock.pump([STALL / 4] * 3)
        content.resumeProducing()
    clock.pump([STALL / 4] * 3)
    assert not done.called
    clock.pump([STALL / 4] * 2)
    assert outcome(done) is StallTimeout
    content.resumeProducing()
    assert len(consumer.pieces) == 5


def test_it_is_too_slow(opened: Any, clock: Clock) -> None:
    """Less than was asked for, over the window."""
    content, consumer = opened(9 * BLOCK, speed=BLOCK // 10)
    done = content.startProducing(consumer)
    for _ in range(4):
        clock.advance(STALL / 4 + 1)
        if len(consumer.pieces) < 2:
            content.resumeProducing()
    assert outcome(done) is StallTimeout
