"""A program as users write them, for test_shutdown: it fetches a list, and is ended on the way.

`program.py WAY DIRECTORY GATE URL...`: what WAY does, it does once GATE has answered.
"""

from __future__ import annotations

import sys
from typing import Any

from twisted.internet.defer import CancelledError
from twisted.internet.task import react

from downloader import Downloader, Job, Limits, Result

ERRORS = {"SystemExit": SystemExit(3), "KeyboardInterrupt": KeyboardInterrupt()}


def start(reactor: Any, on_result: Any = None) -> tuple[Downloader, Any]:
    """Begin everything."""
    directory, urls = sys.argv[2], sys.argv[4:]
    downloader = Downloader(reactor, limits=Limits(total=len(urls) + 1))
    jobs = [Job(url, directory, f"{n}") for n, url in enumerate(urls)]
    if on_result is not None:
        jobs.append(Job(sys.argv[3], directory, "gate"))
    return downloader, downloader.fetch_all(jobs, on_result)


async def wait(reactor: Any) -> None:
    """Wait for the end, and say nothing of a cancel."""
    _, run = start(reactor)
    try:
        await run
    except CancelledError:
        pass


async def wait_carelessly(reactor: Any) -> None:
    """Wait for the end, and know of no cancel."""
    _, run = start(reactor)
    await run


async def wait_for_each(reactor: Any) -> None:
    """Fetch one by one in name, all at once in truth."""
    directory, urls = sys.argv[2], sys.argv[4:]
    downloader = Downloader(reactor, limits=Limits(total=len(urls)))
    running = [downloader.fetch(Job(url, directory, f"{n}")) for n, url in enumerate(urls)]
    for one in running:
        await one


async def exit_in_main(reactor: Any) -> None:
    """Raise SystemExit where the downloads were begun."""
    downloader, _ = start(reactor)
    await downloader.http.get(sys.argv[3])
    raise SystemExit(3)


async def stop(reactor: Any) -> None:
    """Stop the reactor."""
    downloader, run = start(reactor)
    await downloader.http.get(sys.argv[3])
    reactor.stop()
    try:
        await run
    except CancelledError:
        pass


def raise_in_on_result(name: str) -> Any:
    """Raise it in the callback for the one that is complete."""

    async def main(reactor: Any) -> None:
        def on_result(result: Result) -> None:
            raise ERRORS[name]

        _, run = start(reactor, on_result)
        await run

    return main


def run_without_react() -> None:
    """A program that starts the reactor itself."""
    from twisted.internet import reactor

    def begin() -> None:
        start(reactor)[1].addErrback(lambda failure: failure.trap(CancelledError) and None)

    reactor.callWhenRunning(begin)  # type: ignore[attr-defined]
    reactor.run()  # type: ignore[attr-defined]


MAINS = {
    "wait": wait,
    "wait carelessly": wait_carelessly,
    "wait for each": wait_for_each,
    "exit in main": exit_in_main,
    "stop": stop,
    **{f"{name} in on_result": raise_in_on_result(name) for name in ERRORS},
}

if __name__ == "__main__":
    if sys.argv[1] == "run":
        run_without_react()
    else:
        react(MAINS[sys.argv[1]])
