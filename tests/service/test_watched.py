"""A directory that is watched: what is put there is queued once, and moved aside."""

from __future__ import annotations

import gzip
import os
import stat
import time
from collections.abc import Callable, Generator
from pathlib import Path
from typing import Any

import pytest
import pytest_twisted
from twisted.internet.defer import Deferred
from twisted.internet.task import Clock

from downloader import Downloader, Limits
from downloader.queue import Queue
from downloader.service.watch import EVERY, PORTION, Watched, why_not
from downloader.store import QueueStore
from downloader.testing import Origin

METALINK = """<metalink xmlns="urn:ietf:params:xml:ns:metalink"><file name="m">
<url>{}</url></file></metalink>"""


class Ticking(Clock):
    """Time that a test gives, and the threads of a reactor."""

    def __init__(self, reactor: Any) -> None:
        super().__init__()
        self.getThreadPool = reactor.getThreadPool
        self.callFromThread = reactor.callFromThread


class Inbox:
    """A directory `path` that is watched for `served`; `look` once or more."""

    def __init__(self, served: Any, path: Path) -> None:
        self.path = path
        self.other: Any = None  # in place of its queue
        self.served = served
        self.clock = Ticking(served.reactor)
        path.mkdir(exist_ok=True)
        self._watched = self._begun()

    def _begun(self) -> Watched:
        queue: Callable[[], Any] = lambda: self.other or self.served.service.queue_if_ready  # noqa: E731
        watched = Watched(self.clock, str(self.path), str(self.served.out), queue)
        watched.startService()
        return watched

    def put(self, name: str, data: str | bytes) -> Path:
        path = self.path / name
        path.write_bytes(data.encode() if isinstance(data, str) else data)
        return path

    async def look(self, times: int = 2) -> None:
        for _ in range(times):
            self.clock.advance(EVERY)
            await self.served.until(self._idle)

    def _idle(self) -> bool:
        self.clock.advance(0)
        return bool(self._watched._taking.called)

    async def stop(self) -> None:
        await self._watched.stopService()

    async def again(self) -> None:
        """The next process."""
        await self.stop()
        await self.served.restart()
        self._watched = self._begun()

    @property
    def names(self) -> list[str]:
        return sorted(str(p.relative_to(self.path)) for p in self.path.rglob("*") if p.is_file())

    @property
    def queued(self) -> list[str]:
        queue = self.other or self.served.queue
        return [entry.job.url for entry in (*queue.active, *queue.waiting, *queue.over)]


@pytest.fixture
def inbox(served: Any, tmp_path: Path) -> Generator[Callable[..., Any], None, None]:
    made: list[Inbox] = []

    async def make(**options: Any) -> Inbox:
        made.append(Inbox(await served(**options), tmp_path / "inbox"))
        return made[-1]

    yield make
    for one in made:
        pytest_twisted.blockon(Deferred.fromCoroutine(one.stop()))


async def test_lists_and_documents(inbox: Any, origin: Origin) -> None:
    """Of each kind, packed ones too; what has another name stays."""
    box = await inbox()
    box.put("a.txt", f"{origin.add('/a', 3)}\n out=x\n dir=sub\n")
    box.put("b.list.gz", gzip.compress(origin.add("/b", 3).encode()))
    box.put("c.META4", METALINK.format(origin.add("/c", 3)))
    box.put("other.part", origin.url("/d"))
    await box.look()
    await box.served.until(lambda: len(box.served.queue.over) == 3)
    out = box.served.out
    assert sorted(str(p.relative_to(out)) for p in out.rglob("*") if p.is_file()) == [
        *("b", "m", "sub/x"),
    ]
    assert box.names == ["done/a.txt", "done/b.list.gz", "done/c.META4", "other.part"]


async def test_a_file_that_grows_is_waited_for(inbox: Any, origin: Origin) -> None:
    box = await inbox()
    path = box.put("a.txt", f"{origin.url('/1')}\n")
    await box.look(1)
    with path.open("a") as file:
        file.write(f"{origin.url('/2')}\n")
    await box.look(1)
    assert box.queued == []
    await box.look(1)
    assert len(box.queued) == 2


@pytest.mark.parametrize(
    ("name", "data", "reason"),
    [
        ("a.txt", b"ftp://no\n", "line 1 is left out"),
        ("a.txt", b"# nothing\n", "there is no job in it"),
        ("a.txt", b"", "there is no job in it"),
        ("a.txt.gz", gzip.compress(b"http://a/", mtime=0)[:-5], "the gzip data ends too early"),
        ("a.meta4", b"<metalink>", "no Metalink document"),
        ("a.meta4", b"<!DOCTYPE a [<!ENTITY b 'c'>]><a>&b;</a>", "DTD"),
    ],
)
async def test_what_gives_no_job_says_why(
    inbox: Any, name: str, data: bytes, reason: str, warnings: list[str]
) -> None:
    box = await inbox()
    box.put(name, data)
    await box.look()
    assert box.names == [f"failed/{name}", f"failed/{name}.reason"]
    assert reason in (box.path / "failed" / f"{name}.reason").read_text()
    assert box.queued == []


async def test_what_was_left_out_stands_beside_it(inbox: Any, origin: Origin) -> None:
    box = await inbox()
    box.put("a.txt", f"{origin.url('/1')}\nftp://no\n")
    await box.look()
    assert box.names == ["done/a.txt", "done/a.txt.reason"]


async def test_links_and_others_are_left_alone(
    inbox: Any, origin: Origin, tmp_path: Path, warnings: list[str]
) -> None:
    """Which is said once, and again of what comes later."""
    box = await inbox()
    (tmp_path / "elsewhere").write_text(origin.url("/1"))
    (box.path / "link.txt").symlink_to(tmp_path / "elsewhere")
    os.mkfifo(box.path / "fifo.txt")
    (box.path / "directory.txt").mkdir()
    await box.look(3)
    assert box.queued == []
    assert (box.path / "link.txt").is_symlink() and (tmp_path / "elsewhere").exists()
    (box.path / "a.txt").symlink_to(tmp_path / "elsewhere")
    await box.look(2)
    assert warnings == [
        f"{box.path}/directory.txt is passed over: it is no regular file (and 2 more)",
        f"{box.path}/a.txt is passed over: it is no regular file",
    ]


def test_a_file_of_somebody_else_is_not_taken(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.touch()
    found = list(os.stat(path))
    assert why_not(os.stat_result(found)) is None
    found[stat.ST_UID] += 1
    assert why_not(os.stat_result(found)) == "it belongs to another user"


async def test_what_cannot_be_moved_is_told_and_stays(
    inbox: Any, origin: Origin, warnings: list[str]
) -> None:
    """Each is told once, and its jobs are taken on once, though they are forgotten meanwhile."""
    box = await inbox()
    (box.path / "done").write_text("")
    box.put("a.txt", f"{origin.add('/1', 1)}\nftp://no\n")
    await box.look(1)
    box.put("b.txt", origin.add("/2", 1))
    await box.look(4)
    queue = box.served.queue
    await box.served.until(lambda: len(queue.over) == 2)
    await queue.forget(queue.over)
    await box.look(6)
    assert box.names == ["a.txt", "b.txt", "done"] and box.queued == []
    why = "cannot be moved to done/: Not a directory"
    assert warnings == [f"a.txt {why}", f"b.txt {why}"]
    (box.path / "done").unlink()
    await box.look(3)
    assert box.names == ["done/a.txt", "done/a.txt.reason", "done/b.txt"]
    assert box.queued == [] and origin.requests == {"/1": 1, "/2": 1}


async def test_what_is_replaced_while_it_is_read_is_read_too(
    inbox: Any, origin: Origin, warnings: list[str]
) -> None:
    """Only what was read is moved."""
    box = await inbox()
    box.put("a.txt", f"{origin.url('/1')}\nftp://no\n")
    box.clock.pump([EVERY, EVERY])  # it is being read
    assert not box._watched._taking.called
    box.put("a", origin.url("/2")).rename(box.path / "a.txt")
    await box.look(1)
    assert box.names == ["a.txt"] and box.queued == [origin.url("/1")]
    assert warnings == ["a.txt was changed while it was read: it stays"]
    await box.look(2)
    assert box.names == ["done/a.txt"]
    assert (box.path / "done" / "a.txt").read_text() == origin.url("/2")
    assert sorted(box.queued) == [origin.url("/1"), origin.url("/2")]


async def test_put_there_again_is_queued_again(inbox: Any, origin: Origin) -> None:
    """Under a name of its own in done/, also when it is the very file."""
    box = await inbox()
    box.put("a.txt", origin.url("/1"))
    await box.look()
    box.put("a.txt", origin.url("/1"))
    await box.look()
    os.rename(box.path / "done" / "a.txt", box.path / "a.txt")
    await box.look()
    assert len(box.queued) == 3
    assert box.names == ["done/a.txt", "done/a.txt.1"]


async def test_what_was_taken_on_before_a_kill_is_not_taken_twice(
    inbox: Any, origin: Origin
) -> None:
    """It came before the file was moved; some of its jobs have ended since, and are forgotten."""
    box = await inbox(limits=Limits(total=1))
    urls = [origin.add_silent(f"/{n}") for n in range(PORTION + 10)]
    box.put("a.txt", "\n".join(urls))
    (box.path / "done").write_text("")  # so it cannot be moved
    await box.look()
    assert len(box.queued) == len(urls)
    queue = box.served.queue
    for entry in queue.waiting[:10]:
        await queue.remove(entry)
    await box.again()
    (box.path / "done").unlink()
    await box.look(3)
    assert box.names == ["done/a.txt"]
    assert sorted(box.queued) == sorted([urls[0], *urls[11:]])


async def test_a_process_that_ended_halfway_is_gone_on_from(inbox: Any, origin: Origin) -> None:
    box = await inbox(limits=Limits(total=1))
    urls = [origin.add_silent(f"/{n}") for n in range(3 * PORTION)]
    box.put("a.txt", "\n".join(urls))
    box.clock.pump([EVERY, EVERY])
    await box.served.until(lambda: len(box.queued) == PORTION)
    await box.again()
    assert PORTION <= len(box.queued) < len(urls)
    await box.look()
    assert sorted(box.queued) == sorted(urls)
    assert box.names == ["done/a.txt"]


async def test_a_full_queue_is_waited_for(inbox: Any, origin: Origin, warnings: list[str]) -> None:
    """The rest is taken on when there is room, and the file moved then."""
    box = await inbox()
    reactor, limits = box.served.reactor, Limits(total=1)
    store = QueueStore(reactor, str(box.served.state / "small"))
    box.other = queue = Queue(
        reactor, store, Downloader(reactor, limits=limits), limits, time.time, most=PORTION
    )
    await queue.start()
    urls = [origin.add_silent(f"/{n}") for n in range(PORTION + 1)]
    box.put("a.txt", "\n".join(urls))
    box.clock.pump([EVERY, EVERY])
    await box.served.until(lambda: warnings)
    assert len(box.queued) == PORTION
    assert box.names == ["a.txt"]
    await queue.remove(queue.waiting[0])
    await box.look(1)
    await queue.close()
    assert urls[-1] in box.queued
    assert len(warnings) == 1 and "has to wait" in warnings[0]
