"""One job, from its first request to its file."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, NoReturn

from twisted.internet.defer import CancelledError, Deferred
from twisted.logger import Logger
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
from downloader.sansio.proof import TELLING, Digest, no_more_than
from downloader.sansio.ranges import Gap, Range, Ranges, range_header
from downloader.sansio.resume import WITH_FILE, Complete, Decision, Take, judge
from downloader.sansio.url import HttpUrl, redacted
from downloader.sansio.version import Version, version_of
from downloader.transfer.body import SHORT, FileBody
from downloader.transfer.heads import answer_of, has_any, length_of, validators_of, values_in
from downloader.transfer.known import condition_of
from downloader.transfer.partfile import WORTH
from downloader.transfer.proving import piece_sums, proof_of
from downloader.transfer.recorder import Recorder
from downloader.transfer.space import Space
from downloader.transfer.taken import TakenNames
from downloader.transfer.target import Target
from downloader.transfer.way import Setup, Way
from downloader.transfer.writer import PartWriter

if TYPE_CHECKING:
    from downloader.transfer.rest import Rest
    from downloader.transfer.segments import Streams

_log = Logger()


class Transfer(Way[Job]):
    """A job on its way to its file.

    The name is decided when the transfer is made, so that names follow the order of the list
    and not the order of arrival. A DownloadError there means the job cannot even begin. With
    `space`, a full disk is waited for; without, it fails the job.
    """

    __slots__ = (
        *("_base", "_body", "_changed", "_condition", "_part", "_proof", "_recorder", "_space"),
        *("_streams", "_validators", "_whole_only", "target"),
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
        self._part: PartWriter | None = None  # of this try
        self._streams: Streams | None = None  # those of this try, if it has any
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
        if response.code not in WITH_FILE or self._says_more:  # hardly ever
            decision = await self._judged(response, None, Version())
            assert isinstance(decision, Take)
        if not await self._receive_whole(url, response):
            self._whole_only = True
            await self._begin_anew(url)

    async def _go_on(self, url: HttpUrl) -> None:
        """Ask for what is missing; for all of it, if that is of no use."""
        part = self._part = self.target.open(self._setup.folders, True)
        found = await part.found()
        if found is not None and self._proof.fits(found.version.total):
            if await self._complete(url, Ranges(found.ranges), found.version):
                return
            self._whole_only = True
        await self._begin_anew(url)

    async def _complete(self, url: HttpUrl, held: Ranges, version: Version) -> bool:
        """Fetch what is missing of `version`. False when the whole is to be fetched."""
        self._base, self._body, self._streams = held.size, None, None
        if self._proof.pieces is not None:  # they prove each byte, whatever version it is of
            version = Version(total=version.total)
        while (gap := held.gap(version.total)) is not None:
            response, decision = await self._ask_part(url, gap, version)
            if isinstance(decision, Take) and decision.version is None:
                return await self._receive_whole(url, response)
            if not isinstance(decision, Take):
                await drain(response, self._setup.deadlines)
                if isinstance(decision, Complete):
                    version = replace(version, total=held.prefix)
                    break
                told = redacted(self._final_url)
                _log.debug("{url}: begun anew: {why}", url=told, why=decision.why)
                return False
            await self._hear_part(response, decision)
            version = replace(version, total=self._length)
            rest = self._rest(url, held, version, (response, decision, gap))
            if rest is not None:
                return await self._receive_split(rest)
            before = held.size
            held.add(*await self._receive_part(response, decision))
            self._base, self._body = held.size, None
            if held.gap(version.total) is None:
                break
            # A request is a start of its own, and costs no try if the next can go on behind it.
            kept = held.size > before and held.size >= WORTH
            raise Interrupted() if kept else TruncatedBody("a part of what was missing")
        if not self._proof.fits(held.size):
            self._forget()
            return False
        if self._proof.pieces is not None:
            rest = self._rest(url, held, version)
            return rest is not None and await self._receive_split(rest)
        self._verified = True
        self._validators = version.etag, version.last_modified
        return await self._has_checksum()

    async def _ask_part(
        self, url: HttpUrl, gap: Gap, version: Version
    ) -> tuple[IResponse, Decision]:
        """Ask for these bytes of `version`; raises what a refusal means."""
        held = [] if version.validator is None else [("If-Range", version.validator)]
        more = [("Range", range_header(*gap)), *held]
        response = await self._ask(b"GET", url, more=more)
        return response, await self._judged(response, gap[0], version)

    async def _judged(self, response: IResponse, start: int | None, version: Version) -> Decision:
        """What the answer means. Raises what a refusal means."""
        try:
            decision = judge(answer_of(response), start, version, self._proof.provable)
        except DownloadError:
            await drain(response, self._setup.deadlines)
            raise
        if decision is None:
            await self._refused(response)
        return decision

    async def _receive_whole(self, url: HttpUrl, response: IResponse) -> bool:
        """The body is the whole file. False as `_receive_split`."""
        self._base, self._streams = 0, None
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
        pieces = self._proof.pieces
        if pieces is not None or (self._length or 0) >= 2 * self._setup.splitting.least:
            take = Take(0, self._length, None)
            rest = self._rest(url, Ranges(), None, (response, take, (0, None)))
            if rest is not None:
                return await self._receive_split(rest)
        wanted = self._proof.checksum
        checksum = Checksum(wanted) if wanted else None
        digest: Digest | None = checksum.update if checksum else None
        sums = None if pieces is None else piece_sums(pieces, digest)
        digest = self._proof.bounded(sums.update if sums else digest, self._length)
        try:
            body = self._deliver(response, self._length, 0, digest)
            ended = await body.done if body.result is None else body.told()
            self._verified = self._proof.proven(self.moved, ended) or sums is not None
        except SizeMismatch:
            self._discard()
            raise
        if sums is not None and not sums.matches:
            self._refuse("that of a piece is another")
        if checksum is not None:
            self._check(checksum)
        return True

    async def _receive_part(self, response: IResponse, take: Take) -> Range:
        """The body is these bytes of the file, of which more is here already."""
        assert take.stop is not None
        within = no_more_than(take.stop - take.start)
        body = self._deliver(response, length_of(response), take.start, within)
        await body.done
        return take.start, take.start + body.received

    def _hear(self, response: IResponse, part: bool = False) -> None:
        """What an answer says of the whole file, before its body is received."""
        tells = self._says_more and self._proof.own is None and has_any(response, TELLING)
        self._proof.hear(self._length, answer_of(response) if tells else None, part)

    async def _hear_part(self, response: IResponse, take: Take) -> None:
        assert take.version is not None
        self._length = take.version.total
        try:
            self._hear(response, part=True)
        except SizeMismatch:
            await drain(response, self._setup.deadlines)
            raise

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
        long = self._length is None or self._length > SHORT
        part = self._part = self.target.open(self._setup.folders, long)
        self._begin(part, response)
        return part

    def _begin(self, part: PartWriter, response: IResponse) -> None:
        answer = answer_of(response)
        version = version_of(answer.get, answer.length)
        provable = self._proof.provable or version.validator is not None
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

    # --- over several connections, or piece by piece ------------------------------------------

    def _rest(
        self,
        url: HttpUrl,
        held: Ranges,
        version: Version | None,
        first: tuple[IResponse, Take, Gap] | None = None,
    ) -> Rest | None:
        """What comes so: all but what is `held`, if it does. See `rest_of`."""
        if self._whole_only:
            return None
        from downloader.transfer.rest import rest_of  # late: few files come so

        return rest_of(self._setup, self._proof, (url, self._tries.urls), held, version, first)

    async def _receive_split(self, rest: Rest) -> bool:
        """Fetch what is missing. False when it has to be fetched as a whole."""
        part = self._part
        if part is None:
            assert rest.first is not None
            try:
                part = self._opened(rest.first.response)
            except Exception:
                await drain(rest.first.response, self._setup.deadlines)
                raise
        self._length = rest.version.total
        self._streams = rest.streams(self._setup, part, self._ask_part)
        first = self._http_status, self._final_url  # whoever comes last
        if not await self._streams.start(rest.first, rest.held):
            return False
        self._http_status, self._final_url = first
        self._verified = True
        return await self._has_checksum()
