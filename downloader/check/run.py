"""Every file of a source, several at a time, from the first to the summary."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.task import LoopingCall, deferLater
from twisted.logger import Logger
from twisted.python.failure import Failure

from downloader.check.report import CheckReport
from downloader.check.sources import Source
from downloader.check.verify import GOOD, Outcome, Verdict, Verification
from downloader.errors import BadLine
from downloader.listrun.words import duration_text, size_text, weak_text
from downloader.sansio.checksum import is_weak
from downloader.sansio.expected import Expected
from downloader.threads import Threads

# Files that are read at a time: enough for a network's round trips to overlap, and for a digest to
# be computed while another file is read.
AT_ONCE = 4
# A reader of the report is never further behind than this many seconds.
_FLUSH_EVERY = 1.0
# Seconds that a thread waits for its next file.
_LINGER = 0.25
_log = Logger()


class CheckRun:
    """Compares the files of `source` with what they should be; it writes none of them.

    `tell(outcome)` is called for each that is not as it should be, `refuse(bad)` for each line of
    the source that says nothing. With `ignore_missing` a file that is not there is no fault, if
    any is there. `interrupted` tells whether `stop` ended the run. `source` is closed at the end.
    """

    doing = "checking"
    steps = ""

    def __init__(
        self,
        reactor: Any,
        source: Source,
        tell: Callable[[Outcome], None],
        refuse: Callable[[BadLine], None],
        report: CheckReport | None = None,
        ignore_missing: bool = False,
    ) -> None:
        self.source = source
        self.counts: Counter[Verdict] = Counter()
        self.invalid = 0
        self.interrupted = False
        self.seconds = 0.0
        self._reactor = reactor
        self._tell = tell
        self._on_refused = refuse
        self._report = report
        self._good = GOOD | {Verdict.MISSING} if ignore_missing else GOOD
        self._files: Iterator[Expected | None] = source.files(self._refuse)
        self._threads = Threads("check", AT_ONCE, _LINGER)
        self._under_way: dict[Verification, Deferred[Outcome]] = {}
        self._in_threads = 0
        self._over = False
        self._read = 0  # bytes of files that have ended
        self._warned_of_weak = False

    def __repr__(self) -> str:
        return f"<CheckRun {self.summary}>"

    def start(self) -> Deferred[None]:
        """Compare every file.

        **Fires with** None, also after `stop`. **Fails with** an error that is a bug.
        **Cancelling** is `stop`.
        """
        return Deferred.fromCoroutine(self._run())

    def stop(self) -> None:
        """Read no further. What a thread is reading is let go of after its next piece."""
        self.interrupted = True
        for done in list(self._under_way.values()):
            done.cancel()

    # --- how it stands ----------------------------------------------------------------------

    @property
    def finished(self) -> int:
        """How many files were compared."""
        return self.counts.total()

    @property
    def failed(self) -> int:
        """How many of them are not as they should be."""
        return sum(count for verdict, count in self.counts.items() if verdict not in self._good)

    @property
    def ended(self) -> int:
        """`finished`: lines that say nothing are no files."""
        return self.finished

    @property
    def received(self) -> int:
        """The bytes that were read."""
        return self._read + sum(one.read for one in self._under_way)

    @property
    def found(self) -> int:
        """All of them are read."""
        return 0

    def count(self, seconds: float) -> int | None:
        """How many files there are, or None while that is not known."""
        return self.source.total

    def active(self) -> Sequence[Any]:
        """No file is shown on its own."""
        return ()

    @property
    def ok(self) -> bool:
        """Whether nothing is wrong with any file, nor with what says how it should be."""
        all_missing = self.finished == self.counts[Verdict.MISSING]  # or there was none
        return not (self.failed or self.invalid or self.interrupted or all_missing)

    @property
    def summary(self) -> str:
        """What was found, in one line."""
        parts = [f"{self.counts[Verdict.OK]:,} ok"]
        others = [verdict for verdict in Verdict if verdict is not Verdict.OK]
        parts += [f"{self.counts[one]:,} {one.value}" for one in others if self.counts[one]]
        if self.invalid:
            parts.append(f"{self.invalid:,} invalid")
        read = self.received
        rate = f" ({size_text(read / self.seconds)}/s)" if read and self.seconds else ""
        took = duration_text(self.seconds)
        return f"{', '.join(parts)}, {size_text(read)} read in {took}{rate}"

    # --- file by file -----------------------------------------------------------------------

    async def _run(self) -> None:
        began = self._reactor.seconds()
        flushing = LoopingCall(self._flush)
        flushing.clock = self._reactor
        flushing.start(_FLUSH_EVERY, now=False)
        lanes = [Deferred.fromCoroutine(self._lane()) for _ in range(AT_ONCE)]
        try:
            for lane in lanes:
                await lane
        except BaseException:
            self.stop()
            raise
        finally:
            flushing.stop()
            self.seconds = self._reactor.seconds() - began
            self._settle()

    async def _lane(self) -> None:
        """One file after the other, beside other lanes that take from the same source."""
        try:
            for expected in self._files:
                if self.interrupted:
                    return
                if expected is None:
                    await deferLater(self._reactor, 0)
                else:
                    self._count(await self._verified(expected))
        except CancelledError:
            self.stop()

    def _verified(self, expected: Expected) -> Deferred[Outcome]:
        verification = Verification(expected, self.source.open)
        done: Deferred[Outcome] = Deferred(lambda _: self._give_up(verification))
        self._threads.run(lambda: self._work(verification))
        self._in_threads += 1
        self._under_way[verification] = done
        return done

    def _work(self, verification: Verification) -> None:
        """In a thread."""
        try:
            result: Outcome | Failure = verification.run()
        except Exception:
            result = Failure()
        self._reactor.callFromThread(self._came, verification, result)

    def _came(self, verification: Verification, result: Outcome | Failure) -> None:
        self._in_threads -= 1
        self._close_if_over()
        done = self._under_way.pop(verification, None)
        if done is not None:
            self._read += verification.read
            done.callback(result)  # a Failure makes it fail

    def _give_up(self, verification: Verification) -> None:
        verification.unwanted = True
        self._read += verification.read
        del self._under_way[verification]

    def _close_if_over(self) -> None:
        """A thread that hangs may open another file yet."""
        if self._over and not self._in_threads:
            self.source.close()

    def _count(self, outcome: Outcome) -> None:
        self.counts[outcome.verdict] += 1
        if self._report is not None:
            self._report.add(outcome)
        if outcome.verdict not in self._good:
            self._tell(outcome)
        checksum = outcome.expected.checksum
        if checksum is not None and is_weak(checksum) and not self._warned_of_weak:
            self._warned_of_weak = True
            sentence = weak_text(checksum.partition("=")[0], self.source.name)
            _log.warn("{sentence}", sentence=sentence)

    def _refuse(self, bad: BadLine) -> None:
        self.invalid += 1
        self._on_refused(bad)

    def _settle(self) -> None:
        self._over = True
        self._close_if_over()
        if self._report is not None:
            counts = {verdict.value: self.counts[verdict] for verdict in Verdict}
            counts |= {"invalid": self.invalid, "bytes": self.received}
            self._report.end(counts, self.seconds, self.interrupted)

    def _flush(self) -> None:
        if self._report is not None:
            self._report.file.flush()
