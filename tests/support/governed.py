"""A governor, and jobs that start and end under it."""

from __future__ import annotations

from downloader.errors import ConnectError, DownloadError
from downloader.jobs import Limits, Retries
from downloader.sansio.governor import DOWN_AFTER, Governor, Host

Start = tuple[Host, int]


def growing(n: int) -> float:
    """A job's wait after n others."""
    return float(2**n)


def governor_of(
    total: int = 32,
    per_host: int | None = None,
    rate: float | None = None,
    delay: float | None = None,
    tries: int = 5,
    cap: float = 600.0,
    careful: bool = False,
) -> Governor:
    limits = Limits(total, per_host, rate=rate, per_host_delay=delay)
    return Governor(limits, Retries(tries, retry_after_cap=cap), growing, 0.0, careful)


def start(governor: Governor, name: str = "h", now: float = 0.0) -> Start:
    assert governor.wait_of(name, now) == 0.0
    host = governor.start(name, now)
    return host, host.started


def end(governor: Governor, one: Start, error: DownloadError | None = None, now: float = 0) -> None:
    if error is not None:
        governor.failed(*one, error, now)
    governor.ended(*one, good=error is None)


def most(governor: Governor, name: str = "h", now: float = 0.0) -> int:
    """How many more jobs of the host may start."""
    there = []
    while governor.wait_of(name, now) == 0.0:
        there.append(start(governor, name, now))
    for host, number in there:
        governor.ended(host, number, good=False)
    return len(there)


def bring_down(governor: Governor, name: str = "h", now: float = 0.0) -> None:
    for _ in range(DOWN_AFTER):
        end(governor, start(governor, name, now), ConnectError("refused"), now)
