"""Two words at once on one job, whatever it does: both are answered, and what is kept is so."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from twisted.internet.defer import CancelledError, Deferred, DeferredList

from downloader import Limits
from downloader.errors import NoSuchJob, NotNow, QueueError
from downloader.queue import Entry
from downloader.queue.apart import PORTION
from downloader.store import QueueStore
from downloader.testing import Origin

VERBS: dict[str, Callable[[Any, Entry], Deferred[Any]]] = {
    "pause": lambda queue, entry: queue.pause(entry),
    "resume": lambda queue, entry: queue.resume(entry),
    "remove": lambda queue, entry: queue.remove(entry),
    "move": lambda queue, entry: queue.move(entry, 0),
    "prefer": lambda queue, entry: queue.prefer(entry, 1),
    "forget": lambda queue, entry: queue.forget([entry]),
}
STATES = ("waiting", "paused", "active", "error", "complete")


async def entry_in(k: Any, origin: Origin, state: str) -> Entry:
    """A job in this state; all slots are taken by others when it waits."""
    if state == "waiting":
        others = [origin.add_silent(f"/{n}") for n in range(4)]
        await k.add(*others, priority=9)
        await k.until(lambda: len(k.queue.active) == 4)
    url = {"error": origin.url("/none"), "complete": origin.add("/a", 1)}.get(state)
    (entry,) = await k.add(url or origin.add_silent("/b"), paused=state == "paused")
    await k.until(lambda: entry.status == state and (state != "active" or origin.silent))
    origin.add_silent("/none")  # it does not end once more
    return entry  # type: ignore[no-any-return]


@pytest.mark.parametrize("state", STATES)
@pytest.mark.parametrize("second", VERBS)
@pytest.mark.parametrize("first", VERBS)
async def test_two_words(kept: Any, origin: Origin, state: str, first: str, second: str) -> None:
    """None of them hangs or is lost; a restart finds what they came to."""
    k = kept()
    await k.queue.start()
    entry = await entry_in(k, origin, state)
    words, forgotten = (first, second), False
    done = [VERBS[verb](k.queue, entry) for verb in words]
    results = await DeferredList(done, consumeErrors=True)
    for verb, (fine, result) in zip(words, results, strict=True):
        assert fine or result.check(QueueError), result
        forgotten |= fine and verb == "forget"
    status = entry.status
    known = [one.gid for one in (*k.queue.active, *k.queue.waiting, *k.queue.over)]
    gone = forgotten or (status == "removed" and state in ("waiting", "paused"))
    assert known.count(entry.gid) == (not gone)
    await k.queue.close()
    assert not origin.silent
    await k.again().start()
    if gone:
        with pytest.raises(NoSuchJob):
            k.queue.find(entry.gid)
    else:
        again = k.queue.find(entry.gid)
        assert again.status == ("waiting" if status == "active" else status)
        assert again.priority == entry.priority


@pytest.mark.parametrize("words", [("pause",), ("remove",), ("pause", "resume"), ("resume",)])
async def test_a_word_at_the_very_end(kept: Any, origin: Origin, words: tuple[str, ...]) -> None:
    """While what came of it is being kept, a job is told to stop: too late, as it says."""
    said: list[Deferred[Any]] = []

    class Store(QueueStore):
        def save(self, rows: Any, gone: Any = ()) -> Deferred[None]:
            rows = list(rows)
            if [row.status for row in rows] == ["complete"]:
                entry = k.queue.find(rows[0].gid)
                said.extend(VERBS[word](k.queue, entry) for word in words)
            return super().save(rows, gone)

    k = kept(store=Store)
    await k.queue.start()
    (entry,) = await k.add(origin.add("/a", 1))
    await k.ended(entry)
    for fine, result in await DeferredList(said, consumeErrors=True):
        assert not fine and result.check(NotNow), result
    assert len(said) == len(words)
    assert not k.queue.schedule._stopped
    assert (entry.status, k.queue.over, k.queue.active) == ("complete", [entry], [])


@pytest.mark.parametrize(
    ("verb", "state", "status"),
    [
        ("pause", "waiting", "paused"),
        ("pause", "active", "paused"),
        ("resume", "paused", "active"),
        ("resume", "error", "active"),
        ("remove", "paused", "removed"),
        ("remove", "active", "removed"),
    ],
)
async def test_who_waits_no_longer_has_asked_all_the_same(
    kept: Any, origin: Origin, verb: str, state: str, status: str
) -> None:
    """A client that goes away leaves nothing half done."""
    k = kept()
    await k.queue.start()
    entry = await entry_in(k, origin, state)
    asking = VERBS[verb](k.queue, entry)
    asking.cancel()
    with pytest.raises(CancelledError):
        await asking
    await k.until(lambda: entry.status == status and entry.coming is None)
    await k.queue.close()
    await k.again().start()
    if status == "removed" and state == "paused":
        with pytest.raises(NoSuchJob):
            k.queue.find(entry.gid)
    else:
        assert k.queue.find(entry.gid).status == status.replace("active", "waiting")


async def test_an_add_that_nobody_waits_for(kept: Any, origin: Origin) -> None:
    k = kept()
    await k.queue.start()
    adding = k.queue.add([k.wanted(origin.url("/a"), paused=True)])
    adding.cancel()
    with pytest.raises(CancelledError):
        await adding
    await k.until(lambda: len(k.changes) == 1)


async def test_pausing_all_begins_none(kept: Any, origin: Origin) -> None:
    """Though there are so many that wait that they are paused in portions."""
    k = kept(limits=Limits(total=1))
    await k.queue.start()
    entries = await k.add(*(origin.add_silent(f"/{n}") for n in range(2 * PORTION)))
    await k.until(lambda: origin.silent)
    await k.queue.pause_all()
    assert {entry.status for entry in entries} == {"paused"}
    assert [change for change in k.changes if change[2] == "active"] == [
        (entries[0].gid, "waiting", "active")
    ]
