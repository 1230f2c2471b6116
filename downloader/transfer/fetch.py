"""One job, from its first request to its file."""

from __future__ import annotations

from dataclasses import replace

from twisted.internet.defer import CancelledError, Deferred
from twisted.logger import Logger
from twisted.python.failure import Failure
from twisted.web.iweb import IResponse

from downloader.drain import drain
from downloader.errors import (
    ChecksumMismatch,
    DiskFull,
    DownloadError,
    Interrupted,
    NotChanged,
    SizeMismatch,
    TargetExists,
    TruncatedBody,
)
from downloader.jobs import Job, Result, Status
from downloader.sansio.checksum import Checksum
from downloader.sansio.condition import NOT_MODIFIED
from downloader.sansio.printable import printable
from downloader.sansio.proof import TELLING, Digest, Proof, no_more_than
from downloader.sansio.ranges import Range, Ranges, range_header
from downloader.sansio.resume import WITH_FILE, Complete, Decision, Take, judge
from downloader.sansio.url import HttpUrl, redacted
from downloader.sansio.version import Version, version_of
from downloader.transfer.answer import answer_of, length_of, validators_of
from downloader.transfer.body import SHORT, FileBody
from downloader.transfer.heads import has_any
from downloader.transfer.known import checksum_of, condition_of, listed_checksum
from downloader.transfer.partfile import WORTH
from downloader.transfer.recorder import Recorder
from downloader.transfer.space import Space
from downloader.transfer.taken import TakenNames
from downloader.transfer.target import Target
from downloader.transfer.way import Setup, Way
from downloader.transfer.writer import PartWriter

_log = Logger()

Gap = tuple[int, int | None]


class Transfer(Way[Job]):
    """A job on its way to its file.

    The name is decided when the transfer is made, so that names follow the order of the list
    and not the order of arrival. A DownloadError there means the job cannot even begin. With
    `space`, a full disk is waited for; without, it fails the job.
    """

    __slots__ = (
        *("_base", "_body", "_changed", "_checksum", "_condition", "_part"),
        *("_proof", "_recorder", "_space", "_validators", "_whole_only", "target"),
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
        self._checksum = checksum_of(job) or listed_checksum(job, self.url, setup)
        self._proof = Proof(job.size, self._checksum)
        self.target = Target(job, self.url, setup.naming, setup.on_conflict, names)
        self._body: FileBody | None = None
        self._condition = condition_of(job)
        self._changed = True
        self._base = 0  # bytes that are here, beside those of the body
        self._part: PartWriter | None = None  # of this try
        self._validators: tuple[str | None, str | None] = (None, None)
        self._whole_only = False  # the server does not do ranges

    @property
    def name(self) -> str:
        return self.target.relative

    @property
    def path(self) -> str:
        return self.target.path

    @property
    def moved(self) -> int:
        return self._base + (self._body.received if self._body else 0)

    @property
    def satisfied(self) -> bool:
        return self.target.satisfied

    def release(self) -> None:
        self.target.release()

    def held_up(self) -> Deferred[None] | None:
        space, directory = self._space, self.job.directory
        return space.wait(directory) if space is not None and space.is_full(directory) else None

    def _passes(self, error: DownloadError) -> Deferred[None] | None:
        if self._space is None or not isinstance(error, DiskFull):
            return None
        return self._space.wait(self.job.directory)

    def skipped(self) -> Result:
        """The Result of a job whose file was there before."""
        return self._result(Status.REMOVED, TargetExists(printable(self.target.relative)))

    def _done(self) -> Result:
        return super()._done() if self._changed else self._result(Status.REMOVED, NotChanged())

    async def _exchange(self, url: HttpUrl) -> None:
        self._part = None
        try:
            if self._may_go_on and self.target.has_journal:
                await self._go_on(url)
            else:
                await self._begin_anew(url)
            if not self._changed:
                self._discard()
            elif self._part is not None or not self._write_at_once():
                await self._commit()
        except CancelledError:
            if self._part is not None:
                self._part.keep()  # and not wait for it: what hangs must not hold up a cancel
            raise
        except Exception:
            await self._close()
            raise
        if self._part is not None:
            await self._close()

    @property
    def _may_go_on(self) -> bool:
        """Whether there may be something to go on with, and it may be asked for."""
        return not (self._whole_only or (self._tries.made == 0 and self.target.began_empty))

    async def _begin_anew(self, url: HttpUrl) -> None:
        """Ask for the whole file, or for none if it is there already."""
        more = () if self._condition is None else (self._condition,)
        response = await self._ask(b"GET", url, more=more)
        if more and response.code == NOT_MODIFIED:
            await drain(response, self._setup.deadlines)
            self._changed = False
            return
        if response.code in WITH_FILE and not self._says_more:
            await self._receive_whole(response)  # as nearly always
            return
        decision = await self._judged(response, None, Version())
        assert isinstance(decision, Take)
        await self._receive_whole(response)

    async def _go_on(self, url: HttpUrl) -> None:
        """Ask for what is missing; for all of it, if that is of no use."""
        part = self._part = self.target.open(self._setup.folders, True)
        found = await part.found()
        if (
            found is not None
            and self._proof.fits(found.version.total)
            and await self._complete(url, Ranges(found.ranges), found.version)
        ):
            return
        self._whole_only = True
        await self._begin_anew(url)

    async def _complete(self, url: HttpUrl, held: Ranges, version: Version) -> bool:
        """Fetch what is missing of `version`. False when the whole is to be fetched."""
        self._base, self._body = held.size, None
        while (gap := _gap(held, version.total)) is not None:
            response = await self._ask_part(url, gap, version)
            decision = await self._judged(response, gap[0], version)
            if isinstance(decision, Take) and decision.version is None:
                await self._receive_whole(response)
                return True
            if not isinstance(decision, Take):
                await drain(response, self._setup.deadlines)
                if isinstance(decision, Complete):
                    break
                _log.debug(
                    "{url}: begun anew: {why}", url=redacted(self._final_url), why=decision.why
                )
                return False
            gained = -held.size
            held.add(*await self._receive_part(response, decision))
            gained += held.size
            self._base, self._body = held.size, None
            version = replace(version, total=self._length)
            if _gap(held, version.total) is None:
                break
            # Each request is a start of its own; one that brought something costs no try, if the
            # next one goes on behind it.
            kept = gained and held.size >= WORTH
            raise Interrupted() if kept else TruncatedBody("a part of what was missing")
        self._verified = True
        self._validators = version.etag, version.last_modified
        right = self._proof.fits(held.size) and await self._has_checksum()
        if not right and self._part is not None:
            self._part.begin(Version(), False)  # else the next run would go on with it
        return right

    async def _ask_part(self, url: HttpUrl, gap: Gap, version: Version) -> IResponse:
        more = [("Range", range_header(*gap))]
        if version.validator is not None:
            more.append(("If-Range", version.validator))
        return await self._ask(b"GET", url, more=more)

    async def _judged(self, response: IResponse, start: int | None, version: Version) -> Decision:
        """What the answer means. Raises what a refusal means."""
        try:
            decision = judge(answer_of(response), start, version, self._checksum is not None)
        except DownloadError:
            await drain(response, self._setup.deadlines)
            raise
        if decision is None:
            await self._refused(response)
        return decision

    async def _receive_whole(self, response: IResponse) -> None:
        """The body is the whole file."""
        self._base = 0
        self._length = length_of(response)
        try:
            self._hear(response)
            if self._setup.content_disposition:
                self._take_offered(response)
        except Exception:
            # Nobody reads the body then, and its connection would wait for somebody to.
            await drain(response, self._setup.deadlines)
            raise
        if self._recorder is not None:
            self._validators = validators_of(response)
        if self._part is not None:
            self._begin(self._part, response)
        wanted = self._proof.checksum
        checksum = Checksum(wanted) if wanted else None
        digest = self._proof.bounded(checksum.update if checksum else None, self._length)
        try:
            body = self._deliver(response, self._length, 0, digest)
            result = body.result
            ended = await body.done if result is None else _told(result)
            self._verified = self._proof.proven(self.moved, ended)
        except SizeMismatch:
            self._discard()
            raise
        if checksum is not None:
            self._check(checksum)

    async def _receive_part(self, response: IResponse, take: Take) -> Range:
        """The body is these bytes of the file, of which more is here already."""
        assert take.version is not None and take.stop is not None
        self._length = take.version.total
        try:
            self._hear(response, part=True)
        except SizeMismatch:
            await drain(response, self._setup.deadlines)
            raise
        within = no_more_than(take.stop - take.start)
        body = self._deliver(response, length_of(response), take.start, within)
        await body.done
        return take.start, take.start + body.received

    def _hear(self, response: IResponse, part: bool = False) -> None:
        """What an answer says of the whole file, before its body is received."""
        tells = self._says_more and self._checksum is None and has_any(response, TELLING)
        self._proof.hear(self._length, answer_of(response) if tells else None, part)

    def _deliver(
        self, response: IResponse, length: int | None, start: int, digest: Digest | None
    ) -> FileBody:
        """Let the body come to its place in the file."""
        setup = self._setup
        body = self._body = FileBody(
            lambda: self._opened(response),
            *(length, setup.deadlines, setup.timeouts, digest, setup.throttle),
            *(self._part, start),
        )
        response.deliverBody(body)
        return body

    def _opened(self, response: IResponse) -> PartWriter:
        """A part file for the whole file."""
        setup = self._setup
        long = self._length is None or self._length > SHORT
        part = self._part = self.target.open(setup.folders, long)
        self._begin(part, response)
        return part

    def _begin(self, part: PartWriter, response: IResponse) -> None:
        answer = answer_of(response)
        version = version_of(answer.get, answer.length)
        provable = version.validator is not None or self._checksum is not None
        part.begin(version, provable and not answer.encoded)

    def _write_at_once(self) -> bool:
        """Make a file of a body that came whole, where that takes no time."""
        assert self._body is not None
        return self.target.write(self._body.whole, self._setup.folders)

    async def _commit(self) -> None:
        """The bytes become a file. While they wait for others, to be synced together, another job
        may have the slot."""
        folders = self._setup.folders
        # A file that waits is open: where descriptors are short, slots count them.
        if not (self._setup.limiter.shrunk or self.target.is_crowded(folders)):
            self._let_go()
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

    def _settled(self) -> Deferred[None] | None:
        return None if self._part is None else self._part.closed()

    async def _close(self) -> None:
        """What is left of a part file is kept, and has been closed when this is over."""
        if self._part is not None:
            self._part.keep()
            closed = self._part.closed()
            if closed is not None:
                await closed

    def _take_offered(self, response: IResponse) -> None:
        for offered in response.headers.getRawHeaders(b"content-disposition", ())[:1]:
            self.target.take_offered(offered.decode("latin-1"))

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
        return checksum.matches

    def _check(self, checksum: Checksum) -> None:
        if not checksum.matches:
            self._discard()
            raise ChecksumMismatch(f"{checksum.kind} is {checksum.found}")
        self._verified = True
        self._proven = checksum.wanted

    def _discard(self) -> None:
        if self._part is not None:
            self._part.discard()


def _gap(held: Ranges, total: int | None) -> Gap | None:
    """The first bytes that are missing, from where to where; up to the end where that is None."""
    if total is None:
        return held.prefix, None
    missing = held.missing(total)
    if not missing:
        return None
    start, stop = missing[0]
    return start, None if stop == total else stop


def _told(result: bool | Failure) -> bool:
    """What a body that is over already came to."""
    if isinstance(result, Failure):
        result.raiseException()
    return result
