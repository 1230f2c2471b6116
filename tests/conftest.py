"""Fixtures for the whole suite: real servers that stop with their test, and no test unwatched.

`support.time_limit` ends tests that hang; `support.clean` fails tests that leave something.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Generator
from pathlib import Path
from typing import Any

import hypothesis
import pytest
import pytest_twisted
from support.ca import Authority
from support.nginx import Nginx, find_nginx
from twisted.logger import LogEvent, LogLevel, formatEvent, globalLogPublisher

from downloader.testing import FullListener, HttpProxy, Origin, ScriptedServer, SocksProxy

# For `benchmarks`, which is not installed; last, so that an installed downloader is what is tested.
sys.path.append(str(Path(__file__).parent.parent))

# A machine that is busy with other things is no failure.
hypothesis.settings.register_profile("ours", deadline=None)
hypothesis.settings.load_profile("ours")

pytest_plugins = (
    "support.clean",
    "support.commands",
    "support.bench",
    "support.hanging",
    "support.latencies",
    "support.served",
    "support.time_limit",
)


# The command obeys them, and so would the tests' own servers be asked through somebody's proxy.
for name in [name for name in os.environ if name.lower().endswith("_proxy")]:
    del os.environ[name]


@pytest.fixture(scope="session")
def ca(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    """A certificate authority: `server()` for TLS servers, `pem` and `trust_root` for clients."""
    return Authority(tmp_path_factory.mktemp("ca"))


@pytest.fixture
def scripted(reactor: Any) -> Generator[Callable[..., ScriptedServer], None, None]:
    """Start a `ScriptedServer`: `scripted(script, tls=None)`, as often as the test wants."""
    servers: list[ScriptedServer] = []

    def start(script: Any, **options: Any) -> ScriptedServer:
        servers.append(ScriptedServer(reactor, script, **options))
        return servers[-1]

    yield start
    for server in servers:
        pytest_twisted.blockon(server.stop())


@pytest.fixture
def http_proxy(reactor: Any) -> Generator[Callable[..., HttpProxy], None, None]:
    """Start an `HttpProxy`: `http_proxy(login=None)`."""
    yield from started(reactor, HttpProxy)


@pytest.fixture
def socks_proxy(reactor: Any) -> Generator[Callable[..., SocksProxy], None, None]:
    """Start a `SocksProxy`: `socks_proxy(login=None)`."""
    yield from started(reactor, SocksProxy)


def started(reactor: Any, kind: Any) -> Generator[Callable[..., Any], None, None]:
    """A function that starts servers of this kind, which stop with the test."""
    servers: list[Any] = []

    def start(**options: Any) -> Any:
        servers.append(kind(reactor, **options))
        return servers[-1]

    yield start
    for server in servers:
        pytest_twisted.blockon(server.stop())


@pytest.fixture
def warnings() -> Generator[list[str], None, None]:
    """The warnings that are logged."""
    texts: list[str] = []

    def observe(event: LogEvent) -> None:
        if event["log_level"] is LogLevel.warn:
            texts.append(formatEvent(event))

    globalLogPublisher.addObserver(observe)
    yield texts
    globalLogPublisher.removeObserver(observe)


@pytest.fixture
def origin(reactor: Any) -> Generator[Origin, None, None]:
    """A well-behaved HTTP origin."""
    server = Origin(reactor)
    yield server
    pytest_twisted.blockon(server.stop())


@pytest.fixture
def full_listener() -> Generator[FullListener, None, None]:
    """A listener to which a connect never gets through."""
    with FullListener() as listener:
        yield listener


@pytest.fixture(scope="session")
def nginx(ca: Authority, tmp_path_factory: pytest.TempPathFactory) -> Generator[Nginx, None, None]:
    """A real nginx for the whole run; tests write below its `root`, each in its own folder."""
    program = find_nginx()
    if program is None:
        missing = "nginx is not installed; on Debian: apt-get install nginx"
        if os.environ.get("CI"):
            pytest.fail(missing, pytrace=False)
        pytest.skip(missing)
    server = Nginx(program, tmp_path_factory.mktemp("nginx"), ca)
    yield server
    server.stop()
