"""A list run that is killed at one of its calls, again and again: for test_killed.

`killed.py LIST OUT`: for k = 0, 1, 2 ... a child process fetches LIST to OUT/k and is killed
(SIGKILL) before its k-th call that changes a file, or its k-th step with the store. Another one
then does the same without being killed. It prints a line of JSON for each k, until a child has come
to its end: `{"k", "killed_at", "code", "told"}`, where `told` are the second one's counts.

What is synced does not matter to a process that is killed, so fsync and its like are calls, but do
nothing.
"""

from __future__ import annotations

import itertools
import json
import os
import signal
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from twisted.internet.defer import Deferred

from downloader import Downloader, Limits
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

CHANGES = ("ftruncate", "link", "pwrite", "rename", "replace", "unlink", "write")
SYNCS = ("fdatasync", "fsync", "syncfs")


class Killer:
    """Kills this process before its `last` call; None: never. It tells which that is, on `tell`."""

    def __init__(self, last: int | None, tell: int) -> None:
        self._last = last
        self._tell = tell
        self._calls = itertools.count()
        calls = {name: self._counted(name, getattr(SYSTEM, name)) for name in CHANGES}
        calls |= {name: self._counted(name, lambda fd: None) for name in SYNCS}
        self.system = SimpleNamespace(**{**vars(SYSTEM), **calls})

    def step(self, name: str) -> None:
        """A call is about to be made."""
        if next(self._calls) == self._last:
            os.write(self._tell, name.encode())
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
        return self._stepped("end", self._store.end, rows)

    def _stepped(self, name: str, call: Any, rows: Any) -> Deferred[None]:
        self._killer.step(f"before {name}")
        done: Deferred[None] = call(rows)
        done.addCallback(lambda _: self._killer.step(f"after {name}"))
        return done


class Quiet:
    """Nobody watches."""

    def job_failed(self, result: Result) -> None: ...

    def line_refused(self, bad: BadLine) -> None: ...

    def warned(self, sentence: str) -> None:
        print(sentence, file=sys.stderr)


def run(list_path: str, out: str, killer: Killer) -> Report:
    """Fetch the list in this process, which has no reactor yet."""
    from twisted.internet import reactor

    # Each look at the clock takes a while: journals are written often, and disks are slow at times.
    ticks = itertools.count()
    disks = Disks(
        reactor, seconds=lambda: next(ticks) / 50, in_memory=lambda _: False, system=killer.system
    )
    downloader = Downloader(reactor, limits=Limits(total=4), disks=disks)
    store: Any = Steps(JobStore(reactor, os.path.join(out, STATE)), killer)
    watcher = Quiet()
    list_run = ListRun(
        reactor,
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


def in_child(list_path: str, out: str, last: int | None) -> tuple[int, str]:
    """How a child ended that did it: its exit code, or minus its signal, and what it told."""
    read, write = os.pipe()
    pid = os.fork()
    if not pid:
        code = 3
        try:
            counts = run(list_path, out, Killer(last, write))
            os.write(write, f"{counts.complete} {counts.skipped}".encode())
            code = 0 if counts.ok else 1
        finally:
            os._exit(code)
    os.close(write)
    with os.fdopen(read) as told:
        text = told.read()
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), text


def main() -> None:
    list_path, out = sys.argv[1:]
    for k in itertools.count():
        here = Path(out, str(k))
        here.mkdir(parents=True)
        (here / "bystander").write_bytes(b"mine")
        code, killed_at = in_child(list_path, str(here), k)
        if code == -signal.SIGKILL:
            code, told = in_child(list_path, str(here), None)
        else:
            killed_at, told = "", killed_at
        print(json.dumps({"k": k, "killed_at": killed_at, "code": code, "told": told}), flush=True)
        if not killed_at:
            return


if __name__ == "__main__":
    main()
