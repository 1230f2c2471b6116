"""What meets a queue from outside: full stores, files of others, hosts that are dead."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest
from twisted.internet.defer import Deferred, DeferredList, fail

from downloader import Limits, Retries
from downloader.errors import StoreFull
from downloader.store import QueueStore
from downloader.testing import Origin


class FullStore(QueueStore):
    """Has no space while `full`."""

    full = False

    def save(self, rows: Any, gone: Any = ()) -> Deferred[None]:
        if self.full:
            return fail(StoreFull("no space"))
        return super().save(rows, gone)


class SlowStore(QueueStore):
    """Finds out later that it had no space for what came while it was `full`: when `last` fires."""

    full = False
    last: Deferred[None]

    def save(self, rows: Any, gone: Any = ()) -> Deferred[None]:
        if not self.full:
            return super().save(rows, gone)
        self.last = Deferred()
        return self.last


@pytest.fixture
def full() -> Any:
    yield FullStore
    FullStore.full = False


async def test_a_downloader_that_closes_fails_no_job(kept: Any, origin: Origin) -> None:
    """As when the reactor stops: those that wait do so for the next process."""
    k = kept(limits=Limits(total=2))
    await k.queue.start()
    entries = await k.add(*(origin.add_silent(f"/{n}") for n in range(6)))
    await k.until(lambda: origin.silent == 2)
    await k.queue.downloader.close()
    await k.until(lambda: not k.queue.active)
    await k.queue.close()
    await k.again().start()
    again = [k.queue.find(entry.gid) for entry in entries]
    assert {entry.status for entry in again} <= {"waiting", "active"}
    assert {entry.told for entry in again} == {None}


@pytest.mark.parametrize("word", ["pause", "remove"])
async def test_a_priority_does_not_begin_what_is_told_to_stop(
    kept: Any, origin: Origin, word: str
) -> None:
    k = kept()
    await k.queue.start()
    (entry,) = await k.add(origin.add_silent("/a"), paused=True)
    await k.queue.resume(entry)  # it would begin in the next turn
    stopping, preferring = getattr(k.queue, word)(entry), k.queue.prefer(entry, 5)
    await stopping
    await preferring
    await k.queue.add([k.wanted(origin.add("/b", 1))])
    await k.until(lambda: k.queue.over)
    assert entry.status == ("paused" if word == "pause" else "removed")
    assert not origin.silent and k.queue.active == []


async def test_pausing_all_while_one_is_being_added(kept: Any, origin: Origin) -> None:
    """It is not there before it is kept."""
    k = kept()
    await k.queue.start()
    adding = k.queue.add([k.wanted(origin.add_silent("/a"))])
    assert k.queue.waiting == []
    (entry,) = await adding
    await k.until(lambda: entry.status == "active")


async def test_what_is_tried_again_is_not_forgotten(kept: Any, origin: Origin) -> None:
    """Though there are more that have ended than are kept."""
    k = kept(most_over=1)
    await k.queue.start()
    (failed,) = await k.add(origin.url("/none"))
    await k.ended(failed)
    origin.add_silent("/none")
    (other,) = await k.add(origin.add("/a", 1))
    await k.until(lambda: other.coming or other.is_over)
    await k.queue.resume(failed)
    await k.until(lambda: origin.silent)
    assert k.queue.find(failed.gid) is failed and k.queue.active == [failed]


async def test_a_name_is_its_jobs_own_while_that_is_paused(kept: Any, origin: Origin) -> None:
    """From the very moment on, and when it goes on."""
    k = kept()
    await k.queue.start()
    (first,) = await k.add(origin.add_silent("/1/f"))
    await k.until(lambda: first.path and origin.silent)
    pausing = k.queue.pause(first)
    (second,) = await k.add(origin.add("/2/f", 2))
    await pausing
    await k.ended(second)
    origin.add("/1/f", 1)
    await k.queue.resume(first)
    await k.ended(first)
    assert (first.path, second.path) == ("f", "f.1")
    assert ((k.out / "f").stat().st_size, (k.out / "f.1").stat().st_size) == (1, 2)


async def test_a_file_of_somebody_else_takes_the_name(kept: Any, origin: Origin) -> None:
    """Between two tries: the job's path is its own file's then."""
    k = kept()
    await k.queue.start()
    (entry,) = await k.add(origin.url("/f"))
    await k.ended(entry)
    k.out.mkdir(exist_ok=True)
    (k.out / "f").write_bytes(b"theirs")
    origin.add("/f", 5)
    await k.queue.resume(entry)
    await k.ended(entry)
    assert (entry.status, entry.path) == ("complete", "f.1")
    assert (k.out / "f").read_bytes() == b"theirs"
    assert (k.out / "f.1").stat().st_size == 5


async def test_an_order_that_cannot_be_kept_is_as_before(
    kept: Any, origin: Origin, full: Any
) -> None:
    k = kept(store=full)
    await k.queue.start()
    entries = await k.add(*map(origin.url, "abc"), paused=True)
    full.full = True
    for verb in (lambda: k.queue.move(entries[2], 0), lambda: k.queue.prefer(entries[1], 5)):
        with pytest.raises(StoreFull):
            await verb()
    assert k.queue.waiting == entries
    assert [entry.priority for entry in entries] == [0, 0, 0]


async def places(k: Any) -> list[tuple[str, float]]:
    """As they are kept."""
    rows = await k.queue._store.load()
    return [(row.gid, row.place) for row in rows]


async def test_an_add_that_cannot_be_kept_moves_nobody(
    kept: Any, origin: Origin, full: Any
) -> None:
    """Neither when there is no number left between two, and all get others."""
    k = kept(store=full)
    await k.queue.start()
    await k.add(*map(origin.url, "abc"), paused=True)
    for n in range(60):
        wanted = [k.wanted(origin.url(f"/{n}"), paused=True)]
        full.full = True
        with pytest.raises(StoreFull):
            await k.queue.add(wanted, position=2)
        assert [(one.gid, one.place) for one in k.queue.waiting] == await places(k)
        full.full = False
        await k.queue.add(wanted, position=2)
    assert k.queue.waiting[-1].place > 2  # they did


@pytest.mark.parametrize("is_kept", [True, False])
@pytest.mark.parametrize("before", [0, 1])
async def test_others_move_while_one_is_being_kept(
    kept: Any, origin: Origin, is_kept: bool, before: int
) -> None:
    """Where there is no number left between two, too: it is not kept with them, as it may not be
    at all, and stands where it should when it is."""
    k = kept(store=SlowStore)
    await k.queue.start()
    await k.add(*map(origin.url, "abcd"[: 3 + before]), paused=True)
    if before:
        await k.queue.move(k.queue.waiting[-1], 2)
    store = k.queue._store
    for n in range(60):
        store.full = not is_kept
        adding = k.queue.add([k.wanted(origin.url(f"/{n}"), paused=True)], position=2)
        store.full = False
        await k.queue.move(k.queue.waiting[-1], 2)
        if not is_kept:
            store.last.errback(StoreFull("no space"))
        ((fine, _),) = await DeferredList([adding], consumeErrors=True)
        assert fine is is_kept
        await store.save(())  # all that is to be is there
        assert [(one.gid, one.place) for one in k.queue.waiting] == await places(k)


@pytest.mark.parametrize(
    ("word", "state"), [("pause", "waiting"), ("resume", "paused"), ("remove", "paused")]
)
async def test_a_word_that_cannot_be_kept_changes_nothing(
    kept: Any, origin: Origin, full: Any, word: str, state: str
) -> None:
    """Nor does one that is to forget what has ended; later it can be said again."""
    k = kept(store=full, limits=Limits(total=1))
    await k.queue.start()
    (over,) = await k.add(origin.url("/none"))
    await k.ended(over)
    await k.add(origin.add_silent("/0"))
    await k.until(lambda: origin.silent)
    (entry,) = await k.add(origin.url("/a"), paused=state == "paused")
    full.full = True
    with pytest.raises(StoreFull):
        await getattr(k.queue, word)(entry)
    with pytest.raises(StoreFull):
        await k.queue.forget([over])
    with pytest.raises(StoreFull):
        await k.add(origin.url("/b"))
    assert (entry.status, k.queue.waiting, k.queue.over) == (state, [entry], [over])
    full.full = False
    await getattr(k.queue, word)(entry)
    await k.queue.forget([over])
    assert k.queue.over == []


async def test_later_ones_stand_behind_those_that_have_begun(kept: Any, origin: Origin) -> None:
    """What was interrupted goes on first after a restart."""
    k = kept(limits=Limits(total=2))
    await k.queue.start()
    first = await k.add(origin.add_silent("/1"), origin.add_silent("/2"))
    await k.until(lambda: origin.silent == 2)
    (later,) = await k.add(origin.add_silent("/3"))
    await k.queue.close()
    store = QueueStore(k.reactor, str(k.state))
    rows = await store.load()
    store.close()
    assert [row.gid for row in rows] == [*(entry.gid for entry in first), later.gid]
    k.again()


async def test_the_jobs_of_a_dead_host_keep_no_other_waiting(
    kept: Any, origin: Origin, scripted: Any
) -> None:
    """When it is given up, all of them are told, without being begun one by one."""
    server = scripted([])
    await server.stop()
    k = kept(limits=Limits(total=2), retries=Retries(tries=2, wait=0.05))
    await k.queue.start()
    dead = await k.add(*(server.url(f"/{n}") for n in range(60)), priority=1)
    (good,) = await k.add(origin.add("/a", 1))
    await k.ended(good, *dead)
    assert good.status == "complete"
    errors = Counter(entry.told.error for entry in dead)
    assert set(errors) == {"ConnectError", "HostUnavailable"} and errors["HostUnavailable"] > 30
    hopeless = [entry.told.attempts for entry in dead if entry.told.error == "HostUnavailable"]
    assert hopeless.count(0) > 30
