"""The object a program holds: it joins the agent below and the transfers above."""

from __future__ import annotations

from collections.abc import AsyncIterable, Callable, Iterable, Sequence
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

from twisted.internet.defer import Deferred, fail, succeed
from twisted.internet.interfaces import IHostnameResolver
from twisted.python.failure import Failure
from twisted.web.iweb import IAgent, IBodyProducer, IResponse

from downloader._version import __version__
from downloader.certificates import ClientCertificate
from downloader.deadlines import Deadlines
from downloader.errors import Closed, DownloadError
from downloader.http1.agent import Agent
from downloader.http1.redirect import RedirectAgent
from downloader.http1.tls import TlsOptions
from downloader.identity import Identity
from downloader.jobs import (
    Durability,
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
from downloader.parts import agent_of, backoff, excuse, identified, log_warning, robots_of
from downloader.sansio.checksumfile import Checksums
from downloader.sansio.governor import Governor
from downloader.sansio.network import Network
from downloader.sansio.product import user_agent
from downloader.transfer.ask import ask
from downloader.transfer.disks import Disks
from downloader.transfer.door import translate
from downloader.transfer.earlier import Earlier
from downloader.transfer.fetch import Transfer
from downloader.transfer.folder import Folders
from downloader.transfer.foreign import ForeignAgent
from downloader.transfer.limiter import Limiter
from downloader.transfer.put import Put
from downloader.transfer.recorder import Recorder
from downloader.transfer.request import authorizations, run_headers
from downloader.transfer.run import Jobs, PutJobs, Run
from downloader.transfer.setup import Setup
from downloader.transfer.space import Space, device_of, looking
from downloader.transfer.taken import TakenNames
from downloader.transfer.throttle import Throttle
from downloader.transfer.way import JobT, Way, cancel_all

if TYPE_CHECKING:
    from downloader.http1.treqclient import HTTPClient


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
    cancelling and secrets rests on. A job without a checksum has that of its path, unnumbered, in
    `checksums`, if they are given, or fails with NoChecksum; `content_disposition` excludes them.
    `durability` says what a loss of power may take; `disks`, which takes its place, does what is
    done to files. `contact`, an http URL or a mail address, is told to every server.
    `respect_robots` fetches only what the sites' robots.txt allow, and as slowly as they say: each
    file over one connection then.

    `limiter.resize` and `throttle.set` give other limits at any time. `warned(sentence)` is called
    with what a user should know that is no job's end; it may be replaced, and logs it at first.

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
        checksums: Checksums | None = None,
        headers: Sequence[tuple[str, str]] = (),
        verify_tls: bool = True,
        trust_root: Any = None,
        network: Network = Network(),  # noqa: B008
        client_certificate: ClientCertificate | None = None,
        identity: Identity | None = None,
        resolver: IHostnameResolver | None = None,
        agent: IAgent | None = None,
        durability: Durability = Durability.BATCH,
        disks: Disks | None = None,
        contact: str | None = None,
        respect_robots: bool = False,
    ) -> None:
        self._reactor = reactor
        self._disks = disks or Disks(reactor, durability=durability)
        deadlines = Deadlines(reactor)
        self._own_agent: Agent | None = None
        self._hop_agent: IAgent | None = None
        self._http_agent: IAgent
        if agent is not None:
            self.agent = agent
            self._http_agent = ForeignAgent(agent, reactor, timeouts.connect + timeouts.first_byte)
            asked = identified(self._http_agent, identity, deadlines)
        else:
            tls = TlsOptions(verify_tls, trust_root, client_certificate)
            self._own_agent = agent_of(reactor, limits, timeouts, tls, network, resolver, deadlines)
            self._hop_agent = identified(self._own_agent, identity, deadlines)
            self.agent = asked = self._http_agent = RedirectAgent(self._hop_agent, deadlines)
        wait = backoff(retries)
        governor = Governor(limits, retries, wait, reactor.seconds(), careful=respect_robots)
        self.limiter = Limiter(reactor, governor)
        speeds = (limits.bytes_per_second, limits.bytes_per_second_per_file)
        self.throttle = Throttle(reactor, deadlines, *speeds)
        self._setup = Setup(
            clock=reactor,
            agent=asked,
            limiter=self.limiter,
            deadlines=deadlines,
            folders=Folders(self._disks),
            timeouts=timeouts,
            retries=retries,
            backoff=wait,
            naming=naming,
            on_conflict=on_conflict,
            content_disposition=content_disposition,
            headers=run_headers(user_agent(__version__, contact), headers),
            authorizations=authorizations(identity),
            throttle=self.throttle,
            checksums=checksums,
            splitting=splitting,
            free_descriptors=self._free_descriptors,
        )
        self._put_setup = self._setup
        if respect_robots:
            self._setup = replace(self._setup, robots=robots_of(self._setup, self._hop_agent))
        self.checksums = checksums
        self.earlier = Earlier(self._setup)
        self._was_short = False
        self.warned: Callable[[str], None] = log_warning
        look = looking(self._disks)
        warn = lambda said: self.warned(said)  # noqa: E731  it may be another by then
        self.space = Space(reactor, look, device_of, warn, self._disks.look_every)
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
        """A treq.client.HTTPClient on `agent`, with its pool and promise: cancelling what it, or
        a response, returns aborts the transport. The head of an answer has `timeouts`, too."""
        if self._http is None:
            from downloader.http1.treqclient import HTTPClient  # late: treq is not always needed

            self._http = HTTPClient(self._http_agent, self._hop_agent)
        return self._http

    def fetch(
        self, job: Job, recorder: Recorder | None = None, names: TakenNames | None = None
    ) -> Deferred[Result]:
        """Fetch one file. With a `recorder`, which is told which file it will be, before, it waits
        for space on a full disk. Of `names` it takes its name, and gives it back at the end.

        **Fires with** its Result when the file has its final name, or was there and is not
        wanted again (`on_conflict` SKIP). **Fails with** a DownloadError that says why.
        **Cancelling** it aborts its transport in whatever phase it is (see `Agent.request` where
        it shares one) and keeps the part file; it fails with CancelledError.
        """
        space = None if recorder is None else self.space
        make = partial(self._transfer, job, names or self._names, recorder, space)
        return self._start(make, recorder)

    def quiet(self) -> Deferred[None]:
        """**Fires with** None once the connections are closed that carry what was cancelled by now;
        at once with an agent not of ours. **Fails** never. **Cancelling** stops the waiting."""
        return succeed(None) if self._own_agent is None else self._own_agent.quiet()

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
        self,
        jobs: Jobs,
        on_result: Callable[[Result], None] | None = None,
        recorder: Recorder | None = None,
        names: TakenNames | None = None,
    ) -> Deferred[Report]:
        """Fetch every job of `jobs`, an iterable or asynchronous iterable, read as there is room.

        A None in `jobs` stands for no job: "nothing yet, give others a turn and ask again". An
        asynchronous iterable may give lists of jobs, too.
        `on_result(result)` is called for each job as it ends, failed ones too. `recorder` is told
        which files there will be, before. `names` are those that are given away already.

        A job that meets a full disk does not fail: it goes on when there is space, and no further
        one is started for that disk meanwhile.

        **Fires with** the Report; a job that fails does not fail the whole. **Fails with** what
        `jobs` or `on_result` raised, after cancelling the rest. **Cancelling** it cancels every
        job and reads no further; it fails with CancelledError.
        """
        taken = names or TakenNames()
        make = partial(self._transfer, names=taken, recorder=recorder, space=self.space)
        done = self._run(make, jobs, on_result, recorder)
        return done.addBoth(_closing, taken)

    @staticmethod
    def names() -> TakenNames:
        """Names for a `fetch_all` of which some are given away before it begins."""
        return TakenNames()

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

    @property
    def found(self) -> int:
        """How many bytes of files that were gone on with had come before, in earlier runs."""
        return self._setup.found.bytes

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
                excuse(run.done)
            cancel_all(self._transfers)
            self._setup.folders.close()
            self._names.close()
            self._forget_trigger()
        return Deferred.fromCoroutine(self._settle())

    async def _settle(self) -> None:
        closing = succeed(None) if self._own_agent is None else self._own_agent.close()
        await self._disks.settled()
        await closing

    def _start(self, make: Callable[[], Way[Any]], recorder: Any = None) -> Deferred[Result]:
        if self._closed:
            return fail(Closed())
        try:
            way = make()
        except DownloadError:
            return fail(Failure())
        done: Deferred[Result] = Deferred(lambda _: way.cancel())
        self._transfers[way] = None
        way.start(recorder).addBoth(self._ended, way, done)
        return done

    def _run(
        self,
        make: Callable[[JobT], Way[JobT]],
        jobs: Iterable[JobT | None] | AsyncIterable[JobT | list[JobT] | None],
        on_result: Callable[[Result], None] | None,
        recorder: Recorder | None = None,
    ) -> Deferred[Report]:
        if self._closed:
            return fail(Closed())
        try:
            run = Run(self._reactor, self.limiter, make, self._transfers, jobs, on_result, recorder)
        except Exception:
            return fail(Failure())
        self._runs[run] = None

        def over(result: Any) -> Any:
            del self._runs[run]
            return result

        run.pump()
        return run.done.addBoth(over)

    def _transfer(
        self,
        job: Job,
        names: TakenNames,
        recorder: Recorder | None = None,
        space: Space | None = None,
    ) -> Transfer:
        self.earlier.meet(job.url)
        return Transfer(job, self._setup.on(job.terms), names, recorder, space)

    def _put(self, job: PutJob) -> Put:
        self.earlier.meet(job.url)
        return Put(job, self._put_setup)

    def _free_descriptors(self) -> None:
        if self._own_agent is not None:
            self._own_agent.close_idle()
        if not self._was_short:
            self._was_short = True
            self.warned("too many files and connections are open; fewer jobs run from now on")

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
                excuse(done)
        elif result.status is Status.ERROR and result.error is not None:
            done.errback(Failure(result.error))
        else:
            done.callback(result)


def _closing(result: Any, names: TakenNames) -> Any:
    names.close()
    return result
