"""Agents that are closed with their test, and a reactor whose time the test advances."""

from __future__ import annotations

from collections.abc import Callable, Generator
from typing import Any

import pytest
import pytest_twisted
from twisted.internet.task import Clock

from downloader.http1.agent import Agent


@pytest.fixture
def make_agent(reactor: Any) -> Generator[Callable[..., Agent], None, None]:
    """Make an `Agent` with these options; `over` is a reactor to use in place of the real one."""
    agents: list[Agent] = []

    def make(*, over: Any = None, **options: Any) -> Agent:
        agents.append(Agent(over or reactor, **options))
        return agents[-1]

    yield make
    for agent in agents:
        pytest_twisted.blockon(agent.close())
        assert repr(agent) == "<Agent <Pool []>>"


@pytest.fixture
def agent(make_agent: Callable[..., Agent]) -> Agent:
    """An agent as it comes."""
    return make_agent()


class ClockedReactor:
    """The real sockets, and the time of `clock`."""

    def __init__(self, reactor: Any) -> None:
        self.clock = Clock()
        self.callLater = self.clock.callLater
        self.seconds = self.clock.seconds
        self._reactor = reactor

    def __getattr__(self, name: str) -> Any:
        return getattr(self._reactor, name)


@pytest.fixture
def clocked(reactor: Any) -> ClockedReactor:
    """A reactor with real sockets and a clock of its own."""
    return ClockedReactor(reactor)
