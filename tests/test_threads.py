"""Threads for calls that hang: so many and no more, in order, and gone when nothing is left."""

from __future__ import annotations

import threading
from collections.abc import Callable, Generator
from functools import partial
from typing import Any

import pytest
from support.asking import until

from downloader.threads import Threads


@pytest.fixture
def gate() -> Generator[threading.Event, None, None]:
    """What calls wait for; opened at the end of the test at the latest."""
    event = threading.Event()
    yield event
    event.set()


def alive() -> int:
    return sum(thread.name == "work" for thread in threading.enumerate())


async def test_so_many_at_a_time(reactor: Any, gate: threading.Event) -> None:
    """Calls beyond the limit wait, and each is made once."""
    done: list[int] = []

    def work(number: int) -> None:
        gate.wait(30)
        done.append(number)

    threads = Threads("work", 3)
    for number in range(10):
        threads.run(partial(work, number))
    await until(reactor, lambda: repr(threads) == "<Threads 'work' 3 running, 7 waiting>")
    assert alive() == 3
    gate.set()
    await until(reactor, lambda: not alive())
    assert sorted(done) == list(range(10))
    assert repr(threads) == "<Threads 'work' 0 running, 0 waiting>"


async def test_one_that_waits_takes_the_next_call(reactor: Any) -> None:
    """No thread is made while one has nothing to do."""
    callers: list[threading.Thread] = []
    threads = Threads("work", 3, linger=30)
    for count in range(1, 6):
        threads.run(lambda: callers.append(threading.current_thread()))
        await until(reactor, lambda count=count: len(callers) == count and threads._idle)
    assert len(set(callers)) == 1
    threads._linger = 0
    threads.run(lambda: None)
    await until(reactor, lambda: not alive())


async def test_daemons(reactor: Any, gate: threading.Event) -> None:
    """The end of the process waits for none of them."""
    seen: list[bool] = []
    Threads("work", 1).run(lambda: seen.append(threading.current_thread().daemon))
    await until(reactor, lambda: seen)
    assert seen == [True]


async def test_one_hung_call_leaves_the_others_their_threads(
    reactor: Any, gate: threading.Event
) -> None:
    """The rest is done by the others, in the order in which it came."""
    done: list[int] = []
    threads = Threads("work", 2)
    threads.run(lambda: gate.wait(30) and None)
    calls: list[Callable[[], None]] = [partial(done.append, number) for number in range(20)]
    for call in calls:
        threads.run(call)
    await until(reactor, lambda: len(done) == 20)
    assert done == list(range(20))
    gate.set()
    await until(reactor, lambda: not alive())
