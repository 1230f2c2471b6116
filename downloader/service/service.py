"""The service: a queue behind a door, from start to stop."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from ipaddress import ip_address
from typing import Any, NamedTuple, NoReturn

from twisted.application.service import Service
from twisted.internet.address import UNIXAddress
from twisted.internet.defer import Deferred, maybeDeferred
from twisted.internet.interfaces import IListeningPort, IStreamServerEndpoint
from twisted.logger import Logger
from twisted.python.failure import Failure

from downloader.client import Downloader
from downloader.errors import StoreBusy, StoreError
from downloader.jobs import Limits, Status
from downloader.queue import Entry, Queue
from downloader.service.answers import Answer
from downloader.service.api import Api
from downloader.service.desk import Desk
from downloader.service.door import Door
from downloader.service.events import Events
from downloader.service.metrics import Metrics
from downloader.service.routes import Asked, Route, Routes
from downloader.service.site import DoorSite
from downloader.service.state import token_in
from downloader.service.static import page_routes
from downloader.store import QueueStore, is_busy


class Listener(NamedTuple):
    """Where to listen; `secure` says that others than this machine may come there."""

    endpoint: IStreamServerEndpoint
    secure: bool


class DownloadService(Service):
    """Keeps its queue in the directory `state`, writes below `roots`, and listens at `listeners`.

    `make_downloader()` gives each start a downloader of its own, with these `limits`. `stop()` ends
    the process. `ready` says whether the queue is here.
    """

    log = Logger()

    def __init__(
        self,
        reactor: Any,
        state: str,
        roots: Sequence[str],
        listeners: Sequence[Listener],
        limits: Limits,
        make_downloader: Callable[[], Downloader],
        stop: Callable[[], object],
    ) -> None:
        self.door = Door(reactor)
        self._reactor = reactor
        self._state = state
        self._desk = Desk(roots)
        self._listeners = listeners
        self._limits = limits
        self._make_downloader = make_downloader
        self._stop = stop
        self._ports: list[IListeningPort] = []
        self.ready = False
        self._listening = False
        self._site = DoorSite(reactor, self.door)
        self._events: Events | None = None
        self.queue: Queue | None = None

    def __repr__(self) -> str:
        return f"<DownloadService {self.queue or 'idle'}>"

    @property
    def addresses(self) -> list[Any]:
        """Where it listens."""
        return [port.getHost() for port in self._ports]

    def privilegedStartService(self) -> None:
        """Listen, while that may still be at any port. SystemExit says why that cannot be."""
        super().privilegedStartService()  # type: ignore[no-untyped-call]
        if is_busy(self._state):
            self._refuse(StoreBusy(self._state))
        self._listen()

    def startService(self) -> None:
        """Open the state, which nobody else may have meanwhile, and begin. SystemExit says why that
        cannot be."""
        super().startService()  # type: ignore[no-untyped-call]
        try:
            store = QueueStore(self._reactor, self._state)
            self.door.token = token_in(self._state)
        except StoreError as error:
            self._refuse(error)
        if not self._listening:
            self._listen()
        downloader = self._make_downloader()
        self.queue = Queue(self._reactor, store, downloader, self._limits, time.time)
        self.queue.watch(self._tell)
        starting = Deferred.fromCoroutine(self._start(self.queue))
        starting.addErrback(self._not_started)

    def stopService(self) -> Deferred[None]:
        """Stop every job, which goes on with the next start.

        **Fires with** None when every socket and file is closed. **Fails** never. **Cancelling** it
        stops the waiting only.
        """
        super().stopService()  # type: ignore[no-untyped-call]
        return Deferred.fromCoroutine(self._end())

    async def _start(self, queue: Queue) -> None:
        await queue.start()
        self._events = events = Events(queue)
        api = Api(queue, self._desk, self._end_soon)
        more = [
            Route("/events", {"GET": events.read}),
            Route("/metrics", {"GET": Metrics(queue).answer}),
            Route("/healthz", {"GET": _healthy}, is_open=True),
        ]
        self.door.routes = Routes([*page_routes(), *api.routes(), *more])
        self.ready = True
        self.log.info("ready: {queue}", queue=queue)

    def _listen(self) -> None:
        """Until the queue is here, requests are answered that there is nothing."""
        self._listening = True
        for listener in self._listeners:
            failed: list[Failure] = []
            listening: Any = listener.endpoint.listen(self._site)
            listening.addCallback(self._listens, listener)
            listening.addErrback(failed.append)
            if failed:  # it is known at once, for all that Twisted has
                self._refuse(failed[0].value)

    def _listens(self, port: IListeningPort, listener: Listener) -> None:
        self._ports.append(port)
        address = port.getHost()
        if not (listener.secure or is_local(address)):
            raise OSError(f"{address} can be reached by others, without TLS; see --insecure-listen")
        self.log.info("listening at {address}", address=address)

    def _refuse(self, error: BaseException | None) -> NoReturn:
        self.log.error("cannot start: {error}", error=error)
        raise SystemExit(f"downloader cannot start: {error}") from error

    def _not_started(self, failure: Failure) -> None:
        self.log.failure("cannot start", failure)
        self._stop()

    async def _end(self) -> None:
        self.ready = self._listening = False
        self.door.routes = Routes([])
        ports, self._ports = self._ports, []
        for port in ports:
            await maybeDeferred(port.stopListening)
        if self._events is not None:
            self._events.close()
        if self.queue is not None:
            await self.queue.close()
        self._site.close()

    def _end_soon(self) -> None:
        """Once what is being answered is out."""
        self._reactor.callLater(0.2, self._stop)

    def _tell(self, entry: Entry, before: Status) -> None:
        if entry.status is Status.ERROR and entry.told is not None:
            self.log.warn("{gid} failed: {message}", gid=entry.gid, message=entry.told.message)
        elif entry.status is Status.COMPLETE:
            self.log.info("{gid} is complete: {path}", gid=entry.gid, path=entry.path)


def is_local(address: Any) -> bool:
    """Whether nobody but this machine can come to `address`."""
    if isinstance(address, UNIXAddress):
        return True
    try:
        return ip_address(address.host).is_loopback
    except (AttributeError, ValueError):
        return False


async def _healthy(asked: Asked) -> Answer:
    return Answer(200, b"ok\n", "text/plain")
