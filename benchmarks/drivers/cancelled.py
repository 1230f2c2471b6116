"""Our agent asks a server that never answers, and is told to stop.

`python -m benchmarks.drivers.cancelled PORT REQUESTS NOTE`: it makes the requests, each on a
connection of its own, waits for the end of standard input, cancels them all, and writes to the
file NOTE the moment it began to, on the monotonic clock.

It is the agent and no Downloader that is asked: a Downloader would let only a few jobs of a host
begin before the host has answered one.
"""

from __future__ import annotations

import resource
import sys
import time
from pathlib import Path
from typing import Any

from twisted.internet.defer import CancelledError, Deferred, DeferredList
from twisted.internet.protocol import Protocol, connectionDone
from twisted.internet.stdio import StandardIO
from twisted.internet.task import react
from twisted.python.failure import Failure

from downloader import Downloader, Limits, Timeouts

# Nothing times out here; the one who measures does.
_LONG = 3600.0


class EndOfInput(Protocol):
    """Fires `told` when standard input ends."""

    def __init__(self) -> None:
        self.told: Deferred[None] = Deferred()

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        self.told.callback(None)


async def main(reactor: Any) -> None:
    """Ask, wait, cancel."""
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    port, requests, note = sys.argv[1], int(sys.argv[2]), Path(sys.argv[3])
    limits = Limits(total=requests, connections_per_host=requests)
    downloader = Downloader(
        reactor, limits=limits, timeouts=Timeouts(connect=_LONG, first_byte=_LONG)
    )
    url = f"http://127.0.0.1:{port}/".encode()
    asked = [downloader.agent.request(b"GET", url) for _ in range(requests)]
    end = EndOfInput()
    StandardIO(end)
    await end.told
    started = time.monotonic()
    for one in asked:
        one.cancel()
    note.write_text(str(started))
    outcomes: list[tuple[bool, Any]] = await DeferredList(asked, consumeErrors=True)
    await downloader.close()
    wrong = [what for ok, what in outcomes if ok or not what.check(CancelledError)]
    if wrong:
        raise SystemExit(f"{len(wrong)} were not cancelled, but {wrong[0]}")


if __name__ == "__main__":
    react(lambda reactor: Deferred.fromCoroutine(main(reactor)))
