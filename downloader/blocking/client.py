"""`fetch` and `urlopen` for a program that runs no reactor."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import replace
from inspect import signature
from types import TracebackType
from typing import Any

from twisted.internet.defer import Deferred, succeed
from twisted.web.iweb import IBodyProducer
from zope.interface import implementer

from downloader.blocking.loop import Loop, join, joined, leave
from downloader.blocking.response import Body, RawBody, Response
from downloader.blocking.waiting import POLL, Call, Patience
from downloader.client import Downloader
from downloader.errors import Closed, FirstByteTimeout, TotalTimeout
from downloader.jobs import Job, Result, Timeouts
from downloader.sansio.url import redacted

Interrupt = Callable[[], object]
HeaderPairs = Mapping[str, str] | Iterable[tuple[str, str]]


class Client:
    """A `Downloader` for threads that wait, with its `options` but `agent`.

    All methods may be called from any thread, several at a time. What they ask for happens in one
    background thread that all clients share. `close` it when it is done with, or use it in a
    `with`; the interpreter's end closes what is left.

    Each call takes `interrupt`, which it calls in its own thread at once and then every `poll`
    seconds. Whatever that raises, and KeyboardInterrupt and SystemExit, closes the connection at
    once and comes out of the call.
    """

    def __init__(self, **options: Any) -> None:
        if "agent" in options:
            raise TypeError("an agent belongs to a reactor of its own")
        signature(Downloader).bind(None, **options)
        self._options = options
        self._timeouts: Timeouts = options.get("timeouts", Timeouts())
        self._closed = False

    def __repr__(self) -> str:
        return f"<Client{' closed' if self._closed else ''}>"

    def __enter__(self) -> Client:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def fetch(
        self,
        wanted: str | Job,
        *,
        timeout: float | None = None,
        interrupt: Interrupt | None = None,
        poll: float = POLL,
        **fields: Any,
    ) -> Result:
        """Fetch one file, as `Downloader.fetch`: `wanted` is a URL, or a Job.

        `fields` are those of Job, such as `directory` and `name`. `timeout` is in seconds, for the
        whole; None leaves it to the client's own. Raises a DownloadError that says why there is no
        file, TotalTimeout among them.
        """
        job = replace(wanted, **fields) if isinstance(wanted, Job) else Job(wanted, **fields)

        def late() -> TotalTimeout:
            return TotalTimeout(f"{timeout:g} s", url=redacted(job.url))

        loop = self._join()
        call: Call[Result] = Call(lambda: self._downloader(loop).fetch(job), lambda _: None)
        return call.wait(Patience(loop, interrupt, poll), timeout, late)

    def urlopen(
        self,
        url: str,
        data: bytes | None = None,
        timeout: float | None = None,
        *,
        method: str | None = None,
        headers: HeaderPairs = (),
        ok_only: bool = True,
        interrupt: Interrupt | None = None,
        poll: float = POLL,
    ) -> Response:
        """Ask for `url`, and return its answer as a file once the head is there.

        `method` is GET, or POST with `data`. `headers` go to the origin of `url` and to no other.
        A status other than 2xx, once redirects were followed, is raised as HttpError, NotFound,
        ServerBusy or BadResponse; with `ok_only` off it is returned. `timeout` is in seconds: for
        all until the head is there (FirstByteTimeout), then for each wait for more of the body
        (StallTimeout). None leaves it to the client's Timeouts. Reads call `interrupt` too.
        """
        body = None if data is None else BytesProducer(data)
        pairs = list(headers.items() if isinstance(headers, Mapping) else headers)
        loop = self._join()
        patience = Patience(loop, interrupt, poll)
        seconds = self._timeouts.stall if timeout is None else timeout

        async def ask() -> Response:
            downloader = self._downloader(loop)
            response = await downloader.request(
                method or ("GET" if body is None else "POST"), url, pairs, body, ok_only=ok_only
            )
            pieces = Body(downloader.explain, redacted(url))
            response.deliverBody(pieces)
            return Response(response, RawBody(pieces, patience, seconds))

        def late() -> FirstByteTimeout:
            return FirstByteTimeout(f"{timeout:g} s", url=redacted(url))

        call = Call(lambda: Deferred.fromCoroutine(ask()), Response.close)
        return call.wait(patience, timeout, late)

    def close(self) -> None:
        """Abort what runs, whose callers get Closed, and end the thread if nobody else needs it.

        Returns when every socket and file is closed. Calling it again is harmless.
        """
        self._closed = True
        loop = joined(self)
        if loop is not None:
            call: Call[None] = Call(lambda: self._close_in(loop), lambda _: None)
            with suppress(Closed):  # another thread closes it too, and was faster
                call.wait(Patience(loop, None, POLL), None, Closed)
            leave(self, loop)

    def _join(self) -> Loop:
        loop = join(self)
        if self._closed:  # looked at only now, since it may be closed in another thread meanwhile
            leave(self, loop)
            raise Closed()
        return loop

    # --- in the reactor's thread --------------------------------------------------------------

    def _downloader(self, loop: Loop) -> Downloader:
        """Ours there, made when it is first needed."""
        if self._closed:
            raise Closed()
        if self not in loop.owned:
            loop.owned[self] = Downloader(loop.reactor, **self._options)
        downloader: Downloader = loop.owned[self]
        return downloader

    def _close_in(self, loop: Loop) -> Deferred[None]:
        downloader = loop.owned.pop(self, None)
        return succeed(None) if downloader is None else downloader.close()


@implementer(IBodyProducer)
class BytesProducer:
    """A request's body that is there already."""

    def __init__(self, data: bytes) -> None:
        self._data = memoryview(data).tobytes()  # also of a bytearray, which may change
        self.length = len(self._data)

    def startProducing(self, consumer: Any) -> Deferred[None]:
        consumer.write(self._data)
        return succeed(None)

    def pauseProducing(self) -> None:
        """It has produced all at once."""

    resumeProducing = stopProducing = pauseProducing
