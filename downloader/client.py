"""The object a program holds: it joins the agent below and the transfers above."""

from __future__ import annotations

import time
from collections.abc import AsyncIterable, Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any

from twisted.internet.defer import Deferred, fail, succeed
from twisted.internet.interfaces import IHostnameResolver
from twisted.python.failure import Failure
from twisted.web.http_headers import Headers
from twisted.web.iweb import IAgent, IBodyProducer, IResponse

from downloader._version import __version__
from downloader.certificates import ClientCertificate
from downloader.deadlines import Deadlines
from downloader.errors import Closed, DownloadError
from downloader.fixedheaders import FixedHeaders
from downloader.http1.agent import Agent
from downloader.http1.identity import CookieAgent, DigestAgent
from downloader.http1.redirect import RedirectAgent
from downloader.http1.tls import TlsOptions
from downloader.identity import Identity
from downloader.jobs import (
    Job,
    Limits,
    Naming,
    OnConflict,
    PutJob,
    Report,
    Result,
    Retries,
    Splitting,
    Status,
    Timeouts,
)
from downloader.sansio.network import Network
from downloader.transfer.ask import ask
from downloader.transfer.disks import Disks
from downloader.transfer.door import translate
from downloader.transfer.fetch import Transfer
from downloader.transfer.folder import Folders
from downloader.transfer.foreign import ForeignAgent
from downloader.transfer.limiter import Limiter
from downloader.transfer.pace import PacedLimiter
from downloader.transfer.put import Put
from downloader.transfer.request import Authorizations, with_headers
from downloader.transfer.run import Jobs, PutJobs, Run
from downloader.transfer.taken import TakenNames
from downloader.transfer.throttle import Throttle
from downloader.transfer.way import JobT, Setup, Way, backoff, cancel_all

if TYPE_CHECKING:
    from downloader.http1.treqclient import HTTPClient

USER_AGENT = f"downloader/{__version__}"


class Downloader:
    """Fetches files: one with `fetch`, a list of any length with `fetch_all`. `upload` and
    `upload_all` send them.

    `reactor` is the program's. `headers` are sent with every request, to every origin; a job's
    own go to its origin only. `splitting` says over how many connections one file comes. `identity`
    is who we are, and to whom. `network` says which proxies and local address requests leave by;
    the environment is not asked. `verify_tls` off accepts any certificate; `client_certificate` is
    shown to any https server that asks for one. `trust_root` (Authorities or an IOpenSSLTrustRoot)
    and `resolver` (an IHostnameResolver) replace the system's. `agent` may be any IAgent, with TLS,
    resolver and redirects of its own; None makes one of ours, which is what every promise about
    cancelling and secrets rests on. `disks` does what is done to files.

    `limiter.resize` and `throttle.set` give other limits at any time.

    It closes by itself before the reactor shuts down, as `close` does.
    """

    def __init__(
        self,
        reactor: Any,
        *,
        limits: Limits = Limits(),  # noqa: B008  it is frozen
        timeouts: Timeouts = Timeouts(),  # noqa: B008
        retries: Retries = Retries(),  # noqa: B008
        splitting: Splitting = Splitting(),  # noqa: B008
        naming: Naming = Naming.FLAT,
        on_conflict: OnConflict = OnConflict.RENAME,
        content_disposition: bool = False,
        headers: Sequence[tuple[str, str]] = (),
        verify_tls: bool = True,
        trust_root: Any = None,
        network: Network = Network(),  # noqa: B008
        client_certificate: ClientCertificate | None = None,
        identity: Identity | None = None,
        resolver: IHostnameResolver | None = None,
        agent: IAgent | None = None,
        disks: Disks | None = None,
    ) -> None:
        self._reactor = reactor
        self._disks = disks or Disks(reactor)
        deadlines = Deadlines(reactor)
        self._own_agent: Agent | None = None
        self._hop_agent: IAgent | None = None
        if agent is not None:
            self.agent = agent
            foreign = ForeignAgent(agent, reactor, timeouts.connect + timeouts.first_byte)
            asked = _identified(foreign, identity, deadlines)
        else:
            tls = TlsOptions(verify_tls, trust_root, client_certificate)
            self._own_agent = _agent(reactor, limits, timeouts, tls, network, resolver, deadlines)
            self._hop_agent = _identified(self._own_agent, identity, deadlines)
            self.agent = asked = RedirectAgent(self._hop_agent, deadlines)
        self.limiter = _limiter(reactor, limits)
        self.throttle = Throttle(
            reactor, deadlines, limits.bytes_per_second, limits.bytes_per_second_per_file
        )
        self._setup = Setup(
            clock=reactor,
            agent=asked,
            limiter=self.limiter,
            deadlines=deadlines,
            folders=Folders(self._disks),
            timeouts=timeouts,
            retries=retries,
            backoff=backoff(retries),
            naming=naming,
            on_conflict=on_conflict,
            content_disposition=content_disposition,
            headers=FixedHeaders(_headers(headers)),
            authorizations=_authorizations(identity),
            throttle=self.throttle,
            splitting=splitting,
        )
        self._names = TakenNames()
        self._transfers: dict[Way[Any], None] = {}
        self._runs: dict[Run[Any], None] = {}
        self._http: HTTPClient | None = None
        self._closed = False
        self._trigger: Any = reactor.addSystemEventTrigger("before", "shutdown", self._shut_down)

    def __repr__(self) -> str:
        state = "closed" if self._closed else f"{len(self._transfers)} running"
        return f"<Downloader {state}>"

    @property
    def http(self) -> HTTPClient:
        """A treq.client.HTTPClient on `agent`: the same pool, and the same promise: cancelling
        what it returns, or what its responses return, aborts the transport."""
        if self._http is None:
            from downloader.http1.treqclient import HTTPClient  # late: treq is not always needed

            self._http = HTTPClient(self.agent, self._hop_agent)
        return self._http

    def fetch(self, job: Job) -> Deferred[Result]:
        """Fetch one file.

        **Fires with** its Result when the file has its final name, or was there and is not
        wanted again (`on_conflict` SKIP). **Fails with** a DownloadError that says why.
        **Cancelling** it aborts its transport in whatever phase it is (see `Agent.request` where
        it shares one) and keeps the part file; it fails with CancelledError.
        """
        return self._start(lambda: self._transfer(job, self._names))

    def request(
        self,
        method: str,
        url: str,
        headers: Sequence[tuple[str, str]] = (),
        body: IBodyProducer | None = None,
        *,
        ok_only: bool = True,
    ) -> Deferred[IResponse]:
        """Ask for `url` once, for no file: no slot, no retry. `headers` and `identity` are shown as
        for a job: those of its origin to no other.

        **Fires with** the IResponse of the last redirect. `explain` says what the end of its body
        means. **Fails with** a DownloadError; with `ok_only`, for a status other than 2xx too.
        **Cancelling** it aborts its transport; it fails with CancelledError.
        """
        if self._closed:
            return fail(Closed())
        return Deferred.fromCoroutine(ask(self._setup, method, url, headers, body, ok_only))

    @staticmethod
    def explain(error: BaseException) -> DownloadError:
        """Our error for what `agent` failed with, or the body of one of its responses."""
        return translate(error)

    def fetch_all(
        self, jobs: Jobs, on_result: Callable[[Result], None] | None = None
    ) -> Deferred[Report]:
        """Fetch every job of `jobs`, an iterable or asynchronous iterable, read as there is room.

        A None in `jobs` stands for no job: "nothing yet, give others a turn and ask again".
        `on_result(result)` is called for each job as it ends, failed ones too.

        **Fires with** the Report; a job that fails does not fail the whole. **Fails with** what
        `jobs` or `on_result` raised, after cancelling the rest. **Cancelling** it cancels every
        job and reads no further; it fails with CancelledError.
        """
        names = TakenNames()
        done = self._run(lambda job: self._transfer(job, names), jobs, on_result)
        return done.addBoth(_closing, names)

    def upload(self, job: PutJob) -> Deferred[Result]:
        """Send one file with PUT.

        **Fires with** its Result when the server has said that it took the file, and all of it is
        sent. **Fails with** a DownloadError that says why: also FileChanged, UnreadableFile.
        **Cancelling** it aborts its transport in whatever phase it is; it fails with
        CancelledError.
        """
        return self._start(lambda: self._put(job))

    def upload_all(
        self, jobs: PutJobs, on_result: Callable[[Result], None] | None = None
    ) -> Deferred[Report]:
        """Send every file of `jobs`, as `fetch_all` fetches.

        **Fires with**, **fails with** and **cancelling**: as `fetch_all`.
        """
        return self._run(self._put, jobs, on_result)

    def note_refused(self) -> None:
        """What a list holds is no job. If there was none before it, credentials in `identity` that
        do not say which server they are for go to nobody."""
        if self._setup.authorizations is not None:
            self._setup.authorizations.refuse()

    def active(self) -> list[Way[Any]]:
        """The jobs that run now, or wait for a slot or their next try."""
        return list(self._transfers)

    def close(self) -> Deferred[None]:
        """Cancel what runs and close every connection.

        **Fires with** None when every socket and file is closed. What hangs on a disk is waited for
        3 seconds; it ends with the process, and gives no file its name. **Fails** never.
        **Cancelling** it stops the waiting only. Calling it again is harmless.
        """
        if not self._closed:
            self._closed = True
            for run in list(self._runs):
                run.done.cancel()
                _excuse(run.done)
            cancel_all(self._transfers)
            self._setup.folders.close()
            self._names.close()
            self._forget_trigger()
        return Deferred.fromCoroutine(self._settle())

    async def _settle(self) -> None:
        closing = succeed(None) if self._own_agent is None else self._own_agent.close()
        await self._disks.settled()
        await closing

    def _start(self, make: Callable[[], Way[Any]]) -> Deferred[Result]:
        if self._closed:
            return fail(Closed())
        try:
            way = make()
        except DownloadError:
            return fail(Failure())
        done: Deferred[Result] = Deferred(lambda _: way.cancel())
        self._transfers[way] = None
        way.start().addBoth(self._ended, way, done)
        return done

    def _run(
        self,
        make: Callable[[JobT], Way[JobT]],
        jobs: Iterable[JobT | None] | AsyncIterable[JobT | None],
        on_result: Callable[[Result], None] | None,
    ) -> Deferred[Report]:
        if self._closed:
            return fail(Closed())
        try:
            run = Run(self._reactor, self.limiter, make, self._transfers, jobs, on_result)
        except Exception:
            return fail(Failure())
        self._runs[run] = None

        def over(result: Any) -> Any:
            del self._runs[run]
            return result

        run.pump()
        return run.done.addBoth(over)

    def _transfer(self, job: Job, names: TakenNames) -> Transfer:
        self._meet(job.url)
        return Transfer(job, self._setup, names)

    def _put(self, job: PutJob) -> Put:
        self._meet(job.url)
        return Put(job, self._setup)

    def _meet(self, url: str) -> None:
        if self._setup.authorizations is not None:
            self._setup.authorizations.meet_job(url)

    def _shut_down(self) -> Deferred[None]:
        self._trigger = None  # it is being called, and may not be removed any more
        return self.close()

    def _forget_trigger(self) -> None:
        trigger, self._trigger = self._trigger, None
        if trigger is not None:
            self._reactor.removeSystemEventTrigger(trigger)

    def _ended(self, result: Result | Failure, transfer: Way[Any], done: Deferred[Result]) -> None:
        del self._transfers[transfer]
        if not self._closed:
            transfer.release()
        self.limiter.tell()
        if done.called:
            return  # cancelled while it was just ending
        if isinstance(result, Failure):
            done.errback(result)
            if self._closed:
                _excuse(done)
        elif result.status is Status.ERROR and result.error is not None:
            done.errback(Failure(result.error))
        else:
            done.callback(result)


def _limiter(reactor: Any, limits: Limits) -> Limiter:
    if limits.rate is None and limits.per_host_delay is None:
        return Limiter(limits.total, limits.per_host)
    return PacedLimiter(reactor, limits.total, limits.per_host, limits.rate, limits.per_host_delay)


def _agent(
    reactor: Any,
    limits: Limits,
    timeouts: Timeouts,
    tls: TlsOptions,
    network: Network,
    resolver: IHostnameResolver | None,
    deadlines: Deadlines,
) -> Agent:
    """Our agent, as the limits and timeouts want it."""
    return Agent(
        reactor,
        connections_per_host=limits.connections_per_host,
        pipeline=limits.pipeline,
        pipeline_uploads=limits.pipeline_uploads,
        connect_timeout=timeouts.connect,
        first_byte_timeout=timeouts.first_byte,
        tls=tls,
        network=network,
        resolver=resolver,
        deadlines=deadlines,
    )


def _identified(agent: IAgent, identity: Identity | None, deadlines: Deadlines) -> IAgent:
    """`agent`, with what of `identity` is decided for each hop; itself where there is none."""
    if identity is not None and identity.cookies:
        agent = CookieAgent(agent, identity.cookies, time.time)
    if identity is not None and identity.digest:
        agent = DigestAgent(agent, deadlines)
    return agent


def _authorizations(identity: Identity | None) -> Authorizations | None:
    """None where no user or token is known, so that requests are not asked about them."""
    if identity is None or (identity.credentials is None and identity.netrc is None):
        return None
    return Authorizations(identity)


def _closing(result: Any, names: TakenNames) -> Any:
    names.close()
    return result


def _excuse(done: Deferred[Any]) -> None:
    """What `close` cancelled is no error, even where nobody waits for it: it is not to be logged.

    A program that ends in the middle has hundreds of these. Whoever does wait still hears of it.
    Twisted has no public way to say so.
    """
    debug_info = getattr(done, "_debugInfo", None)
    if debug_info is not None:
        debug_info.failResult = None


def _headers(pairs: Sequence[tuple[str, str]]) -> Headers:
    """The run's headers; a body as it lies on the server is what a file is."""
    ours = {"User-Agent": [USER_AGENT], "Accept": ["*/*"], "Accept-Encoding": ["identity"]}
    return with_headers(Headers(ours), pairs)
