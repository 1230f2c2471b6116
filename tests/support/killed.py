"""List runs that are killed at one of their calls: for test_killed.

`killed.py LIST` reads lines of JSON, `{"out", "name", "last"}`: for each a child process fetches
LIST to the directory OUT, with the header X-Run: NAME. LAST, `[what, n]`, is the call before which
it is killed (SIGKILL): a call that changes a file, or a step with the store, that comes after n of
its name; null, and it is not killed. How it ended is a line that is written, `{"code", "told"}`:
the exit code or minus the signal, and the counts of files that were fetched and that were skipped.

What is synced does not matter to a process that is killed, so fsync and its like are calls, but do
nothing, and neither does the store sync.
"""

from __future__ import annotations

import itertools
import json
import os
import signal
import sys
from types import SimpleNamespace
from typing import Any

from twisted.internet.defer import Deferred

from downloader import Downloader, Limits, Splitting
from downloader.errors import BadLine
from downloader.jobs import Report, Result
from downloader.listrun.forms import FetchForm
from downloader.listrun.kept import Kept
from downloader.listrun.run import ListRun
from downloader.listrun.source import open_list
from downloader.sansio.names import STATE
from downloader.store import JobStore
from downloader.transfer.disks import Disks
from downloader.transfer.system import SYSTEM

# How many times as fast the list's clock goes: what has ended is kept every 5 ms.
HASTE = 100
# Files of twice as many bytes come over several connections.
LEAST = 1024 * 1024
CHANGES = ("ftruncate", "link", "pwrite", "rename", "replace", "unlink", "write")
SYNCS = ("fdatasync", "fsync", "syncfs")
STEPS = tuple(
    f"{when} {what}" for what in ("plan", "committing", "complete") for when in ("before", "after")
)


class Killer:
    """Kills this process before the call that is `last`: a name, and how many of that name were
    made before; None: never."""

    def __init__(self, last: tuple[str, int] | None) -> None:
        self._name, self._before = last or ("", 0)
        self._calls = itertools.count()  # in whatever thread
        calls = {name: self._counted(name, getattr(SYSTEM, name)) for name in CHANGES}
        calls |= {name: self._counted(name, lambda fd: None) for name in SYNCS}
        self.system = SimpleNamespace(**{**vars(SYSTEM), **calls})

    def step(self, name: str) -> None:
        """A call is about to be made."""
        if name == self._name and next(self._calls) == self._before:
            os.kill(os.getpid(), signal.SIGKILL)

    def _counted(self, name: str, call: Any) -> Any:
        def counted(*arguments: Any, **keywords: Any) -> Any:
            self.step(name)
            return call(*arguments, **keywords)

        return counted


class Steps:
    """The store, each of whose calls is a step before it and one behind it."""

    def __init__(self, store: JobStore, killer: Killer) -> None:
        self._store = store
        self._killer = killer
        self.find, self.close = store.find, store.close

    def plan(self, rows: Any) -> Deferred[None]:
        return self._stepped("plan", self._store.plan, rows)

    def end(self, rows: Any) -> Deferred[None]:
        return self._stepped(rows[0].status, self._store.end, rows)

    def _stepped(self, name: str, call: Any, rows: Any) -> Deferred[None]:
        self._killer.step(f"before {name}")
        done: Deferred[None] = call(rows)
        done.addCallback(lambda _: self._killer.step(f"after {name}"))
        return done


class Hasty:
    """The reactor, as the list's run knows it: time passes faster."""

    def __init__(self, reactor: Any) -> None:
        self._reactor = reactor

    def seconds(self) -> float:
        return float(self._reactor.seconds() * HASTE)

    def callLater(self, delay: float, call: Any, *arguments: Any, **keywords: Any) -> Any:
        return self._reactor.callLater(delay / HASTE, call, *arguments, **keywords)


class Quiet:
    """Nobody watches."""

    def job_failed(self, result: Result) -> None: ...

    def line_refused(self, bad: BadLine) -> None: ...

    def warned(self, sentence: str) -> None:
        print(sentence, file=sys.stderr)


def run(list_path: str, out: str, name: str, killer: Killer) -> Report:
    """Fetch the list in this process, which has no reactor yet."""
    from twisted.internet import reactor

    # Each look at the clock takes a while: journals are written often, and disks are slow at times.
    ticks = itertools.count()
    disks = Disks(
        reactor, seconds=lambda: next(ticks) / 50, in_memory=lambda _: False, system=killer.system
    )
    downloader = Downloader(
        reactor,
        limits=Limits(total=4),
        splitting=Splitting(connections=3, least=LEAST),
        disks=disks,
        headers=[("X-Run", name)],
    )
    store: Any = Steps(JobStore(reactor, os.path.join(out, STATE), durable=False), killer)
    watcher = Quiet()
    list_run = ListRun(
        Hasty(reactor),
        downloader,
        open_list(reactor, list_path, FetchForm(out)),
        watcher,
        kept=lambda one: Kept(store, downloader, one.skipped, watcher.warned),
    )
    counts: list[Any] = []

    def begin() -> None:
        list_run.start().addBoth(counts.append).addBoth(lambda _: reactor.stop())  # type: ignore[attr-defined]

    reactor.callWhenRunning(begin)  # type: ignore[attr-defined]
    reactor.run()  # type: ignore[attr-defined]
    assert isinstance(counts[0], Report), counts[0]
    return counts[0]


def in_child(
    list_path: str, out: str, name: str, last: tuple[str, int] | None
) -> tuple[int, list[int]]:
    """How a child ended that did it: its exit code, or minus its signal, and what it told."""
    read, write = os.pipe()
    pid = os.fork()
    if not pid:
        code = 3
        try:
            counts = run(list_path, out, name, Killer(last))
            os.write(write, f"{counts.complete} {counts.skipped}".encode())
            code = 0 if counts.ok else 1
        finally:
            os._exit(code)
    os.close(write)
    with os.fdopen(read) as told:
        text = told.read()
    code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    return code, [int(count) for count in text.split()]


def main() -> None:
    for line in sys.stdin:
        asked = json.loads(line)
        last = asked["last"] and tuple(asked["last"])
        code, told = in_child(sys.argv[1], asked["out"], asked["name"], last)
        print(json.dumps({"code": code, "told": told}), flush=True)


if __name__ == "__main__":
    main()
