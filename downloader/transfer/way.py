"""What any job does on its way: a slot, a try, a pause and another try, and a result at the end.

One coroutine is one job. Cancelling it cancels whatever it awaits at that moment: a slot, a pause
between tries, the agent's request, a body. Each of those takes its transport, timer or place in a
queue with it.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from contextlib import suppress
from typing import Any, Generic, NoReturn, TypeVar

from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.task import deferLater
from twisted.logger import Logger
from twisted.web.iweb import IBodyProducer, IResponse

from downloader.deadlines import Deadline
from downloader.drain import drain
from downloader.errors import (
    BadUrl,
    DownloadError,
    HttpError,
    InternalError,
    TooManyOpenFiles,
    TotalTimeout,
    TryAgainLater,
)
from downloader.jobs import AnyJob, Progress, Result, Status
from downloader.sansio.proof import TELLING
from downloader.sansio.quota import QUOTA_HEADERS, REFUSALS
from downloader.sansio.retry import Tries
from downloader.sansio.url import HttpUrl, parse_url, redacted
from downloader.transfer.door import refused, translate
from downloader.transfer.heads import has_any, obey
from downloader.transfer.limiter import Slot
from downloader.transfer.recorder import Recorder
from downloader.transfer.request import request_headers, with_headers
from downloader.transfer.setup import Setup

JobT = TypeVar("JobT", bound=AnyJob)
# What is rare in the head of a file, and means something.
_MORE = QUOTA_HEADERS | TELLING | {b"content-range"}
_log = Logger()
# Seconds until what is closed now is closed.
CLOSING = 0.05


class Way(Generic[JobT]):
    """A job on its way. `start` gives its Result; `cancel` stops it in whatever phase it is.

    `host` is what the limiter counts jobs by: host and port of the first URL. `since` is when it
    first had to wait for a host, in the limiter's `looks`; None when it had not. `cancelled` tells
    that `cancel` was called. What is asked, and what becomes of the answer, is up to those who
    derive from it: `_exchange` does one request.
    """

    __slots__ = (
        *("_began", "_deadline", "_final_url", "_http_status", "_length", "_out_of_time"),
        *(
            "_planner",
            "_proven",
            "_running",
            "_says_more",
            "_setup",
            "_slot",
            "_slots",
            "_tries",
            "_verified",
        ),
        *("cancelled", "host", "job", "since", "url"),
    )

    def __init__(self, job: JobT, setup: Setup) -> None:
        self.job = job
        self.url = parse_url(job.url)
        self.host = self.url.server
        self._setup = setup
        self._tries = Tries(job.urls, setup.retries, setup.backoff)
        self._slot: Slot | None = None
        self._slots = 0  # how many there were when it got one
        self._length: int | None = None
        self._http_status: int | None = None
        self._says_more = False  # the last answer's head
        self._final_url = job.url
        self._proven: str | None = None
        self._verified = True
        self._planner: Recorder | None = None
        self._began: float | None = None
        self._running: Deferred[Result] | None = None
        self._out_of_time = False
        self._deadline: Deadline | None = None
        self.since: int | None = None
        self.cancelled = False

    def __repr__(self) -> str:
        made = self._tries.made
        return f"<{type(self).__name__} {self.name!r} {self.status.value} after {made} requests>"

    @property
    def name(self) -> str:
        """The file, in few words."""
        raise NotImplementedError

    @property
    def path(self) -> str:
        """The file."""
        raise NotImplementedError

    @property
    def moved(self) -> int:
        """How many of its bytes came, or went out, in the last try."""
        raise NotImplementedError

    @property
    def satisfied(self) -> bool:
        """Whether there is nothing to do."""
        return False

    def skipped(self) -> Result:
        """The Result of a job that is `satisfied`."""
        raise NotImplementedError

    def held_up(self) -> Deferred[None] | None:
        """What fires when it may begin, where something is in its way; else None."""
        return None

    def release(self) -> None:
        """It is over: what it kept from others is theirs."""

    async def _exchange(self, url: HttpUrl) -> None:
        """One request, and what its answer brings."""
        raise NotImplementedError

    def _troubled(self, error: DownloadError) -> None:
        """A try failed."""

    def _passes(self, error: DownloadError) -> Deferred[None] | None:
        """What fires when `error` is over, which is no failed try then; else None."""
        return None

    def closing(self) -> Deferred[None] | None:
        """What fires when its file is closed, after a try that left something to do; else None."""
        return None

    @property
    def status(self) -> Status:
        """ACTIVE with a slot, WAITING without."""
        return Status.WAITING if self._slot is None else Status.ACTIVE

    def progress(self) -> Progress:
        """How it stands."""
        made = self._tries.made
        return Progress(self.job, self.status, self.path, self.moved, self._length, made)

    def removed(self) -> Result:
        """The Result of a job that was cancelled on its own, the others going on."""
        return self._result(Status.REMOVED, None)

    def start(self, recorder: Recorder | None = None) -> Deferred[Result]:
        """Run it; with a `recorder`, nothing is asked before that has kept its path.

        **Fires with** its Result, a failed one too: its `error` is set then. **Fails with**
        CancelledError only. **Cancelling** it, or calling `cancel`, aborts what is under way and
        keeps the part file.
        """
        self._planner = recorder
        self._running = Deferred.fromCoroutine(self._run())
        return self._running

    def cancel(self) -> None:
        """Stop it."""
        self.cancelled = True
        if self._running is not None:
            self._running.cancel()

    async def _run(self) -> Result:
        self._began = self._setup.clock.seconds()
        self._set_deadline(self._setup.timeouts.total)
        try:
            if self.satisfied:
                return self.skipped()
            await self._try_until_done()
        except CancelledError:
            if not self._out_of_time:
                raise
            total = self._setup.timeouts.total
            return self._result(Status.ERROR, TotalTimeout(f"{total:g} s"))
        except DownloadError as error:
            return self._result(Status.ERROR, error)
        finally:
            self._drop_deadline()
        return self._done()

    def _done(self) -> Result:
        """The Result of a job that did not fail."""
        return self._result(Status.COMPLETE, None)

    def _heed_cancel(self) -> None:
        """Stop here if somebody whom we have just called has called `cancel`: a coroutine that runs
        waits for nothing that would be cancelled."""
        if self.cancelled:
            raise CancelledError

    def _set_deadline(self, seconds: float | None) -> None:
        if seconds is not None:
            self._deadline = self._setup.deadlines.set(seconds, self._time_out)

    def _drop_deadline(self) -> float | None:
        """Forget it; returns the seconds until then."""
        deadline, self._deadline = self._deadline, None
        if deadline is None:
            return None
        deadline.cancel()
        return deadline.left

    async def _stand(self, passing: Deferred[None]) -> None:
        """Wait for what is not the job's doing: the time allowed for it stands still."""
        left = self._drop_deadline()
        await passing
        self._set_deadline(left)

    def _time_out(self) -> None:
        self._out_of_time = True
        if self._running is not None:
            self._running.cancel()

    async def _try_until_done(self) -> None:
        while True:
            if self.job.mirrors or self._tries.made:
                self._pass_over()
            url = self._tries.url
            try:
                await self._try(url)
                return
            except DownloadError as error:
                error.url = redacted(url)
                self._troubled(error)
                if self.cancelled:  # by whoever got our slot, while we gave it
                    raise CancelledError() from error
                passing = self._passes(error)
                wait = self._wait(error) if passing is None else 0.0
                if wait is None:
                    raise
                _log.debug("{url}: {error}; next try in {wait:.1f} s", url=error.url,
                           error=error, wait=wait)  # fmt: skip
            self._setup.limiter.tell()
            if self.cancelled and passing is not None:
                passing.addErrback(_nothing)
                passing.cancel()
            self._heed_cancel()
            if passing is not None:
                await self._stand(passing)
            elif wait:
                await deferLater(self._setup.clock, wait)

    def _pass_over(self) -> None:
        """With a mirror to ask, a host that is to be left alone can wait for the next round."""
        limiter, tries = self._setup.limiter, self._tries
        with suppress(BadUrl):  # told by whoever asks it
            while tries.has_other and limiter.shuns(parse_url(tries.url).server):
                tries.pass_over()

    def _wait(self, error: DownloadError) -> float | None:
        """Seconds until the next try; None: there is none."""
        setup = self._setup
        if isinstance(error, TooManyOpenFiles):
            setup.free_descriptors()
            if setup.limiter.shrink(self._slots):
                return CLOSING
        return self._tries.failed(error)

    async def _try(self, text: str) -> None:
        """One request, with a slot. Raises our errors and CancelledError, nothing else."""
        url = self.url if text is self.job.url else parse_url(text)
        limiter, robots = self._setup.limiter, self._setup.robots
        host = self.host if url is self.url else url.server
        if robots is not None:
            robots.check(url)
        slot = self._slot = limiter.take(host) or await self._wait_for(host)
        self._slots = limiter.total
        good = False
        try:
            if robots is not None:
                await robots.permit(url, slot)
                self._heed_cancel()
            if self._planner is not None:
                planner, self._planner = self._planner, None
                await planner.plan([(self.job, self.name)])
                self._heed_cancel()
            await self._exchange(url)
            good = True
        except CancelledError:
            raise
        except Exception as error:
            ours = translate(error)
            if isinstance(ours, InternalError):
                _log.failure("a bug met by {url}", url=redacted(text))
            good = isinstance(ours, HttpError)  # a refusal is a host that answers well
            if isinstance(ours, TryAgainLater):
                slot.failed(ours)
            raise ours from ours.__cause__
        finally:
            if self._slot is slot:
                self._slot = None
                self._give_back(slot, good)

    def _let_go(self) -> None:
        """The host has done its part: its slot is another's."""
        slot, self._slot = self._slot, None
        if slot is not None:
            slot.release(True)
            self._setup.limiter.tell()

    async def _wait_for(self, host: str) -> Slot:
        if self.since is None:
            self.since = self._setup.limiter.looks
        return await self._setup.limiter.acquire(host, self.since)

    def _give_back(self, slot: Slot, good: bool) -> None:
        """Of a cancelled job not before its file is settled."""
        settled = self.closing()
        if settled is None:
            slot.release(good)
        else:
            settled.addCallback(lambda _: slot.release(good))
            settled.addCallback(lambda _: self._setup.limiter.tell())

    async def _ask(
        self,
        method: bytes,
        url: HttpUrl,
        producer: IBodyProducer | None = None,
        more: Sequence[tuple[str, str]] = (),
    ) -> IResponse:
        """Ask, with `more` headers of our own."""
        setup = self._setup
        headers = request_headers(setup.headers, self.job, self.url, url, setup.authorizations)
        self._tries.made += 1
        self._http_status = None
        request: Deferred[IResponse] = setup.agent.request(
            method,
            str(url).encode("ascii"),
            with_headers(headers, more) if more else headers,
            producer,
        )
        response = await request
        self._http_status = response.code
        self._final_url = response.request.absoluteURI.decode("ascii", "replace")
        self._says_more = has_any(response, _MORE)
        if self._says_more or response.code in REFUSALS:
            obey(response, self._setup.limiter)
        return response

    async def _refused(self, response: IResponse) -> NoReturn:
        await drain(response, self._setup.deadlines)
        raise refused(response, time.time())

    def _result(self, status: Status, error: DownloadError | None) -> Result:
        if error is not None:
            error.attempts = self._tries.made
            error.url = error.url or redacted(self.job.url)
        return Result(
            self.job,
            status,
            self.path,
            redacted(self._final_url),
            self._http_status,
            self.moved,
            0.0 if self._began is None else self._setup.clock.seconds() - self._began,
            self._tries.made,
            self._verified,
            self._proven if status is Status.COMPLETE else None,
            error,
        )


def _nothing(_: object) -> None:
    """Nobody waits for it any more."""


def cancel_all(transfers: Iterable[Way[Any]]) -> None:
    """Stop them, those without a slot first: else each slot would go on to the next in turn,
    which would ask its server only to be cancelled."""
    for transfer in sorted(transfers, key=lambda one: one.status is Status.ACTIVE):
        transfer.cancel()
