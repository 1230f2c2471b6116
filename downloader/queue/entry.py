"""One job of the queue, and the form in which it is kept."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field, fields
from typing import Any, NamedTuple

from twisted.internet.defer import DeferredLock

from downloader.errors import BadUrl
from downloader.jobs import Job, Pieces, Status, Terms
from downloader.sansio.url import parse_url
from downloader.store import QueueRow


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is asked of the queue: to fetch `job`.

    `gid` is 16 lower-case hexadecimal digits, None to be given one. With `paused`, it waits until
    it is resumed. Of those that wait, the ones with the highest `priority` begin first. `options`
    are what it was asked with, in aria2's words, for who asks for them again.
    """

    job: Job
    gid: str | None = None
    paused: bool = False
    priority: int = 0
    options: tuple[tuple[str, str], ...] = ()


@dataclass(slots=True)
class Told:
    """What came of a job.

    `error` is the name of a class of `downloader.errors`, and `message` its sentence; `ended` is
    in seconds since 1970, the other fields are those of `Result`.
    """

    error: str | None = None
    message: str | None = None
    http_status: int | None = None
    final_url: str | None = None
    bytes: int = 0
    seconds: float = 0.0
    attempts: int = 0
    verified: bool = True
    checksum: str | None = None
    ended: float = 0.0


@dataclass(slots=True, eq=False)
class Entry:
    """One job, as it stands.

    `number` is its own in this queue, `gid` what others know it by. `path` is the file's below the
    job's directory, once it was decided. `inode` and `size` are of the file that is about to get
    it. `added` is in seconds since 1970. `leaving` is what it will be when its connection is
    closed, of a job that was told to stop, and `coming` what is just being kept of it. One that
    `goes_on` had a file before it was begun. `received` and `length` are in bytes, `rate` in bytes
    a second. `troubles` are the latest tries that failed: when, and why. Who has `changing` changes
    its status.
    """

    number: int
    gid: str
    job: Job
    status: Status
    priority: int
    place: float
    options: tuple[tuple[str, str], ...] = ()
    added: float = 0.0
    path: str | None = None
    inode: int | None = None
    size: int | None = None
    told: Told | None = None
    leaving: Status | None = None
    coming: tuple[Status, Told | None] | None = None
    since: int = 0
    goes_on: bool = False
    received: int = 0
    length: int | None = None
    rate: float = 0.0
    troubles: list[tuple[float, str]] = field(default_factory=list)
    changing: DeferredLock = field(default_factory=DeferredLock, repr=False)

    @property
    def server(self) -> str:
        """What jobs are counted by; of no server, where the URL is none."""
        try:
            return parse_url(self.job.url).server
        except BadUrl:
            return ""  # told when it is begun

    @property
    def is_over(self) -> bool:
        """Whether nothing more will come of it, unless it is tried again."""
        return self.status in OVER

    def row(self) -> QueueRow:
        """It, as it is kept: as it is to be, if it is just being changed. One that runs waits
        there, as it does when the process has ended."""
        wanted = {**_wanted(self.job), "added": self.added}
        if self.options:
            wanted["options"] = self.options
        status, told = self.coming or (self.status, self.told)
        if status is Status.ACTIVE:
            status = Status.WAITING
        return QueueRow(
            *(self.number, self.gid, str(status), self.priority, self.place, json.dumps(wanted)),
            *(self.path, self.inode, self.size),
            None if told is None else json.dumps(asdict(told)),
        )


class Moved(NamedTuple):
    """A job with the priority and place that it had `before`, and those that it has `now`."""

    entry: Entry
    before: tuple[int, float]
    now: tuple[int, float]


OVER = frozenset((Status.COMPLETE, Status.ERROR, Status.REMOVED))
_OWN = frozenset(("pieces", "record", "line", "terms"))


def _wanted(job: Job) -> dict[str, Any]:
    """What `job` asks for; nothing that is as it is without a word."""
    found = {}
    for one in fields(Job):
        if one.name not in _OWN and (value := getattr(job, one.name)) != one.default:
            found[one.name] = value
    if job.pieces is not None:
        found["pieces"] = [job.pieces.kind, job.pieces.length, job.pieces.sums]
    if job.terms is not None:
        found["terms"] = asdict(job.terms)
    return found


def entry_of(row: QueueRow) -> Entry:
    """The job that is kept in `row`. ValueError, TypeError or KeyError for what we never wrote."""
    wanted = json.loads(row.wanted)
    if not isinstance(wanted, dict):
        raise TypeError("no job")
    added, options = wanted.pop("added"), wanted.pop("options", ())
    wanted["mirrors"] = tuple(wanted.get("mirrors", ()))
    wanted["headers"] = tuple((name, value) for name, value in wanted.get("headers", ()))
    if "pieces" in wanted:
        kind, length, sums = wanted["pieces"]
        wanted["pieces"] = Pieces(kind, length, tuple(sums))
    if "terms" in wanted:
        wanted["terms"] = Terms(**wanted["terms"])
    entry = Entry(
        *(row.number, row.gid, Job(**wanted), Status(row.status), row.priority, row.place),
        tuple((name, value) for name, value in options),
        *(added, row.path, row.inode, row.size),
        None if row.told is None else Told(**json.loads(row.told)),
    )
    if entry.told is not None:
        entry.received = entry.told.bytes
        entry.length = entry.told.bytes if entry.status is Status.COMPLETE else None
    return entry
