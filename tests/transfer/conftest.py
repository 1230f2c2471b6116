"""What tests of transfers share: a folder, and a Downloader on a clock with a spied agent."""

from __future__ import annotations

from collections.abc import Callable, Generator
from pathlib import Path

import pytest
from support.spied import Time, downloaders

from downloader import Downloader
from downloader.testing import AgentSpy
from downloader.transfer.disks import Disks
from downloader.transfer.folder import Folder, Folders
from downloader.transfer.system import SYSTEM, System


@pytest.fixture
def folder(tmp_path: Path, system: System) -> Generator[Folder, None, None]:
    """The directory `out`, open."""
    opened = Folder(str(tmp_path / "out"), system)
    yield opened
    opened.close()


@pytest.fixture
def folders(clock: Time) -> Generator[Folders, None, None]:
    """Folders whose files are in memory, as far as they know."""
    kept = Folders(Disks(clock, seconds=clock.seconds, in_memory=lambda device: True))
    yield kept
    kept.close()


@pytest.fixture
def clock() -> Time:
    """The time, which stands still until `advance`."""
    return Time()


@pytest.fixture
def spy() -> AgentSpy:
    """An agent that asks nobody."""
    return AgentSpy()


@pytest.fixture
def system() -> System:
    """The system calls on files."""
    return SYSTEM


@pytest.fixture
def make(
    clock: Time, spy: AgentSpy, system: System
) -> Generator[Callable[..., Downloader], None, None]:
    """Make a Downloader over `spy` on `clock`."""
    with downloaders(clock, spy, system) as one:
        yield one


@pytest.fixture
def out(tmp_path: Path) -> str:
    """Where files go; not there yet."""
    return str(tmp_path / "out")
