"""One job, from its first request to its file: one coroutine.

Cancelling it cancels whatever it awaits at that moment: a slot, a pause between tries, the
agent's request, the body. Each of those takes its transport, timer or place in a queue with it.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import deferLater
from twisted.logger import Logger
from twisted.python.failure import Failure
from twisted.web.http_headers import Headers
from twisted.web.iweb import UNKNOWN_LENGTH, IAgent, IResponse

from downloader.deadlines import Deadlines
from downloader.drain import drain
from downloader.errors import (
    ChecksumMismatch,
    DownloadError,
    HttpError,
    InternalError,
    Interrupted,
    TargetExists,
    TotalTimeout,
    TryAgainLater,
    WrongRequest,
)
from downloader.jobs import Job, Naming, OnConflict, Progress, Result, Retries, Status, Timeouts
from downloader.sansio.checksum import Checksum, checked_checksum
from downloader.sansio.printable import printable
from downloader.sansio.retry import Tries
from downloader.sansio.url import HttpUrl, parse_url, redacted
from downloader.transfer.body import SHORT, FileBody
from downloader.transfer.door import refused, translate
from downloader.transfer.folder import Folders
from downloader.transfer.limiter import Limiter, Slot
from downloader.transfer.request import Authorizations, request_headers
from downloader.transfer.taken import TakenNames
from downloader.transfer.target import Target
from downloader.transfer.throttle import Throttle
from downloader.transfer.writer import PartWriter

_log = Logger()
_WITH_FILE = frozenset((200, 203))


@dataclass(slots=True)
class Setup:
    """What transfers are made with. `agent` has deadlines of its own, and its requests are over
    once they are cancelled."""

    clock: IReactorTime
    agent: IAgent
    limiter: Limiter
    deadlines: Deadlines
    folders: Folders
    timeouts: Timeouts
    retries: Retries
    backoff: Callable[[int], float]
    naming: Naming
    on_conflict: OnConflict
    content_disposition: bool
    headers: Headers
    authorizations: Authorizations | None = None
    throttle: Throttle | None = None


class Transfer:
    """A job on its way. `start` gives its Result; `cancel` stops it in whatever phase it is.

    The name is decided when the transfer is made, so that names follow the order of the list
    and not the order of arrival. A DownloadError there means the job cannot even begin.
    `host` is what the limiter counts jobs by: host and port of the first URL. `cancelled` tells
    that `cancel` was called.
    """

    __slots__ = (
        *("_began", "_body", "_checksum", "_final_url", "_http_status", "_length"),
        *("_out_of_time", "_running", "_setup", "_sha256", "_slot", "_tries", "_verified"),
        *("cancelled", "host", "job", "target", "url"),
    )

    def __init__(self, job: Job, setup: Setup, names: TakenNames) -> None:
        self.job = job
        self.url = parse_url(job.url)
        self.host = _host(self.url)
        self._setup = setup
        self._checksum = _checksum(job)
        self.target = Target(job, self.url, setup.naming, setup.on_conflict, names)
        self._tries = Tries(job.urls, setup.retries, setup.backoff)
        self._slot: Slot | None = None
        self._body: FileBody | None = None
        self._length: int | None = None
        self._http_status: int | None = None
        self._final_url = job.url
        self._sha256: str | None = None
        self._verified = True
        self._began: float | None = None
        self._running: Deferred[Result] | None = None
        self._out_of_time = False
        self.cancelled = False

    def __repr__(self) -> str:
        made = self._tries.made
        return f"<Transfer {self.target.relative!r} {self.status.value} after {made} requests>"

    @property
    def status(self) -> Status:
        """ACTIVE with a slot, WAITING without."""
        return Status.WAITING if self._slot is None else Status.ACTIVE

    def progress(self) -> Progress:
        """How it stands."""
        received = self._body.received if self._body else 0
        return Progress(
            self.job, self.status, self.target.path, received, self._length, self._tries.made
        )

    def skipped(self) -> Result:
        """The Result of a job whose file was there before."""
        return self._result(Status.REMOVED, TargetExists(printable(self.target.relative)))

    def removed(self) -> Result:
        """The Result of a job that was cancelled on its own, the others going on."""
        return self._result(Status.REMOVED, None)

    def start(self) -> Deferred[Result]:
        """Run it.

        **Fires with** its Result, a failed one too: its `error` is set then. **Fails with**
        CancelledError only. **Cancelling** it, or calling `cancel`, aborts what is under way and
        keeps the part file.
        """
        self._running = Deferred.fromCoroutine(self._run())
        return self._running

    def cancel(self) -> None:
        """Stop it."""
        self.cancelled = True
        if self._running is not None:
            self._running.cancel()

    async def _run(self) -> Result:
        self._began = self._setup.clock.seconds()
        total = self._setup.timeouts.total
        deadline = self._setup.deadlines.set(total, self._time_out) if total else None
        try:
            if self.target.satisfied:
                return self.skipped()
            await self._try_until_done()
        except CancelledError:
            if not self._out_of_time:
                raise
            return self._result(Status.ERROR, TotalTimeout(f"{total:g} s"))
        except DownloadError as error:
            return self._result(Status.ERROR, error)
        finally:
            if deadline is not None:
                deadline.cancel()
        return self._result(Status.COMPLETE, None)

    def _time_out(self) -> None:
        self._out_of_time = True
        if self._running is not None:
            self._running.cancel()

    async def _try_until_done(self) -> None:
        while True:
            url = self._tries.url
            try:
                await self._try(url)
                return
            except DownloadError as error:
                error.url = redacted(url)
                if self.cancelled:  # by whoever got our slot, while we gave it
                    raise CancelledError() from error
                wait = self._tries.failed(error)
                if wait is None:
                    raise
                _log.debug("{url}: {error}; next try in {wait:.1f} s", url=error.url,
                           error=error, wait=wait)  # fmt: skip
            self._setup.limiter.tell()
            if wait:
                await deferLater(self._setup.clock, wait)

    async def _try(self, text: str) -> None:
        """One request, with a slot. Raises our errors and CancelledError, nothing else."""
        url = self.url if text is self.job.url else parse_url(text)
        limiter = self._setup.limiter
        host = self.host if url is self.url else _host(url)
        slot = self._slot = limiter.take(host) or await limiter.acquire(host)
        good: bool | None = None
        try:
            await self._exchange(url)
            good = True
        except CancelledError:
            raise
        except Exception as error:
            ours = translate(error)
            if isinstance(ours, InternalError):
                _log.failure("a bug met by {url}", url=redacted(text))
            if isinstance(ours, (TryAgainLater, HttpError)) and not isinstance(ours, Interrupted):
                good = isinstance(ours, HttpError)  # a refusal is a host that answers well
            raise ours from ours.__cause__
        finally:
            self._slot = None
            if self._body is None or self._body.part is None:
                slot.release(good)
            else:
                self._release(slot, good, self._body.part)

    def _release(self, slot: Slot, good: bool | None, part: PartWriter) -> None:
        """Give the slot back, of a cancelled job not before its file is settled."""
        closed = part.closed()
        if closed is None:
            slot.release(good)
        else:
            closed.addCallback(lambda _: slot.release(good))
            closed.addCallback(lambda _: self._setup.limiter.tell())

    async def _exchange(self, url: HttpUrl) -> None:
        setup = self._setup
        self._tries.made += 1
        self._http_status = self._length = None
        request: Deferred[IResponse] = setup.agent.request(
            b"GET",
            str(url).encode("ascii"),
            request_headers(setup.headers, self.job, self.url, url, setup.authorizations),
        )
        response = await request
        self._http_status = response.code
        self._final_url = response.request.absoluteURI.decode("ascii", "replace")
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
            *(self._open, self._length, setup.deadlines, setup.timeouts, digest, setup.throttle)
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

    async def _refused(self, response: IResponse) -> None:
        await drain(response, self._setup.deadlines)
        raise refused(response, time.time())

    def _result(self, status: Status, error: DownloadError | None) -> Result:
        if error is not None:
            error.attempts = self._tries.made
            error.url = error.url or redacted(self.job.url)
        return Result(
            self.job,
            status,
            self.target.path,
            redacted(self._final_url),
            self._http_status,
            self._body.received if self._body else 0,
            0.0 if self._began is None else self._setup.clock.seconds() - self._began,
            self._tries.made,
            self._verified,
            self._sha256,
            error,
        )


def cancel_all(transfers: Iterable[Transfer]) -> None:
    """Stop them, those without a slot first: else each slot would go on to the next in turn,
    which would ask its server only to be cancelled."""
    for transfer in sorted(transfers, key=lambda one: one.status is Status.ACTIVE):
        transfer.cancel()


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


def _host(url: HttpUrl) -> str:
    return f"{url.host}:{url.port}"


def _checksum(job: Job) -> str | None:
    """The job's checksum in the one form that is compared."""
    try:
        return None if job.checksum is None else checked_checksum(job.checksum)
    except ValueError as error:
        raise WrongRequest(str(error)) from error
