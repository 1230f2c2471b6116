"""Downloaders on a clock that stands still, over an agent that asks nobody."""

from __future__ import annotations

from collections.abc import Callable, Generator
from contextlib import contextmanager
from typing import Any

from twisted.internet.task import Clock

from downloader import Downloader
from downloader.testing import AgentSpy
from downloader.transfer.disks import Disks
from downloader.transfer.system import SYSTEM, System


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


@contextmanager
def downloaders(
    clock: Time, spy: AgentSpy, system: System = SYSTEM
) -> Generator[Callable[..., Downloader], None, None]:
    """Make Downloaders over `spy` on `clock`. Once they are closed nothing may be left of them."""
    made: list[Downloader] = []

    def one(**options: Any) -> Downloader:
        # In memory: no threads.
        disks = Disks(clock, seconds=clock.seconds, in_memory=lambda device: True, system=system)
        made.append(Downloader(clock, **{"agent": spy, "disks": disks, **options}))
        return made[-1]

    yield one
    for downloader in made:
        assert downloader.close().called
        assert downloader.limiter.idle
        assert list(downloader.active()) == []
    assert clock.getDelayedCalls() == []
    assert clock.triggers == []
