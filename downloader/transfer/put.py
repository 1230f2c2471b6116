"""One job the other way: from a file to a server that says it has it."""

from __future__ import annotations

from typing import Any

from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.protocol import Protocol, connectionDone
from twisted.python.failure import Failure
from twisted.web.client import ResponseDone
from twisted.web.http import PotentialDataLoss
from twisted.web.iweb import IResponse

from downloader.deadlines import Deadline, Deadlines
from downloader.drain import abort_body, drain
from downloader.errors import ConnectionLost, DownloadError, HttpError, TruncatedBody, UploadCut
from downloader.jobs import PutJob
from downloader.sansio.url import HttpUrl
from downloader.transfer.content import FileContent
from downloader.transfer.door import translate
from downloader.transfer.setup import Setup
from downloader.transfer.way import Way

# RFC 9110 §9.3.4, and 202 for one that stores it later.
_TAKEN = frozenset((200, 201, 202, 204))


class Put(Way[PutJob]):
    """A file on its way to a server. It is opened for each try, and is to stay as it is meanwhile.

    It is complete when the server says so and all of the file is sent, whichever comes first.
    """

    __slots__ = ("_content",)

    def __init__(self, job: PutJob, setup: Setup) -> None:
        super().__init__(job, setup)
        self._content: FileContent | None = None

    @property
    def name(self) -> str:
        return self.job.file

    @property
    def path(self) -> str:
        return self.job.file

    @property
    def moved(self) -> int:
        return self._content.sent if self._content else 0

    async def _exchange(self, url: HttpUrl) -> None:
        setup = self._setup
        content = self._content = FileContent(self.job.file, setup.deadlines, setup.timeouts)
        self._length = content.length
        try:
            response = await self._ask(b"PUT", url, content)
            if response.code in _TAKEN and response.request.method == b"PUT":
                await self._confirm(response, content)
            elif response.code < 400:
                await self._led_astray(response)
            else:
                await self._refused(response)
        finally:
            content.close()

    async def _confirm(self, response: IResponse, content: FileContent) -> None:
        """See that all is sent. What the server says meanwhile is read, or each might wait for the
        other."""
        answer = _Answer(self._setup.deadlines, self._setup.timeouts.stall)
        response.deliverBody(answer)
        if content.finished or content.stopped:
            answer.hurry()
        else:
            content.on_finished = answer.hurry
        await answer.over
        if not content.finished:
            raise _cut(answer.reason, f"{content.sent} of {content.length} bytes", response.code)

    async def _led_astray(self, response: IResponse) -> None:
        """A redirect that was not followed, or one from PUT to GET, which is no yes to a PUT."""
        await drain(response, self._setup.deadlines)
        previous = response.previousResponse
        elsewhere = previous is not None and response.request.method != b"PUT"
        code = previous.code if elsewhere else response.code
        raise HttpError(f"HTTP status {code}", http_status=code)


class _Answer(Protocol):
    """Reads an answer's body for nobody. `over` fires when it has ended, for `reason`."""

    transport: Any

    def __init__(self, deadlines: Deadlines, seconds: float) -> None:
        self.over: Deferred[None] = Deferred(self._cancelled)
        self.reason: Failure = connectionDone
        self._deadlines = deadlines
        self._seconds = seconds
        self._deadline: Deadline | None = None

    def hurry(self) -> None:
        """The file is sent: the rest is waited for no longer than a body that stalls."""
        if not self.over.called:
            self._deadline = self._deadlines.set(self._seconds, self._late)

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        self.reason = reason
        if self._deadline is not None:
            self._deadline.cancel()
        if not self.over.called:
            self.over.callback(None)

    def _cancelled(self, over: Deferred[None]) -> None:
        over.errback(CancelledError())  # first: the end of the body is no success then
        abort_body(self.transport)

    def _late(self) -> None:
        abort_body(self.transport)
        self.connectionLost()


def _cut(reason: Failure, sent: str, code: int) -> DownloadError:
    """Why a server that said yes did not get the whole file."""
    if reason.value is not None and not reason.check(
        ResponseDone, PotentialDataLoss, CancelledError
    ):
        error = translate(reason.value)
        if not isinstance(error, (ConnectionLost, TruncatedBody, UploadCut)):
            return error
    return UploadCut(f"{sent}, and HTTP status {code}", http_status=code)
