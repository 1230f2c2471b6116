"""What tests of transfers share: a folder, and a Downloader on a clock with a spied agent."""

from __future__ import annotations

from collections.abc import Callable, Generator
from pathlib import Path
from typing import Any

import pytest
from twisted.internet.task import Clock

from downloader import Downloader
from downloader.testing import AgentSpy
from downloader.transfer.folder import Folder


class Time(Clock):
    """A clock that is a reactor as far as a Downloader with an agent of its own needs one."""

    def __init__(self) -> None:
        super().__init__()
        self.triggers: list[Callable[[], Any]] = []

    def addSystemEventTrigger(self, phase: str, event: str, call: Callable[[], Any]) -> Any:
        assert (phase, event) == ("before", "shutdown")
        self.triggers.append(call)
        return call

    def removeSystemEventTrigger(self, trigger: Any) -> None:
        self.triggers.remove(trigger)


@pytest.fixture
def folder(tmp_path: Path) -> Generator[Folder, None, None]:
    """The directory `out`, open."""
    opened = Folder(str(tmp_path / "out"))
    yield opened
    opened.close()


@pytest.fixture
def clock() -> Time:
    """The time, which stands still until `advance`."""
    return Time()


@pytest.fixture
def spy() -> AgentSpy:
    """An agent that asks nobody."""
    return AgentSpy()


@pytest.fixture
def make(clock: Time, spy: AgentSpy) -> Generator[Callable[..., Downloader], None, None]:
    """Make a Downloader over `spy` on `clock`. When it is closed nothing may be left of it."""
    made: list[Downloader] = []

    def one(**options: Any) -> Downloader:
        made.append(Downloader(clock, **{"agent": spy, **options}))
        return made[-1]

    yield one
    for downloader in made:
        assert downloader.close().called
        assert downloader.limiter.idle
        assert list(downloader.active()) == []
    assert clock.getDelayedCalls() == []
    assert clock.triggers == []
