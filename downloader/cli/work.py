"""From the options of `fetch` or `put` to a list run that is shown while it goes on.

They and the demo all use this, so the demo shows the real thing.
"""

from __future__ import annotations

import os
import stat
import sys
from collections.abc import Callable, Iterator, Sequence
from tempfile import TemporaryFile
from typing import Any

import click
from twisted.internet.defer import Deferred

from downloader._version import __version__
from downloader.checksums import Checksums
from downloader.cli.checksums import opened_checksums
from downloader.cli.identity import authorities, identity_of
from downloader.cli.messages import Display
from downloader.cli.splitting import splitting_of
from downloader.client import Downloader
from downloader.errors import ListError, StoreError
from downloader.events import EventLog
from downloader.jobs import (
    AnyJob,
    Durability,
    Limits,
    Naming,
    OnConflict,
    PutJob,
    Report,
    Retries,
    Timeouts,
)
from downloader.listrun.forms import FetchForm, Form, PutForm
from downloader.listrun.kept import Kept
from downloader.listrun.outputs import PRIVATE, OutputFile
from downloader.listrun.report import FailedFile, ReportFile
from downloader.listrun.run import ListRun
from downloader.listrun.source import GivenJobs, Source, open_list
from downloader.listrun.words import reason_text
from downloader.sansio.names import STATE
from downloader.sansio.printable import printable
from downloader.store import JobStore

_INSECURE = "WARNING: certificates are not checked; whoever is on the way can change what comes"
_OUTPUTS = ", --report and --failed"
_STOPPED = "stopped; what has come of unfinished files is kept in .part files"


class Work:
    """One run, its display and its output files: begun together, ended together.

    `troubled` tells whether the report or the list of failures could not be written.
    """

    def __init__(self, display: Display, uploads: bool = False) -> None:
        self.troubled = False
        self._uploads = uploads
        self.events: EventLog | None = None
        self.run: ListRun
        self._display = display

    def start(self) -> Deferred[Report]:
        """Fetch or send everything, and show it.

        **Fires with** the counts, also after `stop`. **Fails with** an error that is a bug.
        **Cancelling** is `stop`.
        """
        return Deferred.fromCoroutine(self._start())

    def stop(self) -> None:
        """Cancel what is running; the Deferred of `start` fires when all is settled."""
        self.run.stop()

    def trouble(self, sentence: str) -> None:
        """Tell, and remember, that something could not be written."""
        self.troubled = True
        self._display.say(sentence)

    @property
    def list_error(self) -> str | None:
        """Why the list could not be read to its end."""
        error = self.run.source.error
        return None if error is None else f"the list could not be read to its end: {error}"

    def last_words(self) -> Iterator[str]:
        """What failed, by its reason, and the summary; no failure is told a second time."""
        yield from self.run.failures.lines(with_examples=not self._display.told_failures)
        if self.run.interrupted:
            yield "stopped" if self._uploads else _STOPPED
        yield self.run.summary

    async def _start(self) -> Report:
        self._display.start(self.run)
        try:
            return await self.run.start()
        finally:
            self._display.stop()
            if self.events is not None:
                await self.events.close()


def open_work(
    reactor: Any,
    jobs: Sequence[AnyJob],
    options: dict[str, Any],
    display: Display,
    uploads: bool = False,
    report_of: Callable[[OutputFile], ReportFile] = lambda file: ReportFile(file, __version__),
) -> Work:
    """Open all that a run needs; what cannot be opened is a usage error, in one sentence.
    `report_of(file)` makes what writes the report there."""
    work = Work(display, uploads)
    headers = options["headers"]
    form = PutForm(headers) if uploads else FetchForm(options["directory"], headers)
    metalinks = options.get("metalinks") or ()
    if metalinks:
        from downloader.cli.metalinks import open_metalinks  # late: few runs have any

        source = open_metalinks(metalinks, options, lambda job: work.run.downloader.fetch(job))
    else:
        source = _open_source(reactor, jobs, options["input_file"], form)
    if not uploads:
        _prepare_directory(options["directory"])
    outputs = (options["report"], options["failed"])
    check_apart(f"-i{_OUTPUTS}", options["input_file"], *outputs)
    check_apart(f"--checksum-file{_OUTPUTS}", options.get("checksum_file"), *outputs)
    for name in metalinks:
        check_apart(f"-M{_OUTPUTS}", name, *outputs)
    for job in jobs:
        if isinstance(job, PutJob):
            check_apart(f"FILE{_OUTPUTS}", os.path.abspath(job.file), *outputs)
    sums = options.get("checksum_file")
    checksums = None if sums is None else opened_checksums(sums, display.say)
    downloader = make_downloader(reactor, options, checksums)
    report = open_output(options["report"], work.trouble)
    failed = open_output(options["failed"], work.trouble, PRIVATE)
    work.events = _event_log(reactor, options)
    if options["insecure"]:
        display.say(_INSECURE)
    work.run = ListRun(
        reactor,
        downloader,
        source,
        display,
        report_of(report) if report else None,
        FailedFile(failed, headers) if failed else None,
        uploads,
        _keeper(reactor, options, downloader, display),
        None if work.events is None else work.events.result,
    )
    return work


def _event_log(reactor: Any, options: dict[str, Any]) -> EventLog | None:
    """What --log-url asks for, over connections that no file waits for."""
    if options.get("log_url") is None:
        return None
    asking = Downloader(
        reactor,
        verify_tls=not options["insecure"],
        trust_root=authorities(options["ca_certificate"]),
        network=options["network"],
    )
    return EventLog(reactor, asking, options["log_url"])


def _keeper(
    reactor: Any, options: dict[str, Any], downloader: Downloader, display: Display
) -> Callable[[ListRun], Kept] | None:
    """What keeps a list's run in its directory; None where nothing is to be kept."""
    if options["input_file"] is None or not options.get("state"):
        return None
    try:
        durable = options["durability"] != Durability.NONE.value
        store = JobStore(reactor, os.path.join(options["directory"], STATE), durable)
    except StoreError as error:
        raise click.UsageError(f"{error}; --no-state does without") from error
    return lambda run: Kept(
        store,
        downloader,
        run.skipped,
        display.warned,
        only_failed=options["retry_failed"],
        again=options["on_conflict"] == OnConflict.OVERWRITE.value,
        plans=not options["content_disposition"],
        if_changed=options["if_changed"],
    )


def make_downloader(
    reactor: Any, options: dict[str, Any], checksums: Checksums | None = None
) -> Downloader:
    """The downloader that the options describe."""
    agent = options["user_agent"]
    return Downloader(
        reactor,
        limits=Limits(
            options["jobs"],
            options["per_host"],
            options["connections_per_host"],
            options["pipeline"],
            options.get("limit_rate"),
            options.get("limit_rate_per_file"),
            options["rate"],
            options["per_host_delay"] or None,
            pipeline_uploads=True,  # `put` has to be asked for any
        ),
        timeouts=Timeouts(
            connect=options["connect_timeout"],
            first_byte=options["first_byte_timeout"],
            stall=options["stall_timeout"],
            lowest_speed=options["lowest_speed_limit"],
            total=options["max_time"],
        ),
        retries=Retries(tries=options["max_tries"], wait=options["retry_wait"]),
        **_placing_of(options),
        checksums=checksums,
        headers=[] if agent is None else [("User-Agent", agent)],
        verify_tls=not options["insecure"],
        network=options["network"],
        contact=options["contact"],
        respect_robots=options.get("respect_robots", False),
        **identity_of(options),
    )


def _placing_of(options: dict[str, Any]) -> dict[str, Any]:
    """How files come and where they go, as arguments of `Downloader`; what is sent has no such
    options."""
    if "names" not in options:
        return {}
    return {
        "naming": Naming(options["names"]),
        "on_conflict": OnConflict(options["on_conflict"]),
        "content_disposition": options["content_disposition"],
        "durability": Durability(options["durability"]),
        "splitting": splitting_of(options),
    }


def _open_source(reactor: Any, jobs: Sequence[AnyJob], name: str | None, form: Form) -> Source:
    if name is None:
        return GivenJobs(jobs)
    if name == "-" and sys.stdin is None:
        raise click.UsageError("cannot read the list from standard input: it is closed")
    try:
        return open_list(reactor, name, form)
    except ListError as error:
        shown = "from standard input" if name == "-" else printable(name)
        raise click.UsageError(f"cannot read the list {shown}: {error}") from error


def _prepare_directory(path: str) -> None:
    try:
        os.makedirs(path, exist_ok=True)
    except OSError as error:
        raise click.UsageError(f"cannot make {printable(path)}: {reason_text(error)}") from error
    try:  # permissions do not tell of read-only or full file systems
        with TemporaryFile(dir=path):
            pass
    except OSError as error:
        what = f"cannot write to the directory {printable(path)}: {reason_text(error)}"
        raise click.UsageError(what) from error


def check_apart(options: str, read: str | None, *outputs: str | None) -> None:
    """None may be written into what is read, nor into the other, whatever their names are. These
    `options`, in words, name them."""
    names = ["/dev/stdin" if read == "-" else read]
    names += ["/dev/stdout" if output == "-" else output for output in outputs]
    files = [_identity(name) for name in names if name is not None]
    if len(set(files)) < len(files):
        raise click.UsageError(f"{options} have to name different files")


def _identity(name: str) -> object:
    """What is the same for each name of a file; a terminal or /dev/null may be used twice."""
    try:
        found = os.stat(name)
    except OSError:  # there is none yet
        return os.path.realpath(name)
    has_content = stat.S_ISREG(found.st_mode) or stat.S_ISFIFO(found.st_mode)
    return (found.st_dev, found.st_ino) if has_content else object()


def open_output(
    path: str | None, trouble: Callable[[str], None], mode: int = 0o666
) -> OutputFile | None:
    """The output `path`, if there is one; `trouble` hears why it cannot be written later."""
    if path is None:
        return None
    if path == "-" and sys.stdout is None:
        raise click.UsageError("cannot write to standard output: it is closed")
    try:
        return OutputFile(path, trouble, mode)
    except OSError as error:
        what = f"cannot write to {printable(path)}: {reason_text(error)}"
        raise click.UsageError(what) from error
