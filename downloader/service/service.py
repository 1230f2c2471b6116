"""The service: a queue behind a door, from start to stop."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Sequence
from ipaddress import ip_address
from typing import Any, NamedTuple, NoReturn

from twisted.application.service import MultiService
from twisted.internet.address import UNIXAddress
from twisted.internet.defer import Deferred, maybeDeferred, succeed
from twisted.internet.interfaces import IDelayedCall, IListeningPort, IStreamServerEndpoint
from twisted.logger import Logger
from twisted.python.failure import Failure

from downloader.client import Downloader
from downloader.errors import StoreBusy, StoreError
from downloader.events import EventLog
from downloader.jobs import Limits, Status
from downloader.queue import OVER, Entry, Queue
from downloader.queue.apart import apart
from downloader.service.answers import Answer
from downloader.service.api import Api
from downloader.service.desk import Desk
from downloader.service.door import Door
from downloader.service.events import Events
from downloader.service.logs import Logs
from downloader.service.metrics import Metrics
from downloader.service.notify import READY, STOPPING
from downloader.service.routes import Asked, Route, Routes
from downloader.service.rpc.jsonrpc import TYPES, JsonRpc
from downloader.service.rpc.methods import Methods
from downloader.service.rpc.socket import Sockets
from downloader.service.site import DoorSite
from downloader.service.state import token_in
from downloader.service.static import page_routes
from downloader.store import QueueStore, is_busy


class Listener(NamedTuple):
    """Where to listen; `secure` says that others than this machine may come there."""

    endpoint: IStreamServerEndpoint
    secure: bool


class DownloadService(MultiService):
    """Keeps its queue in the directory `state`, writes below `roots`, and listens at `listeners`.

    `make_downloader()` gives each start a downloader of its own, with these `limits`, and
    `make_event_log`, if it is given, what jobs' ends are told to. `stop()` ends the process. What
    others log goes to `log_file`, or to `log` in `state`. `tell(state)` tells who watches over the
    process how it stands, as sd_notify does. `ready` says whether the queue is here.
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
        make_event_log: Callable[[], EventLog] | None = None,
        log_file: str | None = None,
        tell: Callable[[str], object] = lambda state: None,
    ) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.door = Door(reactor)
        self._reactor = reactor
        self._state = state
        self._desk = Desk(roots)
        self._listeners = listeners
        self._limits = limits
        self._make_downloader = make_downloader
        self._stop = stop
        self._make_event_log = make_event_log
        self._told = tell
        self._event_log: EventLog | None = None
        self._log_file = log_file or os.path.join(state, "log")
        self._logs: Logs | None = None
        self._ports: list[IListeningPort] = []
        self.ready = False
        self._listening = False
        self._site = DoorSite(reactor, self.door)
        self._events: Events | None = None
        self.sockets: Sockets | None = None
        self._stopping: IDelayedCall | None = None
        self.queue: Queue | None = None

    def __repr__(self) -> str:
        return f"<DownloadService {self.queue or 'idle'}>"

    @property
    def queue_if_ready(self) -> Queue | None:
        """The queue, while jobs can be added to it."""
        return self.queue if self.ready else None

    @property
    def limits(self) -> Limits:
        """Those that hold, or held when it was stopped; whoever changes them tells the queue."""
        return self._limits if self.queue is None else self.queue.limits

    def limit(self, limits: Limits) -> None:
        """Let others hold, from now on and for later starts."""
        if self.queue is None:
            self._limits = limits
        else:
            self.queue.limit(limits)

    def reopen(self) -> None:
        """Open log files anew, which may have been given other names."""
        if self._logs is not None:
            self._logs.reopen()

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
            self._logs = Logs(self._log_file)
        except StoreError as error:
            self._refuse(error)
        if not self._listening:
            self._listen()
        downloader = self._make_downloader()
        self.queue = Queue(
            *(self._reactor, store, downloader, self.limits, time.time), roots=self._desk.roots
        )
        self.queue.limit(self.queue.limits)  # the downloader knows those of the first start
        self.queue.watch(self._tell)
        if self._make_event_log is not None:
            self._event_log = self._make_event_log()
        starting = Deferred.fromCoroutine(self._start(self.queue))
        starting.addErrback(self._not_started)

    def stopService(self) -> Deferred[None]:
        """Stop every job, which goes on with the next start.

        **Fires with** None when every socket and file is closed. **Fails** never. **Cancelling** it
        stops the waiting only.
        """
        stopped = maybeDeferred(super().stopService)
        return apart(self._end(stopped))

    async def _start(self, queue: Queue) -> None:
        await queue.start()
        if not self.running or self.queue is not queue:
            return  # it was stopped meanwhile
        self._events = events = Events(queue)
        api = Api(queue, self._desk, self._end_soon)
        methods = Methods(self._reactor, queue, self._desk, self._end_soon).methods()
        rpc = JsonRpc(self._reactor, methods, self.door)
        self.sockets = sockets = Sockets(queue, rpc)
        calls = {"POST": rpc.post, "GET": sockets.get}
        more = [
            Route("/jsonrpc", calls, is_open=True, types=TYPES),
            Route("/events", {"GET": events.read}),
            Route("/metrics", {"GET": Metrics(queue).answer}),
            Route("/healthz", {"GET": _healthy}, is_open=True),
        ]
        if self._logs is not None:
            more.append(self._logs.route())
        self.door.routes = Routes([*page_routes(), *api.routes(), *more])
        self.ready = True
        self.log.info("ready: {queue}", queue=queue)
        self._told(READY)

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

    async def _end(self, stopped: Deferred[Any]) -> None:
        self._told(STOPPING)
        self.ready = self._listening = False
        self.door.routes = Routes([])
        if self._stopping is not None and self._stopping.active():
            self._stopping.cancel()
        self._stopping = None
        # First of all it begins nothing any more: ends of jobs would let others begin.
        closing = succeed(None) if self.queue is None else self.queue.close()
        for open_ones in (self._events, self.sockets):
            if open_ones is not None:
                open_ones.close()
        ports, self._ports = self._ports, []
        for port in ports:
            try:
                await maybeDeferred(port.stopListening)
            except OSError as error:  # the file of a socket may be gone
                self.log.warn("closing {port}: {error}", port=port, error=error)
        await stopped
        await closing
        if self._event_log is not None:
            await self._event_log.close()
        await self._site.close()
        if self._logs is not None:
            self._logs.close()

    def _end_soon(self) -> None:
        """Once what is being answered is out."""
        if self._stopping is None:
            self._stopping = self._reactor.callLater(0.2, self._stop)

    def _tell(self, entry: Entry, before: Status) -> None:
        if entry.status is Status.ERROR and entry.told is not None:
            self.log.warn("{gid} failed: {message}", gid=entry.gid, message=entry.told.message)
        elif entry.status is Status.COMPLETE:
            self.log.info("{gid} is complete: {path}", gid=entry.gid, path=entry.path)
        if self._event_log is not None and entry.is_over and before not in OVER:
            self._event_log.ended(
                *(entry.status, entry.job.url, entry.path, entry.received),
                None if entry.told is None else entry.told.message,
            )


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
