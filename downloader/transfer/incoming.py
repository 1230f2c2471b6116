"""A file that comes in: its name, its part file, what it is held to, and how it ends."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, NoReturn

from twisted.internet.defer import Deferred
from twisted.web.iweb import IResponse

from downloader.errors import ChecksumMismatch, DiskFull, DownloadError, NotChanged, TargetExists
from downloader.jobs import Job, Result, Status
from downloader.sansio.checksum import Checksum
from downloader.sansio.printable import printable
from downloader.sansio.version import Version, version_of
from downloader.transfer.body import SHORT, FileBody
from downloader.transfer.heads import answer_of, values_in
from downloader.transfer.known import condition_of
from downloader.transfer.proving import proof_of
from downloader.transfer.recorder import Recorder
from downloader.transfer.setup import Setup
from downloader.transfer.space import Space
from downloader.transfer.taken import TakenNames
from downloader.transfer.target import Target
from downloader.transfer.way import Way
from downloader.transfer.writer import PartWriter

if TYPE_CHECKING:
    from downloader.transfer.segments import Streams


class Incoming(Way[Job]):
    """A job whose bytes come to a file, however they are asked for.

    The name is decided when it is made, so that names follow the order of the list and not the
    order of arrival. A DownloadError there means the job cannot even begin. With `space`, a full
    disk is waited for; without, it fails the job.
    """

    __slots__ = (
        *("_base", "_before", "_body", "_changed", "_condition", "_part", "_proof"),
        *("_recorder", "_space", "_streams", "_validators", "_whole_only", "target"),
    )

    def __init__(
        self,
        job: Job,
        setup: Setup,
        names: TakenNames,
        recorder: Recorder | None = None,
        space: Space | None = None,
    ) -> None:
        super().__init__(job, setup)
        self._space = space
        self._recorder = recorder
        self._proof = proof_of(job, self.url, setup)
        self.target = Target(job, self.url, setup.naming, setup.on_conflict, names)
        self._body: FileBody | None = None
        self._condition = condition_of(job)
        self._changed = True
        self._base = 0  # bytes that are here, beside those of the body
        self._before = -1  # bytes that were here when a part was asked for that ended early
        self._part: PartWriter | None = None  # of this try
        self._streams: Streams | None = None  # those of this try, if it has any
        self._validators: tuple[str | None, str | None] = (None, None)
        self._whole_only = False  # parts are of no use, or what is here is not

    @property
    def name(self) -> str:
        return self.target.relative

    @property
    def path(self) -> str:
        return self.target.path

    @property
    def moved(self) -> int:
        if self._streams is not None:
            return self._streams.received
        return self._base + (self._body.received if self._body else 0)

    @property
    def satisfied(self) -> bool:
        return self.target.satisfied

    def release(self) -> None:
        self.target.release()

    def held_up(self) -> Deferred[None] | None:
        space, directory = self._space, self.job.directory
        return space.wait(directory) if space is not None and space.is_full(directory) else None

    def _troubled(self, error: DownloadError) -> None:
        if self._recorder is not None:
            self._recorder.troubled(self.job, error)

    def _passes(self, error: DownloadError) -> Deferred[None] | None:
        if self._space is None or not isinstance(error, DiskFull):
            return None
        return self._space.wait(self.job.directory)

    def skipped(self) -> Result:
        """The Result of a job whose file was there before."""
        return self._result(Status.REMOVED, TargetExists(printable(self.target.relative)))

    def _done(self) -> Result:
        return super()._done() if self._changed else self._result(Status.REMOVED, NotChanged())

    def _opened(self, response: IResponse) -> PartWriter:
        """A part file for the whole file."""
        long = self._length is None or self._length > SHORT
        part = self._part = self.target.open(self._setup.folders, long)
        self._begin(part, response)
        return part

    def _begin(self, part: PartWriter, response: IResponse) -> None:
        answer = answer_of(response)
        version = replace(version_of(answer.get, answer.length), checksum=self._proof.pinned)
        provable = self._proof.provable or version.validator is not None
        part.begin(version, provable and not answer.encoded)

    def _write_at_once(self) -> bool:
        """Make a file of a body that came whole, where that takes no time."""
        assert self._body is not None
        return self.target.write(self._body.whole, self._setup.folders)

    async def _commit(self) -> None:
        """The bytes become a file. While they wait for others, to be synced together, another job
        may have the slot."""
        commits = self.target.commits(self._setup.folders)
        if commits is None:
            await self._publish()
            return
        with commits.expecting():
            # A file that waits is open: where descriptors are short, slots count them.
            if not (self._setup.limiter.shrunk or commits.crowded):
                self._let_go()
                self._heed_cancel()
            await self._publish()

    async def _publish(self) -> None:
        folders = self._setup.folders
        if self._part is None:
            assert self._body is not None
            if await self.target.write_synced(self._body.whole, folders):
                return
            self._part = self.target.open(folders, False)
            self._part.begin(Version(), False)
            self._part.write(self._body.whole)
        await self.target.commit(self._part, self._intended)

    async def _intended(self, part: PartWriter) -> None:
        """Keep which file gets the name: it is long, and not to be fetched twice."""
        if self._recorder is not None:
            await part.written()
            await self._recorder.intend(self.job, self.target.relative, part.inode, part.size)

    def closing(self) -> Deferred[None] | None:
        return None if self._part is None else self._part.closed()

    async def _close(self) -> None:
        """What is left of a part file is kept, and has been closed when this is over."""
        if self._part is not None:
            self._part.keep()
            closed = self._part.closed()
            if closed is not None:
                await closed

    def _take_offered(self, response: IResponse) -> None:
        for offered in values_in(response)("content-disposition")[:1]:
            self.target.take_offered(offered)

    def _result(self, status: Status, error: DownloadError | None) -> Result:
        result = super()._result(status, error)
        result.etag, result.last_modified = self._validators
        return result

    async def _has_checksum(self) -> bool:
        """Whether the file has its checksum, if it has one."""
        wanted = self._proof.checksum
        if wanted is None or self._part is None:
            return True
        checksum = Checksum(wanted)
        await self._part.read(checksum.update)
        if checksum.matches:
            self._check(checksum)
        else:
            self._forget()
        return checksum.matches

    def _check(self, checksum: Checksum) -> None:
        if not checksum.matches:
            self._refuse(f"{checksum.kind} is {checksum.found}")
        self._verified = True
        self._proven = checksum.wanted

    def _refuse(self, seen: str) -> NoReturn:
        self._discard()
        raise ChecksumMismatch(seen)

    def _forget(self) -> None:
        """What is here is wrong, and nothing for the next run to go on with."""
        if self._part is not None:
            self._part.begin(Version(), False)

    def _discard(self) -> None:
        if self._part is not None:
            self._part.discard()
