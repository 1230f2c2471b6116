"""What Dask runs: a process that fetches one shard, watched over.

The shard is no thread of the worker: it has a reactor, limits and memory of its own, which go back
to the system with it. When the worker ends, however it does, so does the process's input, and the
process with it.
"""

from __future__ import annotations

import json
import queue
import shutil
import subprocess
import sys
import threading
from collections import deque
from collections.abc import Callable, Mapping
from contextlib import suppress
from tempfile import mkdtemp
from time import monotonic
from typing import Any

from distributed import get_worker

from downloader.cluster.spec import Spec
from downloader.errors import ShardFailed, ShardRefused

# Seconds between two words to who started the run.
TELL_EVERY = 2.0
# And between two looks whether it is still wanted.
_LOOK_EVERY = 0.2
# For a process to end once its input has.
_ENDING = 5.0
# Lines that tell why a process ended.
_LAST = 20


def topic_of(run: str) -> str:
    """Where the workers tell how the shards of `run` are getting on."""
    return f"downloader-{run}"


def run_shard(told: Mapping[str, Any], run: str) -> dict[str, Any]:
    """Fetch the shard that `told` says, on a worker of Dask. Returns the summary, and what was
    `said`. Raises ShardFailed."""
    worker = get_worker()
    key = worker.get_current_task()

    def is_wanted() -> bool:
        """Whether anybody waits: not when it was cancelled, or who asked for it is gone."""
        task = worker.state.tasks.get(key)
        return task is not None and task.state == "executing" and worker.status.name == "running"

    def tell(counts: dict[str, Any]) -> None:
        heard = {"number": told["shard"]["number"], "attempt": told["attempt"], "counts": counts}
        with suppress(Exception):  # it is told again
            worker.log_event(topic_of(run), heard)

    return attempt(told, worker.local_directory, is_wanted, tell)


def attempt(
    told: Mapping[str, Any],
    directory: str,
    is_wanted: Callable[[], bool],
    tell: Callable[[dict[str, Any]], None],
) -> dict[str, Any]:
    """Fetch the shard that `told` says in a process, with what is temporary in `directory`; stop
    as soon as it is not wanted. Returns the summary, and what was `said`. Raises ShardFailed."""
    tell({})  # from now on it can be told that nothing is heard
    scratch = mkdtemp(prefix="shard-", dir=directory)
    try:
        process = subprocess.Popen(
            [sys.executable, "-P", "-m", "downloader", "shard"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,  # Ctrl-C is for who asked
        )
        try:
            return _Watch(process, Spec.heard(told), is_wanted, tell).summary(scratch)
        finally:
            _end(process)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


class _Watch:
    """Listens to `process`, which is to fetch the shard of `spec`."""

    def __init__(
        self,
        process: subprocess.Popen[bytes],
        spec: Spec,
        is_wanted: Callable[[], bool],
        tell: Callable[[dict[str, Any]], None],
    ) -> None:
        self._process = process
        self._spec = spec
        self._is_wanted = is_wanted
        self._tell = tell
        self._lines: queue.SimpleQueue[bytes] = queue.SimpleQueue()
        self._said: deque[str] = deque(maxlen=_LAST)
        self._begun = self._heard = self._told = monotonic()

    def __repr__(self) -> str:
        return f"<_Watch {self._spec.shard.name} of {self._process.pid}>"

    def summary(self, scratch: str) -> dict[str, Any]:
        """What the shard's manifest ends with. Raises ShardFailed."""
        process = self._process
        assert process.stdin is not None
        with suppress(OSError):  # what it says on its end tells why
            process.stdin.write(json.dumps({**self._spec.told(), "scratch": scratch}).encode())
            process.stdin.write(b"\n")
            process.stdin.flush()
        threading.Thread(target=self._read, daemon=True).start()
        while (line := self._next()) != b"":
            if line is not None and (done := self._take(line)) is not None:
                return done
        code = process.wait()
        why = "; ".join(self._said) or "it said nothing"
        raise ShardFailed(f"its process ended with {code}: {why[-2000:]}")

    def _read(self) -> None:
        assert self._process.stdout is not None
        with self._process.stdout as lines:
            for line in lines:
                self._lines.put(line)
        self._lines.put(b"")

    def _next(self) -> bytes | None:
        """The next line, b"" at the end, or None, while there is nothing wrong with waiting."""
        now = monotonic()
        if not self._is_wanted():
            raise ShardFailed("nobody wants it any more")
        if now - self._heard > self._spec.silence:
            raise ShardFailed(f"nothing was heard of its process for {self._spec.silence:g} s")
        if now - self._begun > self._spec.deadline:
            raise ShardFailed(f"it was not done in {self._spec.deadline:g} s")
        with suppress(queue.Empty):
            line = self._lines.get(timeout=_LOOK_EVERY)
            self._heard = now
            return line
        return None

    def _take(self, line: bytes) -> dict[str, Any] | None:
        """The summary, if `line` is that."""
        try:
            told: dict[str, Any] = json.loads(line)
        except ValueError:
            told = {"said": line.decode("utf-8", "replace").strip()}
        if "error" in told:
            raise (ShardRefused if told.get("refused") else ShardFailed)(str(told["error"]))
        if "said" in told:
            self._said.append(str(told["said"]))
        now = monotonic()
        if "counts" in told and now - self._told >= TELL_EVERY:
            self._told = now
            self._tell(told["counts"])
        done: dict[str, Any] | None = told.get("done")
        return done and {**done, "said": list(self._said)}


def _end(process: subprocess.Popen[bytes]) -> None:
    """Its input ends, and so does it; if not, it is killed."""
    if process.stdin is not None:
        with suppress(OSError):
            process.stdin.close()
    try:
        process.wait(_ENDING)
    except subprocess.TimeoutExpired:
        process.kill()
        with suppress(subprocess.TimeoutExpired):  # it hangs on a disk, and ends with that
            process.wait(_ENDING)
