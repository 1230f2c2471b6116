"""Our own HTTP API, version 1: what may be done with jobs, limits and the service."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from importlib.resources import files
from typing import Any

from downloader.errors import BadLine, QueueFull, StoreError
from downloader.jobs import Job, Status
from downloader.queue import Entry, Queue, Wanted
from downloader.queue.apart import PORTION, apart, batched, each
from downloader.sansio.jsontext import parse_json
from downloader.service.answers import Answer, Refusal, as_json
from downloader.service.changes import check_now, checked_change, checked_limits
from downloader.service.desk import MAX_JOBS, PRIORITIES, Desk, number, whole
from downloader.service.routes import Asked, Route
from downloader.service.shown import limits, name_of, shown, stats

# Jobs of one answer: some ten milliseconds.
MOST_SHOWN = 1000
_STATUSES = frozenset(str(status) for status in Status)


class Api:
    """The verbs on `queue`; what is wanted comes over `desk`. `shut_down()` ends the service."""

    def __init__(self, queue: Queue, desk: Desk, shut_down: Callable[[], object]) -> None:
        self._queue = queue
        self._desk = desk
        self._shut_down = shut_down

    def __repr__(self) -> str:
        return f"<Api of {self._queue!r}>"

    def routes(self) -> list[Route]:
        """Where they are."""
        all_jobs = {
            "GET": self.jobs,
            "POST": self.add,
            "PATCH": self.change_all,
            "DELETE": self.forget,
        }
        one = {"GET": self.job, "PATCH": self.change, "DELETE": self.remove}
        return [
            Route("/api/v1/jobs", all_jobs),
            Route("/api/v1/jobs/{gid}", one),
            Route("/api/v1/limits", {"GET": self.limits, "PATCH": self.limit}),
            Route("/api/v1/stats", {"GET": self.stats}),
            Route("/api/v1/shutdown", {"POST": self.shutdown}),
            Route("/api/v1/openapi.json", {"GET": self.describe}),
        ]

    # --- jobs -----------------------------------------------------------------------------------

    async def jobs(self, asked: Asked) -> Answer:
        """Those that run, then those that wait, then those that have ended, the latest first."""
        queue = self._queue
        queue.meter.look()
        entries = [*queue.active, *queue.waiting, *reversed(queue.over)]
        wanted = _statuses(asked)
        if wanted:
            entries = [entry for entry in entries if str(entry.status) in wanted]
        offset = _counted(asked, "offset", 0, 2**31)
        limit = _counted(asked, "limit", MOST_SHOWN, MOST_SHOWN)
        page = [shown(entry, queue) for entry in entries[offset : offset + limit]]
        return as_json({"jobs": page, "total": len(entries)})

    async def add(self, asked: Asked) -> Answer:
        """Take on one job, several, or a list in aria2's format."""
        body = _body(asked)
        if isinstance(body, dict) and "list" in body:
            return await self._add_list(body)
        many = isinstance(body, list)
        if many and len(body) > MAX_JOBS:
            raise Refusal(422, f"more than {MAX_JOBS} jobs at a time")
        wanted = [self._desk.wanted(one) for one in (body if many else [body])]
        entries = await self._queue.add(wanted)
        jobs = [shown(entry, self._queue) for entry in entries]
        if many:
            return as_json({"jobs": jobs}, 201)
        return as_json(jobs[0], 201, Location=f"/api/v1/jobs/{entries[0].gid}")

    async def _add_list(self, body: dict[str, Any]) -> Answer:
        text, directory = body["list"], body.get("dir")
        paused = body.get("paused", False)
        if not isinstance(text, str) or not isinstance(directory, (str, type(None))):
            raise Refusal(422, "list and dir are texts")
        if set(body) - {"list", "dir", "paused", "priority"} or not isinstance(paused, bool):
            raise Refusal(422, "a list has a dir, is paused or not, and has a priority")
        priority = number(body, "priority", PRIORITIES) or 0
        added: list[dict[str, str]] = []
        refused: list[dict[str, Any]] = []
        for portion in batched(self._desk.listed(text, directory), PORTION):
            refused += [
                {"line": one.line, "message": one.message}
                for one in portion
                if isinstance(one, BadLine)
            ]
            jobs = [one for one in portion if isinstance(one, Job)]
            wanted = [Wanted(replace(one, line=None), None, paused, priority) for one in jobs]
            # Others have their turn while it is kept: a list may have as much as a body.
            try:
                entries = await self._queue.add(wanted)
            except (QueueFull, StoreError) as error:
                if not added:
                    raise
                message = f"{error}; nothing is added from here on"
                refused.append({"line": portion[0].line, "message": message})
                break
            added += [{"gid": entry.gid, "name": name_of(entry)} for entry in entries]
        return as_json({"jobs": added, "refused": refused}, 201)

    async def change_all(self, asked: Asked) -> Answer:
        """Pause all that are not, resume all that are paused, or stop for good all that have not
        ended."""
        status = _only(_body(asked), "status")
        if status == Status.PAUSED:
            await self._queue.pause_all()
        elif status == Status.WAITING:
            await self._queue.resume_all()
        elif status == Status.REMOVED:
            # Those that wait first: else some would begin in the places of others.
            there = [*self._queue.waiting, *self._queue.active]
            await apart(each(self._queue.remove, there))
        else:
            raise Refusal(422, "status is paused, waiting or removed")
        return as_json(stats(self._queue))

    async def forget(self, asked: Asked) -> Answer:
        """Forget those that have ended; with `status`, those that ended so."""
        wanted = _statuses(asked)
        over = [e for e in self._queue.over if not wanted or str(e.status) in wanted]
        await self._queue.forget(over)
        return as_json({"forgotten": len(over)})

    # --- one job --------------------------------------------------------------------------------

    async def job(self, asked: Asked) -> Answer:
        entry = self._queue.find(asked.named["gid"])
        self._queue.meter.look()
        return as_json(shown(entry, self._queue))

    async def change(self, asked: Asked) -> Answer:
        """Pause, resume or try again, or move: all that is asked, or nothing."""
        entry = self._queue.find(asked.named["gid"])
        body = checked_change(_body(asked))
        check_now(body, entry.status, entry.leaving)
        await apart(self._change(entry, body))
        return as_json(shown(entry, self._queue))

    async def _change(self, entry: Entry, change: dict[str, Any]) -> None:
        """What is to wait is told so at last, since it may begin at once; then it has no place."""
        queue = self._queue
        if change.get("status") == Status.PAUSED:
            await queue.pause(entry)
        if "priority" in change:
            await queue.prefer(entry, change["priority"])
        if "position" in change:
            await queue.move(entry, change["position"])
        if change.get("status") == Status.WAITING:
            await queue.resume(entry)

    async def remove(self, asked: Asked) -> Answer:
        """Stop it for good, answered when its connection is closed; or forget it, if it ended."""
        entry = self._queue.find(asked.named["gid"])
        if entry.is_over:
            await self._queue.forget([entry])
        else:
            await self._queue.remove(entry)
        return Answer(204, content_type="")

    # --- the whole ------------------------------------------------------------------------------

    async def limits(self, asked: Asked) -> Answer:
        return as_json(limits(self._queue))

    async def limit(self, asked: Asked) -> Answer:
        """Other limits, from now on."""
        changes = checked_limits(_body(asked))
        self._queue.limit(replace(self._queue.limits, **changes))
        return as_json(limits(self._queue))

    async def stats(self, asked: Asked) -> Answer:
        return as_json(stats(self._queue))

    async def describe(self, asked: Asked) -> Answer:
        """All of this, for programs: OpenAPI 3.1."""
        return Answer(body=files("downloader.service").joinpath("openapi.json").read_bytes())

    async def shutdown(self, asked: Asked) -> Answer:
        """End the service, once this is answered."""
        self._shut_down()
        return as_json({"status": "stopping"}, 202)


def _body(asked: Asked) -> Any:
    try:
        return parse_json(asked.body)
    except ValueError as error:
        raise Refusal(400, f"the body is no JSON: {error}"[:200]) from error


def _only(body: Any, name: str) -> Any:
    if not isinstance(body, dict) or set(body) != {name}:
        raise Refusal(422, f"{name} can be changed, and nothing else")
    return body[name]


def _statuses(asked: Asked) -> set[str]:
    """Those that are asked for; none is all."""
    wanted = set(filter(None, asked.query.get("status", "").split(",")))
    if wanted - _STATUSES:
        raise Refusal(422, f"a status is {', '.join(sorted(_STATUSES))}")
    return wanted


def _counted(asked: Asked, name: str, default: int, most: int) -> int:
    text = asked.query.get(name, "")
    if not text:
        return default
    is_short = text.isascii() and text.isdigit() and len(text) <= 12
    return whole(name, int(text) if is_short else None, range(most + 1))
