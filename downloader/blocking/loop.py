"""The one background thread of this process, in which a reactor does all the work.

It begins with the first client that asks for something and ends with the last one that is closed,
or with the interpreter. A forked child has none until it asks.
"""

from __future__ import annotations

import atexit
import os
import threading
from collections.abc import Callable
from typing import Any

from downloader.blocking.reactor import OwnReactor
from downloader.errors import Closed

# How long the end of the interpreter waits for transfers to be aborted, in seconds. It takes
# milliseconds, unless a disk hangs.
EXIT_SECONDS = 2.0


class Loop:
    """The thread and its reactor. `owned` is what each client has there, for that thread alone."""

    def __init__(self) -> None:
        self.reactor = OwnReactor()
        self.owned: dict[object, Any] = {}
        self.clients: set[object] = set()
        self._pid = os.getpid()
        self._running = True
        self._begun = False
        self._beginning = threading.Lock()
        self._thread = threading.Thread(target=self._run, name="downloader.blocking", daemon=True)

    def __repr__(self) -> str:
        return f"<Loop {'alive' if self.alive else 'ended'}, {len(self.clients)} clients>"

    @property
    def alive(self) -> bool:
        """Whether anything that is asked of it will be done."""
        return self._running and self._pid == os.getpid()

    def start(self) -> None:
        """Begin the thread."""
        try:
            self._thread.start()
        except BaseException:
            self._give_up()
            raise

    def _give_up(self) -> None:
        """An interrupt came meanwhile, or there are no more threads: it may have begun or not, or
        be about to."""
        with self._beginning:
            if self._begun:
                self.post(self.reactor.stop)
            else:
                self._end()

    def post(self, call: Callable[..., object], *args: object) -> None:
        """Call it in the thread, soon, after what was posted before. Never blocks, never fails."""
        if self.alive:
            self.reactor.callFromThread(call, *args)

    def check(self) -> None:
        """Raise Closed in a thread that waits for what will not come."""
        if not self.alive:
            raise Closed("it was closed, or this process forked")

    def stop(self, seconds: float | None = None) -> None:
        """Abort everything and wait for the thread's end, `seconds` at most."""
        self.post(self.reactor.stop)
        self._thread.join(seconds)

    def _run(self) -> None:
        with self._beginning:
            if not self._running:
                return
            self._begun = True
        try:
            self.reactor.run(installSignalHandlers=False)
        finally:
            self._end()

    def _end(self) -> None:
        self._running = False
        self.reactor.dispose()


# --- which one is it; all under the lock ------------------------------------------------------

_lock = threading.RLock()  # a signal's handler may ask while its thread is in here
_loop: Loop | None = None
_exiting = False
# A child must not take apart what it has copies of: it would unlock and unlink for its parent.
_forsaken: list[Loop] = []


def join(client: object) -> Loop:
    """The loop, begun if there is none, with `client` as one who needs it."""
    global _loop
    with _lock:
        if _exiting:
            raise Closed("the interpreter is ending")
        if _loop is None or not _loop.alive:
            loop = Loop()
            loop.start()
            _loop = loop
        _loop.clients.add(client)
        return _loop


def joined(client: object) -> Loop | None:
    """The loop, if `client` is one who needs it."""
    with _lock:
        return _loop if _loop is not None and client in _loop.clients else None


def leave(client: object, loop: Loop) -> None:
    """`client` needs it no more; the last one waits for its end."""
    global _loop
    with _lock:
        loop.clients.discard(client)
        if loop.clients or loop is not _loop:
            return
        _loop = None
    loop.stop()


def hold_at_exit() -> None:
    """Keep a daemon thread where it is when the interpreter ends.

    It ends with the interpreter anyway; an error from here would only be printed.
    """
    if _exiting and threading.current_thread().daemon:
        threading.Event().wait()


@atexit.register
def _exit() -> None:
    """After all threads that are no daemons; with what was registered before us still to come."""
    global _exiting, _loop
    with _lock:
        _exiting = True
        loop, _loop = _loop, None
    if loop is not None:
        loop.stop(EXIT_SECONDS)


def _forked() -> None:
    global _lock, _loop
    _lock = threading.RLock()
    if _loop is not None:
        _forsaken.append(_loop)
        _loop.reactor.forsake()
        _loop = None


os.register_at_fork(after_in_child=_forked)
