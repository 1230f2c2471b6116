"""One job, from its first request to its file."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, NoReturn

from twisted.internet.defer import CancelledError, Deferred
from twisted.logger import Logger
from twisted.python.failure import Failure
from twisted.web.iweb import UNKNOWN_LENGTH, IResponse

from downloader.drain import drain
from downloader.errors import (
    ChecksumMismatch,
    DownloadError,
    TargetExists,
    TruncatedBody,
    WrongRequest,
)
from downloader.jobs import Job, Pieces, Result, Status
from downloader.sansio.checksum import Checksum, checked_checksum
from downloader.sansio.printable import printable
from downloader.sansio.ranges import Range, Ranges, range_header
from downloader.sansio.resume import WITH_FILE, Answer, Complete, Decision, Take, judge
from downloader.sansio.url import HttpUrl
from downloader.sansio.version import Version, version_of
from downloader.transfer.body import SHORT, FileBody
from downloader.transfer.taken import TakenNames
from downloader.transfer.target import Target
from downloader.transfer.way import Setup, Way
from downloader.transfer.writer import PartWriter

if TYPE_CHECKING:
    from downloader.sansio.pieces import PieceSums
    from downloader.transfer.rest import Rest
    from downloader.transfer.segments import Streams

_log = Logger()

Gap = tuple[int, int | None]
Digest = Callable[[bytes | memoryview], object]


class Transfer(Way[Job]):
    """A job on its way to its file.

    The name is decided when the transfer is made, so that names follow the order of the list
    and not the order of arrival. A DownloadError there means the job cannot even begin.
    """

    __slots__ = (
        *("_base", "_body", "_checksum", "_part", "_pieces", "_provable", "_streams"),
        *("_whole_only", "target"),
    )

    def __init__(self, job: Job, setup: Setup, names: TakenNames) -> None:
        super().__init__(job, setup)
        self._checksum = _checksum(job)
        self._pieces = None if job.pieces is None else _checked(job.pieces)
        self._provable = self._checksum is not None or self._pieces is not None
        self.target = Target(job, self.url, setup.naming, setup.on_conflict, names)
        self._body: FileBody | None = None
        self._base = 0  # bytes that are here, beside those of the body
        self._part: PartWriter | None = None  # of this try
        self._streams: Streams | None = None  # those of this try, if it has any
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

    def skipped(self) -> Result:
        """The Result of a job whose file was there before."""
        return self._result(Status.REMOVED, TargetExists(printable(self.target.relative)))

    async def _exchange(self, url: HttpUrl) -> None:
        self._part = None
        try:
            if not await self._bring(url):
                self._whole_only = True
                await self._bring(url)
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

    async def _bring(self, url: HttpUrl) -> bool:
        """Fetch what is missing. False when that was gone on with, and has not the checksum."""
        held, version = Ranges(), Version()
        if not self._whole_only and self.target.has_journal:
            held, version = await self._found()
            if self._pieces is not None:  # they prove each byte, whatever version it is of
                version = Version(total=version.total)
        self._base, self._body, self._streams = held.size, None, None
        while (gap := _gap(held, version.total)) is not None:
            before = held.size
            response, decision = await self._request(url, gap if before else None, version)
            if isinstance(decision, Take):
                if decision.version is None:
                    return await self._receive_whole(url, response, decision)
                version = replace(version, total=decision.version.total)
                rest = self._rest(url, held, version, (response, decision, gap))
                if rest is not None:
                    return await self._receive_split(rest)
                held.add(*await self._receive_part(response, decision))
                if held.size == before:
                    raise TruncatedBody("nothing of the part that was asked for")
                self._base, self._body = held.size, None
                continue
            await drain(response, self._setup.deadlines)
            if isinstance(decision, Complete):
                version = replace(version, total=held.prefix)
                break
            _log.debug("{url}: begun anew: {why}", url=self._final_url, why=decision.why)
            self._whole_only = True
            held, version = Ranges(), Version()
        if self._pieces is not None:
            rest = self._rest(url, held, version)
            return rest is not None and await self._receive_split(rest)
        self._verified = True
        return await self._has_checksum()

    async def _found(self) -> tuple[Ranges, Version]:
        """What is there to go on with."""
        self._part = self.target.open(self._setup.folders, True, self._setup.sync)
        found = await self._part.found()
        return (Ranges(), Version()) if found is None else (Ranges(found.ranges), found.version)

    async def _request(
        self, url: HttpUrl, gap: Gap | None, version: Version
    ) -> tuple[IResponse, Decision]:
        """Ask for a part of that version, or for all. Raises what a refusal means."""
        more = []
        if gap is not None:
            more.append(("Range", range_header(*gap)))
            if version.validator is not None:
                more.append(("If-Range", version.validator))
        response = await self._ask(b"GET", url, more=more)
        if gap is None and response.code in WITH_FILE and not _has_range(response):
            return response, Take(0, None, None)  # as nearly always
        try:
            start = None if gap is None else gap[0]
            decision = judge(_answer(response), start, version, self._provable)
        except DownloadError:
            await drain(response, self._setup.deadlines)
            raise
        if decision is None:
            await self._refused(response)
        return response, decision

    async def _receive_whole(self, url: HttpUrl, response: IResponse, take: Take) -> bool:
        """The body is the whole file. False as `_receive_split`."""
        self._length = _length(response)
        if self._setup.content_disposition:
            try:
                self._take_offered(response)
            except Exception:
                # Nobody reads the body then, and its connection would wait for somebody to.
                await drain(response, self._setup.deadlines)
                raise
        self._base = 0
        if self._part is not None:
            self._begin(self._part, response)
        rest = self._rest(url, first=(response, take, (0, None)))
        if rest is not None:
            return await self._receive_split(rest)
        checksum = Checksum(self._checksum) if self._checksum else None
        digest: Digest | None = checksum.update if checksum else None
        sums = None if self._pieces is None else _sums(self._pieces, digest)
        digest = sums.update if sums else digest
        self._verified = await self._receive(response, self._length, 0, digest)
        if sums is not None and not sums.matches:
            self._refuse("that of a piece is another")
        if checksum is not None:
            self._check(checksum)
        return True

    async def _receive_part(self, response: IResponse, take: Take) -> Range:
        """The body is these bytes of the file, of which more is here already."""
        assert take.version is not None
        self._length = take.version.total
        await self._receive(response, _length(response), take.start, None)
        assert self._body is not None
        return take.start, take.start + self._body.received

    async def _receive(
        self, response: IResponse, length: int | None, start: int, digest: Digest | None
    ) -> bool:
        """Take the body to its place in the file. Whether its length is proven."""
        setup = self._setup
        body = self._body = FileBody(
            lambda: self._opened(response),
            *(length, setup.deadlines, setup.timeouts, digest, setup.throttle),
            *(self._part, start),
        )
        response.deliverBody(body)
        result = body.result
        return await body.done if result is None else _told(result)

    def _opened(self, response: IResponse) -> PartWriter:
        """A part file for the whole file."""
        setup = self._setup
        long = self._length is None or self._length > SHORT
        part = self._part = self.target.open(setup.folders, long, setup.sync)
        self._begin(part, response)
        return part

    def _begin(self, part: PartWriter, response: IResponse) -> None:
        answer = _answer(response)
        version = version_of(answer.get, answer.length)
        provable = version.validator is not None or self._provable
        part.begin(version, provable and not answer.encoded)

    async def _commit(self) -> None:
        """The bytes become a file."""
        body = self._body
        if self._part is None and body is not None:
            if self.target.write(body.whole, self._setup.folders):
                return
            part = self._part = self.target.open(self._setup.folders, False, self._setup.sync)
            part.begin(Version(), False)
            part.write(body.whole)
        assert self._part is not None
        await self.target.commit(self._part)

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

    async def _has_checksum(self) -> bool:
        """Whether the file has its checksum, if it has one."""
        if self._checksum is None or self._part is None:
            return True
        checksum = Checksum(self._checksum)
        await self._part.read(checksum.update)
        if checksum.matches:
            self._check(checksum)
        return checksum.matches

    def _check(self, checksum: Checksum) -> None:
        if not checksum.matches:
            self._refuse(f"{checksum.kind} is {checksum.found}")
        self._verified = True
        if checksum.kind == "sha-256":
            self._sha256 = checksum.found

    def _refuse(self, seen: str) -> NoReturn:
        if self._part is not None:
            self._part.discard()
        raise ChecksumMismatch(seen)

    # --- over several connections, or piece by piece ------------------------------------------

    def _rest(
        self,
        url: HttpUrl,
        held: Ranges | None = None,
        version: Version | None = None,
        first: tuple[IResponse, Take, Gap] | None = None,
    ) -> Rest | None:
        """What comes so, but for what is `held` of `version`; None where all comes as one. `first`
        is an answer that brings some of it, and which gap was asked for."""
        total = self._length if version is None else version.total
        least = 0 if self._pieces else 2 * self._setup.splitting.least
        if self._whole_only or total is None or total - (held.size if held else 0) < least:
            return None
        # Late: few files come so.
        from downloader.transfer.rest import Rest, mirrors_of
        from downloader.transfer.segments import First

        begun = None if first is None else First(_answer(first[0]), *first)
        if version is None and begun is not None:
            version = version_of(begun.answer.get, total)
        urls = mirrors_of(url, self._tries.urls)
        rest = Rest(urls, held or Ranges(), version or Version(), self._pieces, begun)
        return rest if rest.splits(self._setup.splitting, self._provable) else None

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
        self._streams = rest.streams(self._setup, part, self._request)
        told = self._http_status, self._final_url
        if not await self._streams.start(rest.first, rest.held):
            return False
        self._http_status, self._final_url = told  # the first one's, whoever came last
        self._verified = True
        return await self._has_checksum()


def _gap(held: Ranges, total: int | None) -> Gap | None:
    """The first bytes that are missing, from where to where; up to the end where that is None."""
    if total is None:
        return held.prefix, None
    missing = held.missing(total)
    if not missing:
        return None
    start, stop = missing[0]
    return start, None if stop == total else stop


def _length(response: IResponse) -> int | None:
    return None if response.length is UNKNOWN_LENGTH else response.length


def _has_range(response: IResponse) -> bool:
    """Whether it says that it is a part. Ours can tell without a Headers object."""
    has_header = getattr(response, "has_header", None) or response.headers.hasHeader
    return bool(has_header(b"content-range"))


def _answer(response: IResponse) -> Answer:
    def get(name: str) -> list[str]:
        values = response.headers.getRawHeaders(name.encode("ascii"), ())
        return [value.decode("latin-1") for value in values]

    return Answer(response.code, get, _length(response))


def _told(result: bool | Failure) -> bool:
    """What a body that is over already came to."""
    if isinstance(result, Failure):
        result.raiseException()
    return result


def _checked(pieces: Pieces) -> Pieces:
    from downloader.sansio.pieces import checked_pieces  # late: few jobs have any

    return checked_pieces(pieces)


def _sums(pieces: Pieces, digest: Digest | None) -> PieceSums:
    from downloader.sansio.pieces import PieceSums  # late: few jobs have any

    return PieceSums(pieces, digest)


def _checksum(job: Job) -> str | None:
    """The job's checksum in the one form that is compared."""
    try:
        return None if job.checksum is None else checked_checksum(job.checksum)
    except ValueError as error:
        raise WrongRequest(str(error)) from error
