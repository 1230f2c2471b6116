"""The values that travel: what is wanted, how hard to try, and what came of it."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from math import isfinite
from typing import ClassVar

from downloader.errors import DownloadError


class Status(StrEnum):
    """Where a job is, in aria2's six words."""

    ACTIVE = "active"
    WAITING = "waiting"
    PAUSED = "paused"
    ERROR = "error"
    COMPLETE = "complete"
    REMOVED = "removed"


class Naming(StrEnum):
    """How a URL becomes a path: its last segment (`FLAT`), or host and whole path (`TREE`)."""

    FLAT = "flat"
    TREE = "tree"


class OnConflict(StrEnum):
    """What to do when the name is taken: another name, no download, or replace at the end."""

    RENAME = "rename"
    SKIP = "skip"
    OVERWRITE = "overwrite"


class Durability(StrEnum):
    """What a loss of power may take of files that are complete: what the system has not written
    yet (`NONE`), or nothing: they are synced together (`BATCH`), or each for itself (`EACH`)."""

    NONE = "none"
    BATCH = "batch"
    EACH = "each"


@dataclass(frozen=True, slots=True)
class Record:
    """What is kept of a job from one run to the next.

    `number` is its place in the list, from 0, and `key` a digest of what the line asks for. `path`
    is the file's below the job's directory, once it was decided; a file that has it may have been
    made for this job. With `replace`, it was, and a new version takes its place; `etag` and
    `last_modified` are what is known of the version that is there.
    """

    number: int
    key: int
    path: str | None = None
    replace: bool = False
    etag: str | None = None
    last_modified: str | None = None


@dataclass(frozen=True, slots=True)
class Pieces:
    """Checksums of a file's pieces, each of `length` bytes but for the last, which may be shorter.

    `kind` is their type, as in a job's checksum, and `sums` are the digests in lower-case
    hexadecimal digits, in the order of the pieces.
    """

    kind: str
    length: int
    sums: tuple[str, ...] = field(repr=False)


@dataclass(frozen=True, slots=True)
class Terms:
    """How one file is fetched, where that is not as its run's are: `connections`, `parts` and
    `least` are those of `Splitting`, `tries` that of `Retries`; None is the run's."""

    connections: int | None = None
    parts: int | None = None
    least: int | None = None
    tries: int | None = None

    def __post_init__(self) -> None:
        given = (self.connections, self.parts, self.least, self.tries)
        if any(number is not None and number < 1 for number in given):
            raise ValueError("terms are at least 1")


@dataclass(frozen=True, slots=True, repr=False)
class Job:
    """One file that is wanted.

    `url` is http or https; `mirrors` are further URLs of the same file, tried in turn.
    `directory` is where the file goes and is trusted: it is the caller's own.
    `subdirectory` is a path below it, from a list and so not trusted; empty is `directory` itself.
    `name` is a path below both, or None to take it from the URL; it never leads outside.
    `headers` are sent to the origin of the URL and to no other.
    `checksum` is `ALGORITHM=HEX`, such as `sha-256=9f86...`.
    `line` is the job's line in its list, counted from 1, for reports.
    `size` is how many bytes it has, where that is known before: whatever has another is not it.
    `pieces` are checksums of parts of the file, so that only what is wrong is fetched again.
    `terms` say how it is fetched, where that is not as its run's are.
    `record` is what is kept of it.
    """

    url: str
    directory: str = "."
    name: str | None = None
    mirrors: tuple[str, ...] = ()
    headers: tuple[tuple[str, str], ...] = ()
    checksum: str | None = None
    line: int | None = None
    subdirectory: str = ""
    size: int | None = None
    pieces: Pieces | None = None
    record: Record | None = None
    terms: Terms | None = None

    def __repr__(self) -> str:
        """Without what may be secret: user and password, query, headers."""
        return f"<Job {_where(self.url)!r}{_of_line(self.line)}>"

    @property
    def urls(self) -> tuple[str, ...]:
        """The URL and its mirrors, in the order they are tried."""
        return (self.url, *self.mirrors)


@dataclass(frozen=True, slots=True, repr=False)
class PutJob:
    """One file that is to be sent.

    `file` is the path of a regular file, or of a link to one, which has to stay as it is until it
    is sent. `url` is http or https, and names what the server makes of it. `headers` are sent to
    the origin of the URL and to no other. `line` is the job's line in its list, counted from 1.
    """

    file: str
    url: str
    headers: tuple[tuple[str, str], ...] = ()
    line: int | None = None
    # What is sent goes to one place.
    mirrors: ClassVar[tuple[str, ...]] = ()

    def __repr__(self) -> str:
        """Without what may be secret."""
        return f"<PutJob {self.file!r} to {_where(self.url)!r}{_of_line(self.line)}>"

    @property
    def urls(self) -> tuple[str, ...]:
        """The URL, as the only one there is to try."""
        return (self.url,)


AnyJob = Job | PutJob


def _where(url: str) -> str:
    return url.rpartition("//")[2].rpartition("@")[2].partition("?")[0]


def _of_line(line: int | None) -> str:
    return "" if line is None else f" line {line}"


@dataclass(frozen=True, slots=True)
class Limits:
    """How much at once, and how fast.

    `total` jobs in all, `per_host` jobs of one host (None: as many as `total`), and
    `connections_per_host` connections to one host: the polite number, whatever the others say.
    `pipeline` requests may be under way on one connection, 1 for one after the other, as is wise
    where others may write a server's answers; uploads, up to 1 MiB, only with `pipeline_uploads`.
    `bytes_per_second` of all bodies together, `bytes_per_second_per_file` of each.
    `rate` tries of jobs start in a second, and `per_host_delay` seconds lie between two starts of
    one host. None is no limit.
    """

    total: int = 32
    per_host: int | None = None
    connections_per_host: int = 6
    pipeline: int = 16
    bytes_per_second: int | None = None
    bytes_per_second_per_file: int | None = None
    rate: float | None = None
    per_host_delay: float | None = None
    pipeline_uploads: bool = False

    def __post_init__(self) -> None:
        counts = (self.total, self.per_host, self.connections_per_host, self.pipeline)
        speeds = (self.bytes_per_second, self.bytes_per_second_per_file)
        if min(count for count in (*counts, *speeds) if count is not None) < 1:
            raise ValueError("limits are at least 1")
        times = [x for x in (self.rate, self.per_host_delay) if x is not None]
        if not all(isfinite(x) and x > 0 for x in times):
            raise ValueError("rates and delays are above 0")


@dataclass(frozen=True, slots=True)
class Splitting:
    """Over how many connections one file comes, each bringing a part of it.

    At most `connections` to one host, and `parts` at a time from all mirrors together; a part of
    less than twice `least` bytes is not cut, and neither is a file. `Limits.connections_per_host`
    bounds them too.
    """

    connections: int = 1
    parts: int = 5
    least: int = 20 * 1024 * 1024

    def __post_init__(self) -> None:
        if min(self.connections, self.parts, self.least) < 1:
            raise ValueError("at least one connection, one part and one byte")


@dataclass(frozen=True, slots=True)
class Timeouts:
    """How long each phase may take, in seconds.

    `connect`: name, TCP and TLS together. `first_byte`: from the request to the whole head of
    the answer. `stall`: the window in which at least `lowest_speed * stall` bytes, and one at
    least, must come, or go out. `total`: the whole job, with waits and retries; None is no bound.
    """

    connect: float = 30.0
    first_byte: float = 60.0
    stall: float = 60.0
    lowest_speed: int = 0
    total: float | None = None

    def __post_init__(self) -> None:
        total = self.connect if self.total is None else self.total
        if min(self.connect, self.first_byte, self.stall, total) <= 0:
            raise ValueError("timeouts are above 0")


@dataclass(frozen=True, slots=True)
class Retries:
    """How often to try and how long to wait in between.

    `tries` requests to each of a job's URLs, the first included. `wait` seconds before the
    second, growing to `max_wait`, with jitter. What a server asks for, by Retry-After and the like,
    is obeyed up to `retry_after_cap` seconds. A host that does not answer is waited for as long as
    the retries would have lasted.
    """

    tries: int = 5
    wait: float = 1.0
    max_wait: float = 60.0
    retry_after_cap: float = 600.0

    def __post_init__(self) -> None:
        if self.tries < 1 or min(self.wait, self.max_wait, self.retry_after_cap) < 0:
            raise ValueError("at least one try, and no wait below 0")


@dataclass(frozen=True, slots=True)
class Progress:
    """A running job as it stands: `length` is None while it is not known.

    `received` are the bytes that came, or of an upload those that went out.
    """

    job: AnyJob
    status: Status
    path: str | None
    received: int
    length: int | None
    attempts: int


@dataclass(slots=True)
class Result:
    """What came of one job.

    `status` is COMPLETE, ERROR, or REMOVED for a job that was skipped or cancelled on its own.
    `path` is the file, or where it would have been; of an upload, the file that was read, and
    `bytes` are what was sent of it. `final_url` is the last hop, without
    secrets. `attempts` counts requests for this job, `seconds` runs from its first.
    `verified` is False when nothing proved the length: the body ended with its connection.
    `checksum` is the one that the file was found to have, `TYPE=HEX`, the job's or else the one
    that the server told; None where there was none. `error` is None when complete. `etag` and
    `last_modified` are what the server said of the version, where they are kept.
    """

    job: AnyJob
    status: Status
    path: str | None = None
    final_url: str | None = None
    http_status: int | None = None
    bytes: int = 0
    seconds: float = 0.0
    attempts: int = 0
    verified: bool = True
    checksum: str | None = None
    error: DownloadError | None = None
    etag: str | None = None
    last_modified: str | None = None

    @property
    def sha256(self) -> str | None:
        """The digits of `checksum`, where that is a sha-256."""
        kind, _, digits = (self.checksum or "").partition("=")
        return digits if kind == "sha-256" else None


@dataclass(slots=True)
class Report:
    """What came of a list: each job is counted in exactly one of the first five."""

    complete: int = 0
    failed: int = 0
    skipped: int = 0
    invalid: int = 0
    pending: int = 0
    unverified: int = 0
    bytes: int = 0
    seconds: float = 0.0

    @property
    def lines(self) -> int:
        """How many jobs there were."""
        return self.complete + self.failed + self.skipped + self.invalid + self.pending

    @property
    def ok(self) -> bool:
        """Whether nothing failed and nothing is left to do."""
        return self.failed == self.pending == 0

    def count(self, result: Result) -> None:
        """Add one job's outcome."""
        if result.status is Status.COMPLETE:
            self.complete += 1
            self.bytes += result.bytes
            self.unverified += not result.verified
        elif result.status is Status.REMOVED:
            self.skipped += 1
        else:
            self.failed += 1
