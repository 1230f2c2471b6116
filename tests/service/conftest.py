"""What the service's tests share; `served` is in tests/support."""

from __future__ import annotations

import os
from collections.abc import Callable, Generator
from typing import Any

import pytest
import pytest_twisted
from support.browsing import Browser, Visit, find_chromium, log_in
from support.calling import Rpc
from support.served import Served
from twisted.internet.defer import Deferred


@pytest.fixture
def rpc(served: Callable[..., Any]) -> Callable[..., Any]:
    """Start a service, to be asked as aria2 is: `await rpc(limits=...)`."""

    async def start(**options: Any) -> Rpc:
        return Rpc(await served(**options))

    return start


@pytest.fixture(scope="session")
def browser(reactor: Any) -> Generator[Browser, None, None]:
    """The system's Chromium, for the whole run."""
    program = find_chromium()
    if program is None:
        missing = "chromium is not installed; on Debian: apt-get install chromium"
        if os.environ.get("CI"):
            pytest.fail(missing, pytrace=False)
        pytest.skip(missing)
    running = Browser(reactor, program)
    yield running
    running.stop()


@pytest.fixture
def visit(served: Any, browser: Browser) -> Generator[Callable[..., Any], None, None]:
    """Open a service's page: `await visit(s)` with its token, `token=""` without one. The browser
    may not complain of it in the end."""
    visits: list[Visit] = []

    async def start(s: Served, token: str | None = None, path: str = "/", **options: Any) -> Visit:
        visits.append(Visit(browser, f"http://127.0.0.1:{s.port}"))
        await visits[-1].open(path, **options)
        if token != "":
            await visits[-1].do(log_in(token or s.token))
        return visits[-1]

    yield start
    for one in visits:
        pytest_twisted.blockon(Deferred.fromCoroutine(one.close()))
        assert one.complaints == []
