"""What is asked of a queue, over real sockets and with a real database."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from support.asking import HELLO

from downloader import Limits, Terms
from downloader.errors import DuplicateGid, NoSuchJob, NotNow, QueueFull
from downloader.testing import Connection, End, Origin, content

GID = "00000000deadbeef"


def file_of(origin: Origin, path: str, size: int) -> bytes:
    return b"".join(content(path, size))


async def silent(connection: Connection) -> None:
    """Takes a request, and never answers."""
    await connection.head()


async def test_a_job_is_fetched(kept: Any, origin: Origin) -> None:
    """It is told at each step, and what came of it can be looked at."""
    k = kept()
    await k.queue.start()
    (entry,) = await k.add(origin.add("/a", 10))
    await k.ended(entry)
    assert (k.out / "a").read_bytes() == file_of(origin, "/a", 10)
    steps = [(before, after) for _, before, after in k.changes]
    assert steps == [("removed", "waiting"), ("waiting", "active"), ("active", "complete")]
    assert (entry.path, entry.received, entry.length) == ("a", 10, 10)
    assert entry.told.attempts == 1
    assert k.queue.over == [entry]
    assert k.queue.find(entry.gid[:5]) is entry


async def test_one_that_fails_can_be_tried_again(kept: Any, origin: Origin) -> None:
    k = kept()
    await k.queue.start()
    (entry,) = await k.add(origin.url("/a"))
    await k.ended(entry)
    assert (entry.status, entry.told.error, entry.told.http_status) == ("error", "NotFound", 404)
    assert [message for _, message in entry.troubles] == [entry.told.message]
    origin.add("/a", 10)
    await k.queue.resume(entry)
    assert k.queue.over == []
    await k.ended(entry)
    assert entry.status == "complete"


async def test_no_more_than_there_is_room_for_run(kept: Any, scripted: Any, origin: Origin) -> None:
    """When there is room for more, a server that has enough of them is passed over."""
    server = scripted(silent)
    k = kept(limits=Limits(total=3, per_host=3))
    await k.queue.start()
    urls = [*(server.url(f"/{n}") for n in range(5)), origin.add_silent("/5")]
    entries = await k.add(*urls)
    await k.until(lambda: len(k.queue.active) == 3)
    assert k.queue.active == entries[:3]
    assert k.queue.waiting == entries[3:]
    assert [k.queue.position(entry) for entry in entries] == [None, None, None, 0, 1, 2]
    k.queue.downloader.limiter.resize(4, 3)
    await k.until(lambda: origin.silent)
    assert k.queue.active == [*entries[:3], entries[5]]


@pytest.mark.parametrize("verb", ["pause", "remove"])
async def test_stop_is_answered_when_the_connection_is_closed(
    kept: Any, scripted: Any, verb: str
) -> None:
    server = scripted(silent)
    k = kept()
    await k.queue.start()
    (entry,) = await k.add(server.url("/a"))
    await k.until(lambda: server.connections and server.connections[0].heads)
    await getattr(k.queue, verb)(entry)
    assert entry.status == ("paused" if verb == "pause" else "removed")
    assert not k.queue.downloader.agent._agent._pool._hosts  # nothing is open
    await k.until(lambda: server.connections[0].end is End.RST)


async def test_what_is_paused_goes_on(kept: Any, scripted: Any) -> None:
    """From where it was."""
    hello = HELLO.replace(b"\r\n\r\n", b'\r\nETag: "1"\r\n\r\n')
    server = scripted([lambda c: c.head(), hello])
    k = kept()
    await k.queue.start()
    (entry,) = await k.add(server.url("/a"), paused=True)
    assert entry.status == "paused"
    await k.queue.resume(entry)
    await k.ended(entry)
    assert (k.out / "a").read_bytes() == b"hello"


async def test_pause_and_resume_at_once(kept: Any, scripted: Any) -> None:
    """The later word counts, and both are answered."""
    server = scripted(silent)
    k = kept()
    await k.queue.start()
    (entry,) = await k.add(server.url("/a"))
    await k.until(lambda: server.connections and server.connections[0].heads)
    pausing, resuming = k.queue.pause(entry), k.queue.resume(entry)
    await pausing
    await resuming
    await k.until(lambda: entry.status == "active")
    await k.until(lambda: len(server.connections) == 2)


async def test_one_that_waits_is_dropped(kept: Any, origin: Origin) -> None:
    """Nothing is asked, and nothing is left of it."""
    k = kept()
    await k.queue.start()
    (entry,) = await k.add(origin.add("/a", 10), paused=True)
    await k.queue.remove(entry)
    assert k.queue.waiting == k.queue.over == []
    with pytest.raises(NoSuchJob):
        k.queue.find(entry.gid)
    assert not origin.requests


async def test_what_cannot_be_done(kept: Any, origin: Origin) -> None:
    k = kept(most=2)
    await k.queue.start()
    (entry,) = await k.add(origin.add("/a", 10), gid=GID)
    await k.ended(entry)
    for verb in (k.queue.pause, k.queue.remove, k.queue.resume):
        with pytest.raises(NotNow):
            await verb(entry)
    with pytest.raises(NotNow):
        await k.queue.move(entry, 0)
    with pytest.raises(NoSuchJob):
        k.queue.find("f" * 16)
    with pytest.raises(DuplicateGid):
        await k.add(origin.url("/b"), gid=GID)
    with pytest.raises(QueueFull):
        await k.add(*[origin.url("/b")] * 3, paused=True)
    (paused,) = await k.add(origin.url("/b"), paused=True)
    with pytest.raises(NotNow):
        await k.queue.forget([paused])
    assert k.queue.waiting == [paused]


async def test_positions_and_priorities(kept: Any, origin: Origin) -> None:
    """They hold after a restart too."""
    k = kept()
    await k.queue.start()
    one, two, three = await k.add(*map(origin.url, "abc"), paused=True)
    (first,) = await k.add(origin.url("/d"), paused=True, priority=1)
    assert k.queue.waiting == [first, one, two, three]
    assert await k.queue.move(three, 1) == 1
    wanted = [k.wanted(origin.url(name), paused=True) for name in "ef"]
    five, six = await k.queue.add(wanted, position=2)
    order = [first, three, five, six, one, two]
    assert k.queue.waiting == order
    await k.queue.close()
    await k.again().start()
    assert [entry.gid for entry in k.queue.waiting] == [entry.gid for entry in order]


async def test_a_restart_goes_on(kept: Any, origin: Origin) -> None:
    """What was complete is known, what was paused is paused, and the rest is fetched."""
    k = kept()
    await k.queue.start()
    (done,) = await k.add(origin.add("/a", 10))
    await k.ended(done)
    (paused,) = await k.add(origin.add("/b", 10), paused=True, options=(("out", "b"),))
    (failed,) = await k.add(origin.url("/c"))
    await k.ended(failed)
    (running,) = await k.add(origin.add_silent("/d"))
    await k.until(lambda: origin.silent)
    await k.queue.close()
    assert not origin.silent
    origin.add("/d", 10)
    queue = k.again()
    await queue.start()
    again = [queue.find(entry.gid) for entry in (done, paused, failed, running)]
    assert [entry.status for entry in again[:3]] == ["complete", "paused", "error"]
    assert again[0].told == done.told
    assert again[1].options == (("out", "b"),)
    assert again[2].told == failed.told
    assert queue.over == [again[0], again[2]]
    await k.ended(again[3])
    assert origin.requests["/a"] == 1 and origin.requests["/d"] == 2
    assert sorted(path.name for path in k.out.iterdir()) == ["a", "d"]


async def test_equal_names(kept: Any, origin: Origin) -> None:
    """Each has its own file, also when one of them was paused in between."""
    k = kept()
    await k.queue.start()
    entries = await k.add(origin.add("/1/a", 10), origin.add("/2/a", 20), origin.add("/3/a", 30))
    await k.ended(*entries)
    sizes = {path.name: path.stat().st_size for path in k.out.iterdir()}
    assert sorted(sizes.values()) == [10, 20, 30]
    assert {entry.path: entry.received for entry in entries} == sizes


async def test_only_the_latest_that_ended_are_kept(kept: Any, origin: Origin) -> None:
    k = kept(most_over=2)
    await k.queue.start()
    entries = await k.add(*(origin.add(f"/{n}", 1) for n in range(5)))
    await k.ended(*entries)
    ended = [gid for gid, _, after in k.changes if after == "complete"]
    await k.until(lambda: [entry.gid for entry in k.queue.over] == ended[-2:])
    await k.queue.close()
    await k.again().start()
    assert [entry.gid for entry in k.queue.over] == ended[-2:]
    await k.queue.forget(k.queue.over)
    assert k.queue.over == []


async def test_one_that_is_paused_as_it_begins(kept: Any, origin: Origin) -> None:
    """While its name is being kept, which is no failure then."""
    k = kept()
    await k.queue.start()
    pausing: list[Any] = []

    def begun(entry: Any, before: Any) -> None:
        if entry.status == "active":
            pausing.append(k.queue.pause(entry))

    k.queue.watch(begun)
    (entry,) = await k.add(origin.add("/a", 10))
    await k.until(lambda: pausing)
    await pausing[0]
    assert entry.status == "paused" and not k.out.exists()


async def test_what_is_wanted_can_be_changed(kept: Any, origin: Origin) -> None:
    """Of one that waits: its URLs, its terms and its place, which are kept."""
    k = kept()
    await k.queue.start()
    (entry,) = await k.add(origin.url("/none"), paused=True)
    job = replace(entry.job, url=origin.add("/a", 10), name="b", terms=Terms(tries=2))
    await k.queue.change(entry, job, [("out", "b")])
    assert (entry.job, entry.options) == (job, (("out", "b"),))
    await k.queue.close()
    queue = k.again()
    await queue.start()
    again = queue.find(entry.gid)
    assert (again.job, again.options) == (job, (("out", "b"),))
    await queue.resume(again)
    await k.ended(again)
    assert (k.out / "b").read_bytes() == file_of(origin, "/a", 10)
    with pytest.raises(NotNow):
        await queue.change(again, job, ())


async def test_one_that_is_changed_may_begin(kept: Any, origin: Origin) -> None:
    """Where its new server has room: it waited for another."""
    k = kept(limits=Limits(total=2, per_host=1))
    await k.queue.start()
    await k.add(origin.add_silent("/slow"))
    (entry,) = await k.add(origin.url("/b"))
    await k.until(lambda: origin.silent)
    assert entry.status == "waiting"
    url = origin.add("/b", 10).replace("127.0.0.1", "localhost")
    await k.queue.change(entry, replace(entry.job, url=url), ())
    await k.ended(entry)
    assert entry.status == "complete"


async def test_what_runs_is_not_changed(kept: Any, origin: Origin) -> None:
    k = kept()
    await k.queue.start()
    (entry,) = await k.add(origin.add_silent("/a"))
    await k.until(lambda: origin.silent)
    with pytest.raises(NotNow):
        await k.queue.change(entry, entry.job, ())


async def test_a_part_stays_with_its_place(kept: Any, scripted: Any) -> None:
    """It is gone on with after a change, and begun anew elsewhere; its name is free then."""

    async def half(connection: Connection) -> None:
        await connection.head()
        connection.send(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhello")

    server = scripted(half)
    k = kept()
    await k.queue.start()
    (entry,) = await k.add(server.url("/a"))
    await k.until(lambda: [one for one in k.queue.meter.look() if one.received])
    await k.queue.pause(entry)
    await k.queue.change(entry, replace(entry.job, terms=Terms(tries=1)), ())
    assert entry.path == "a"
    await k.queue.change(entry, replace(entry.job, name="b"), ())
    assert entry.path is None
