"""One job, from its first request to its file."""

from __future__ import annotations

from twisted.internet.defer import CancelledError, Deferred
from twisted.python.failure import Failure
from twisted.web.iweb import UNKNOWN_LENGTH, IResponse

from downloader.drain import drain
from downloader.errors import ChecksumMismatch, TargetExists, WrongRequest
from downloader.jobs import Job, Result, Status
from downloader.sansio.checksum import Checksum, checked_checksum
from downloader.sansio.printable import printable
from downloader.sansio.url import HttpUrl
from downloader.transfer.body import SHORT, FileBody
from downloader.transfer.taken import TakenNames
from downloader.transfer.target import Target
from downloader.transfer.way import Setup, Way
from downloader.transfer.writer import PartWriter

_WITH_FILE = frozenset((200, 203))


class Transfer(Way[Job]):
    """A job on its way to its file.

    The name is decided when the transfer is made, so that names follow the order of the list
    and not the order of arrival. A DownloadError there means the job cannot even begin.
    """

    __slots__ = ("_body", "_checksum", "target")

    def __init__(self, job: Job, setup: Setup, names: TakenNames) -> None:
        super().__init__(job, setup)
        self._checksum = _checksum(job)
        self.target = Target(job, self.url, setup.naming, setup.on_conflict, names)
        self._body: FileBody | None = None

    @property
    def name(self) -> str:
        return self.target.relative

    @property
    def path(self) -> str:
        return self.target.path

    @property
    def moved(self) -> int:
        return self._body.received if self._body else 0

    @property
    def satisfied(self) -> bool:
        return self.target.satisfied

    def release(self) -> None:
        self.target.release()

    def skipped(self) -> Result:
        """The Result of a job whose file was there before."""
        return self._result(Status.REMOVED, TargetExists(printable(self.target.relative)))

    async def _exchange(self, url: HttpUrl) -> None:
        self._length = None
        response = await self._ask(b"GET", url)
        if response.code in _WITH_FILE:
            await self._receive(response)
        else:
            await self._refused(response)

    async def _receive(self, response: IResponse) -> None:
        setup = self._setup
        self._length = None if response.length is UNKNOWN_LENGTH else response.length
        if setup.content_disposition:
            try:
                self._take_offered(response)
            except Exception:
                # Nobody reads the body then, and its connection would wait for somebody to.
                await drain(response, setup.deadlines)
                raise
        checksum = Checksum(self._checksum) if self._checksum else None
        digest = checksum.update if checksum else None
        body = FileBody(
            self._open, self._length, setup.deadlines, setup.timeouts, digest, setup.throttle
        )
        self._body = body
        try:
            response.deliverBody(body)
            result = body.result
            self._verified = await body.done if result is None else _told(result)
            if checksum is not None:
                self._check(checksum, body.part)
            if body.part is not None or not self.target.write(body.whole, setup.folders):
                await self._commit(body)
        except CancelledError:
            if body.part is not None:
                body.part.keep()  # and not wait for it: what hangs must not hold up a cancel
            raise
        except Exception:
            await _close(body)
            raise
        if body.part is not None:
            await _close(body)

    def _open(self) -> PartWriter:
        long = self._length is None or self._length > SHORT
        return self.target.open(self._setup.folders, long)

    async def _commit(self, body: FileBody) -> None:
        """The bytes become a file, by way of a part file."""
        if body.part is None:
            body.part = self._open()
            body.part.write(body.whole)
        await self.target.commit(body.part)

    def _settled(self) -> Deferred[None] | None:
        part = None if self._body is None else self._body.part
        return None if part is None else part.closed()

    def _take_offered(self, response: IResponse) -> None:
        for offered in response.headers.getRawHeaders(b"content-disposition", ())[:1]:
            self.target.take_offered(offered.decode("latin-1"))

    def _check(self, checksum: Checksum, part: PartWriter | None) -> None:
        if not checksum.matches:
            if part is not None:
                part.discard()
            raise ChecksumMismatch(f"{checksum.kind} is {checksum.found}")
        self._verified = True
        if checksum.kind == "sha-256":
            self._sha256 = checksum.found


async def _close(body: FileBody) -> None:
    """What is left of a part file is kept, and has been closed when this is over."""
    if body.part is not None:
        body.part.keep()
        closed = body.part.closed()
        if closed is not None:
            await closed


def _told(result: bool | Failure) -> bool:
    """What a body that is over already came to."""
    if isinstance(result, Failure):
        result.raiseException()
    return result


def _checksum(job: Job) -> str | None:
    """The job's checksum in the one form that is compared."""
    try:
        return None if job.checksum is None else checked_checksum(job.checksum)
    except ValueError as error:
        raise WrongRequest(str(error)) from error
