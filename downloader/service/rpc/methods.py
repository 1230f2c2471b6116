"""aria2's methods that change something: each is answered when it is done, and kept."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import replace
from functools import partial
from typing import Any
from weakref import WeakValueDictionary

from twisted.internet.defer import DeferredLock
from twisted.internet.threads import deferToThreadPool

from downloader.errors import NotNow, OutsideRoots, RpcError
from downloader.jobs import Job, Limits, Status
from downloader.queue import Entry, Queue, Wanted
from downloader.queue.apart import apart
from downloader.sansio.aria2options import (
    GLOBAL,
    Pairs,
    changed_options,
    count_of,
    default_options,
    job_options,
    limit_of,
    merged,
    value_of,
)
from downloader.sansio.aria2params import Params
from downloader.service.desk import Desk
from downloader.service.rpc.looks import Looks, Method, find
from downloader.service.rpc.wanted import (
    at,
    changed,
    read_metalink,
    usable,
    wanted_metalink,
    wanted_uris,
)

_WAYS = frozenset(("POS_SET", "POS_CUR", "POS_END"))


class Methods:
    """They, on `queue`; what is wanted goes over `desk`. `shut_down()` ends the service."""

    def __init__(
        self, reactor: Any, queue: Queue, desk: Desk, shut_down: Callable[[], object]
    ) -> None:
        self._reactor = reactor
        self._queue = queue
        self._desk = desk
        self._shut_down = shut_down
        self._looks = Looks(queue, desk)
        self._changing: WeakValueDictionary[str, DeferredLock] = WeakValueDictionary()  # by gid

    def __repr__(self) -> str:
        return f"<Methods on {self._queue!r}>"

    def methods(self) -> dict[str, Method]:
        """They and those that look, by their names."""
        return {
            **self._looks.methods(),
            "aria2.addUri": self.add_uri,
            "aria2.addMetalink": self.add_metalink,
            "aria2.addTorrent": self.add_torrent,
            "aria2.remove": self.remove,
            "aria2.forceRemove": self.remove,
            "aria2.pause": self.pause,
            "aria2.forcePause": self.pause,
            "aria2.pauseAll": self.pause_all,
            "aria2.forcePauseAll": self.pause_all,
            "aria2.unpause": self.unpause,
            "aria2.unpauseAll": self.unpause_all,
            "aria2.changeOption": self.change_option,
            "aria2.changeGlobalOption": self.change_global_option,
            "aria2.changePosition": self.change_position,
            "aria2.changeUri": self.change_uri,
            "aria2.purgeDownloadResult": self.purge,
            "aria2.removeDownloadResult": self.remove_result,
            "aria2.saveSession": self.save_session,
            "aria2.shutdown": self.shutdown,
            "aria2.forceShutdown": self.shutdown,
        }

    # --- adding -------------------------------------------------------------------------------

    async def add_uri(self, params: Params) -> str:
        uris, options = params.texts(0), self._options(params)
        return (await self._add([wanted_uris(self._desk, uris, options)], params.position(2)))[0]

    async def add_metalink(self, params: Params) -> list[str]:
        """All its files, or none."""
        text, options, position = params.text(0), self._options(params), params.position(2)
        pool = self._reactor.getThreadPool()  # a long one takes seconds
        document = await deferToThreadPool(self._reactor, pool, read_metalink, text)
        return await self._add(wanted_metalink(self._desk, document, options), position)

    async def add_torrent(self, params: Params) -> str:
        raise RpcError("BitTorrent is not done here.")

    def _options(self, params: Params) -> Pairs:
        return merged(self._looks.defaults, job_options(params.options(1)))

    async def _add(self, wanted: list[Wanted], position: int | None) -> list[str]:
        return [entry.gid for entry in await self._queue.add(wanted, position)]

    # --- stopping and going on ------------------------------------------------------------------

    async def remove(self, params: Params) -> str:
        gid = params.gid()
        entry = find(self._queue, gid)
        await _now(self._queue.remove(entry), f"Active Download not found for GID#{gid}")
        return entry.gid

    async def pause(self, params: Params) -> str:
        gid = params.gid()
        entry = find(self._queue, gid)
        await _now(self._queue.pause(entry), f"GID#{gid} cannot be paused now")
        return entry.gid

    async def unpause(self, params: Params) -> str:
        gid = params.gid()
        entry = find(self._queue, gid)
        why = f"GID#{gid} cannot be unpaused now"
        if entry.is_over:  # ours would try again what failed
            raise RpcError(why)
        await _now(self._queue.resume(entry), why)
        return entry.gid

    async def pause_all(self, params: Params) -> str:
        await self._queue.pause_all()
        return "OK"

    async def unpause_all(self, params: Params) -> str:
        await self._queue.resume_all()
        return "OK"

    # --- changing -----------------------------------------------------------------------------

    async def change_option(self, params: Params) -> str:
        gid = params.gid()
        entry, asked = find(self._queue, gid), changed_options(params.options(1, optional=False))
        why = f"Cannot change option for GID#{gid}"
        if entry.is_over:
            raise RpcError(why)
        if asked:
            change = partial(_with_options, self._desk, entry, asked)
            await _now(apart(self._change(entry, change)), why)
        return "OK"

    async def change_uri(self, params: Params) -> list[int]:
        """One occurrence goes for each of the first list; the second is put where they are then."""
        gid = params.gid()
        entry = find(self._queue, gid)
        params.first_file(1)
        gone, new, position = params.texts(2), params.texts(3), params.position(4)
        come = usable(new) if new else []
        deleted = 0

        def change() -> tuple[Job, Pairs]:
            nonlocal deleted
            uris = _less(entry.job.urls, gone)
            deleted = len(entry.job.urls) - len(uris)
            where = len(uris) if position is None else min(position, len(uris))
            return at(entry.job, entry.options, usable([*uris[:where], *come, *uris[where:]]))

        await _now(apart(self._change(entry, change)), f"Cannot change URIs of GID#{gid}")
        return [deleted, len(come)]

    async def _change(self, entry: Entry, change: Callable[[], tuple[Job, Pairs]]) -> None:
        """Let it be what `change()` makes of it. Changes of one job come one after the other: each
        is of what the one before has made."""
        lock = self._changing.setdefault(entry.gid, DeferredLock())
        await lock.acquire()
        try:
            await self._change_to(entry, *change())
        finally:
            lock.release()

    async def _change_to(self, entry: Entry, job: Job, options: Pairs) -> None:
        """One that runs is stopped for it, and begun again."""
        was_active = entry.status is Status.ACTIVE
        if was_active:
            await self._queue.pause(entry)
        try:
            await self._queue.change(entry, job, options)
        finally:
            if was_active and entry.status is Status.PAUSED:
                with suppress(NotNow):  # somebody else has done so
                    await self._queue.resume(entry)

    async def change_position(self, params: Params) -> int:
        gid, where, how = params.gid(), params.integer(1), params.text(2)
        if how not in _WAYS:
            raise RpcError("Illegal argument.")
        entry = find(self._queue, gid)
        why = f"GID#{gid} not found in the waiting queue."
        position = self._queue.position(entry)
        if position is None:
            raise RpcError(why)
        start = {"POS_SET": 0, "POS_CUR": position, "POS_END": len(self._queue.waiting) - 1}[how]
        moved: int = await _now(self._queue.move(entry, start + where), why)
        return moved

    async def change_global_option(self, params: Params) -> str:
        """All of it, or nothing."""
        asked = default_options(params.options(0, optional=False))
        later = tuple(pair for pair in asked if pair[0] not in GLOBAL)
        wanted_uris(self._desk, ["http://localhost/"], later)  # it would be refused then
        limits = _limited(self._queue.limits, asked)
        most_over = self._queue.most_over
        if (text := value_of(asked, "max-download-result")) is not None:
            most_over = count_of("max-download-result", text, least=0)
        self._looks.defaults = merged(self._looks.defaults, later)
        self._queue.limit(limits)
        self._queue.most_over = most_over
        await self._queue.forget(self._queue.over[: -most_over or None])
        return "OK"

    # --- what has ended, and the end ------------------------------------------------------------

    async def purge(self, params: Params) -> str:
        await self._queue.forget(self._queue.over)
        return "OK"

    async def remove_result(self, params: Params) -> str:
        gid = params.gid()
        why = f"Could not remove download result of GID#{gid}"
        try:
            await self._queue.forget([find(self._queue, gid)])
        except (RpcError, NotNow) as error:
            raise RpcError(why) from error
        return "OK"

    async def save_session(self, params: Params) -> str:
        """It always is."""
        return "OK"

    async def shutdown(self, params: Params) -> str:
        """Once this is answered."""
        self._shut_down()
        return "OK"


def _with_options(desk: Desk, entry: Entry, asked: Pairs) -> tuple[Job, Pairs]:
    return changed(desk, entry.job, entry.options, asked)


def _less(uris: Sequence[str], gone: Sequence[str]) -> list[str]:
    """`uris`, less one for each of `gone`."""
    left = list(uris)
    for uri in gone:
        if uri in left:
            left.remove(uri)
    return left


def _limited(limits: Limits, asked: Pairs) -> Limits:
    """`limits`, with those that are asked for. Raises RpcError."""
    if (text := value_of(asked, "max-concurrent-downloads")) is not None:
        limits = replace(limits, total=count_of("max-concurrent-downloads", text))
    if (text := value_of(asked, "max-overall-download-limit")) is not None:
        limits = replace(limits, bytes_per_second=limit_of(text))
    return limits


async def _now(doing: Awaitable[Any], why: str) -> Any:
    """What it comes to; RpcError(why) when that is not to be done now."""
    try:
        return await doing
    except OutsideRoots:
        raise  # nothing that aria2 has a sentence for
    except NotNow as error:
        raise RpcError(why) from error
