"""The service fetches its list, stops clean, and goes on when it is started again."""

from __future__ import annotations

from collections.abc import Generator
from pathlib import Path
from typing import Any

import pytest
import pytest_twisted
from twisted.logger import LogEvent, formatEvent, globalLogPublisher

from downloader import Downloader, Limits, OnConflict, Timeouts
from downloader.service.lists import DownloadService
from downloader.testing import End, Origin


class Log:
    """What the service logs, as lines."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def __call__(self, event: LogEvent) -> None:
        if event.get("log_namespace", "").startswith("downloader.service"):
            self.lines.append(formatEvent(event))


@pytest.fixture
def log() -> Generator[Log, None, None]:
    log = Log()
    globalLogPublisher.addObserver(log)
    yield log
    globalLogPublisher.removeObserver(log)


@pytest.fixture
def service(reactor: Any, tmp_path: Path) -> Generator[DownloadService, None, None]:
    def make_downloader() -> Downloader:
        return Downloader(
            reactor, limits=Limits(4), timeouts=Timeouts(total=5), on_conflict=OnConflict.SKIP
        )

    service = DownloadService(
        reactor, str(tmp_path / "list"), str(tmp_path / "out"), make_downloader
    )
    yield service
    pytest_twisted.blockon(service.stopService())


async def test_a_list_is_fetched(
    service: DownloadService, until: Any, origin: Origin, tmp_path: Path, log: Log
) -> None:
    """What fails and what is no URL is logged, and the sum; the service stays up."""
    urls = [origin.add("/a", 5), "no url", origin.url("/none?token=s3cret")]
    (tmp_path / "list").write_text("\n".join(urls))
    service.startService()
    await until(lambda: any(line.startswith("done: ") for line in log.lines))
    assert (tmp_path / "out" / "a").stat().st_size == 5
    failure = f"failed: {origin.url('/none')}?token=***: The server has no such file"
    assert any(line.startswith(failure) for line in log.lines)
    assert any(line.startswith("line 2 is left out: ") for line in log.lines)
    assert log.lines[-1].startswith("done: 1 complete, 1 failed, 1 invalid, ")
    assert service.running


async def test_a_stop_ends_everything_and_a_start_goes_on(
    service: DownloadService, until: Any, origin: Origin, tmp_path: Path, log: Log
) -> None:
    """Sockets are closed when the stop is over; complete files are not fetched again."""
    urls = [origin.add("/a", 5), origin.add_silent("/b"), origin.add_silent("/c")]
    (tmp_path / "list").write_text("\n".join(urls))
    service.startService()
    await until(lambda: origin.silent == 2 and (tmp_path / "out" / "a").exists())
    await service.stopService()
    assert log.lines[-1].startswith("stopped: 1 complete, 2 pending, ")
    await until(lambda: not origin.open)
    assert origin.silent_ends == {End.RST: 2}
    origin.add("/b", 6)
    origin.add("/c", 7)
    service.startService()
    await until(lambda: any(line.startswith("done: ") for line in log.lines))
    assert log.lines[-1].startswith("done: 2 complete, 1 skipped, ")
    assert origin.requests["/a"] == 1
    assert {file.name for file in (tmp_path / "out").iterdir()} == {"a", "b", "c"}


async def test_a_start_waits_for_the_stop_before_it(
    service: DownloadService, until: Any, origin: Origin, tmp_path: Path, log: Log
) -> None:
    """Two runs never write the same files."""
    (tmp_path / "list").write_text(origin.add_silent("/a"))
    service.startService()
    await until(lambda: origin.silent == 1)
    stopped = service.stopService()
    origin.add("/a", 5)
    service.startService()
    await stopped
    await until(lambda: any(line.startswith("done: 1 complete") for line in log.lines))
    words = [line.split()[0] for line in log.lines]
    assert words == ["fetching", "stopped:", "fetching", "done:"]


async def test_a_start_that_is_stopped_while_it_waits_does_nothing(
    service: DownloadService, until: Any, origin: Origin, tmp_path: Path, log: Log
) -> None:
    """The last word counts."""
    (tmp_path / "list").write_text(origin.add_silent("/a"))
    service.startService()
    await until(lambda: origin.silent == 1)
    service.stopService()
    service.startService()
    await service.stopService()
    await until(lambda: not origin.open)
    words = [line.split()[0] for line in log.lines]
    assert words.count("fetching") == words.count("stopped:") > 0
    assert words[-1] == "stopped:"


async def test_a_stop_without_a_start_is_over_at_once(service: DownloadService) -> None:
    """twistd may end before it has begun."""
    await service.stopService()


async def test_a_list_that_is_gone_is_logged(
    service: DownloadService, until: Any, log: Log, logged_failures: Any
) -> None:
    """It was there when the options were read."""
    service.startService()
    await until(lambda: log.lines)
    assert log.lines[0].endswith("No such file or directory")
    logged_failures.flush()


async def test_the_state_shows(service: DownloadService, origin: Origin, tmp_path: Path) -> None:
    """In its repr."""
    (tmp_path / "list").write_text(origin.add_silent("/a"))
    assert "idle" in repr(service)
    service.startService()
    assert "running" in repr(service)
