"""Ctrl-C at every instruction of ours: no connection stays open for nobody, no byte is missing."""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable, Iterable
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from support.asking import hello
from support.interrupting import Interrupt
from twisted.python.failure import Failure
from twisted.web.client import ResponseDone

from downloader import errors
from downloader.blocking import response as ours
from downloader.blocking import waiting
from downloader.blocking.response import Body, RawBody, Response
from downloader.blocking.waiting import Patience
from downloader.testing import AgentSpy

PIECES = [bytes([65 + number]) * 40_000 for number in range(5)]
DATA = b"".join(PIECES)
FILES = (ours.__file__, waiting.__file__)


class Here:
    """A loop whose thread is the caller's."""

    def post(self, call: Callable[..., object], *arguments: object) -> None:
        """Call it."""
        call(*arguments)

    def check(self) -> None:
        """It is alive."""


def opened(pieces: Iterable[bytes] = PIECES, whole: bool = False) -> tuple[Response, Any]:
    """A response that so much of has come, and its transport."""
    spy = AgentSpy()
    spy.request(b"GET", b"http://h/")
    answer = spy.requests[0].answer(200, length=len(DATA))
    body = Body(lambda error: errors.InternalError(), "http://h/")
    answer.deliverBody(body)
    for piece in pieces:
        body.dataReceived(piece)
    if whole:
        body.connectionLost(Failure(ResponseDone()))
    loop: Any = Here()
    return Response(answer, RawBody(body, Patience(loop, None, 0.1), 1.0)), answer.transport


def aborted(transport: Any) -> bool:
    return "abortConnection" in transport.calls


READS: dict[str, Callable[[Response], object]] = {
    "all": lambda response: response.read(),
    "much": lambda response: response.read(150_000),
    "little": lambda response: response.read(1000),
    "what is there": lambda response: response.read1(150_000),
    "into": lambda response: response.readinto(bytearray(150_000)),
    "into, once": lambda response: response.readinto1(bytearray(150_000)),
    "a line": lambda response: response.readline(),
    "lines": lambda response: next(response),
    "the raw file": lambda response: response.raw.read(150_000),
    "all of the raw file": lambda response: response.raw.readall(),
}


@pytest.mark.parametrize("read", READS.values(), ids=READS.keys())
def test_a_read(read: Callable[[Response], object]) -> None:
    """The connection is closed, or nothing was taken and all can still be read."""
    for number in count():
        interrupt = Interrupt(number, *FILES)
        response, transport = opened(whole=True)
        try:
            with interrupt.going():
                read(response)
            break
        except KeyboardInterrupt:
            pass
        if response.closed or response.raw.closed:
            assert aborted(transport), interrupt.place
        else:
            assert response.read() == DATA, interrupt.place
        response.close()
    assert number > 5
    response.close()


@pytest.mark.parametrize("way", ["close", "with"])
def test_a_close(way: str) -> None:
    """The connection is closed, at the latest when the response is forgotten."""
    for number in count():
        interrupt = Interrupt(number, *FILES)
        response, transport = opened(PIECES[:1])
        try:
            with interrupt.going():
                if way == "close":
                    response.close()
                else:
                    with response:
                        pass
        except KeyboardInterrupt:
            pass
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ResourceWarning)
            del response
        assert aborted(transport), interrupt.place
        if interrupt.place is None:
            break
    assert number > 2


FIRST = """
import os, sys, threading, time, traceback
from support.asking import hello
from support.interrupting import Interrupt
from downloader.blocking import loop, reactor, urlopen

# From Python 3.13 on, an interrupt that meets a finalizer is told of; nobody can heed it there.
sys.unraisablehook = lambda told: None
# What of Python's own can be interrupted without harm to itself.
BEGINNING = (threading.Thread.start.__code__, threading.Condition.wait.__code__)

def attempt(number):
    interrupt = Interrupt(number, loop.__file__, reactor.__file__, *BEGINNING)
    try:
        with interrupt.going():
            urlopen(sys.argv[1]).read()
    except KeyboardInterrupt:
        pass
    try:
        assert urlopen(sys.argv[1], timeout=5).read() == b"hello"
    except Exception as error:
        print(interrupt.place, repr(error), flush=True)
    for _ in range(100):  # threading does not know all that were begun
        if len(os.listdir("/proc/self/task")) == 2:
            break
        time.sleep(0.01)
    else:
        print(interrupt.place, "left a thread", flush=True)
    return interrupt.place is None

for number in range(1000):
    child = os.fork()
    if not child:
        try:
            os._exit(attempt(number))
        except BaseException:
            traceback.print_exc()
            os._exit(2)
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    if code:
        break
print(code, number > 20)
"""


async def test_the_first_call(scripted: Any, program: Any) -> None:
    """The thread that it was about to begin is no loss: the next call begins one."""
    server = scripted(hello)
    tests = Path(__file__).parent.parent
    child = program(FIRST, server.url(), PYTHONPATH=f"{tests.parent}{os.pathsep}{tests}")
    assert (await child.ended(), child.said) == (0, "1 True\n")
