"""The object a program holds: what it shares, and that closing it ends everything."""

from __future__ import annotations

import subprocess
import sys
import warnings
from collections.abc import Callable, Generator
from pathlib import Path
from typing import Any

import pytest
import pytest_twisted
from support.spied import Time, downloaders
from twisted.internet.defer import CancelledError, Deferred
from twisted.python.failure import Failure

from downloader import Downloader, Job, Limits, Timeouts
from downloader._version import __version__
from downloader.errors import Closed, FirstByteTimeout
from downloader.http1.redirect import RedirectAgent
from downloader.sansio.product import user_agent
from downloader.testing import AgentSpy, End, content, head, mute

Make = Callable[..., Downloader]


@pytest.fixture
def clock() -> Time:
    return Time()


@pytest.fixture
def spy() -> AgentSpy:
    return AgentSpy()


@pytest.fixture
def make(clock: Time, spy: AgentSpy) -> Generator[Make, None, None]:
    with downloaders(clock, spy) as one:
        yield one


def outcome(fetching: Deferred[Any]) -> Any:
    found: list[Any] = []
    fetching.addBoth(found.append)
    (result,) = found
    return result.value if isinstance(result, Failure) else result


def test_importing_it_imports_no_reactor() -> None:
    """A program may install one of its own choice after it."""
    code = "import sys, downloader; print('twisted.internet.reactor' in sys.modules)"
    command = [sys.executable, "-c", code]
    assert subprocess.run(command, capture_output=True, text=True).stdout == "False\n"


def test_it_shows_its_state(make: Make) -> None:
    downloader = make()
    downloader.fetch(Job("http://h/")).addErrback(lambda f: f.trap(CancelledError))
    assert repr(downloader) == "<Downloader 1 running>"
    downloader.close()
    assert repr(downloader) == "<Downloader closed>"


def test_an_agent_is_used_as_it_is(make: Make, spy: AgentSpy) -> None:
    assert make().agent is spy


def test_without_one_it_makes_its_own(make: Make) -> None:
    assert isinstance(make(agent=None).agent, RedirectAgent)


def test_it_says_who_it_is(make: Make, spy: AgentSpy) -> None:
    fetching = make().fetch(Job("http://h/"))
    fetching.addErrback(lambda f: f.trap(CancelledError))
    headers = dict(spy.requests[0].headers.getAllRawHeaders())
    assert headers == {
        b"User-Agent": [user_agent(__version__).encode()],
        b"Accept": [b"*/*"],
        b"Accept-Encoding": [b"identity"],
    }
    fetching.cancel()


def test_it_says_whom_to_write_to(make: Make, spy: AgentSpy) -> None:
    """In every request, unless the caller gives it another name; what is no contact is refused."""
    for headers in ([], [("user-agent", "mine")]):
        fetching = make(contact="http://example.org/", headers=headers).fetch(Job("http://h/"))
        fetching.addErrback(lambda f: f.trap(CancelledError))
        fetching.cancel()
    found = [request.headers.getRawHeaders(b"user-agent") for request in spy.requests]
    assert found == [[user_agent(__version__, "http://example.org/").encode()], [b"mine"]]
    with pytest.raises(ValueError, match="neither"):
        Downloader(Time(), agent=spy, contact="me")


def test_closing_twice(make: Make, clock: Time) -> None:
    downloader = make()
    assert len(clock.triggers) == 1
    assert outcome(downloader.close()) is None
    assert clock.triggers == []
    assert outcome(downloader.close()) is None


def test_after_closing_nothing_begins(make: Make, spy: AgentSpy) -> None:
    downloader = make()
    downloader.close()
    assert isinstance(outcome(downloader.fetch(Job("http://h/"))), Closed)
    assert isinstance(outcome(downloader.fetch_all([Job("http://h/")])), Closed)
    assert spy.requests == []


def test_closing_from_inside_a_callback(make: Make, spy: AgentSpy) -> None:
    """The jobs that wait for a slot end too, and none of them begins meanwhile."""
    downloader = make(limits=Limits(total=1))
    ended: list[Any] = []
    for n in range(10):
        fetching = downloader.fetch(Job(f"http://h/{n}"))
        fetching.addErrback(lambda failure: ended.append(failure.type))
        fetching.addBoth(lambda _: downloader.close())
    spy.requests[0].answer(404, length=0).finish()
    assert len(ended) == 10
    assert ended.count(CancelledError) == 9
    assert all(request.cancelled for request in spy.requests[1:])
    assert len(spy.requests) == 2  # the slot went on before the callback was called


def test_the_reactors_shutdown_closes_it(make: Make, clock: Time, spy: AgentSpy) -> None:
    """As the reactor does it: the trigger is called, and is then no more to be removed."""
    downloader = make()
    fetching = downloader.fetch(Job("http://h/"))
    (trigger,) = clock.triggers
    clock.triggers.remove(trigger)
    assert trigger().called
    assert isinstance(outcome(fetching), CancelledError)
    assert repr(downloader) == "<Downloader closed>"


@pytest_twisted.ensureDeferred
async def test_a_program_that_ends_while_it_fetches(scripted: Any, tmp_path: Path) -> None:
    """A real reactor, stopped: the transfer ends with a RST, its bytes are kept, no warning."""
    server = scripted([head, b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc", mute])
    code = """
import sys, pathlib
from twisted.internet import reactor
from downloader import Downloader, Job
fetching = Downloader(reactor).fetch(Job(sys.argv[1], sys.argv[2]))
fetching.addErrback(lambda f: print(f.type.__name__))
part = pathlib.Path(sys.argv[2], "a.part")
def look():
    if part.exists() and part.stat().st_size == 3: reactor.stop()
    else: reactor.callLater(0.01, look)
reactor.callWhenRunning(look)
reactor.run()
"""
    command = [sys.executable, "-W", "error", "-c", code, server.url("/a"), str(tmp_path)]
    child = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        connection = await server.arrived()
        assert await connection.ended() is End.RST
    finally:
        said = child.communicate(timeout=20)
    assert said == ("CancelledError\n", "")
    assert child.returncode == 0
    assert (tmp_path / "a.part").read_bytes() == b"abc"


@pytest_twisted.ensureDeferred
async def test_fetch_and_treq_share_its_connections(
    reactor: Any, origin: Any, tmp_path: Path
) -> None:
    downloader = Downloader(reactor)
    url, data = origin.add("/a", 10_000), b"".join(content("/a", 10_000))
    result = await downloader.fetch(Job(url, str(tmp_path)))
    response = await downloader.http.get(url)
    assert await response.content() == (tmp_path / "a").read_bytes() == data
    assert result.bytes == 10_000
    assert len(origin.connections) == 1
    await downloader.close()
    await origin.closed_all()


def test_treq_waits_for_no_agent_without_end(make: Make, clock: Time) -> None:
    """Nor is a cancelled request of another agent anything but cancelled."""
    http = make(timeouts=Timeouts(connect=10, first_byte=20)).http
    late, cancelled = http.get("http://a/"), http.get("http://a/")
    cancelled.cancel()
    assert isinstance(outcome(cancelled), CancelledError)
    clock.advance(29)
    assert not late.called
    clock.advance(1)
    assert isinstance(outcome(late), FirstByteTimeout)


@pytest.mark.parametrize("bad", [{"total": 0}, {"per_host": -1}, {"connections_per_host": 0}])
def test_limits_that_let_nothing_run(bad: dict[str, int]) -> None:
    with pytest.raises(ValueError, match="at least 1"):
        Limits(**bad)


@pytest_twisted.ensureDeferred
async def test_no_trigger_is_removed_twice(reactor: Any) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        downloader = Downloader(reactor)
        await downloader.close()
        await downloader.close()
