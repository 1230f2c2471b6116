"""One run on a cluster: a few shards are with the engine at a time, and each is accounted for."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from secrets import token_hex
from time import monotonic
from typing import Any

from distributed import CancelledError, Client, Future, KilledWorker
from distributed.client import ClosedClientError

from downloader._version import __version__
from downloader.cluster.manifest import summary_in
from downloader.cluster.plan import Plan
from downloader.cluster.spec import DEADLINE, MANIFEST, SILENCE, Spec, added, report_of
from downloader.cluster.task import run_shard, topic_of
from downloader.errors import ClusterError, PlaceError, ShardFailed, ShardRefused
from downloader.jobs import Report
from downloader.sansio.printable import printable
from downloader.sansio.shards import Shard, shared

# After so many attempts that failed, a shard is set aside.
STRIKES = 3
# Shards that wait with the engine, besides those that run: who is done has the next one at once.
AHEAD = 8
# So many are set aside and none is done: it is not the shards.
HOPELESS = 20
# Characters of why a shard failed.
_LONGEST = 500
_END = object()
# Different sentences of shards that are told.
_MOST_TOLD = 100
# Seconds between two looks at the cluster.
LOOK_EVERY = 5.0
# A worker whose shard has been heard of, and then not for so many times its silence, hangs.
HANGS = 5
_GONE = "the scheduler is gone; the same command goes on where this ended"


@dataclass(slots=True)
class _Try:
    """A shard that is with the engine. `heard` is when it was, last; None before the first word."""

    shard: Shard
    number: int
    future: Future[Any]
    heard: float | None = None
    report: Report | None = None


class ClusterRun:
    """Fetches the shards of `plan` through `client`, as the options `arguments` of `fetch` say.

    `limits` are those of all shards together, by their options' names; `pack`, `deadline` and
    `silence` are as of `Spec`. `done(name, report)` is called for each shard that is done,
    `warned` with sentences. `work` is what a worker calls. For a display it is a run like others:
    `counts` is of the shards that are done.
    """

    doing = "fetching"

    def __init__(
        self,
        client: Client,
        plan: Plan,
        arguments: Sequence[str],
        limits: Mapping[str, float | int],
        warned: Callable[[str], object],
        done: Callable[[str, Report], object] = lambda name, report: None,
        pack: str | None = None,
        deadline: float = DEADLINE,
        silence: float = SILENCE,
        work: Callable[[Mapping[str, Any], str], dict[str, Any]] = run_shard,
    ) -> None:
        self.counts = Report()
        self.aside: dict[str, str] = {}
        self.interrupted = False
        self.found = 0
        self._client = client
        self._plan = plan
        self._run = plan.identity
        self._start = token_hex(4)  # the same command may be started twice
        self._arguments = list(arguments)
        self._limits = dict(limits)
        self._warned = warned
        self._done = done
        self._pack = pack
        self._deadline = deadline
        self._silence = silence
        self._work = work
        self._tries: dict[int, _Try] = {}
        self._strikes: dict[int, int] = {}
        self._again: list[Shard] = []
        self._ended: queue.SimpleQueue[int | None] = queue.SimpleQueue()
        self._stopped = threading.Event()
        self._threads = 0
        self._attempts = 0
        self._told: set[str] = set()
        self._fetched = 0
        self._looked = 0.0
        self.shards_done = 0

    def __repr__(self) -> str:
        return f"<ClusterRun {self.shards_done} shards done, {len(self._tries)} under way>"

    def start(self) -> Report:
        """Fetch all that has no manifest yet; blocks until that is done or `stop` was called.
        Raises ClusterError, when there is no going on."""
        begun = monotonic()
        left = self._left()
        topic = topic_of(self._run)
        self._client.subscribe_topic(topic, self._heard)
        try:
            self._loop(left)
        except BaseException as error:
            self.interrupted = True
            # Of files there are only PlaceErrors.
            if isinstance(error, (OSError, CancelledError, ClosedClientError)):
                raise ClusterError(_GONE) from error
            raise
        finally:
            with suppress(Exception):  # the scheduler may be gone
                self._client.unsubscribe_topic(topic)
            for one in list(self._tries.values()):
                _let_go(one.future)
            self.counts.seconds = monotonic() - begun
        return self.counts

    def stop(self) -> None:
        """Cancel what runs, from any thread; `start` returns."""
        self.interrupted = True
        self._stopped.set()
        self._ended.put(None)

    # --- as it is shown ---------------------------------------------------------------------------

    @property
    def steps(self) -> str:
        """How far it is."""
        return f"{self.shards_done:,} of {self._plan.count:,} shards"

    @property
    def finished(self) -> int:
        """How many files have ended."""
        counts = self._live()
        return counts.complete + counts.failed + counts.skipped

    @property
    def failed(self) -> int:
        """How many of them failed."""
        return self._live().failed

    @property
    def ended(self) -> int:
        """How many lines have come to an end."""
        return self.finished + self._live().invalid

    @property
    def received(self) -> int:
        """The bytes of files that have ended well, and of those under way."""
        return self._live().bytes

    def count(self, seconds: float) -> int | None:
        """Nobody has read the list to its end."""
        return None

    def active(self) -> Sequence[Any]:
        """Files are not told one by one."""
        return ()

    def _live(self) -> Report:
        counts = self.counts
        for one in list(self._tries.values()):
            if one.report is not None:
                counts = added(counts, one.report)
        return counts

    # --- the loop ---------------------------------------------------------------------------------

    def _left(self) -> Iterator[Shard | None]:
        """The shards that have no manifest, and None for each that has one: that is counted."""
        there = self._plan.done()
        for shard in self._plan.shards():
            if shard.number in there and self._count_earlier(shard):
                yield None
            else:
                yield shard

    def _count_earlier(self, shard: Shard) -> bool:
        """Whether its manifest can be read."""
        name = shard.name + MANIFEST
        try:
            tail = self._plan.place.tail(name)
            report = report_of(summary_in(tail, name, shard.identity(self._run)))
        except PlaceError as error:
            self._warned(f"shard {shard.name} is fetched again: {error}")
            return False
        self._plan.clean(shard, self._pack)
        self.found += report.bytes
        self._count(shard, replace(report, seconds=0.0))
        return True

    def _loop(self, left: Iterator[Shard | None]) -> None:
        while not self._stopped.is_set():
            if monotonic() - self._looked > LOOK_EVERY:
                self._look()
            if len(self._tries) < self._threads + AHEAD:
                shard = self._again.pop() if self._again else next(left, _END)
                if isinstance(shard, Shard):
                    self._submit(shard)
                if shard is not _END:
                    self._take_all()
                    continue
                if not self._tries:
                    return
            with suppress(queue.Empty):
                self._take(self._ended.get(timeout=1.0))
            self._take_all()

    def _take_all(self) -> None:
        with suppress(queue.Empty):
            while True:
                self._take(self._ended.get_nowait())

    def _look(self) -> None:
        """How many shards can run, and whether one that did hangs."""
        if self._client.status != "running":
            raise ClusterError(_GONE)
        self._threads = sum(self._client.nthreads().values())
        if not self._threads:
            self._warn_once("the cluster has no workers yet")
        now = monotonic()
        late = now - HANGS * self._silence
        we_slept = now - self._looked > 2 * LOOK_EVERY + self._silence
        self._looked = now
        for one in list(self._tries.values()):
            if one.future.done():  # it was done before, and lost, of which nobody is told
                self._ended.put(one.shard.number)
            elif one.heard is not None and one.heard < late:
                if we_slept or not self._is_running(one):
                    one.heard = None
                else:
                    self._drop(one)
                    self._strike(one.shard, "its worker was not heard of any more")

    def _is_running(self, one: _Try) -> bool:
        """Whether a worker has it: where one has gone, it waits for another."""
        return any(one.future.key in keys for keys in self._client.processing().values())

    def _submit(self, shard: Shard) -> None:
        self._attempts += 1
        spec = Spec(
            shard,
            self._run,
            shard.identity(self._run),
            self._plan.place.url,
            self._arguments,
            __version__,
            self._pack,
            self._shares(),
            self._deadline,
            self._silence,
            self._attempts,
        )
        key = f"shard-{shard.name}-{self._start}-{self._attempts}"
        future = self._client.submit(self._work, spec.told(), self._run, key=key, pure=False)
        self._tries[shard.number] = _Try(shard, self._attempts, future)
        future.add_done_callback(lambda _: self._ended.put(shard.number))

    def _shares(self) -> dict[str, float | int]:
        """What one shard has of the limits, when all threads have one."""
        threads = self._threads or len(self._tries) + 1  # those that are not there yet
        running = min(threads, max(1, self._plan.count - self.shards_done))
        return {name: shared(name, limit, running) for name, limit in self._limits.items()}

    def _take(self, number: int | None) -> None:
        """Account for the shard of this number, if its attempt has come to an end."""
        one = None if number is None else self._tries.get(number)
        if one is None or one.future.status in ("pending", "lost"):
            return  # of an attempt that was given up, or it is done once more
        try:
            outcome = self._outcome(one.future)
        except TimeoutError:
            one.heard = None
            return  # its worker went, and what it had told: it is done once more
        del self._tries[one.shard.number]
        one.future.release()
        if isinstance(outcome, Exception):
            self._failed(one, outcome)
        else:
            for sentence in outcome.get("said", ()):
                self._warn_once(sentence)
            self._fetched += 1
            self._count(one.shard, report_of(outcome))

    def _outcome(self, future: Future[Any]) -> dict[str, Any] | Exception:
        """The summary, or why there is none. Raises ClusterError, TimeoutError."""
        if future.status == "cancelled":  # and not by us
            raise ClusterError(_GONE)
        if future.status == "error":
            error: Exception = future.exception(timeout=LOOK_EVERY)
            return error
        try:
            summary: dict[str, Any] = future.result(timeout=LOOK_EVERY)
            return summary
        except (OSError, CancelledError, ClosedClientError):
            raise
        except Exception as why:  # it was lost, done once more, and failed
            return why

    def _failed(self, one: _Try, error: Exception) -> None:
        if isinstance(error, KilledWorker):  # the engine has tried often enough
            if one.heard is None:  # it only waited behind the one that did it
                self._again.append(one.shard)
            else:
                self._strikes[one.shard.number] = STRIKES - 1
                self._strike(one.shard, "each worker that had it was killed")
        elif isinstance(error, ShardRefused) and not self._fetched:
            raise ClusterError(str(error))  # it is not the shard
        elif isinstance(error, ShardFailed):
            self._strike(one.shard, str(error))
        else:
            self._strike(one.shard, f"{type(error).__name__}: {error}")

    def _count(self, shard: Shard, report: Report) -> None:
        self.counts = added(self.counts, report)
        self.shards_done += 1
        self._strikes.pop(shard.number, None)
        self._done(shard.name, report)

    def _strike(self, shard: Shard, why: str) -> None:
        """It is tried again, or set aside."""
        strikes = self._strikes[shard.number] = self._strikes.get(shard.number, 0) + 1
        why = printable(why)[:_LONGEST]
        if strikes < STRIKES:
            self._warned(f"shard {shard.name} is tried again: {why}")
            self._again.append(shard)
            return
        del self._strikes[shard.number]
        self.aside[shard.name] = why
        if len(self.aside) >= HOPELESS and not self._fetched:
            raise ClusterError(f"{HOPELESS} shards are set aside and none is done: {why}")
        self._warned(f"shard {shard.name} is set aside after {strikes} attempts: {why}")

    def _warn_once(self, sentence: str) -> None:
        """Many shards say the same."""
        if sentence not in self._told and len(self._told) < _MOST_TOLD:
            self._told.add(sentence)
            self._warned(sentence)

    def _drop(self, one: _Try) -> None:
        del self._tries[one.shard.number]
        _let_go(one.future)

    def _heard(self, event: tuple[float, Mapping[str, Any]]) -> None:
        """A worker tells of a shard; called by the client's own thread."""
        told = event[1]
        one = self._tries.get(told["number"])
        if one is not None and one.number == told["attempt"]:
            one.heard = monotonic()
            one.report = report_of(told["counts"]) if told["counts"] else None


def _let_go(future: Future[Any]) -> None:
    """Whoever runs it sees that nobody wants it any more."""
    with suppress(Exception):  # the scheduler may be gone
        future.cancel(force=True)
        future.release()
